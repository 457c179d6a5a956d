package parse

import (
	"strings"
	"sync"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
)

// treeVersion is what the parser writes into its trees, and asks of those that it is
// given back.
var treeVersion = sync.OnceValue(func() int32 {
	tree, err := pgParse("SELECT 1")
	if err != nil {
		return 0
	}
	return tree.Version
})

// Deparse is the text of a statement's tree on one line: the same for trees that are
// the same but for places. It knows PostgreSQL's grammar alone: what stands for AS OF
// in the tree must have been put away.
func Deparse(n *pg.Node) (string, error) {
	text, err := pgDeparse(&pg.ParseResult{Version: treeVersion(), Stmts: []*pg.RawStmt{{Stmt: n}}})
	if err != nil {
		return "", fqgw.Errorf(fqgw.CodeInternal, "a tree cannot be written as text: %v", err)
	}
	return text, nil
}

// Lines breaks the text of a query into lines as people write them: a line for each
// clause, each join, each column of the SELECT list and each window; what is in
// brackets stays on one. Only white space changes.
func Lines(query string) (string, error) {
	toks, err := scan(query)
	if err != nil {
		return "", err
	}
	l := lines{text: query, toks: toks}
	return l.run(), nil
}

type lines struct {
	text   string
	toks   []token
	clause pg.Token // the clause that token i is in, at depth 0
}

func (l *lines) kind(i int) pg.Token {
	if i < 0 || i >= len(l.toks) {
		return pg.Token_NUL
	}
	return l.toks[i].kind
}

func (l *lines) run() string {
	var out strings.Builder
	depth := 0
	for i, t := range l.toks {
		if i > 0 {
			if sep := l.breakAt(i); depth == 0 && sep != "" {
				out.WriteString(sep)
			} else {
				out.WriteString(l.text[l.toks[i-1].end:t.start])
			}
		}
		switch t.kind {
		case pg.Token_ASCII_40, pg.Token_ASCII_91:
			depth++
		case pg.Token_ASCII_41, pg.Token_ASCII_93:
			depth--
		}
		if depth == 0 && l.begins(i) {
			l.clause = t.kind
		}
		out.WriteString(l.text[t.start:t.end])
	}
	return out.String()
}

// begins says whether token i begins a clause.
func (l *lines) begins(i int) bool {
	switch before := l.kind(i - 1); l.kind(i) {
	case pg.Token_SELECT, pg.Token_WHERE, pg.Token_HAVING, pg.Token_WINDOW, pg.Token_ORDER, pg.Token_LIMIT, pg.Token_OFFSET,
		pg.Token_UNION, pg.Token_INTERSECT, pg.Token_EXCEPT:
		return before != pg.Token_AS && before != pg.Token_ASCII_46 // no name
	case pg.Token_FROM:
		return before != pg.Token_DISTINCT
	case pg.Token_GROUP_P:
		return before != pg.Token_WITHIN
	}
	return false
}

// breakAt is the white space before token i where a line ends; "" where none does.
func (l *lines) breakAt(i int) string {
	switch {
	case l.begins(i):
		return "\n"
	case l.kind(i-1) == pg.Token_ASCII_44 && (l.clause == pg.Token_SELECT || l.clause == pg.Token_WINDOW):
		return "\n       "
	case l.clause == pg.Token_FROM && l.joins(i) && !l.joins(i-1):
		return "\n     "
	}
	return ""
}

// joins says whether token i is one of the words of a join.
func (l *lines) joins(i int) bool {
	switch l.kind(i) {
	case pg.Token_JOIN, pg.Token_LEFT, pg.Token_RIGHT, pg.Token_FULL, pg.Token_INNER_P, pg.Token_OUTER_P, pg.Token_CROSS, pg.Token_NATURAL:
		return l.kind(i+1) != pg.Token_ASCII_40
	}
	return false
}
