package parse

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
)

// rewriting turns fqgw's few words into PostgreSQL's grammar, token by token.
type rewriting struct {
	text  *text
	toks  []token
	edits []edit
	heads []head
	tails []tail
}

// head is what the first words of a statement said that its tree does not.
type head struct {
	at               int // byte of the original
	definition       string
	orReplace, purge bool
}

// tail is a trailing AS OF: cut out, its expressions parsed behind the text.
type tail struct {
	at int // byte of the original
	e  []chunk
}

// mayNeedRewrite says whether the text has a word that begins a rewrite.
func mayNeedRewrite(sql string) bool {
	for i := 0; i+1 < len(sql); i++ {
		switch sql[i] | 0x20 {
		case 'o':
			if isWord(sql, i, "of") {
				return true
			}
		case 'r': // create or replace
			if isWord(sql, i, "replace") {
				return true
			}
		case 's':
			if isWord(sql, i, "source") {
				return true
			}
		case 'f':
			if isWord(sql, i, "feature") {
				return true
			}
		case 'a': // asof join; at (timestamp => …)
			if isWord(sql, i, "asof") || isWord(sql, i, "at") && strings.Contains(sql, "=>") {
				return true
			}
		}
	}
	return false
}

func isWord(sql string, i int, word string) bool {
	return len(sql)-i >= len(word) && strings.EqualFold(sql[i:i+len(word)], word) &&
		!wordByte(sql, i+len(word)) && (i == 0 || !wordByte(sql, i-1))
}

func wordByte(sql string, i int) bool {
	if i >= len(sql) {
		return false
	}
	c := sql[i]
	return c == '_' || c == '$' || c >= 0x80 || c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}

func (r *rewriting) run() error {
	for i := 0; i < len(r.toks); {
		r.head(i)
		for i < len(r.toks) && r.toks[i].kind != pg.Token_ASCII_59 {
			i++
		}
		i++
	}
	if err := r.asOf(); err != nil {
		return err
	}
	var extra []chunk
	end := len(r.text.original)
	for _, t := range r.tails {
		extra = append(extra, chunk{"\n;SELECT ", end, end})
		extra = append(extra, t.e...)
	}
	r.text.apply(r.edits, extra)
	return nil
}

// kind is the kind of token i, NUL beyond the ends.
func (r *rewriting) kind(i int) pg.Token {
	if i < 0 || i >= len(r.toks) {
		return pg.Token_NUL
	}
	return r.toks[i].kind
}

// is says whether token i is that unquoted word, whatever the scanner calls it.
func (r *rewriting) is(i int, word string) bool {
	return i >= 0 && i < len(r.toks) && strings.EqualFold(r.text.original[r.toks[i].start:r.toks[i].end], word)
}

// replace makes the tokens [i, j) into the words (none: a space).
func (r *rewriting) replace(i, j int, words string) {
	from, to := r.toks[i].start, r.toks[j-1].end
	r.edits = append(r.edits, edit{from, to, []chunk{{words, from, to}}})
}

// errorAt is an error at token i, or at the end of the text.
func (r *rewriting) errorAt(i int, e *fqgw.Error) error {
	if i < len(r.toks) {
		return e.At(r.toks[i].start + 1)
	}
	return e.At(len(r.text.original) + 1)
}

// syntaxAt is PostgreSQL's syntax error at token i.
func (r *rewriting) syntaxAt(i int) error {
	if i >= len(r.toks) {
		return r.errorAt(i, fqgw.Errorf(fqgw.CodeSyntax, "syntax error at end of input"))
	}
	return r.errorAt(i, fqgw.Errorf(fqgw.CodeSyntax, "syntax error at or near %q", r.text.original[r.toks[i].start:r.toks[i].end]))
}

// head rewrites the first words of the statement that begins at token i.
func (r *rewriting) head(i int) {
	first := i
	if r.kind(i) == pg.Token_EXPLAIN {
		for i++; r.kind(i) == pg.Token_ANALYZE || r.kind(i) == pg.Token_ANALYSE || r.kind(i) == pg.Token_VERBOSE; i++ {
		}
		if r.kind(i) == pg.Token_ASCII_40 {
			i = r.closing(i) + 1
		}
	}
	verb := r.kind(i)
	switch verb {
	case pg.Token_CREATE, pg.Token_ALTER, pg.Token_DROP, pg.Token_REFRESH:
		i++
	case pg.Token_COMMENT:
		if r.kind(i+1) != pg.Token_ON {
			return
		}
		i += 2
	case pg.Token_GRANT, pg.Token_REVOKE:
		for i++; r.kind(i) != pg.Token_ON; i++ {
			if k := r.kind(i); k == pg.Token_NUL || k == pg.Token_ASCII_59 {
				return
			}
		}
		i++
	default:
		return
	}
	h := head{}
	if first < len(r.toks) {
		h.at = r.toks[first].start
	}
	word := i
	if verb == pg.Token_CREATE && r.kind(i) == pg.Token_OR && r.kind(i+1) == pg.Token_REPLACE {
		h.orReplace = true
		word += 2
	}
	made, n := "", 0
	switch {
	case r.is(word, "source") && verb != pg.Token_REFRESH && (r.nameFollows(word+1) || word+1 == len(r.toks)):
		h.definition, made, n = "source", "TABLE", 1
	case r.is(word, "feature") && r.kind(word+1) == pg.Token_VIEW:
		h.definition, made, n = "feature view", "MATERIALIZED VIEW", 2
		if verb == pg.Token_GRANT || verb == pg.Token_REVOKE {
			made = "TABLE"
		}
	case h.orReplace && r.kind(word) == pg.Token_MATERIALIZED && r.kind(word+1) == pg.Token_VIEW:
		made, n = "MATERIALIZED VIEW", 2
	default:
		return
	}
	if h.orReplace {
		r.replace(i, word, " ")
	}
	r.replace(word, word+n, made)
	if h.definition == "source" {
		switch verb {
		case pg.Token_CREATE:
			r.columnless(word + 1)
		case pg.Token_DROP:
			h.purge = r.purge(word + 1)
		}
	}
	r.heads = append(r.heads, h)
}

// nameFollows tells SOURCE from a relation that is called source.
func (r *rewriting) nameFollows(i int) bool {
	if i >= len(r.toks) {
		return false
	}
	switch r.toks[i].word {
	case pg.KeywordKind_UNRESERVED_KEYWORD, pg.KeywordKind_COL_NAME_KEYWORD:
		return true
	}
	return r.toks[i].kind == pg.Token_IDENT || r.toks[i].kind == pg.Token_UIDENT
}

// columnless gives CREATE SOURCE s WITH (…) the column list that PostgreSQL asks for,
// unless AS follows.
func (r *rewriting) columnless(i int) {
	if r.kind(i) == pg.Token_IF_P && r.kind(i+1) == pg.Token_NOT && r.kind(i+2) == pg.Token_EXISTS {
		i += 3
	}
	for i++; r.kind(i) == pg.Token_ASCII_46; i += 2 {
	}
	if r.kind(i) == pg.Token_WITH && r.kind(r.closing(i+1)+1) != pg.Token_AS {
		at := r.toks[i].start
		r.edits = append(r.edits, edit{at, at, []chunk{{"() ", at, at}}})
	}
}

// purge cuts PURGE behind the names of a DROP SOURCE.
func (r *rewriting) purge(i int) bool {
	for ; i < len(r.toks) && r.kind(i) != pg.Token_ASCII_59; i++ {
		if !r.is(i, "purge") {
			continue
		}
		switch r.kind(i - 1) {
		case pg.Token_ASCII_44, pg.Token_ASCII_46, pg.Token_SOURCE, pg.Token_EXISTS:
			continue // a source of that name
		}
		switch r.kind(i + 1) {
		case pg.Token_NUL, pg.Token_ASCII_59, pg.Token_CASCADE, pg.Token_RESTRICT:
			r.replace(i, i+1, " ")
			return true
		}
	}
	return false
}

// closing is the token that closes the bracket at i, the last token when none does.
func (r *rewriting) closing(i int) int {
	n := 0
	for ; i < len(r.toks); i++ {
		switch r.kind(i) {
		case pg.Token_ASCII_40, pg.Token_ASCII_91:
			n++
		case pg.Token_ASCII_41, pg.Token_ASCII_93:
			if n--; n == 0 {
				return i
			}
		}
	}
	return len(r.toks) - 1
}
