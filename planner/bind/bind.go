// Package bind turns PostgreSQL's parse tree into plan nodes: names, types,
// parameters, column names and errors by PostgreSQL's rules, and the feature
// views, AS OF and feature services of SEMANTICS §4 and §5. It does no I/O: the
// catalog and the system relations are handed in.
package bind

import (
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// Binder binds one statement. It is used once, by one goroutine.
type Binder struct {
	Catalog *fqgw.Catalog
	// System finds a system relation; schema "" asks for the ones that need no
	// schema (pg_catalog). nil: there are none.
	System func(schema, name string) *plan.SystemRelation
	// Temp finds a temporary table of the session. nil: there are none.
	Temp       func(name string) *fqgw.Table
	SearchPath []string // nil: public
	Params     *Params  // nil: parameters are refused (42P02)
	// AsOfDefault is the time of every feature view that names none itself; nil
	// is now. It is constant over the statement.
	AsOfDefault fqgw.Expr
	// Definition binds row expressions of definitions: now(), volatile functions,
	// what asks the session, parameters and subqueries are refused (SEMANTICS §2.4).
	Definition bool
	Expanded   func(v *fqgw.View) // told of every plain view that is read; may be nil
	// Used is told of every relation of the catalog that is named, in the texts of
	// plain views too, and of temporary tables; may be nil.
	Used func(relation any)
	// Routed is told how a view was bound: as a feature service, or as the plain
	// SQL that it is; may be nil.
	Routed func(view string, service bool)
	Stmt   *parse.Statement // for positions; nil gives errors without one

	places   map[*expr.Column]int32    // where columns were named, for errors found later
	records  map[fqgw.Expr][]relColumn // the fields of references to columns that are records
	ctes     []*cte                    // being bound, the innermost last
	subplans int
	views    []string // plain views being expanded, against cycles
}

// Query binds a SELECT or VALUES. Columns that stay untyped become text.
func (b *Binder) Query(n *pg.Node) (plan.Node, error) {
	sel, err := b.selectOf(n)
	if err != nil {
		return nil, err
	}
	root, err := b.root()
	if err != nil {
		return nil, err
	}
	q, err := b.query(sel, root, nil, false)
	if err != nil {
		return nil, err
	}
	return q.node, nil
}

// QueryInto binds the query of an INSERT whose target columns are cols, in the
// order of the column list: untyped literals and parameters take the target's
// type, other values are cast as an assignment does (42804), DEFAULT in VALUES
// is NULL, and the result has columns of just those types. A query of more
// columns is 42601, and so is one of fewer unless short is set (the INSERT has
// no column list): then the result has as many as the query.
func (b *Binder) QueryInto(n *pg.Node, cols []fqgw.Column, short bool) (plan.Node, error) {
	sel, err := b.selectOf(n)
	if err != nil {
		return nil, err
	}
	root, err := b.root()
	if err != nil {
		return nil, err
	}
	return b.queryInto(sel, root, cols, short)
}

// Expr binds a scalar expression whose names are those of the scope; nil scope:
// none. Aggregates, window functions and set-returning functions are refused.
func (b *Binder) Expr(n *pg.Node, sc *Scope) (fqgw.Expr, error) {
	if sc == nil {
		sc = &Scope{depth: 1, plain: true}
	}
	name := "this expression"
	if b.Definition {
		name = "a definition"
	}
	e, err := b.bind(n, &clause{sc: sc, name: name})
	if err != nil {
		return nil, err
	}
	if b.Definition && (expr.Volatile(e) || expr.MentionsNow(e) || expr.AsksSession(e)) {
		return nil, b.fail(location(n), fqgw.CodeInvalidDefinition, "an expression of a definition must depend on its row alone: %s", e)
	}
	return e, nil
}

func (b *Binder) selectOf(n *pg.Node) (*pg.SelectStmt, error) {
	if sel := n.GetSelectStmt(); sel != nil {
		return sel, nil
	}
	return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "only SELECT and VALUES give rows")
}

// root is the scope around the statement. It holds the AS OF of all feature
// views without their own: the statement's, else the session's.
func (b *Binder) root() (*Scope, error) {
	sc := &Scope{rowless: true, times: &times{at: b.AsOfDefault}}
	if b.Stmt == nil || b.Stmt.AsOf == nil {
		return sc, nil
	}
	t, err := b.times(b.Stmt.AsOf, b.Stmt.KnownAt, (*Scope)(nil).inner())
	if err != nil {
		return nil, err
	}
	t.depth = 0
	sc.times = t
	return sc, nil
}

// pos is the character of a byte location in the user's text.
func (b *Binder) pos(loc int32) int {
	if b.Stmt == nil || loc < 0 {
		return 0
	}
	return b.Stmt.Pos(loc)
}

func (b *Binder) fail(loc int32, code fqgw.Code, format string, args ...any) *fqgw.Error {
	return fqgw.Errorf(code, format, args...).At(b.pos(loc))
}

// at gives an error of another room its position: that of the literal among
// args when it was one that could not be read, else loc.
func (b *Binder) at(err error, loc int32, args ...*pg.Node) error {
	if err == nil {
		return nil
	}
	e := fqgw.AsError(err)
	if strings.HasPrefix(string(e.Code), "22") {
		for _, a := range args {
			if c := a.GetAConst(); c.GetSval() != nil {
				loc = c.Location
				break
			}
		}
	}
	return e.At(b.pos(loc))
}
