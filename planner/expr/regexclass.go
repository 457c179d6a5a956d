package expr

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"unicode"
)

// regexClasses are the character classes of PostgreSQL's regular expressions that have
// more than ASCII in C.UTF-8, spelled as parts of RE2's brackets. A digit of any other
// script is a letter there, and a class "digit" has the ten of ASCII alone.
var regexClasses = sync.OnceValue(func() map[string]string {
	space := `\t-\r \x{1680}\x{2000}-\x{2006}\x{2008}-\x{200a}\x{2028}\x{2029}\x{205f}\x{3000}`
	letters := ranges(unicode.L, unicode.Nl, unicode.Nd, unicode.Other_Alphabetic)
	return map[string]string{
		"alpha": letters, "alnum": `0-9` + letters, "word": `0-9_` + letters, "space": space, "punct": `\pP\pS`,
		"upper": ranges(unicode.Lu, unicode.Lt, unicode.Other_Uppercase),
		"lower": ranges(unicode.Ll, unicode.Lt, unicode.Other_Lowercase),
	}
})

// ranges are the characters of tables, but the digits of ASCII, as a part of a bracket
// expression.
func ranges(tables ...*unicode.RangeTable) string {
	var all []rune
	add := func(lo, hi, stride rune) {
		for r := lo; r <= hi; r += stride {
			if r < '0' || r > '9' {
				all = append(all, r)
			}
		}
	}
	for _, t := range tables {
		for _, r := range t.R16 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
		for _, r := range t.R32 {
			add(rune(r.Lo), rune(r.Hi), rune(r.Stride))
		}
	}
	slices.Sort(all)
	all = slices.Compact(all)
	var b strings.Builder
	for from := 0; from < len(all); {
		to := from
		for to+1 < len(all) && all[to+1] == all[to]+1 {
			to++
		}
		fmt.Fprintf(&b, `\x{%x}-\x{%x}`, all[from], all[to])
		from = to + 1
	}
	return b.String()
}
