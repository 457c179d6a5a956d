package parse

import (
	"errors"
	"regexp"
	"slices"
	"sort"
	"strings"
	"unicode/utf8"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
)

// text is what the client sent and what the parser was given for it.
type text struct {
	original string
	parsed   string
	pieces   []piece // of parsed, in its order; none when the two are the same
}

// piece is a run of the parsed text: copied from the original, or made to
// stand for the original's [in, in+n).
type piece struct {
	out, in, n int
	made       bool
}

// user maps a byte of the parsed text to the original's.
func (t *text) user(out int) int {
	p := t.piece(out)
	if out >= len(t.parsed) {
		return len(t.original)
	}
	if p == nil {
		return out
	}
	if p.made {
		return p.in
	}
	return min(p.in+out-p.out, len(t.original))
}

// piece is the run that the byte lies in, nil when nothing was rewritten.
func (t *text) piece(out int) *piece {
	if len(t.pieces) == 0 {
		return nil
	}
	i := sort.Search(len(t.pieces), func(i int) bool { return t.pieces[i].out > out })
	return &t.pieces[max(i-1, 0)]
}

// char is the 1-based character at a byte of the original.
func (t *text) char(b int) int { return utf8.RuneCountInString(t.original[:b]) + 1 }

// bounds is a statement's range in the original. Its ends are semicolons or the
// ends of the text, which are always copied, never moved.
func (t *text) bounds(s *pg.RawStmt) (from, to int) {
	start, n := int(s.StmtLocation), int(s.StmtLen)
	if start > 0 {
		from = t.user(start-1) + 1
	}
	to = len(t.original)
	if n > 0 && start+n < len(t.parsed) {
		to = t.user(start + n)
	}
	return from, max(from, to)
}

// at turns an error of ours, whose position is a byte of the original plus 1,
// into one with a character position.
func (t *text) at(err error) error {
	var e *fqgw.Error
	if errors.As(err, &e) && e.Position > 0 {
		e.Position = t.char(e.Position - 1)
	}
	return err
}

var near = regexp.MustCompile(`(?s)^syntax error at or near "(.*)"$`)

// error turns what the parser raised into our error, positions and words mapped back.
func (t *text) error(err error) error {
	msg, cursor, ok := parserError(err)
	if !ok {
		var e *fqgw.Error
		if errors.As(err, &e) {
			return e
		}
		if strings.Contains(err.Error(), "recursion depth") {
			return fqgw.Errorf(fqgw.CodeTooComplex, "statement is too complex")
		}
		return fqgw.Errorf(fqgw.CodeInternal, "parser: %w", err)
	}
	e := fqgw.Errorf(fqgw.CodeSyntax, "%s", msg)
	switch {
	case strings.Contains(msg, "memory exhausted"), strings.Contains(msg, "stack depth"):
		e.Code, e.Message = fqgw.CodeTooComplex, "statement is too complex"
	case strings.Contains(msg, "not yet implemented"), strings.Contains(msg, "not supported"):
		e.Code = fqgw.CodeFeatureNotSupported
	}
	if cursor <= 0 {
		return e
	}
	out := byteOf(t.parsed, cursor)
	if p := t.piece(out); p != nil && p.made && near.MatchString(msg) {
		word := t.original[p.in : p.in+p.n]
		if word == "" {
			e.Message = "syntax error"
		} else {
			e.Message = `syntax error at or near "` + word + `"`
		}
	}
	in := t.user(out)
	if in == len(t.original) && near.MatchString(msg) {
		e.Message = "syntax error at end of input"
	}
	return e.At(t.char(in))
}

// byteOf is the byte of the 1-based character.
func byteOf(s string, char int) int {
	for i := range s {
		if char--; char == 0 {
			return i
		}
	}
	return len(s)
}

// edit replaces [from, to) of the original by chunks.
type edit struct {
	from, to int
	chunks   []chunk
}

// chunk is text made up for the user's word at [from, to), or, with text "", a
// copy of that range (with the edits inside it).
type chunk struct {
	text     string
	from, to int
}

// apply gives the parsed text with all edits made, and extra chunks at the end.
func (t *text) apply(edits []edit, extra []chunk) {
	if len(edits) == 0 && len(extra) == 0 {
		return
	}
	slices.SortStableFunc(edits, func(a, b edit) int { return a.from - b.from })
	var b strings.Builder
	add := func(s string, in, n int, made bool) {
		if s != "" {
			t.pieces = append(t.pieces, piece{out: b.Len(), in: in, n: n, made: made})
			b.WriteString(s)
		}
	}
	var copyRange func(from, to int)
	emit := func(chunks []chunk) {
		for _, c := range chunks {
			if c.text != "" {
				add(c.text, c.from, c.to-c.from, true)
			} else {
				copyRange(c.from, c.to)
			}
		}
	}
	copyRange = func(from, to int) {
		i := sort.Search(len(edits), func(i int) bool { return edits[i].from >= from })
		for ; i < len(edits) && edits[i].from < to; i++ {
			if edits[i].from < from {
				continue // inside one that was just made
			}
			add(t.original[from:edits[i].from], from, 0, false)
			emit(edits[i].chunks)
			from = edits[i].to
		}
		if from < to {
			add(t.original[from:to], from, 0, false)
		}
	}
	copyRange(0, len(t.original))
	emit(extra)
	t.parsed = b.String()
}
