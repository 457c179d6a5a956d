package expr

import (
	"strconv"

	"github.com/fqgw/fqgw"
)

// This file has the forms of dates, intervals and bytea that DateStyle,
// IntervalStyle and bytea_output choose (PostgreSQL 15, "Date/Time Output",
// "Interval Output", "Binary Data Types").

// appendYear prints a year with four digits at least; that of 1 BC is 0, the era
// is the caller's.
func appendYear(b []byte, y int) []byte {
	if y <= 0 {
		y = 1 - y
	}
	s := strconv.Itoa(y)
	for range 4 - len(s) {
		b = append(b, '0')
	}
	return append(b, s...)
}

func appendYMD(b []byte, y, m, d int, style fqgw.Style) []byte {
	first, second, sep := m, d, byte('-')
	switch style.Dates {
	case fqgw.DatesISO:
		b = two(append(appendYear(b, y), '-'), int64(m))
		return two(append(b, '-'), int64(d))
	case fqgw.DatesSQL:
		sep = '/'
	case fqgw.DatesGerman:
		sep = '.'
	}
	if style.Order == fqgw.DMY || style.Dates == fqgw.DatesGerman {
		first, second = d, m
	}
	b = two(append(two(b, int64(first)), sep), int64(second))
	return appendYear(append(b, sep), y)
}

var shortMonths = [...]string{"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"}
var shortDays = [...]string{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"}

// appendWordy prints a timestamp as Wed Dec 17 07:37:16 1997.
func appendWordy(b []byte, c civilTime, order fqgw.DateOrder) []byte {
	days := daysFromCivil(c.year, c.month, c.day) + 4 // day 0 was a Thursday
	b = append(append(b, shortDays[days-fqgw.FloorDiv(days, 7)*7]...), ' ')
	if order == fqgw.DMY {
		b = append(append(two(b, int64(c.day)), ' '), shortMonths[c.month-1]...)
	} else {
		b = two(append(append(b, shortMonths[c.month-1]...), ' '), int64(c.day))
	}
	b = append(appendClock(append(b, ' '), c.micros), ' ')
	return appendYear(b, c.year)
}

// appendEscaped prints bytes in the escape format: \\ and \ooo.
func appendEscaped(b []byte, s string) []byte {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			b = append(b, '\\', '\\')
		case c < 0x20 || c > 0x7e:
			b = append(b, '\\', '0'+c>>6, '0'+c>>3&7, '0'+c&7)
		default:
			b = append(b, c)
		}
	}
	return b
}

// appendSpan prints an interval.
func appendSpan(b []byte, s fqgw.Span, style fqgw.SpanStyle) []byte {
	switch style {
	case fqgw.SpansVerbose:
		return appendSpanVerbose(b, s)
	case fqgw.SpansSQL:
		return appendSpanSQL(b, s)
	case fqgw.SpansISO:
		return appendSpanISO(b, s)
	}
	return appendSpanWords(b, s)
}

// appendSpanWords is PostgreSQL's own style: "1 mon -1 days +02:03:04".
func appendSpanWords(b []byte, s fqgw.Span) []byte {
	start, negative := len(b), false
	unit := func(n int64, name string) {
		if n == 0 {
			return
		}
		if len(b) > start {
			b = append(b, ' ')
		}
		if negative && n > 0 {
			b = append(b, '+')
		}
		b = append(append(strconv.AppendInt(b, n, 10), ' '), name...)
		if n != 1 {
			b = append(b, 's')
		}
		negative = n < 0
	}
	unit(int64(s.Months/12), "year")
	unit(int64(s.Months%12), "mon")
	unit(int64(s.Days), "day")
	if s.Micros == 0 && len(b) > start {
		return b
	}
	if len(b) > start {
		b = append(b, ' ')
	}
	us := uint64(s.Micros)
	if s.Micros < 0 {
		b, us = append(b, '-'), -us
	} else if negative {
		b = append(b, '+')
	}
	h := us / uint64(usHour)
	b = append(two(b, int64(h)), ':')
	rest := int64(us % uint64(usHour))
	b = append(two(b, rest/usMinute), ':')
	b = two(b, rest/usSecond%60)
	return appendMicros(b, rest%usSecond)
}

// spanParts are the fields of an interval; those of the months, and those of the
// time, have one sign or are zero.
type spanParts struct {
	year, month, day, hour, minute, second, micros int64
}

func partsOf(s fqgw.Span) spanParts {
	return spanParts{int64(s.Months / 12), int64(s.Months % 12), int64(s.Days), s.Micros / usHour, s.Micros / usMinute % 60, s.Micros / usSecond % 60, s.Micros % usSecond}
}

func (p spanParts) list() []int64 {
	return []int64{p.year, p.month, p.day, p.hour, p.minute, p.second, p.micros}
}

func magnitude(n int64) int64 { return max(n, -n) }

// appendSeconds prints seconds without a sign.
func (p spanParts) appendSeconds(b []byte, padded bool) []byte {
	n := magnitude(p.second)
	if padded && n < 10 {
		b = append(b, '0')
	}
	return appendMicros(strconv.AppendInt(b, n, 10), magnitude(p.micros))
}

// appendSpanVerbose prints @ 1 mon -1 days 2 hours, or @ 1 day ago.
func appendSpanVerbose(b []byte, s fqgw.Span) []byte {
	p := partsOf(s)
	b = append(b, '@')
	zero, ago := true, false
	for i, name := range []string{"year", "mon", "day", "hour", "min"} {
		n := p.list()[i]
		if n == 0 {
			continue
		}
		if zero { // the first says whether all is ago
			ago = n < 0
		}
		if ago {
			n = -n
		}
		zero = false
		b = append(append(strconv.AppendInt(append(b, ' '), n, 10), ' '), name...)
		if n != 1 {
			b = append(b, 's')
		}
	}
	if p.second != 0 || p.micros != 0 {
		negative := p.second < 0 || p.micros < 0
		b = append(b, ' ')
		if zero {
			ago = negative
		} else if negative != ago {
			b = append(b, '-')
		}
		b = append(p.appendSeconds(b, false), " sec"...)
		if magnitude(p.second) != 1 || p.micros != 0 {
			b = append(b, 's')
		}
		zero = false
	}
	if zero {
		b = append(b, " 0"...)
	}
	if ago {
		b = append(b, " ago"...)
	}
	return b
}

// appendSpanSQL prints 1-2 or 3 4:05:06 where SQL has such an interval, else
// each part with its sign: +1-2 -3 +4:05:06.
func appendSpanSQL(b []byte, s fqgw.Span) []byte {
	p := partsOf(s)
	negative, positive := false, false
	for _, n := range p.list() {
		negative, positive = negative || n < 0, positive || n > 0
	}
	months, time := s.Months != 0, s.Days != 0 || s.Micros != 0
	standard := !(negative && positive) && !(months && time)
	sign := func(b []byte, n int64) []byte {
		switch {
		case standard:
			return b
		case n < 0:
			return append(b, '-')
		}
		return append(b, '+')
	}
	if !negative && !positive {
		return append(b, '0')
	}
	if negative && standard {
		b = append(b, '-')
	}
	if months || !standard {
		b = strconv.AppendInt(sign(b, int64(s.Months)), magnitude(p.year), 10)
		b = strconv.AppendInt(append(b, '-'), magnitude(p.month), 10)
	}
	if months && standard {
		return b
	}
	if !standard {
		b = append(b, ' ')
	}
	if s.Days != 0 || !standard {
		b = append(strconv.AppendInt(sign(b, p.day), magnitude(p.day), 10), ' ')
	}
	b = strconv.AppendInt(sign(b, s.Micros), magnitude(p.hour), 10)
	b = two(append(b, ':'), magnitude(p.minute))
	return p.appendSeconds(append(b, ':'), true)
}

// appendSpanISO prints P1Y2M3DT4H5M6.7S.
func appendSpanISO(b []byte, s fqgw.Span) []byte {
	p := partsOf(s)
	if s == (fqgw.Span{}) {
		return append(b, "PT0S"...)
	}
	b = append(b, 'P')
	part := func(n int64, unit byte) {
		if n != 0 {
			b = append(strconv.AppendInt(b, n, 10), unit)
		}
	}
	part(p.year, 'Y')
	part(p.month, 'M')
	part(p.day, 'D')
	if s.Micros == 0 {
		return b
	}
	b = append(b, 'T')
	part(p.hour, 'H')
	part(p.minute, 'M')
	if p.second != 0 || p.micros != 0 {
		if p.second < 0 || p.micros < 0 {
			b = append(b, '-')
		}
		b = append(p.appendSeconds(b, false), 'S')
	}
	return b
}
