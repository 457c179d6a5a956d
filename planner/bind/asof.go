package bind

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// times is an AS OF with its KNOWN AT, bound as seen from a row at depth.
type times struct {
	at, known fqgw.Expr // at nil: now; known nil: at
	depth     int
}

// times binds AS OF at KNOWN AT known (nil: none) in sc.
func (b *Binder) times(at, known *pg.Node, sc *Scope) (*times, error) {
	t := &times{depth: sc.depth}
	var err error
	if t.at, err = b.instant(at, sc, "AS OF"); err != nil {
		return nil, err
	}
	if known != nil {
		t.known, err = b.instant(known, sc, "KNOWN AT")
	}
	return t, err
}

// timesOf is times for the arguments of the parser's __fq_asof(at, known).
func (b *Binder) timesOf(args []*pg.Node, sc *Scope) (*times, error) {
	if len(args) > 1 {
		return b.times(args[0], args[1], sc)
	}
	return b.times(args[0], nil, sc)
}

// instant binds a time as timestamptz; a timestamp without zone and a date are
// UTC (SEMANTICS, Times).
func (b *Binder) instant(n *pg.Node, sc *Scope, what string) (fqgw.Expr, error) {
	e, err := b.bind(n, &clause{sc: sc, name: what})
	if err != nil {
		return nil, err
	}
	switch t := e.Type().Base(); t {
	case fqgw.Timestamptz:
	case fqgw.Unknown:
		e, err = expr.Cast(e, fqgw.Timestamptz, expr.Implicit)
	case fqgw.Timestamp, fqgw.Date:
		if e, err = expr.Cast(e, fqgw.Timestamp, expr.Implicit); err == nil {
			e, err = expr.Func("timezone", []fqgw.Expr{&expr.Const{Val: fqgw.TextValue("UTC"), Typ: fqgw.Text}, e})
		}
	default:
		err = fqgw.Errorf(fqgw.CodeDatatypeMismatch, "argument of %s must be type timestamp with time zone, not type %s", what, t)
	}
	return e, b.at(err, location(n), n)
}

// in gives the times for an expression in sc, which lies at or below the row
// where they were bound.
func (t *times) in(sc *Scope) (at, known fqgw.Expr) {
	if t == nil || t.at == nil {
		return nil, nil
	}
	if !plan.Varies(t.at) && (t.known == nil || !plan.Varies(t.known)) {
		return t.at, t.known
	}
	for s := sc.site; s != nil && s.depth > 0; s = s.site {
		s.crossed = true
	}
	move := plan.Outward(0, sc.depth-t.depth)
	at = plan.MapColumns(t.at, 0, move)
	if t.known != nil {
		known = plan.MapColumns(t.known, 0, move)
	}
	return at, known
}
