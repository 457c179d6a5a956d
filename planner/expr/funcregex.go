package expr

import (
	"strings"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
)

// regexFlags splits g off the flags.
func regexFlags(flags string) (rest string, global bool) {
	return strings.ReplaceAll(flags, "g", ""), strings.Contains(flags, "g")
}

// regexSubstring is substring(s from pattern): the first group, else the match.
func regexSubstring(a, b value) (value, error) {
	re, err := regexOver(a.Str(), b.Str(), "")
	if err != nil {
		return fqgw.Null, err
	}
	m := re.FindStringSubmatchIndex(a.Str())
	if m == nil {
		return fqgw.Null, nil
	}
	g := min(len(m)/2-1, 1)
	if m[2*g] < 0 {
		return fqgw.Null, nil
	}
	return fqgw.TextValue(a.Str()[m[2*g]:m[2*g+1]]), nil
}

// groupsOf are the groups of a match as an array, the whole match without groups.
func groupsOf(s string, m []int) value {
	from := 2
	if len(m) == 2 {
		from = 0
	}
	var items []value
	for i := from; i < len(m); i += 2 {
		if m[i] < 0 {
			items = append(items, fqgw.Null)
		} else {
			items = append(items, fqgw.TextValue(s[m[i]:m[i+1]]))
		}
	}
	return fqgw.ArrayOf(fqgw.Text, items...)
}

func regexpMatch(args []value) (value, error) {
	flags := ""
	if len(args) == 3 {
		rest, global := regexFlags(args[2].Str())
		if global {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "regexp_match() does not support the \"global\" option").
				WithHint("Use the regexp_matches function instead.")
		}
		flags = rest
	}
	re, err := regexOver(args[0].Str(), args[1].Str(), flags)
	if err != nil {
		return fqgw.Null, err
	}
	m := re.FindStringSubmatchIndex(args[0].Str())
	if m == nil {
		return fqgw.Null, nil
	}
	return groupsOf(args[0].Str(), m), nil
}

func regexpMatchesSet(env *fqgw.Env, _ []fqgw.Type, args []value) (setRows, error) {
	flags, n := "", 1
	if len(args) == 3 {
		rest, global := regexFlags(args[2].Str())
		if flags = rest; global {
			n = -1
		}
	}
	re, err := regexOver(args[0].Str(), args[1].Str(), flags)
	if err != nil {
		return nil, err
	}
	if n < 0 && env != nil { // the matches of a text may take far more than it does
		if err := env.Memory.Fits(itemRoom * int64(len(args[0].Str()))); err != nil {
			return nil, err
		}
	}
	var out []value
	for _, m := range re.FindAllStringSubmatchIndex(args[0].Str(), n) {
		out = append(out, groupsOf(args[0].Str(), m))
	}
	return columnOf(out), nil
}

// regexpReplace is regexp_replace: the first match, all with flag g, or the
// fourth argument's start and the fifth's match.
func regexpReplace(args []value) (value, error) {
	s, flags, start, nth := args[0].Str(), "", 1, 1
	switch {
	case len(args) == 4 && args[3].Kind() == fqgw.KindText:
		if f := args[3].Str(); f != "" && isDigit(f[0]) {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "invalid regular expression option: \"%c\"", f[0]).
				WithHint("If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly.")
		}
		rest, global := regexFlags(args[3].Str())
		if flags = rest; global {
			nth = 0
		}
	case len(args) >= 4:
		if start = int(args[3].Int()); start <= 0 {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "invalid value for parameter \"%s\": %d", "start", start)
		}
		if len(args) >= 5 {
			if nth = int(args[4].Int()); nth < 0 {
				return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "invalid value for parameter \"%s\": %d", "n", nth)
			}
		}
		if len(args) == 6 {
			rest, global := regexFlags(args[5].Str())
			if flags = rest; global && len(args) == 4 {
				nth = 0
			}
		}
	}
	re, err := regexOver(args[0].Str(), args[1].Str(), flags)
	if err != nil {
		return fqgw.Null, err
	}
	from := runeIndex(s, start-1)
	var b strings.Builder
	last, count := 0, 0
	for _, m := range re.FindAllStringSubmatchIndex(s, -1) {
		if m[0] < from {
			continue
		}
		if count++; nth != 0 && count != nth {
			continue
		}
		b.WriteString(s[last:m[0]])
		expandReplacement(&b, args[2].Str(), s, m)
		if last = m[1]; b.Len() > maxText {
			return fqgw.Null, errTooLong()
		}
	}
	b.WriteString(s[last:])
	return fqgw.TextValue(b.String()), nil
}

// expandReplacement writes the replacement: \1 to \9 are groups, \& the match.
func expandReplacement(b *strings.Builder, by, s string, m []int) {
	for i := 0; i < len(by); i++ {
		if by[i] != '\\' || i+1 >= len(by) {
			b.WriteByte(by[i])
			continue
		}
		i++
		switch c := by[i]; {
		case c == '&':
			b.WriteString(s[m[0]:m[1]])
		case c >= '1' && c <= '9':
			if g := 2 * int(c-'0'); g < len(m) && m[g] >= 0 {
				b.WriteString(s[m[g]:m[g+1]])
			}
		case c == '\\':
			b.WriteByte('\\')
		default:
			b.WriteByte('\\')
			b.WriteByte(c)
		}
	}
}

// regexpSplit cuts s at the matches; an empty match cuts between characters.
func regexpSplit(args []value) ([]value, error) {
	flags := ""
	if len(args) == 3 {
		flags = args[2].Str()
		if strings.Contains(flags, "g") {
			return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "regexp_split_to_table() does not support the \"global\" option")
		}
	}
	re, err := regexOver(args[0].Str(), args[1].Str(), flags)
	if err != nil {
		return nil, err
	}
	s, last := args[0].Str(), 0
	var out []value
	for _, m := range re.FindAllStringIndex(s, -1) {
		if m[1] == m[0] && (m[0] == last || m[0] >= len(s)) {
			continue
		}
		out = append(out, fqgw.TextValue(s[last:m[0]]))
		last = m[1]
	}
	return append(out, fqgw.TextValue(s[last:])), nil
}

func regexpSplitArray(args []value) (value, error) {
	items, err := regexpSplit(args)
	return fqgw.ArrayOf(fqgw.Text, items...), err
}

func regexpSplitSet(env *fqgw.Env, _ []fqgw.Type, args []value) (setRows, error) {
	if env != nil {
		if err := env.Memory.Fits(itemRoom * int64(len(args[0].Str()))); err != nil {
			return nil, err
		}
	}
	items, err := regexpSplit(args)
	return columnOf(items), err
}

func regexpLike(args []value) (value, error) {
	flags := ""
	if len(args) == 3 {
		flags = args[2].Str()
	}
	ok, err := regexTest(args[0].Str(), args[1].Str(), flags)
	return fqgw.BoolValue(ok), err
}

func regexpCount(args []value) (value, error) {
	s, flags := args[0].Str(), ""
	if len(args) > 2 {
		if args[2].Int() <= 0 {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "invalid value for parameter \"%s\": %d", "start", args[2].Int())
		}
		s = s[runeIndex(s, int(args[2].Int()-1)):]
	}
	if len(args) > 3 {
		flags = args[3].Str()
	}
	re, err := regexOver(args[0].Str(), args[1].Str(), flags)
	if err != nil {
		return fqgw.Null, err
	}
	return fqgw.IntValue(int64(len(re.FindAllStringIndex(s, -1)))), nil
}

// similarTo turns a SIMILAR TO pattern into a regular expression.
func similarTo(args []value) (value, error) {
	esc := '\\'
	if len(args) == 2 {
		if runeCount(args[1].Str()) > 1 {
			return fqgw.Null, fqgw.Errorf("22025", "invalid escape string").WithHint("Escape string must be empty or one character.")
		}
		if esc, _ = utf8.DecodeRuneInString(args[1].Str()); args[1].Str() == "" {
			esc = -1
		}
	}
	var b strings.Builder
	b.WriteString("^(?:")
	escaped, inClass := false, false
	for _, r := range args[0].Str() {
		switch {
		case escaped:
			b.WriteRune('\\')
			b.WriteRune(r)
			escaped = false
		case r == esc:
			escaped = true
		case inClass:
			if r == '\\' {
				b.WriteRune('\\')
			}
			b.WriteRune(r)
			inClass = r != ']'
		case r == '[':
			b.WriteRune(r)
			inClass = true
		case r == '%':
			b.WriteString(".*")
		case r == '_':
			b.WriteString(".")
		case r == '(':
			b.WriteString("(?:")
		case strings.ContainsRune(`\.^$`, r):
			b.WriteRune('\\')
			b.WriteRune(r)
		default:
			b.WriteRune(r)
		}
	}
	b.WriteString(")$")
	return fqgw.TextValue(b.String()), nil
}

func regexFuncs() []def {
	return []def{
		{"regexp_replace", "text text text text", regexpReplace}, {"regexp_replace", "text text text text text", regexpReplace},
		{"regexp_replace", "text text text int4 text", regexpReplace}, {"regexp_replace", "text text text int4 int4 text", regexpReplace},
		{"regexp_replace", "text text text int4 int4 text text", regexpReplace},
		{"regexp_match", "text text _text", regexpMatch}, {"regexp_match", "text text text _text", regexpMatch},
		{"regexp_like", "text text bool", regexpLike}, {"regexp_like", "text text text bool", regexpLike},
		{"regexp_count", "text text int4", regexpCount}, {"regexp_count", "text text int4 int4", regexpCount},
		{"regexp_count", "text text int4 text int4", regexpCount},
		{"regexp_substr", "text text text", func(args []value) (value, error) {
			re, err := regexOver(args[0].Str(), args[1].Str(), "")
			if err != nil {
				return fqgw.Null, err
			}
			if m := re.FindStringIndex(args[0].Str()); m != nil {
				return fqgw.TextValue(args[0].Str()[m[0]:m[1]]), nil
			}
			return fqgw.Null, nil
		}},
		{"regexp_split_to_array", "text text _text", regexpSplitArray}, {"regexp_split_to_array", "text text text _text", regexpSplitArray},
	}
}
