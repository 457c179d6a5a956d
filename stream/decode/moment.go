package decode

import (
	"math"
	"math/big"

	"github.com/fqgw/fqgw"
)

const (
	second = 1_000_000
	day    = 86400 * second
	// PostgreSQL's least timestamp (4714-11-24 BC); the greatest is what
	// microseconds hold.
	leastTime = -210866803200000000
)

// instant reads the commonest form of a timestamp,
// YYYY-MM-DD(T| )HH:MM:SS[.ffffff][Z|±HH[:MM]], as microseconds since the epoch;
// false for every other, which planner/expr reads.
func instant(s string) (us int64, ok bool) {
	if len(s) < len("YYYY-MM-DDTHH:MM:SS") || s[4] != '-' || s[7] != '-' || s[10] != 'T' && s[10] != ' ' || s[13] != ':' || s[16] != ':' {
		return 0, false
	}
	y1, y2, m, d, h, min, sec := pair(s), pair(s[2:]), pair(s[5:]), pair(s[8:]), pair(s[11:]), pair(s[14:]), pair(s[17:])
	y := y1*100 + y2
	if y1 < 0 || y2 < 0 || y < 1 || m < 1 || m > 12 || d < 1 || d > monthDays(y, m) || h < 0 || h > 23 || min < 0 || min > 59 || sec < 0 || sec > 59 {
		return 0, false
	}
	us = civilDays(y, m, d)*day + (h*3600+min*60+sec)*second
	if s = s[19:]; s != "" && s[0] == '.' {
		scale := int64(second)
		for s = s[1:]; s != "" && s[0]-'0' <= 9; s = s[1:] {
			if scale /= 10; scale == 0 {
				return 0, false // it must be rounded
			}
			us += int64(s[0]-'0') * scale
		}
		if scale == second {
			return 0, false
		}
	}
	if s == "" || s == "Z" {
		return us, true
	}
	if len(s) != 3 && (len(s) != 6 || s[3] != ':') || s[0] != '+' && s[0] != '-' {
		return 0, false
	}
	zone, past := pair(s[1:]), int64(0)
	if len(s) == 6 {
		past = pair(s[4:])
	}
	if zone < 0 || zone > 14 || past < 0 || past > 59 {
		return 0, false
	}
	zone = (zone*60 + past) * 60 * second
	if s[0] == '-' {
		zone = -zone
	}
	return us - zone, true
}

// pair is the number of two digits, -1 when they are none.
func pair(s string) int64 {
	if s[0]-'0' > 9 || s[1]-'0' > 9 {
		return -1
	}
	return int64(s[0]-'0')*10 + int64(s[1]-'0')
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
	return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "timestamp out of range: %s", quote(string(raw))).
		WithHint("Check the source's time_unit: one unit is %d microseconds.", c.unit)
}

func power(n int64) *big.Int { return new(big.Int).Exp(big.NewInt(10), big.NewInt(n), nil) }

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
