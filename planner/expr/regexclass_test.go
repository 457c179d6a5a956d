package expr

import "testing"

// TestRegexClasses has the answers of a PostgreSQL 15 whose collation is C.UTF-8.
func TestRegexClasses(t *testing.T) {
	for _, c := range []struct {
		s, pattern string
		want       bool
	}{
		{"zoë", `^\w+$`, true}, {"zoë", `^[\w]+$`, true}, {"zoë", `^[[:alpha:]]+$`, true}, {"zoë", `^[[:alnum:]_-]+$`, true}, {"zoë", `\W`, false},
		{"ë", `^[[:lower:]]$`, true}, {"Ë", `^[[:upper:]]$`, true}, {"Ë", `^[[:lower:]]$`, false}, {"ǅ", `^[[:upper:]]$`, true}, {"ǅ", `^[[:lower:]]$`, true},
		{"٣", `\d`, false}, {"٣", `^[[:alpha:]]$`, true}, {"3", `^[[:alpha:]]$`, false}, {"3_a", `^\w+$`, true}, {"語", `^\w$`, true},
		{"\u2003", `^\s$`, true}, {"\u00a0", `^\s$`, false}, {"\u00a0", `^\S$`, true}, {"\u0085", `\s`, false}, {"\v", `^[[:space:]]$`, true},
		{"€", `^[[:punct:]]$`, true}, {"«", `^[[:punct:]]$`, true}, {"-", `^[[:punct:]]$`, true}, {"a", `[[:punct:]]`, false}, {"a b", `^[^[:space:]]+$`, false},
		{"ÉÉ", `(?i)^[[:lower:]]+$`, true}, {"é", `(?i)^É$`, true},
	} {
		if got, err := regexMatch(c.s, c.pattern); err != nil || got != c.want {
			t.Errorf("%q ~ %s is %t, %v", c.s, c.pattern, got, err)
		}
	}
}
