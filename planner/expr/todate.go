package expr

import (
	"strings"
	"time"

	"github.com/fqgw/fqgw"
)

// zoneName is the abbreviation of a zone at a moment.
func zoneName(t int64, loc *time.Location) string {
	name, _ := time.Unix(fqgw.FloorDiv(t, usSecond), 0).In(loc).Zone()
	return name
}

// fromTemplate reads s by a to_timestamp template.
type fromTemplate struct {
	text, rest          string
	year, month, day    int
	hour, min, sec      int
	us                  int64
	doy, century        int
	isoYear, isoWeek    int
	isoDay, julian      int
	gotYear, bc         bool
	pm, half            bool
	ssss                int
	offSign, offH, offM int64
	gotOff              bool
}

func (f *fromTemplate) bad(format string, args ...any) *fqgw.Error {
	return fqgw.Errorf(fqgw.CodeDatetimeFormat, format, args...)
}

// digits takes a number of at most n digits; next says that digits follow.
func (f *fromTemplate) digits(key string, n int) (int, error) {
	f.rest = strings.TrimLeft(f.rest, " \t\n")
	i, neg := 0, false
	if f.rest != "" && (f.rest[0] == '-' || f.rest[0] == '+') {
		neg = f.rest[0] == '-'
		i++
	}
	from := i
	for i < len(f.rest) && i-from < n && isDigit(f.rest[i]) {
		i++
	}
	if i == from {
		if f.rest == "" {
			return 0, nil
		}
		return 0, f.bad("invalid value \"%s\" for \"%s\"", f.rest[:min(n, len(f.rest))], key).WithDetail("Value must be an integer.")
	}
	v := atoi(f.rest[from:i])
	f.rest = f.rest[i:]
	if neg {
		v = -v
	}
	return v, nil
}

func (f *fromTemplate) name(key string, names []string, short bool) (int, error) {
	f.rest = strings.TrimLeft(f.rest, " \t\n")
	low := strings.ToLower(f.rest)
	for i, n := range names {
		if short {
			n = n[:3]
		}
		if strings.HasPrefix(low, n) {
			f.rest = f.rest[len(n):]
			return i, nil
		}
	}
	word := f.rest
	if i := strings.IndexAny(word, " \t\n"); i >= 0 {
		word = word[:i]
	}
	return 0, f.bad("invalid value \"%s\" for \"%s\"", word, key).WithDetail("The given value did not match any of the allowed values for this field.")
}

func (f *fromTemplate) read(template string) error {
	nodes := parseFormat(template)
	for i, n := range nodes {
		if n.key == "" {
			f.skip(n.word)
			continue
		}
		if f.rest == "" {
			continue
		}
		width := 12
		if i+1 < len(nodes) && nodes[i+1].key != "" || n.key != "YYYY" && n.key != "J" && n.key != "SSSS" && n.key != "SSSSS" {
			width = keyWidth(n.key)
		}
		if err := f.node(n, width); err != nil {
			return err
		}
		if n.th != 0 && len(f.rest) >= 2 {
			f.rest = f.rest[2:]
		}
	}
	return nil
}

func keyWidth(key string) int {
	switch key {
	case "YYYY", "IYYY", "HH24", "HH12":
		return map[byte]int{'Y': 4, 'I': 4, 'H': 2}[key[0]]
	case "FF1", "FF2", "FF3", "FF4", "FF5", "FF6":
		return int(key[2] - '0')
	case "US":
		return 6
	case "MS":
		return 3
	case "J":
		return 7
	case "SSSS", "SSSSS":
		return 5
	}
	return len(key)
}

// skip passes over template text: separators match any separator or spaces.
func (f *fromTemplate) skip(word string) {
	for i := 0; i < len(word); i++ {
		c := word[i]
		if isSpace(c) || c < 0x80 && !isAlpha(c) && !isDigit(c) {
			f.rest = strings.TrimLeft(f.rest, " \t\n")
			if f.rest != "" && !isAlpha(f.rest[0]) && !isDigit(f.rest[0]) && f.rest[0] < 0x80 && !(f.rest[0] == '-' && isSpace(c)) && f.rest[0] != '+' {
				f.rest = f.rest[1:]
			}
			continue
		}
		if f.rest != "" {
			f.rest = f.rest[1:]
		}
	}
}

func (f *fromTemplate) node(n formatNode, width int) (err error) {
	set := func(p *int) {
		*p, err = f.digits(n.word, width)
	}
	switch n.key {
	case "YYYY", "YYY", "YY", "Y", "Y,YYY":
		have := len(strings.TrimLeft(f.rest, " "))
		before := strings.TrimLeft(f.rest, " ")
		if n.key == "Y,YYY" {
			f.rest = strings.Replace(before, ",", "", 1)
			width = 7
		}
		set(&f.year)
		if used := have - len(f.rest); err == nil && (n.key == "YYY" || n.key == "YY" || n.key == "Y") && used <= len(n.key) {
			f.year = nearYear(f.year, len(n.key))
		}
		f.gotYear = true
	case "IYYY", "IYY", "IY", "I":
		set(&f.isoYear)
		if n.key != "IYYY" {
			f.isoYear = nearYear(f.isoYear, len(n.key))
		}
	case "MM":
		set(&f.month)
	case "MONTH", "MON":
		f.month, err = f.name(n.word, monthNames, n.key == "MON")
		f.month++
	case "RM":
		f.rest = strings.TrimLeft(f.rest, " ")
		for i := len(romanMonths) - 1; i >= 0; i-- {
			if strings.HasPrefix(strings.ToLower(f.rest), romanMonths[i]) && len(romanMonths[i]) >= 1 {
				if r := romanMonths[i]; f.month == 0 || len(r) > len(romanMonths[f.month-1]) {
					f.month = i + 1
				}
			}
		}
		if f.month > 0 {
			f.rest = f.rest[len(romanMonths[f.month-1]):]
		}
	case "DD":
		set(&f.day)
	case "DDD":
		set(&f.doy)
	case "DAY", "DY":
		_, err = f.name(n.word, dayNames, n.key == "DY")
	case "D":
		var ignored int
		set(&ignored)
	case "ID":
		set(&f.isoDay)
	case "IW":
		set(&f.isoWeek)
	case "HH24", "HH", "HH12":
		set(&f.hour)
		f.half = f.half || n.key != "HH24"
	case "MI":
		set(&f.min)
	case "SS":
		set(&f.sec)
	case "SSSS", "SSSSS":
		set(&f.ssss)
	case "MS", "US", "FF1", "FF2", "FF3", "FF4", "FF5", "FF6":
		f.rest = strings.TrimLeft(f.rest, " ")
		i := 0
		for i < len(f.rest) && i < width && isDigit(f.rest[i]) {
			i++
		}
		f.us = fraction(f.rest[:i])
		f.rest = f.rest[i:]
	case "AM", "PM", "A.M.", "P.M.":
		low := strings.ToLower(strings.TrimLeft(f.rest, " "))
		f.pm, f.half = strings.HasPrefix(low, "p"), true
		f.rest = f.rest[min(len(n.key), len(f.rest)):]
	case "AD", "BC", "A.D.", "B.C.":
		low := strings.ToLower(strings.TrimLeft(f.rest, " "))
		f.bc = strings.HasPrefix(low, "b")
		f.rest = f.rest[min(len(n.key), len(f.rest)):]
	case "TZH":
		f.offSign, f.gotOff = 1, true
		if strings.HasPrefix(f.rest, "-") {
			f.offSign = -1
		}
		f.rest = strings.TrimLeft(f.rest, "+-")
		var h int
		h, err = f.digits(n.word, 2)
		f.offH = int64(h)
	case "TZM":
		var m int
		m, err = f.digits(n.word, 2)
		f.offM, f.gotOff = int64(m), true
	case "CC":
		set(&f.century)
	case "J":
		set(&f.julian)
	case "Q", "WW", "W":
		var ignored int
		set(&ignored)
	case "TZ", "OF":
		return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "formatting field \"%s\" is only supported in to_char", n.word)
	}
	return err
}

// nearYear completes a year of fewer digits to the one next to 2020.
func nearYear(y, digits int) int {
	switch {
	case y < 0 || y > 999:
		return y
	case digits >= 3 && y < 520 || y < 70:
		return y + 2000
	case y < 100, digits < 3:
		return y + 1900
	}
	return y + 1000
}

// moment gives the day and the time of day.
func (f *fromTemplate) moment() (days, us int64, err error) {
	out := func() error {
		return fqgw.Errorf(fqgw.CodeDatetimeOverflow, "date/time field value out of range: \"%s\"", f.text)
	}
	if f.half {
		if f.hour < 1 || f.hour > 12 {
			return 0, 0, f.bad("hour \"%d\" is invalid for the 12-hour clock", f.hour).WithHint("Use the 24-hour clock, or give an hour between 1 and 12.")
		}
		if f.hour %= 12; f.pm {
			f.hour += 12
		}
	}
	if f.ssss > 0 {
		f.hour, f.min, f.sec = f.ssss/3600, f.ssss/60%60, f.ssss%60
	}
	if f.hour > 23 || f.hour < 0 || f.min > 59 || f.min < 0 || f.sec > 59 || f.sec < 0 {
		return 0, 0, out()
	}
	us = int64(f.hour)*usHour + int64(f.min)*usMinute + int64(f.sec)*usSecond + f.us
	year := f.year
	if f.century > 0 && !f.gotYear {
		year = (f.century-1)*100 + 1
	}
	if f.bc {
		year = 1 - year
	} else if year < 0 {
		year++
	}
	month, day := max(f.month, 1), max(f.day, 1)
	switch {
	case f.julian > 0:
		return int64(f.julian) - 2440588, us, nil
	case f.isoYear != 0 || f.isoWeek != 0:
		jan4 := daysFromCivil(f.isoYear, 1, 4)
		return jan4 - int64(isoWeekday(jan4)) + 1 + int64(max(f.isoWeek, 1)-1)*7 + int64(max(f.isoDay, 1)-1), us, nil
	case f.doy > 0:
		if f.doy > 366 || f.doy == 366 && !isLeap(year) {
			return 0, 0, out()
		}
		return daysFromCivil(year, 1, 1) + int64(f.doy) - 1, us, nil
	case f.month < 0 || month > 12 || f.day < 0 || day > daysIn(year, month):
		return 0, 0, out()
	}
	return daysFromCivil(year, month, day), us, nil
}

func toTimestamp(env *fqgw.Env, a, b value) (value, error) {
	f := &fromTemplate{text: a.Str(), rest: a.Str()}
	if err := f.read(b.Str()); err != nil {
		return fqgw.Null, err
	}
	days, us, err := f.moment()
	if err != nil {
		return fqgw.Null, err
	}
	t, ok := dayTime(days, us)
	if !ok {
		return fqgw.Null, errTimestampRange()
	}
	if f.gotOff {
		if f.offSign == 0 {
			f.offSign = 1
		}
		return fqgw.TimestampValue(t - f.offSign*(f.offH*usHour+f.offM*usMinute)), nil
	}
	return fqgw.TimestampValue(toUTC(t, env.Location())), nil
}

func toDate(_ *fqgw.Env, a, b value) (value, error) {
	f := &fromTemplate{text: a.Str(), rest: a.Str()}
	if err := f.read(b.Str()); err != nil {
		return fqgw.Null, err
	}
	days, _, err := f.moment()
	if err != nil {
		return fqgw.Null, err
	}
	if days < minDay || days > maxDay {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "date out of range: \"%s\"", a.Str())
	}
	return fqgw.DateValue(days), nil
}
