package expr

import (
	"math"
	"time"

	"github.com/fqgw/fqgw"
)

// Lengths in microseconds.
const (
	usSecond = int64(1_000_000)
	usMinute = 60 * usSecond
	usHour   = 60 * usMinute
	usDay    = 24 * usHour
)

// The days that a date may be: 4714-11-24 BC to 5874897-12-31, and those that a
// timestamp may be: to the last full day that microseconds since 1970 count.
const (
	minDay   = -2440588
	maxDay   = 2145042905
	maxTSDay = 106751990
)

// daysFromCivil is the number of days from 1970-01-01 to a date of the proleptic
// Gregorian calendar; year 0 is 1 BC. The month may be out of 1..12.
func daysFromCivil(y, m, d int) int64 {
	yy, mm := int64(y), int64(m)-1
	yy += fqgw.FloorDiv(mm, 12)
	mm -= fqgw.FloorDiv(mm, 12) * 12
	mm++
	if mm <= 2 {
		yy--
	}
	era := fqgw.FloorDiv(yy, 400)
	yoe := yy - era*400
	mp := mm - 3
	if mm <= 2 {
		mp = mm + 9
	}
	doy := (153*mp+2)/5 + int64(d) - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return era*146097 + doe - 719468
}

// civil is the date of a day number.
func civil(days int64) (y, m, d int) {
	z := days + 719468
	era := fqgw.FloorDiv(z, 146097)
	doe := z - era*146097
	yoe := (doe - doe/1460 + doe/36524 - doe/146096) / 365
	doy := doe - (365*yoe + yoe/4 - yoe/100)
	mp := (5*doy + 2) / 153
	d = int(doy - (153*mp+2)/5 + 1)
	mm := mp + 3
	if mp >= 10 {
		mm = mp - 9
	}
	yy := yoe + era*400
	if mm <= 2 {
		yy++
	}
	return int(yy), int(mm), d
}

func isLeap(y int) bool { return y%4 == 0 && (y%100 != 0 || y%400 == 0) }

func daysIn(y, m int) int {
	switch m {
	case 2:
		if isLeap(y) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

func isoWeekday(days int64) int { return int((days%7+7+3)%7) + 1 } // Monday is 1

// isoWeek is the ISO 8601 year and week of a day.
func isoWeek(days int64) (year, week int) {
	thursday := days - int64(isoWeekday(days)) + 4
	y, _, _ := civil(thursday)
	return y, int((thursday-daysFromCivil(y, 1, 1))/7) + 1
}

// civilTime is a moment taken apart in some zone.
type civilTime struct {
	year, month, day int // year 0 is 1 BC
	micros           int64
}

// split takes a local time (microseconds, as if UTC) apart.
func split(local int64) civilTime {
	days := fqgw.FloorDiv(local, usDay)
	y, m, d := civil(days)
	return civilTime{y, m, d, local - days*usDay}
}

// local is the reverse of split; ok is false when no timestamp reaches there.
func (c civilTime) local() (t int64, ok bool) {
	return dayTime(daysFromCivil(c.year, c.month, c.day), c.micros)
}

func dayTime(days, micros int64) (t int64, ok bool) {
	if days < minDay || days > maxTSDay {
		return 0, false
	}
	return days*usDay + micros, true
}

func isInfinite(t int64) bool { return t == fqgw.InfinityTime || t == fqgw.NegInfinityTime }

// offsetAt is the zone's offset east of UTC, in seconds, at a moment.
func offsetAt(t int64, loc *time.Location) int64 {
	if loc == time.UTC {
		return 0
	}
	_, off := time.Unix(fqgw.FloorDiv(t, usSecond), 0).In(loc).Zone()
	return int64(off)
}

// toLocal is the wall-clock time at the moment t, as microseconds.
func toLocal(t int64, loc *time.Location) int64 {
	if isInfinite(t) {
		return t
	}
	return t + offsetAt(t, loc)*usSecond
}

// toUTC is the moment of a wall-clock time. In the gap of a change of clock the
// offset before it holds, in the repeated hour the one after it, as PostgreSQL does.
func toUTC(local int64, loc *time.Location) int64 {
	if isInfinite(local) || loc == time.UTC {
		return local
	}
	before, after := offsetAt(local-usDay, loc), offsetAt(local+usDay, loc)
	b, a := local-before*usSecond, local-after*usSecond
	if before == after {
		return b
	}
	bOK, aOK := offsetAt(b, loc) == before, offsetAt(a, loc) == after
	switch {
	case bOK && !aOK:
		return b
	case aOK && !bOK:
		return a
	case b > a:
		return b
	}
	return a
}

func addMonthsDays(local int64, s fqgw.Span) (int64, bool) {
	if s.Months != 0 {
		c := split(local)
		m := int64(c.year)*12 + int64(c.month) - 1 + int64(s.Months)
		c.year, c.month = int(fqgw.FloorDiv(m, 12)), int(m-fqgw.FloorDiv(m, 12)*12)+1
		c.day = min(c.day, daysIn(c.year, c.month))
		var ok bool
		if local, ok = c.local(); !ok {
			return 0, false
		}
	}
	if s.Days != 0 {
		days := fqgw.FloorDiv(local, usDay)
		return dayTime(days+int64(s.Days), local-days*usDay)
	}
	return local, true
}

func addTime(t, us int64) (int64, bool) {
	sum := t + us
	if (us > 0) != (sum > t) && us != 0 || sum < minDay*usDay || sum == math.MaxInt64 {
		return 0, false
	}
	return sum, true
}
