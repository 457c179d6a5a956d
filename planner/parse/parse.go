// Package parse turns SQL text into PostgreSQL parse trees: a guard against
// texts that would kill the parser, the rewrite of AS OF, SOURCE and FEATURE
// VIEW into PostgreSQL's own grammar, and that grammar. Positions map back to
// the text that the client sent.
//
// It does no I/O, reads no clock and starts no goroutine.
package parse

import (
	"errors"
	"strings"
	"unicode/utf8"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
)

// AsOfMethod is the TABLESAMPLE method that AS OF becomes: `t AS OF e KNOWN AT
// k AS a` is in the tree as RangeTableSample{Relation: t with alias a, Method:
// AsOfMethod, Args: [e, k]}.
const AsOfMethod = "__fq_asof"

// Statement is one parsed statement.
type Statement struct {
	Text string   // as the client wrote it, without the semicolon
	Node *pg.Node // the RawStmt's Stmt

	// AsOf and KnownAt are the expressions of a trailing AS OF of the whole
	// statement, nil when there is none.
	AsOf, KnownAt *pg.Node

	// Definition says which of fqgw's words TABLE or MATERIALIZED VIEW stands
	// for: "source", "feature view", or "" for neither.
	Definition string
	OrReplace  bool // CREATE OR REPLACE of a source or a (materialized) feature view
	Purge      bool // DROP SOURCE … PURGE

	text *text
	from int // the byte of the whole text where its part begins
}

// Start is the place of the statement's first word, behind comments: the 1-based
// character in the whole text that the client sent.
func (s *Statement) Start() int {
	toks, err := scan(s.text.original[s.from:])
	if err != nil || len(toks) == 0 {
		return s.text.char(s.from)
	}
	return s.text.char(s.from + toks[0].start)
}

// Pos turns a byte Location in the tree (negative: unknown) into the 1-based
// character in the whole text that the client sent, 0 for unknown.
func (s *Statement) Pos(loc int32) int {
	if s == nil || s.text == nil || loc < 0 {
		return 0
	}
	return s.text.char(s.text.user(int(loc)))
}

// Limits bound what is given to the parser; 54001 beyond them.
type Limits struct {
	Bytes     int // of the text
	Operators int // chained in one expression, joins and set operations too
	Nesting   int // of parentheses, brackets and CASE
}

// DefaultLimits leave PostgreSQL's parser a wide margin in both of its builds.
// They limit depth, not length: an INSERT of many rows passes.
var DefaultLimits = Limits{Bytes: 64 << 20, Operators: 2000, Nesting: 500}

// Parse splits the text into statements and parses them under DefaultLimits.
// A text without statements gives none. Errors are *fqgw.Error with the
// position in sql: 42601, 22021, 54001, 0A000.
func Parse(sql string) ([]*Statement, error) { return DefaultLimits.Parse(sql) }

// Parse is the function Parse under other limits.
func (l Limits) Parse(sql string) ([]*Statement, error) {
	if err := l.encoding(sql); err != nil {
		return nil, err
	}
	r := rewriting{text: &text{original: sql, parsed: sql}}
	if len(sql) > unguarded || mayNeedRewrite(sql) {
		toks, err := scan(sql)
		if err != nil {
			return nil, r.text.error(err)
		}
		r.toks = toks
		if err := l.guard(toks); err != nil {
			return nil, r.text.at(err)
		}
		if err := r.run(); err != nil {
			return nil, r.text.at(err)
		}
	}
	tree, err := pgParse(r.text.parsed)
	if err != nil {
		return nil, r.text.error(err)
	}
	return r.statements(tree.Stmts)
}

// Expr parses one scalar expression, such as the stored text of a CHECK or a default.
func Expr(expr string) (*pg.Node, error) {
	const before = "SELECT "
	stmts, err := Parse(before + expr)
	if err != nil {
		var e *fqgw.Error
		if errors.As(err, &e) && e.Position > len(before) {
			e.Position -= len(before)
		}
		return nil, err
	}
	if len(stmts) == 1 && stmts[0].AsOf == nil {
		if s := stmts[0].Node.GetSelectStmt(); s != nil && len(s.TargetList) == 1 && s.IntoClause == nil && s.FromClause == nil &&
			s.WhereClause == nil && s.GroupClause == nil && s.HavingClause == nil && s.WindowClause == nil &&
			s.SortClause == nil && s.LimitCount == nil && s.LimitOffset == nil && s.LockingClause == nil &&
			s.Op == pg.SetOperation_SETOP_NONE && s.DistinctClause == nil {
			if t := s.TargetList[0].GetResTarget(); t.Name == "" && t.Val != nil {
				return t.Val, nil
			}
		}
	}
	return nil, fqgw.Errorf(fqgw.CodeSyntax, "not a scalar expression: %s", expr)
}

// encoding refuses what PostgreSQL would not take as text, and too much of it.
func (l Limits) encoding(sql string) error {
	if len(sql) > l.Bytes {
		return fqgw.Errorf(fqgw.CodeTooComplex, "statement is too long: %d bytes, the limit is %d", len(sql), l.Bytes).
			WithHint("Load many rows with COPY … FROM STDIN.")
	}
	if i := strings.IndexByte(sql, 0); i >= 0 {
		return fqgw.Errorf(fqgw.CodeNotInRepertoire, `invalid byte sequence for encoding "UTF8": 0x00`)
	}
	if utf8.ValidString(sql) {
		return nil
	}
	i := 0
	for {
		r, n := utf8.DecodeRuneInString(sql[i:])
		if r == utf8.RuneError && n == 1 {
			return fqgw.Errorf(fqgw.CodeNotInRepertoire, `invalid byte sequence for encoding "UTF8": 0x%02x`, sql[i])
		}
		i += n
	}
}

// statements pairs the parsed statements with what the rewriting noted about them.
func (r *rewriting) statements(raw []*pg.RawStmt) ([]*Statement, error) {
	if len(raw) < len(r.tails) {
		return nil, fqgw.Errorf(fqgw.CodeInternal, "parser: %d statements for %d trailing AS OF", len(raw), len(r.tails))
	}
	tails := raw[len(raw)-len(r.tails):] // the expressions of trailing AS OFs, parsed behind the rest
	raw = raw[:len(raw)-len(r.tails)]
	heads, trailing := r.heads, r.tails
	out := make([]*Statement, len(raw))
	for i, s := range raw {
		from, to := r.text.bounds(s)
		st := &Statement{Text: strings.TrimSpace(r.text.original[from:to]), Node: s.Stmt, text: r.text, from: from}
		if len(heads) > 0 && heads[0].at < to {
			st.Definition, st.OrReplace, st.Purge = heads[0].definition, heads[0].orReplace, heads[0].purge
			heads = heads[1:]
		}
		for ; len(trailing) > 0 && trailing[0].at < to; trailing, tails = trailing[1:], tails[1:] {
			if st.AsOf != nil {
				return nil, r.text.at(fqgw.Errorf(fqgw.CodeSyntax, "AS OF is given twice").At(trailing[0].at + 1))
			}
			for i, t := range tails[0].Stmt.GetSelectStmt().GetTargetList() {
				if i == 0 {
					st.AsOf = t.GetResTarget().GetVal()
				} else {
					st.KnownAt = t.GetResTarget().GetVal()
				}
			}
		}
		out[i] = st
	}
	return out, nil
}

// Body is the text behind the AS of CREATE VIEW v AS …, PREPARE p AS … and the
// like: the first AS outside brackets; "" when there is none.
func (s *Statement) Body() string {
	toks, err := scan(s.Text)
	if err != nil {
		return ""
	}
	depth := 0
	for _, t := range toks {
		switch t.kind {
		case pg.Token_ASCII_40:
			depth++
		case pg.Token_ASCII_41:
			depth--
		case pg.Token_AS:
			if depth == 0 {
				return strings.TrimSpace(s.Text[t.end:])
			}
		}
	}
	return ""
}
