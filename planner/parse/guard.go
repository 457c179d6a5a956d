package parse

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
)

// unguarded is the length up to which a text cannot hold enough to be
// dangerous, so that it is not scanned for the guard.
const unguarded = 1 << 10

// token is one token of PostgreSQL's scanner; comments are left out.
type token struct {
	start, end int
	kind       pg.Token
	word       pg.KeywordKind
}

func scan(sql string) ([]token, error) {
	res, err := pgScan(sql)
	if err != nil {
		return nil, err
	}
	toks := make([]token, 0, len(res.Tokens))
	for _, t := range res.Tokens {
		if t.Token != pg.Token_SQL_COMMENT && t.Token != pg.Token_C_COMMENT {
			toks = append(toks, token{int(t.Start), int(t.End), t.Token, t.KeywordKind})
		}
	}
	return toks, nil
}

// depth is how deep a tree can become at one level of brackets: spine counts
// what only ever adds (joins, set operations), chain the operators since the
// last place where siblings begin.
type depth struct {
	open         pg.Token // what opened the level: ( [ or CASE
	spine, chain int
	between      int // BETWEENs whose AND is to come
}

// guard refuses texts whose tree would be deeper than the parser's stack: one
// of 60 KB of 1+1+1… kills the C library with a signal that nothing catches.
// The sum of the operators on the way to any token is a bound on the depth.
func (l Limits) guard(toks []token) error {
	levels := make([]depth, 1, 16)
	sum := 0 // spine and chain of all levels
	pop := func() {
		d := levels[len(levels)-1]
		sum -= d.spine + d.chain
		levels = levels[:len(levels)-1]
	}
	for _, t := range toks {
		d := &levels[len(levels)-1]
		switch t.kind {
		case pg.Token_ASCII_40, pg.Token_ASCII_91, pg.Token_CASE:
			if len(levels) > l.Nesting {
				return fqgw.Errorf(fqgw.CodeTooComplex, "statement is too complex: nested deeper than %d", l.Nesting).
					WithHint("Split the statement, or use WITH queries.").At(t.start + 1)
			}
			levels = append(levels, depth{open: t.kind})
		case pg.Token_ASCII_41, pg.Token_ASCII_93:
			for len(levels) > 1 {
				open := levels[len(levels)-1].open
				pop()
				if open != pg.Token_CASE { // a CASE without END, or a label called case
					break
				}
			}
		case pg.Token_END_P:
			if d.open == pg.Token_CASE {
				pop()
			}
		case pg.Token_ASCII_59:
			for len(levels) > 1 {
				pop()
			}
			sum, levels[0] = 0, depth{}
		case pg.Token_AND:
			if d.between > 0 {
				d.between--
				break
			}
			sum, d.chain = sum-d.chain, 0
		case pg.Token_ASCII_44, pg.Token_OR, pg.Token_SELECT, pg.Token_WHERE, pg.Token_ON,
			pg.Token_WHEN, pg.Token_THEN, pg.Token_ELSE:
			sum, d.chain = sum-d.chain, 0
		case pg.Token_UNION, pg.Token_INTERSECT, pg.Token_EXCEPT, pg.Token_JOIN:
			d.spine++
			sum++
		case pg.Token_BETWEEN:
			d.between++
			d.spine++
			sum++
		default:
			if !deepens(t.kind) {
				continue
			}
			d.chain++
			sum++
		}
		if sum > l.Operators {
			return fqgw.Errorf(fqgw.CodeTooComplex, "statement is too complex: more than %d operators in one expression", l.Operators).
				WithHint("Write long lists with IN, ANY(array) or VALUES.").At(t.start + 1)
		}
	}
	return nil
}

// deepens says whether a token is an operator that makes the tree one level deeper.
func deepens(k pg.Token) bool {
	switch k {
	case pg.Token_ASCII_37, pg.Token_ASCII_42, pg.Token_ASCII_43, pg.Token_ASCII_45, pg.Token_ASCII_47,
		pg.Token_ASCII_60, pg.Token_ASCII_61, pg.Token_ASCII_62, pg.Token_ASCII_94,
		pg.Token_TYPECAST, pg.Token_LESS_EQUALS, pg.Token_GREATER_EQUALS, pg.Token_NOT_EQUALS,
		pg.Token_NOT, pg.Token_NOT_LA, pg.Token_IS, pg.Token_ISNULL, pg.Token_NOTNULL,
		pg.Token_LIKE, pg.Token_ILIKE, pg.Token_SIMILAR, pg.Token_IN_P, pg.Token_COLLATE, pg.Token_AT,
		pg.Token_OPERATOR, pg.Token_OVERLAPS:
		return true
	}
	return k == pg.Token_Op
}
