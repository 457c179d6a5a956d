package expr

import (
	"math"
	"strings"

	"github.com/fqgw/fqgw"
)

// unitOf is the canonical name of a field of extract and date_trunc; "" when unknown.
func unitOf(s string) string {
	s = strings.ToLower(s)
	switch s {
	case "dow", "doy", "isodow", "isoyear", "epoch", "timezone", "timezone_hour", "timezone_minute":
		return s
	case "julian", "jd", "j":
		return "julian"
	}
	return spanUnits[s]
}

// fieldNames are the canonical names as messages spell them; others print as written.
func errUnit(known bool, field string, t fqgw.Type) error {
	if known {
		return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "unit \"%s\" not supported for type %s", strings.ToLower(field), typeName(t))
	}
	return fqgw.Errorf(fqgw.CodeInvalidParameter, "unit \"%s\" not recognized for type %s", strings.ToLower(field), typeName(t))
}

// part is one field of a moment or interval: n / 10^scale, or an infinity.
type part struct {
	n     int64
	scale int32
	inf   int
	null  bool
	exact *fqgw.Decimal // instead of n / 10^scale, where the double is f
	f     float64
}

func (p part) numeric() value {
	switch {
	case p.null:
		return fqgw.Null
	case p.inf > 0:
		return fqgw.NumericValue(fqgw.DecimalInf)
	case p.inf < 0:
		return fqgw.NumericValue(fqgw.DecimalNegInf)
	case p.exact != nil:
		return fqgw.NumericValue(*p.exact)
	}
	d := fqgw.DecimalFromInt(p.n)
	return fqgw.NumericValue(fqgw.NewDecimal(d.Coef(), p.scale))
}

func (p part) float() value {
	switch {
	case p.null:
		return fqgw.Null
	case p.inf != 0:
		return fqgw.FloatValue(math.Inf(p.inf))
	case p.exact != nil:
		return fqgw.FloatValue(p.f)
	}
	return fqgw.FloatValue(float64(p.n) / math.Pow10(int(p.scale)))
}

// clockPart gives the fields of a time of day.
func clockPart(unit string, us int64) (part, bool) {
	switch unit {
	case "us":
		return part{n: us % usMinute}, true
	case "ms":
		return part{n: us % usMinute, scale: 3}, true
	case "s":
		return part{n: us % usMinute, scale: 6}, true
	case "m":
		return part{n: us / usMinute % 60}, true
	case "h":
		return part{n: us / usHour}, true
	}
	return part{}, false
}

// dayPart gives the fields of a date.
func dayPart(unit string, days int64) (part, bool) {
	y, m, d := civil(days)
	shown := y // years without a zero
	if y <= 0 {
		shown = y - 1
	}
	var n int
	switch unit {
	case "d":
		n = d
	case "mon":
		n = m
	case "qtr":
		n = (m-1)/3 + 1
	case "w":
		_, n = isoWeek(days)
	case "y":
		n = shown
	case "isoyear":
		if n, _ = isoWeek(days); n <= 0 {
			n--
		}
	case "dec":
		n = int(fqgw.FloorDiv(int64(y), 10))
	case "c":
		n = centuryOf(y, 100)
	case "mil":
		n = centuryOf(y, 1000)
	case "dow":
		n = isoWeekday(days) % 7
	case "isodow":
		n = isoWeekday(days)
	case "doy":
		n = int(days-daysFromCivil(y, 1, 1)) + 1
	default:
		return part{}, false
	}
	return part{n: int64(n)}, true
}

// centuryOf counts centuries (or millennia) from 1, BC from -1.
func centuryOf(y, span int) int {
	if y > 0 {
		return (y + span - 1) / span
	}
	return -((span - 1 + 1 - y) / span)
}

// extractPart is extract and date_part.
func extractPart(t fqgw.Type, of func(part) value) func(env *fqgw.Env, field, v value) (value, error) {
	return func(env *fqgw.Env, field, v value) (value, error) {
		unit := unitOf(field.Str())
		if unit == "" {
			return fqgw.Null, errUnit(false, field.Str(), t)
		}
		var p part
		ok := false
		switch t {
		case fqgw.Interval:
			p, ok = spanPart(unit, v.Span())
		case fqgw.Time:
			if p, ok = clockPart(unit, v.Int()); unit == "epoch" {
				p, ok = part{n: v.Int(), scale: 6}, true
			}
		case fqgw.Date:
			p, ok = datePart(unit, v.Int())
		default:
			p, ok = timestampPart(unit, v.Int(), t, env)
		}
		if !ok {
			return fqgw.Null, errUnit(true, field.Str(), t)
		}
		return of(p), nil
	}
}

// datePartOf is date_part, which takes a date for its midnight.
func datePartOf(t fqgw.Type) func(env *fqgw.Env, field, v value) (value, error) {
	if t != fqgw.Date {
		return extractPart(t, part.float)
	}
	of := extractPart(fqgw.Timestamp, part.float)
	return func(env *fqgw.Env, field, v value) (value, error) {
		at, err := dayStart(v.Int(), fqgw.Timestamp, env)
		if err != nil {
			return fqgw.Null, err
		}
		return of(env, field, fqgw.TimestampValue(at))
	}
}

// infinitePart: fields that grow without end are infinite, the others NULL.
func infinitePart(unit string, t int64) part {
	switch unit {
	case "y", "dec", "c", "mil", "julian", "isoyear", "epoch":
		if t > 0 {
			return part{inf: 1}
		}
		return part{inf: -1}
	}
	return part{null: true}
}

func datePart(unit string, days int64) (part, bool) {
	p, ok := dayPart(unit, 0)
	switch unit {
	case "julian", "epoch":
		ok = true
	}
	switch {
	case !ok:
		return p, false
	case isInfinite(days):
		return infinitePart(unit, days), true
	case unit == "julian":
		return part{n: days + 2440588}, true
	case unit == "epoch":
		return part{n: days * 86400}, true
	}
	return dayPart(unit, days)
}

func timestampPart(unit string, t int64, typ fqgw.Type, env *fqgw.Env) (part, bool) {
	zoned := strings.HasPrefix(unit, "timezone")
	if zoned && typ != fqgw.Timestamptz {
		return part{}, false
	}
	if isInfinite(t) {
		return infinitePart(unit, t), true
	}
	if unit == "epoch" {
		return part{n: t, scale: 6}, true
	}
	local := t
	if typ == fqgw.Timestamptz {
		local = toLocal(t, env.Location())
	}
	days := fqgw.FloorDiv(local, usDay)
	us := local - days*usDay
	switch off := (local - t) / usSecond; unit {
	case "timezone":
		return part{n: off}, true
	case "timezone_hour":
		return part{n: off / 3600}, true
	case "timezone_minute":
		return part{n: off / 60 % 60}, true
	case "julian":
		return julianPart(days, us), true
	}
	if p, ok := clockPart(unit, us); ok {
		return p, true
	}
	return dayPart(unit, days)
}

// julianPart is the Julian day with the fraction of the day.
func julianPart(days, us int64) part {
	q, _ := fqgw.DecimalFromInt(us).Quo(fqgw.DecimalFromInt(usDay))
	q = q.Add(fqgw.DecimalFromInt(days + 2440588))
	return part{exact: &q, f: float64(days+2440588) + float64(us)/1e6/86400}
}

func spanPart(unit string, s fqgw.Span) (part, bool) {
	years, months := int64(s.Months/12), int64(s.Months%12)
	switch unit {
	case "us":
		return part{n: s.Micros % usMinute}, true
	case "ms":
		return part{n: s.Micros % usMinute, scale: 3}, true
	case "s":
		return part{n: s.Micros % usMinute, scale: 6}, true
	case "m":
		return part{n: s.Micros / usMinute % 60}, true
	case "h":
		return part{n: s.Micros / usHour}, true
	case "d":
		return part{n: int64(s.Days)}, true
	case "mon":
		return part{n: months}, true
	case "qtr":
		return part{n: months/3 + 1}, true
	case "y":
		return part{n: years}, true
	case "dec":
		return part{n: years / 10}, true
	case "c":
		return part{n: years / 100}, true
	case "mil":
		return part{n: years / 1000}, true
	case "epoch":
		// A year is 365.25 days, a month 30.
		sec := years*31557600 + months*2592000 + int64(s.Days)*86400
		d := fqgw.DecimalFromInt(sec).Mul(fqgw.DecimalFromInt(usSecond)).Add(fqgw.DecimalFromInt(s.Micros))
		d = fqgw.NewDecimal(d.Coef(), 6)
		f := float64(s.Micros)/1e6 + float64(years)*31557600 + float64(months)*2592000
		return part{exact: &d, f: f + float64(s.Days)*86400}, true
	}
	return part{}, false
}

// truncLocal is date_trunc of a wall-clock time.
func truncLocal(unit string, t int64) (int64, bool) {
	c := split(t)
	days := fqgw.FloorDiv(t, usDay)
	at := func(y, m, d int) (int64, bool) { return dayTime(daysFromCivil(y, m, d), 0) }
	year := func(span int) int { // the first year of a decade, century or millennium
		y := c.year
		switch {
		case span == 10:
			return int(fqgw.FloorDiv(int64(y), 10)) * 10
		case y > 0:
			return (y+span-1)/span*span - span + 1
		}
		return -((span-1-(y-1))/span)*span + 1
	}
	switch unit {
	case "us":
		return t, true
	case "ms":
		return fqgw.FloorDiv(t, 1000) * 1000, true
	case "s":
		return fqgw.FloorDiv(t, usSecond) * usSecond, true
	case "m":
		return fqgw.FloorDiv(t, usMinute) * usMinute, true
	case "h":
		return fqgw.FloorDiv(t, usHour) * usHour, true
	case "d":
		return days * usDay, true
	case "w":
		return (days - int64(isoWeekday(days)) + 1) * usDay, true
	case "mon":
		return at(c.year, c.month, 1)
	case "qtr":
		return at(c.year, (c.month-1)/3*3+1, 1)
	case "y":
		return at(c.year, 1, 1)
	case "dec":
		return at(year(10), 1, 1)
	case "c":
		return at(year(100), 1, 1)
	case "mil":
		return at(year(1000), 1, 1)
	}
	return 0, false
}

func truncTimestamp(t fqgw.Type) func(env *fqgw.Env, args []value) (value, error) {
	return func(env *fqgw.Env, args []value) (value, error) {
		unit := unitOf(args[0].Str())
		if _, ok := truncLocal(unit, 0); !ok {
			return fqgw.Null, errUnit(spanUnits[unit] != "" || strings.HasPrefix(unit, "timezone"), args[0].Str(), t)
		}
		at := args[1].Int()
		if isInfinite(at) {
			return args[1], nil
		}
		if t == fqgw.Timestamp {
			r, ok := truncLocal(unit, at)
			if !ok {
				return fqgw.Null, errTimestampRange()
			}
			return fqgw.TimestampValue(r), nil
		}
		loc := env.Location()
		if len(args) == 3 {
			var err error
			if loc, err = Zone(args[2].Str()); err != nil {
				return fqgw.Null, err
			}
		}
		off := offsetAt(at, loc) * usSecond
		r, ok := truncLocal(unit, at+off)
		if !ok {
			return fqgw.Null, errTimestampRange()
		}
		switch unit {
		case "us", "ms", "s", "m", "h": // the same offset: an hour is never cut across a change
			return fqgw.TimestampValue(r - off), nil
		}
		return fqgw.TimestampValue(toUTC(r, loc)), nil
	}
}

func truncInterval(a, b value) (value, error) {
	s, unit := b.Span(), unitOf(a.Str())
	years := s.Months / 12
	switch unit {
	case "mil":
		return fqgw.SpanValue(fqgw.Span{Months: years / 1000 * 12000}), nil
	case "c":
		return fqgw.SpanValue(fqgw.Span{Months: years / 100 * 1200}), nil
	case "dec":
		return fqgw.SpanValue(fqgw.Span{Months: years / 10 * 120}), nil
	case "y":
		return fqgw.SpanValue(fqgw.Span{Months: years * 12}), nil
	case "qtr":
		return fqgw.SpanValue(fqgw.Span{Months: s.Months / 3 * 3}), nil
	case "mon":
		return fqgw.SpanValue(fqgw.Span{Months: s.Months}), nil
	case "d":
		s.Micros = 0
	case "h":
		s.Micros = s.Micros / usHour * usHour
	case "m":
		s.Micros = s.Micros / usMinute * usMinute
	case "s":
		s.Micros = s.Micros / usSecond * usSecond
	case "ms":
		s.Micros = s.Micros / 1000 * 1000
	case "us":
	case "w":
		return fqgw.Null, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "unit \"%s\" not supported for type interval", strings.ToLower(a.Str())).
			WithDetail("Months usually have fractional weeks.")
	default:
		return fqgw.Null, errUnit(spanUnits[unit] != "" || strings.HasPrefix(unit, "timezone"), a.Str(), fqgw.Interval)
	}
	return fqgw.SpanValue(s), nil
}

// dateBin is date_bin(stride, source, origin).
func dateBin(args []value) (value, error) {
	stride, source, origin := args[0].Span(), args[1].Int(), args[2].Int()
	if isInfinite(source) {
		return args[1], nil
	}
	if isInfinite(origin) {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "origin out of range")
	}
	if stride.Months != 0 {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "timestamps cannot be binned into intervals containing months or years")
	}
	us, ok, _ := addInt(int64(stride.Days)*usDay, stride.Micros)
	if !ok {
		return fqgw.Null, errIntervalRange()
	}
	if us <= 0 {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "stride must be greater than zero")
	}
	diff, ok, _ := subInt(source, origin)
	if !ok {
		return fqgw.Null, errIntervalRange()
	}
	return fqgw.TimestampValue(origin + fqgw.FloorDiv(diff, us)*us), nil
}

// ageOf is the symbolic difference of two wall-clock times.
func ageOf(a, b int64) (fqgw.Span, error) {
	if isInfinite(a) || isInfinite(b) {
		return fqgw.Span{}, errTimestampRange()
	}
	sign := int32(1)
	if a < b {
		a, b, sign = b, a, -1
	}
	x, y := split(a), split(b)
	months := int32((x.year-y.year)*12 + x.month - y.month)
	days, us := int32(x.day-y.day), x.micros-y.micros
	if us < 0 {
		us += usDay
		days--
	}
	for days < 0 {
		days += int32(daysIn(y.year, y.month)) // borrowed from the earlier month
		months--
	}
	return fqgw.Span{Months: sign * months, Days: sign * days, Micros: int64(sign) * us}, nil
}
