package exec

import (
	"regexp"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

// varying are times and numbers that stand alone.
var varying = regexp.MustCompile(`(^| )(\d{4,}-\d\d-\d\d[ T][0-9:.]+Z?|-?\d+(\.\d+)?\b)`)

// reasonOf is the reason of a dead letter without what is its record's own: values in
// quotes, times and numbers are "…". Names of the source's columns and checks, and its own,
// stay. s may be nil.
func reasonOf(reason string, s *fqgw.Source) string {
	var out strings.Builder
	rest := reason
	for {
		open := strings.IndexByte(rest, '"')
		if open < 0 {
			break
		}
		out.WriteString(plainReason(rest[:open]))
		last := strings.HasSuffix(rest[:open], ": ")
		rest = rest[open+1:]
		end := closing(rest)
		if last {
			end = max(strings.LastIndexByte(rest, '"'), end)
		}
		if quoted := rest[:end]; isName(quoted, s) {
			out.WriteString(`"` + quoted + `"`)
		} else {
			out.WriteString(`"…"`)
		}
		rest = rest[min(end+1, len(rest)):]
	}
	out.WriteString(plainReason(rest))
	return out.String()
}

func plainReason(text string) string { return varying.ReplaceAllString(text, "$1…") }

// closing is where a quoted part ends that may have quotes in it: at one with the end of
// a word behind it.
func closing(text string) int {
	for i := range len(text) {
		if text[i] == '"' && (i+1 == len(text) || strings.IndexByte(` ,.:;)'`, text[i+1]) >= 0) {
			return i
		}
	}
	return len(text)
}

func isName(text string, s *fqgw.Source) bool {
	if s == nil || text == "UTF8" || text == s.Name {
		return s != nil
	}
	return slices.ContainsFunc(s.Columns, func(c fqgw.Column) bool { return c.Name == text }) ||
		slices.ContainsFunc(s.Checks, func(c fqgw.Check) bool { return c.Name == text })
}
