package expr

import (
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
)

// formatNode is one piece of a to_char or to_timestamp template for moments: a
// keyword with its modifiers, or text.
type formatNode struct {
	key  string // as in formatKeys, upper case; "" for text
	word string // as written; the text
	fm   bool   // no padding
	th   byte   // 'T' or 't' for an ordinal suffix
}

// formatKeys are the keywords, longer ones before their prefixes.
var formatKeys = []string{
	"Y,YYY", "YYYY", "YYY", "YY", "Y", "IYYY", "IYY", "IY", "MONTH", "MON", "MM", "MI", "MS", "IDDD", "ID", "IW", "I",
	"DDD", "DD", "DAY", "DY", "D", "HH24", "HH12", "HH", "SSSSS", "SSSS", "SS", "US", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6",
	"A.M.", "P.M.", "AM", "PM", "A.D.", "B.C.", "AD", "BC", "TZH", "TZM", "TZ", "OF", "WW", "W", "CC", "J", "Q", "RM",
}

func parseFormat(f string) []formatNode {
	var out []formatNode
	text := func(s string) {
		if n := len(out); n > 0 && out[n-1].key == "" {
			out[n-1].word += s
			return
		}
		out = append(out, formatNode{word: s})
	}
	for i := 0; i < len(f); {
		if f[i] == '"' {
			i++
			var b strings.Builder
			for i < len(f) && f[i] != '"' {
				if f[i] == '\\' && i+1 < len(f) {
					i++
				}
				b.WriteByte(f[i])
				i++
			}
			i++
			text(b.String())
			continue
		}
		if f[i] == '\\' && i+1 < len(f) && f[i+1] == '"' {
			text(`"`)
			i += 2
			continue
		}
		fm := false
		j := i
		for {
			up := strings.ToUpper(f[j:min(j+2, len(f))])
			if up == "FM" {
				fm = true
			} else if up != "TM" && up != "FX" {
				break
			}
			j += 2
		}
		rest := strings.ToUpper(f[j:])
		key := ""
		for _, k := range formatKeys {
			if strings.HasPrefix(rest, k) {
				key = k
				break
			}
		}
		if key == "" {
			if j == i {
				text(f[i : i+1])
				i++
			} else {
				i = j
			}
			continue
		}
		n := formatNode{key: key, word: f[j : j+len(key)], fm: fm}
		i = j + len(key)
		if s := f[i:min(i+2, len(f))]; s == "TH" || s == "th" {
			n.th, i = s[0], i+2
		}
		out = append(out, n)
	}
	return out
}

// charFields is what a template prints from.
type charFields struct {
	civilTime
	days     int64
	zone     string
	offset   int64
	interval bool
	hours    int64 // of an interval: not folded into days
}

func charTimestamp(typ fqgw.Type) func(env *fqgw.Env, a, b value) (value, error) {
	return func(env *fqgw.Env, a, b value) (value, error) {
		t := a.Int()
		if isInfinite(t) || b.Str() == "" {
			return fqgw.Null, nil
		}
		f := charFields{}
		if typ == fqgw.Timestamptz {
			f.offset = offsetAt(t, env.Location())
			f.zone = zoneName(t, env.Location())
			t += f.offset * usSecond
		}
		f.civilTime, f.days = split(t), floorDiv(t, usDay)
		f.hours = f.micros / usHour
		return fqgw.TextValue(f.format(b.Str())), nil
	}
}

func charInterval(a, b value) value {
	s := a.Span()
	if b.Str() == "" {
		return fqgw.Null
	}
	f := charFields{interval: true}
	f.year, f.month, f.day = int(s.Months/12), int(s.Months%12), int(s.Days)
	f.hours, f.micros = s.Micros/usHour, s.Micros%usHour
	return fqgw.TextValue(f.format(b.Str()))
}

func (f *charFields) format(template string) string {
	var b strings.Builder
	for _, n := range parseFormat(template) {
		if n.key == "" {
			b.WriteString(n.word)
			continue
		}
		s := f.field(n)
		b.WriteString(s)
		if n.th != 0 {
			b.WriteString(ordinal(s, n.th))
		}
	}
	return b.String()
}

// number pads with zeros to a width, unless FM.
func (n formatNode) number(v int64, width int) string {
	if n.fm {
		return strconv.FormatInt(v, 10)
	}
	neg := ""
	if v < 0 {
		neg, v = "-", -v
	}
	s := strconv.FormatInt(v, 10)
	return neg + strings.Repeat("0", max(width-len(s), 0)) + s
}

// letters prints a name in the case of the keyword, padded to 9 unless FM.
func (n formatNode) letters(name string, pad bool) string {
	switch {
	case n.word == strings.ToUpper(n.word):
		name = strings.ToUpper(name)
	case n.word[0] >= 'A' && n.word[0] <= 'Z':
		name = strings.ToUpper(name[:1]) + name[1:]
	}
	if pad && !n.fm {
		name += strings.Repeat(" ", max(9-len(name), 0))
	}
	return name
}

func (f *charFields) field(n formatNode) string {
	us := f.micros % usSecond
	sec, min := f.micros/usSecond%60, f.micros/usMinute%60
	year := int64(f.year)
	if !f.interval && year <= 0 {
		year = 1 - year
	}
	isoYear, isoWk := 0, 0
	if !f.interval {
		isoYear, isoWk = isoWeek(f.days)
	}
	switch n.key {
	case "Y,YYY":
		return n.number(year/1000, 1) + "," + formatNode{}.number(year%1000, 3)
	case "YYYY":
		return n.number(year, 4)
	case "YYY":
		return n.number(year%1000, 3)
	case "YY":
		return n.number(year%100, 2)
	case "Y":
		return n.number(year%10, 1)
	case "IYYY":
		return n.number(int64(isoYear), 4)
	case "IYY":
		return n.number(int64(isoYear%1000), 3)
	case "IY":
		return n.number(int64(isoYear%100), 2)
	case "I":
		return n.number(int64(isoYear%10), 1)
	case "MM":
		return n.number(int64(f.month), 2)
	case "MONTH", "MON", "RM":
		return f.monthName(n)
	case "DAY", "DY":
		name := dayNames[isoWeekday(f.days)%7]
		if n.key == "DY" {
			return n.letters(name[:3], false)
		}
		return n.letters(name, true)
	case "DDD":
		if f.interval {
			return n.number(int64(f.year*360+f.month*30+f.day), 3)
		}
		return n.number(f.days-daysFromCivil(f.year, 1, 1)+1, 3)
	case "IDDD":
		return n.number(int64((isoWk-1)*7+isoWeekday(f.days)), 3)
	case "DD":
		return n.number(int64(f.day), 2)
	case "D":
		return n.number(int64(isoWeekday(f.days)%7+1), 1)
	case "ID":
		return n.number(int64(isoWeekday(f.days)), 1)
	case "HH24":
		return n.number(f.hours, 2)
	case "HH", "HH12":
		h := f.hours % 12
		if h == 0 {
			h = 12
		}
		return n.number(h, 2)
	case "MI":
		return n.number(min, 2)
	case "SS":
		return n.number(sec, 2)
	case "SSSS", "SSSSS":
		return strconv.FormatInt(f.hours*3600+min*60+sec, 10)
	case "MS", "FF3":
		return formatNode{}.number(us/1000, 3)
	case "US", "FF6":
		return formatNode{}.number(us, 6)
	case "FF1", "FF2", "FF4", "FF5":
		return formatNode{}.number(us, 6)[:n.key[2]-'0']
	case "AM", "PM", "A.M.", "P.M.", "AD", "BC", "A.D.", "B.C.":
		return f.half(n)
	case "TZ":
		if n.word == "tz" {
			return strings.ToLower(f.zone)
		}
		return f.zone
	case "TZH":
		return string(formatOffset(nil, f.offset))[:3]
	case "TZM":
		return formatNode{}.number(max(f.offset, -f.offset)/60%60, 2)
	case "OF":
		return string(formatOffset(nil, f.offset/60*60))
	case "WW":
		return n.number((f.days-daysFromCivil(f.year, 1, 1))/7+1, 2)
	case "IW":
		return n.number(int64(isoWk), 2)
	case "W":
		return n.number(int64((f.day-1)/7+1), 1)
	case "CC":
		return n.number(int64(centuryOf(f.year, 100)), 2)
	case "J":
		return strconv.FormatInt(f.days+2440588, 10)
	case "Q":
		return n.number(int64((f.month-1)/3+1), 1)
	}
	return n.word
}

var romanMonths = []string{"i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"}

func (f *charFields) monthName(n formatNode) string {
	if f.month < 1 || f.month > 12 {
		return ""
	}
	switch n.key {
	case "MONTH":
		return n.letters(monthNames[f.month-1], true)
	case "MON":
		return n.letters(monthNames[f.month-1][:3], false)
	}
	r := romanMonths[f.month-1]
	if n.word[0] == 'R' {
		r = strings.ToUpper(r)
	}
	if !n.fm {
		r += strings.Repeat(" ", 4-len(r))
	}
	return r
}

// half prints AM or PM, AD or BC, in the keyword's case and with its dots.
func (f *charFields) half(n formatNode) string {
	s := "am"
	switch {
	case strings.ContainsAny(n.key, "DC") && f.year <= 0 && !f.interval:
		s = "bc"
	case strings.ContainsAny(n.key, "DC"):
		s = "ad"
	case f.hours%24 >= 12:
		s = "pm"
	}
	if n.key[1] == '.' {
		s = s[:1] + "." + s[1:] + "."
	}
	if n.word[0] < 'a' {
		s = strings.ToUpper(s)
	}
	return s
}

// ordinal is the st, nd, rd or th behind a number.
func ordinal(s string, th byte) string {
	suffix := "th"
	if n := len(s); n > 0 && (n < 2 || s[n-2] != '1') {
		switch s[n-1] {
		case '1':
			suffix = "st"
		case '2':
			suffix = "nd"
		case '3':
			suffix = "rd"
		}
	}
	if th == 'T' {
		return strings.ToUpper(suffix)
	}
	return suffix
}
