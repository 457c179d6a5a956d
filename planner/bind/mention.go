package bind

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// mentions are the names that a SELECT uses anywhere: relations leave out the
// columns that nothing mentions. It says yes too often rather than too rarely.
type mentions struct {
	all   bool            // * or NATURAL
	stars map[string]bool // t.*
	names map[string]bool
	alone map[string]bool // without a qualifier: a column or a whole row
	// values are the columns, as rel.col or .col, that are named otherwise than to
	// equate them in ON; merged are those that USING makes one of two.
	values, merged map[string]bool
	joins          map[string]bool // the aliases of joins
	// probes are the calls of feature_status() and its kin.
	probes []probe
}

type probe struct {
	kind     string // "feature_status", "feature_time", "feature_token"
	rel, col string
}

// mentioned walks the SELECT with its subqueries, whose unqualified * are their own.
func mentioned(s *pg.SelectStmt) *mentions {
	m := &mentions{stars: map[string]bool{}, names: map[string]bool{}, alone: map[string]bool{}, values: map[string]bool{}, merged: map[string]bool{}, joins: map[string]bool{}}
	selectChildren(s, func(n *pg.Node) {
		if n != nil {
			m.walk(n, 0)
		}
	})
	return m
}

func (m *mentions) walk(n *pg.Node, depth int) {
	switch x := n.Node.(type) {
	case *pg.Node_ColumnRef:
		m.column(x.ColumnRef, depth)
		if names := strs(x.ColumnRef.Fields); len(names) > 0 {
			rel := ""
			if len(names) > 1 {
				rel = names[len(names)-2]
			}
			m.values[rel+"."+names[len(names)-1]] = true
		}
		return
	case *pg.Node_SelectStmt:
		depth++
	case *pg.Node_JoinExpr:
		m.all = m.all || x.JoinExpr.IsNatural && depth == 0
		m.joins[x.JoinExpr.GetAlias().GetAliasname()] = true
		for _, name := range strs(x.JoinExpr.UsingClause) {
			m.names[name], m.merged[name] = true, true
		}
		for _, c := range equalities(x.JoinExpr.Quals) {
			for _, side := range []*pg.Node{c.GetAExpr().GetLexpr(), c.GetAExpr().GetRexpr()} {
				if _, star := isStar(side); !star && side.GetColumnRef() != nil && equates(c) {
					m.column(side.GetColumnRef(), depth)
					continue
				}
				if side != nil {
					m.walk(side, depth)
				}
			}
			if c.GetAExpr() == nil {
				m.walk(c, depth)
			}
		}
		m.walk(x.JoinExpr.Larg, depth)
		m.walk(x.JoinExpr.Rarg, depth)
		return
	case *pg.Node_AIndirection:
		for _, i := range x.AIndirection.Indirection {
			if i.GetAStar() != nil {
				m.all = true
			}
		}
	case *pg.Node_FuncCall:
		if p, ok := probeOf(x.FuncCall); ok {
			m.probes = append(m.probes, p)
			return
		}
	}
	children(n, func(c *pg.Node) { m.walk(c, depth) })
}

func (m *mentions) column(ref *pg.ColumnRef, depth int) {
	rel := ""
	for i, f := range ref.Fields {
		if s := f.GetString_(); s != nil {
			m.names[s.Sval] = true
			if rel = s.Sval; len(ref.Fields) == 1 {
				m.alone[rel] = true
			}
			continue
		}
		if i == 0 {
			m.all = m.all || depth == 0
		} else {
			m.stars[rel] = true
		}
	}
}

// probeOf recognizes feature_status(f.x), feature_time(f.x), feature_token(f).
func probeOf(f *pg.FuncCall) (probe, bool) {
	p := probe{kind: strings.ToLower(lastName(f.Funcname))}
	switch p.kind {
	case "feature_status", "feature_time", "feature_token":
	default:
		return p, false
	}
	if len(f.Args) != 1 || f.Args[0].GetColumnRef() == nil {
		return p, false
	}
	if _, star := isStar(f.Args[0]); star {
		return p, false
	}
	names := strs(f.Args[0].GetColumnRef().Fields)
	if p.kind == "feature_token" {
		p.rel = names[len(names)-1]
		return p, true
	}
	if p.col = names[len(names)-1]; len(names) > 1 {
		p.rel = names[len(names)-2]
	}
	return p, true
}

// needs says whether column col of the relation named rel may be used; its own
// name alone stands for the whole row.
func (m *mentions) needs(rel, col string) bool {
	return m == nil || m.all || m.stars[rel] || m.names[col] || m.alone[rel]
}

// reads says whether a column's value may be used, beyond being equated in a join.
func (m *mentions) reads(rel, col string) bool {
	return m == nil || m.all || m.stars[rel] || m.alone[rel] || m.values[rel+"."+col] || m.values["."+col] && !m.merged[col]
}

// asks says whether p may be about a column of the relation named rel.
func (m *mentions) asks(p probe, rel string) bool {
	return p.rel == "" || p.rel == rel || m.joins[p.rel]
}
