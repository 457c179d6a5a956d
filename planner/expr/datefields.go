package expr

import (
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
)

// date reads a field such as 2013-01-05, 1/5/2013 or 5-jan-2013.
func (d *dateReader) date(s string) error {
	at := strings.IndexAny(s, "-/.")
	parts := strings.FieldsFunc(s, func(r rune) bool { return byte(r) == s[at] })
	if len(parts) > 3 {
		return d.bad()
	}
	for i, p := range parts {
		if m := monthNumber(p); m > 0 {
			if d.gotMon {
				return d.bad()
			}
			d.month, d.gotMon, d.textMonth = m, true, true
			parts[i] = ""
		} else if !isDigits(p) {
			return d.bad()
		}
	}
	for _, p := range parts {
		if p == "" {
			continue
		}
		if err := d.part(p); err != nil {
			return err
		}
	}
	return nil
}

// part takes one number of a date for year, month or day, by what is there.
func (d *dateReader) part(s string) error {
	n, err := strconv.Atoi(s)
	if err != nil {
		return d.overflow(false)
	}
	long := len(s) >= 3
	if len(s) == 3 && d.gotYear && !d.gotMon && !d.gotDay && n >= 1 && n <= 366 {
		d.doy, d.gotMon, d.gotDay = n, true, true
		return nil
	}
	year := func() { d.year, d.gotYear, d.twoDigits = n, true, len(s) <= 2 }
	month := func() { d.month, d.gotMon = n, true }
	day := func() { d.day, d.gotDay = n, true }
	switch {
	case !d.gotYear && !d.gotMon && !d.gotDay:
		d.ordered = d.ordered || !long
		switch {
		case long || d.order == fqgw.YMD:
			year()
		case d.order == fqgw.DMY:
			day()
		default:
			month()
		}
	case d.gotYear && !d.gotMon && !d.gotDay:
		month()
	case d.gotMon && !d.gotYear && !d.gotDay:
		d.ordered = d.ordered || d.textMonth && !long
		if d.textMonth && (long || d.order == fqgw.YMD) {
			year()
		} else {
			day()
		}
	case d.gotYear && d.gotMon && !d.gotDay:
		if d.textMonth && long && d.twoDigits {
			d.day, d.gotDay = d.year, true
			year()
		} else {
			day()
		}
	case d.gotDay && !d.gotMon && !d.gotYear:
		month()
	case d.gotMon && d.gotDay && !d.gotYear:
		year()
	default:
		return d.runTogether(s)
	}
	return nil
}

// number reads a token of digits, perhaps with a fraction.
func (d *dateReader) number(s string, next byte) error {
	whole, frac, dotted := strings.Cut(s, ".")
	if d.gotJulian {
		n, err := strconv.ParseInt(whole, 10, 32)
		if err != nil || d.gotYear {
			return d.overflow(false)
		}
		d.gotJulian = false
		y, m, day := civil(n - 2440588)
		d.year, d.month, d.day = y, m, day
		d.gotYear, d.gotMon, d.gotDay = true, true, true
		d.julian = n
		if f, err := strconv.ParseFloat("0."+frac, 64); dotted && err == nil {
			us := int64(f * float64(usDay))
			d.hour, d.min, d.sec, d.usec = int(us/usHour), int(us/usMinute%60), int(us/usSecond%60), us%usSecond
			d.gotTime = true
		}
		return nil
	}
	complete := d.gotYear && d.gotMon && d.gotDay
	switch {
	case d.isoTime, d.typ == fqgw.Time && !d.gotTime:
		return d.runTogetherTime(whole, frac)
	case dotted && !d.gotYear && !d.gotMon && !d.gotDay && len(whole) <= 4 && next != 0:
		return d.bad()
	case dotted && len(whole) == 4 && len(frac) == 3 && !d.gotYear: // year.day
		d.year, d.gotYear = atoi(whole), true
		d.doy, d.gotMon, d.gotDay = atoi(frac), true, true
		return nil
	case dotted && (!complete || len(whole) <= 2):
		return d.bad()
	case dotted:
		return d.runTogetherTime(whole, frac)
	case len(whole) >= 6 && (!complete || !d.gotTime):
		return d.runTogether(whole)
	}
	return d.part(whole)
}

func atoi(s string) int { n, _ := strconv.Atoi(s); return n }
func itoa(n int) string { return strconv.Itoa(n) }

// runTogether reads yyyymmdd or yymmdd, or behind a date hhmmss or hhmm.
func (d *dateReader) runTogether(s string) error {
	if d.gotYear && d.gotMon && d.gotDay {
		return d.runTogetherTime(s, "")
	}
	n := len(s)
	if n < 6 || n > 11 || d.gotYear || d.gotMon || d.gotDay {
		return d.bad()
	}
	d.year, d.month, d.day = atoi(s[:n-4]), atoi(s[n-4:n-2]), atoi(s[n-2:])
	d.gotYear, d.gotMon, d.gotDay, d.twoDigits = true, true, true, n == 6
	return nil
}

func (d *dateReader) runTogetherTime(s, frac string) error {
	if d.gotTime {
		return d.bad()
	}
	switch len(s) {
	case 6:
		d.hour, d.min, d.sec = atoi(s[:2]), atoi(s[2:4]), atoi(s[4:])
	case 4:
		d.hour, d.min = atoi(s[:2]), atoi(s[2:])
	default:
		return d.bad()
	}
	d.usec, d.gotTime, d.isoTime = fraction(frac), true, false
	if d.min > 59 || d.sec > 60 || d.hour > 24 {
		return d.overflow(false)
	}
	return nil
}

// check completes and validates the fields.
func (d *dateReader) check() error {
	if d.half != 0 {
		if !d.gotTime && d.typ == fqgw.Time {
			return d.bad()
		}
		if d.hour > 12 {
			return d.overflow(false)
		}
		if d.hour %= 12; d.half == 'p' {
			d.hour += 12
		}
	}
	if d.hour == 24 && (d.min > 0 || d.sec > 0 || d.usec > 0) {
		return d.overflow(false)
	}
	if d.special != "" {
		if d.gotYear || d.gotMon || d.gotDay || d.gotTime && d.special != "today" && d.special != "tomorrow" && d.special != "yesterday" {
			return d.bad()
		}
		return nil
	}
	if d.typ == fqgw.Time {
		if !d.gotTime || d.isoTime {
			return d.bad()
		}
		if !d.gotYear && !d.gotMon && !d.gotDay {
			return nil
		}
	}
	if !d.gotYear || !d.gotMon || !d.gotDay || d.isoTime {
		return d.bad()
	}
	if d.julian != 0 {
		return nil
	}
	switch {
	case d.bc && d.year <= 0, !d.bc && !d.twoDigits && d.year <= 0:
		return d.overflow(false)
	case d.bc:
		d.year = 1 - d.year
	case d.twoDigits && d.year < 70:
		d.year += 2000
	case d.twoDigits && d.year < 100:
		d.year += 1900
	}
	if d.doy > 0 {
		_, d.month, d.day = civil(daysFromCivil(d.year, 1, 1) + int64(d.doy) - 1)
		return nil
	}
	if d.month < 1 || d.month > 12 || d.day < 1 || d.day > 31 {
		return d.overflow(true)
	}
	if d.day > daysIn(d.year, d.month) {
		return d.overflow(false)
	}
	return nil
}

// value makes the value of the type from the fields.
func (d *dateReader) value() (value, error) {
	micros := int64(d.hour)*usHour + int64(d.min)*usMinute + int64(d.sec)*usSecond + d.usec
	var days int64
	switch d.special {
	case "infinity", "-infinity":
		t := int64(fqgw.InfinityTime)
		if d.special[0] == '-' {
			t = fqgw.NegInfinityTime
		}
		switch d.typ {
		case fqgw.Date:
			return fqgw.DateValue(t), nil
		case fqgw.Time:
			return fqgw.Null, d.bad()
		}
		return fqgw.TimestampValue(t), nil
	case "epoch":
		if d.typ == fqgw.Date {
			return fqgw.DateValue(0), nil
		}
		return fqgw.TimestampValue(0), nil
	case "":
		if d.typ != fqgw.Time {
			days = daysFromCivil(d.year, d.month, d.day)
		}
	default:
		d.in.usedEnv = true
		now := int64(0)
		if d.in.env != nil {
			now = d.in.env.Now
		}
		local := toLocal(now, d.in.env.Location())
		days = fqgw.FloorDiv(local, usDay)
		switch d.special {
		case "now":
			micros = local - days*usDay
		case "tomorrow":
			days++
		case "yesterday":
			days--
		}
		if d.special == "now" && d.typ == fqgw.Timestamptz {
			return fqgw.TimestampValue(now), nil
		}
	}
	switch d.typ {
	case fqgw.Time:
		return fqgw.TimeValue(micros), nil
	case fqgw.Date:
		if days < minDay || days > maxDay {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "date out of range: \"%s\"", d.text)
		}
		return fqgw.DateValue(days), nil
	}
	t, ok := dayTime(days, micros)
	if ok && d.typ == fqgw.Timestamptz {
		switch {
		case d.zone != nil:
			t, ok = addTime(t, -*d.zone*usSecond)
		case d.loc != nil:
			t = toUTC(t, d.loc)
		default:
			d.in.usedEnv = true
			t = toUTC(t, d.in.env.Location())
		}
	}
	if !ok {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "timestamp out of range: \"%s\"", d.text)
	}
	return fqgw.TimestampValue(t), nil
}
