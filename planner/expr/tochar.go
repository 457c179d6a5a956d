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
	tm   bool   // names of the locale, which are not padded either
	th   byte   // 'T' or 't' for an ordinal suffix
}

// formatKeys are the keywords, longer ones before their prefixes.
var formatKeys = []string{
	"Y,YYY", "YYYY", "YYY", "YY", "Y", "IYYY", "IYY", "IY", "MONTH", "MON", "MM", "MI", "MS", "IDDD", "ID", "IW", "I",
	"DDD", "DD", "DAY", "DY", "D", "HH24", "HH12", "HH", "SSSSS", "SSSS", "SS", "US", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6",
	"A.M.", "P.M.", "AM", "PM", "A.D.", "B.C.", "AD", "BC", "TZH", "TZM", "TZ", "OF", "WW", "W", "CC", "J", "Q", "RM", "FX",
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
		n := formatNode{}
		switch f[i:min(i+2, len(f))] {
		case "FM", "fm":
			n.fm = true
			i += 2
		case "TM", "tm":
			n.tm = true
			i += 2
		}
		if n.key = formatKey(f[i:]); n.key == "" {
			if i < len(f) {
				text(f[i : i+1])
				i++
			}
			continue
		}
		n.word = f[i : i+len(n.key)]
		i += len(n.key)
		switch s := f[i:min(i+2, len(f))]; s {
		case "TH", "th":
			n.th, i = s[0], i+2
		case "SP", "sp":
			i += 2
		}
		if n.key != "FX" {
			out = append(out, n)
		}
	}
	return out
}

// formatKey is the keyword that f begins with, "" for none. Keywords are in one
// case, the names of days and months in three.
func formatKey(f string) string {
	for _, k := range formatKeys {
		if len(f) < len(k) {
			continue
		}
		switch w := f[:len(k)]; {
		case w == k, w == strings.ToLower(k):
			return k
		case (k == "MONTH" || k == "MON" || k == "DAY" || k == "DY") && w == k[:1]+strings.ToLower(k[1:]):
			return k
		}
	}
	return ""
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
		f.civilTime, f.days = split(t), fqgw.FloorDiv(t, usDay)
		f.hours = f.micros / usHour
		return fqgw.TextValue(f.format(b.Str())), nil
	}
}

func charInterval(a, b value) (value, error) {
	s := a.Span()
	if b.Str() == "" {
		return fqgw.Null, nil
	}
	for _, n := range parseFormat(b.Str()) {
		switch n.key {
		case "MONTH", "MON", "DAY", "DY", "D", "ID", "AD", "BC", "A.D.", "B.C.", "TZ", "TZH", "TZM", "OF":
			return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeFormat, "invalid format specification for an interval value").
				WithHint("Intervals are not tied to specific calendar dates.")
		}
	}
	f := charFields{interval: true}
	f.year, f.month, f.day = int(s.Months/12), int(s.Months%12), int(s.Days)
	f.hours, f.micros = s.Micros/usHour, s.Micros%usHour
	return fqgw.TextValue(f.format(b.Str())), nil
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
		if n.th != 0 && s != "" && n.counts() {
			b.WriteString(ordinal(s, n.th))
		}
	}
	return b.String()
}

// counts says whether the keyword prints a number, which alone takes TH.
func (n formatNode) counts() bool {
	switch n.key {
	case "MONTH", "MON", "RM", "DAY", "DY", "AM", "PM", "A.M.", "P.M.", "AD", "BC", "A.D.", "B.C.", "TZ", "TZH", "TZM", "OF":
		return false
	}
	return true
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

// padded is number where a sign takes the place of a zero.
func (n formatNode) padded(v int64, width int) string {
	if v < 0 {
		width--
	}
	return n.number(v, width)
}

// letters prints a name in the case of the keyword, padded to 9 unless FM.
func (n formatNode) letters(name string, pad bool) string {
	switch {
	case n.word == strings.ToUpper(n.word):
		name = strings.ToUpper(name)
	case n.word[0] >= 'A' && n.word[0] <= 'Z':
		name = strings.ToUpper(name[:1]) + name[1:]
	}
	if pad && !n.fm && !n.tm {
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
	isoYear, isoWk, isoDay := f.iso()
	wide := boolInt(year < 0)
	if !f.interval && isoYear <= 0 {
		isoYear = 1 - isoYear
	}
	switch n.key {
	case "Y,YYY":
		return n.number(year/1000, 1) + "," + formatNode{}.padded(year%1000, 3)
	case "YYYY":
		return n.number(year, 4)
	case "YYY":
		return n.number(year%1000, 3)
	case "YY":
		return n.number(year%100, 2)
	case "Y":
		return n.number(year%10, 1)
	case "IYYY":
		return n.padded(int64(isoYear), 4+wide)
	case "IYY":
		return n.padded(int64(isoYear%1000), 3+wide)
	case "IY":
		return n.padded(int64(isoYear%100), 2+wide)
	case "I":
		return n.padded(int64(isoYear%10), 1+wide)
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
		return n.padded(f.yearDay(), 3)
	case "IDDD":
		return n.padded(int64(isoDay), 3)
	case "DD":
		return n.padded(int64(f.day), 2)
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
		return n.padded(h, 2+boolInt(f.hours < 0))
	case "MI":
		return n.number(min, 2)
	case "SS":
		return n.number(sec, 2)
	case "SSSS", "SSSSS":
		return strconv.FormatInt(f.hours*3600+min*60+sec, 10)
	case "MS":
		return firstDigits(us, 3)
	case "US":
		return firstDigits(us, 6)
	case "FF1", "FF2", "FF3", "FF4", "FF5", "FF6":
		return firstDigits(us, int(n.key[2]-'0'))
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
		s := string(formatOffset(nil, f.offset/60*60))
		if n.fm && s[1] == '0' {
			s = s[:1] + s[2:]
		}
		return s
	case "WW":
		return n.padded((f.yearDay()-1)/7+1, 2)
	case "IW":
		return n.padded(int64(isoWk), 2)
	case "W":
		return n.number(int64((f.day-1)/7+1), 1)
	case "CC":
		if f.interval {
			return n.number(int64(f.year/100), 2)
		}
		return n.number(int64(centuryOf(f.year, 100)), 2)
	case "J":
		return strconv.Itoa(julianDay(f.year, f.month, f.day))
	case "Q":
		if f.month == 0 {
			return ""
		}
		return n.number(int64((f.month-1)/3+1), 1)
	}
	return n.word
}

// yearDay is the day of the year; of an interval, all its days.
func (f *charFields) yearDay() int64 {
	if f.interval {
		return int64(f.year*360 + f.month*30 + f.day)
	}
	return f.days - daysFromCivil(f.year, 1, 1) + 1
}

// iso gives the ISO 8601 year, its week and its day. PostgreSQL reckons them of
// intervals too, as if their fields were a date's.
func (f *charFields) iso() (year, week, day int) {
	monday := func(year int) int { // of the first week
		fourth := julianDay(year, 1, 4)
		return fourth - (fourth%7+7)%7
	}
	d, year := julianDay(f.year, f.month, f.day), f.year
	if d < monday(year) {
		year--
	}
	if (d-monday(year))/7+1 >= 52 && d >= monday(year+1) {
		year++
	}
	return year, (d-monday(year))/7 + 1, d - monday(year) + 1
}

// julianDay is PostgreSQL's reckoning, for fields of any value.
func julianDay(y, m, d int) int {
	if m > 2 {
		m, y = m+1, y+4800
	} else {
		m, y = m+13, y+4799
	}
	return y*365 - 32167 + y/4 - y/100 + y/400 + 7834*m/256 + d
}

// firstDigits is the first digits of microseconds; a sign takes the place of a zero.
func firstDigits(us int64, digits int) string {
	for range 6 - digits {
		us /= 10
	}
	return formatNode{}.padded(us, digits)
}

var romanMonths = []string{"i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii"}

func (f *charFields) monthName(n formatNode) string {
	if f.month == 0 && f.year == 0 {
		return ""
	}
	switch n.key {
	case "MONTH":
		return n.letters(monthNames[f.month-1], true)
	case "MON":
		return n.letters(monthNames[f.month-1][:3], false)
	}
	month := f.month
	switch { // of an interval
	case month < 0:
		month += 13
	case month == 0 && f.year < 0:
		month = 1
	case month == 0:
		month = 12
	}
	r := romanMonths[month-1]
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
