package decode

import (
	"math"
	"math/big"
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
)

const (
	second = 1_000_000
	day    = 86400 * second
	// PostgreSQL's least timestamp and date (4714-11-24 BC); the greatest
	// timestamp is what microseconds hold.
	leastTime = -210866803200000000
	leastDate = leastTime / day
	mostDate  = 2147483493 - 10957 + 1 // 5874897-12-31
)

// moment reads a date, a time or a timestamp: infinity, or
// YYYY-MM-DD[(T| )HH:MM[:SS[.fraction]][zone]][ BC].
func moment(c *column, s string) (fqgw.Value, error) {
	o := c.typ.OID
	if o != fqgw.Time.OID {
		switch strings.ToLower(s) {
		case "infinity":
			return infinite(o, fqgw.InfinityTime), nil
		case "-infinity":
			return infinite(o, fqgw.NegInfinityTime), nil
		}
	}
	p := parser{s: s}
	if o != fqgw.Time.OID {
		p.s, p.bc = strings.CutSuffix(s, " BC")
	}
	var us, days int64
	ok := true
	if o != fqgw.Time.OID {
		days, ok = p.date()
	}
	if ok && o != fqgw.Date.OID {
		if o == fqgw.Time.OID || p.take('T') || p.take('t') || p.take(' ') {
			us, ok = p.clock()
		}
		if ok && o != fqgw.Time.OID {
			var zone int64
			zone, ok = p.zone()
			us -= zone
		}
	}
	if !ok || p.s != "" {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeFormat, "invalid input syntax for type %s: %s", c.typ, quote([]byte(s)))
	}
	switch {
	case p.overflow:
		return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "date/time field value out of range: %s", quote([]byte(s)))
	case o == fqgw.Time.OID:
		return fqgw.TimeValue(us), nil
	case o == fqgw.Date.OID && days >= leastDate && days <= mostDate:
		return fqgw.DateValue(days), nil
	case o != fqgw.Date.OID && days >= leastDate-1 && days <= math.MaxInt64/day-1:
		if t := days*day + us; t >= leastTime {
			return fqgw.TimestampValue(t), nil
		}
	}
	return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "%s out of range: %s", c.typ, quote([]byte(s)))
}

func infinite(oid uint32, t int64) fqgw.Value {
	if oid == fqgw.Date.OID {
		return fqgw.DateValue(t)
	}
	return fqgw.TimestampValue(t)
}

// epoch reads a number of time units since the epoch, floored to a microsecond.
func epoch(c *column, raw []byte) (fqgw.Value, error) {
	if n, ok := shortInt(raw); ok {
		if t := n * c.unit; (n == 0 || t/n == c.unit) && t >= leastTime && t < math.MaxInt64 {
			return fqgw.TimestampValue(t), nil
		}
	} else if neg, digits, exp, _ := decimal(raw); int64(len(digits))+exp < 30 {
		n, _ := new(big.Int).SetString("0"+digits, 10)
		if neg {
			n.Neg(n)
		}
		n.Mul(n, big.NewInt(c.unit))
		switch {
		case exp >= 0:
			n.Mul(n, power(exp))
		case -exp > int64(len(digits))+30: // nearer to zero than any unit's microsecond
			n.SetInt64(int64(min(n.Sign(), 0)))
		default:
			n.Div(n, power(-exp)) // Euclidean, which is the floor for a positive divisor
		}
		if n.IsInt64() && n.Int64() >= leastTime && n.Int64() < math.MaxInt64 {
			return fqgw.TimestampValue(n.Int64()), nil
		}
	}
	return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "timestamp out of range: %s", quote(raw)).
		WithHint("Check the source's time_unit: one unit is %d microseconds.", c.unit)
}

func power(n int64) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(n), nil) }

// parser reads digits and marks from the front of s.
type parser struct {
	s        string
	bc       bool // the year counts before Christ: 0001 BC is the calendar's year 0
	overflow bool // a field is well written and out of its range
}

func (p *parser) take(c byte) bool {
	if p.s != "" && p.s[0] == c {
		p.s = p.s[1:]
		return true
	}
	return false
}

// number reads from least to most digits.
func (p *parser) number(least, most int) (n int64, ok bool) {
	i := 0
	for i < len(p.s) && i < most && p.s[i]-'0' <= 9 {
		n = n*10 + int64(p.s[i]-'0')
		i++
	}
	p.s = p.s[i:]
	return n, i >= least
}

func (p *parser) date() (days int64, ok bool) {
	y, ok := p.number(4, 7)
	if !ok || !p.take('-') {
		return 0, false
	}
	m, ok := p.number(2, 2)
	if !ok || !p.take('-') {
		return 0, false
	}
	d, ok := p.number(2, 2)
	if y < 1 {
		p.overflow = true
	}
	if p.bc {
		y = 1 - y
	}
	if m < 1 || m > 12 || d < 1 || d > monthDays(y, m) {
		p.overflow = true
	}
	return civilDays(y, m, d), ok
}

func (p *parser) clock() (us int64, ok bool) {
	h, ok := p.number(2, 2)
	if !ok || !p.take(':') {
		return 0, false
	}
	m, ok := p.number(2, 2)
	if !ok {
		return 0, false
	}
	us = (h*60 + m) * 60 * second
	s := int64(0)
	if p.take(':') {
		if s, ok = p.number(2, 2); !ok {
			return 0, false
		}
		if p.take('.') {
			n, ok := p.fraction()
			if !ok {
				return 0, false
			}
			us += n
		}
	}
	if us += s * second; h > 24 || m > 59 || s > 60 || us > day {
		p.overflow = true
	}
	return us, true
}

// fraction reads what follows the point of the seconds, as microseconds; finer text
// is rounded as PostgreSQL rounds it, by way of a double.
func (p *parser) fraction() (us int64, ok bool) {
	digits := 0
	for ; digits < len(p.s) && p.s[digits]-'0' <= 9; digits++ {
		if digits < 6 {
			us = us*10 + int64(p.s[digits]-'0')
		}
	}
	for i := digits; i < 6; i++ {
		us *= 10
	}
	if digits > 6 {
		f, _ := strconv.ParseFloat("0."+p.s[:digits], 64)
		us = int64(math.RoundToEven(f * second))
	}
	p.s = p.s[digits:]
	return us, digits > 0
}

// zone reads Z, ±hh, ±hhmm, ±hh:mm or nothing, which is UTC.
func (p *parser) zone() (us int64, ok bool) {
	if p.take('Z') || p.take('z') || p.s == "" {
		return 0, true
	}
	sign := int64(1)
	if p.take('-') {
		sign = -1
	} else if !p.take('+') {
		return 0, false
	}
	h, ok := p.number(2, 2)
	if !ok {
		return 0, false
	}
	m := int64(0)
	if p.take(':') || p.s != "" && p.s[0]-'0' <= 9 {
		if m, ok = p.number(2, 2); !ok {
			return 0, false
		}
	}
	if h > 15 || m > 59 {
		p.overflow = true
	}
	return sign * (h*60 + m) * 60 * second, true
}

// civilDays is the day number since 1970-01-01 of a date of the Gregorian calendar.
func civilDays(y, m, d int64) int64 {
	if m <= 2 {
		y--
	}
	era := fqgw.Floor(y, 400) / 400
	year := y - era*400
	month := (m + 9) % 12 // from March
	return era*146097 + year*365 + year/4 - year/100 + (153*month+2)/5 + d - 1 - 719468
}

// civilDate is the inverse of civilDays.
func civilDate(days int64) (y, m, d int64) {
	days += 719468
	era := fqgw.Floor(days, 146097) / 146097
	n := days - era*146097
	year := (n - n/1460 + n/36524 - n/146096) / 365
	n -= year*365 + year/4 - year/100
	month := (5*n + 2) / 153
	y, m, d = year+era*400, month+3, n-(153*month+2)/5+1
	if m > 12 {
		y, m = y+1, m-12
	}
	return y, m, d
}

func monthDays(y, m int64) int64 {
	switch m {
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}
