package expr

import (
	"math"

	"github.com/fqgw/fqgw"
)

func errTimestampRange() error {
	return fqgw.Errorf(fqgw.CodeDatetimeOverflow, "timestamp out of range")
}

func errIntervalRange() error {
	return fqgw.Errorf(fqgw.CodeDatetimeOverflow, "interval out of range")
}

// addInZone adds an interval; months and days of a timestamptz go by the wall
// clock of the session's zone.
func addInZone(t int64, s fqgw.Span, zoned bool, env *fqgw.Env) (int64, error) {
	if isInfinite(t) {
		return t, nil
	}
	ok := true
	if s.Months != 0 || s.Days != 0 {
		loc := env.Location()
		if zoned {
			t = toLocal(t, loc)
		}
		if t, ok = addMonthsDays(t, s); !ok {
			return 0, errTimestampRange()
		}
		if zoned {
			t = toUTC(t, loc)
		}
	}
	if t, ok = addTime(t, s.Micros); !ok {
		return 0, errTimestampRange()
	}
	return t, nil
}

func negSpan(s fqgw.Span) (fqgw.Span, error) {
	if s.Months == math.MinInt32 || s.Days == math.MinInt32 || s.Micros == math.MinInt64 {
		return s, errIntervalRange()
	}
	return fqgw.Span{Months: -s.Months, Days: -s.Days, Micros: -s.Micros}, nil
}

func sumSpan(a, b fqgw.Span) (fqgw.Span, error) {
	months, days := int64(a.Months)+int64(b.Months), int64(a.Days)+int64(b.Days)
	us, ok, _ := addInt(a.Micros, b.Micros)
	if !ok || months != int64(int32(months)) || days != int64(int32(days)) {
		return a, errIntervalRange()
	}
	return fqgw.Span{Months: int32(months), Days: int32(days), Micros: us}, nil
}

// scaleSpan multiplies an interval.
func scaleSpan(s fqgw.Span, f float64) (fqgw.Span, error) {
	return spanOf(float64(s.Months)*f, float64(s.Days)*f, float64(s.Micros)*f)
}

func divSpan(s fqgw.Span, f float64) (fqgw.Span, error) {
	if f == 0 {
		return s, divisionByZero()
	}
	return spanOf(float64(s.Months)/f, float64(s.Days)/f, float64(s.Micros)/f)
}

// spanOf is an interval of parts of its units: fractions of months become days of 30
// to the month, fractions of days time.
func spanOf(months, days, micros float64) (fqgw.Span, error) {
	if math.IsNaN(months) || math.Abs(months) > math.MaxInt32 || math.IsNaN(days) || math.Abs(days) > math.MaxInt32 {
		return fqgw.Span{}, errIntervalRange()
	}
	out := fqgw.Span{Months: int32(months), Days: int32(days)}
	monthDays := tsRound((months - float64(out.Months)) * 30)
	sec := tsRound((days - float64(out.Days) + monthDays - math.Trunc(monthDays)) * 86400)
	if math.Abs(sec) >= 86400 {
		out.Days += int32(sec / 86400)
		sec -= math.Trunc(sec/86400) * 86400
	}
	out.Days += int32(monthDays)
	us := math.RoundToEven(micros + sec*1e6)
	if math.IsNaN(us) || us < -0x1p63 || us >= 0x1p63 {
		return fqgw.Span{}, errIntervalRange()
	}
	out.Micros = int64(us)
	return out, nil
}

// tsRound rounds to microseconds.
func tsRound(f float64) float64 { return math.RoundToEven(f*1e6) / 1e6 }

// justifyHours moves whole days out of the time, signs made to agree.
func justifyHours(s fqgw.Span) fqgw.Span {
	d := s.Micros / usDay
	days, us := int64(s.Days)+d, s.Micros-d*usDay
	if days > 0 && us < 0 {
		days, us = days-1, us+usDay
	} else if days < 0 && us > 0 {
		days, us = days+1, us-usDay
	}
	return fqgw.Span{Months: s.Months, Days: int32(days), Micros: us}
}

func justifyDays(s fqgw.Span) fqgw.Span {
	m := s.Days / 30
	months, days := s.Months+m, s.Days-m*30
	if months > 0 && days < 0 {
		months, days = months-1, days+30
	} else if months < 0 && days > 0 {
		months, days = months+1, days-30
	}
	return fqgw.Span{Months: months, Days: days, Micros: s.Micros}
}

func justify(s fqgw.Span) fqgw.Span {
	if s.Days > 0 && s.Micros > 0 || s.Days < 0 && s.Micros < 0 {
		m := s.Days / 30
		s.Months, s.Days = s.Months+m, s.Days-m*30
	}
	d := s.Micros / usDay
	s.Days, s.Micros = s.Days+int32(d), s.Micros-d*usDay
	m := s.Days / 30
	s.Months, s.Days = s.Months+m, s.Days-m*30
	switch {
	case s.Months > 0 && (s.Days < 0 || s.Days == 0 && s.Micros < 0):
		s.Days, s.Months = s.Days+30, s.Months-1
	case s.Months < 0 && (s.Days > 0 || s.Days == 0 && s.Micros > 0):
		s.Days, s.Months = s.Days-30, s.Months+1
	}
	switch {
	case s.Days > 0 && s.Micros < 0:
		s.Micros, s.Days = s.Micros+usDay, s.Days-1
	case s.Days < 0 && s.Micros > 0:
		s.Micros, s.Days = s.Micros-usDay, s.Days+1
	}
	return s
}

func spanResult(s fqgw.Span, err error) (value, error) {
	if err != nil {
		return fqgw.Null, err
	}
	return fqgw.SpanValue(s), nil
}

func tsResult(t int64, err error) (value, error) {
	if err != nil {
		return fqgw.Null, err
	}
	return fqgw.TimestampValue(t), nil
}

// swap makes b op a from a op b.
func swap(f func(*fqgw.Env, value, value) (value, error)) func(*fqgw.Env, value, value) (value, error) {
	return func(env *fqgw.Env, a, b value) (value, error) { return f(env, b, a) }
}

func plusSpan(zoned bool) func(*fqgw.Env, value, value) (value, error) {
	return func(env *fqgw.Env, a, b value) (value, error) {
		return tsResult(addInZone(a.Int(), b.Span(), zoned, env))
	}
}

func minusSpan(zoned bool) func(*fqgw.Env, value, value) (value, error) {
	return func(env *fqgw.Env, a, b value) (value, error) {
		s, err := negSpan(b.Span())
		if err != nil {
			return fqgw.Null, err
		}
		return tsResult(addInZone(a.Int(), s, zoned, env))
	}
}

func minusTimestamps(a, b value) (value, error) {
	if isInfinite(a.Int()) || isInfinite(b.Int()) {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "cannot subtract infinite timestamps")
	}
	us, ok, _ := subInt(a.Int(), b.Int())
	if !ok {
		return fqgw.Null, errIntervalRange()
	}
	return fqgw.SpanValue(justifyHours(fqgw.Span{Micros: us})), nil
}

func datePlus(sign int64) func(a, b value) (value, error) {
	return func(a, b value) (value, error) {
		if isInfinite(a.Int()) {
			return a, nil
		}
		d := a.Int() + sign*b.Int()
		if d < minDay || d > maxDay {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "date out of range")
		}
		return fqgw.DateValue(d), nil
	}
}

func datePlusSpan(sub bool) func(*fqgw.Env, value, value) (value, error) {
	return func(env *fqgw.Env, a, b value) (value, error) {
		t, err := dayStart(a.Int(), fqgw.Timestamp, env)
		if err != nil {
			return fqgw.Null, err
		}
		if sub {
			return minusSpan(false)(env, fqgw.TimestampValue(t), b)
		}
		return plusSpan(false)(env, fqgw.TimestampValue(t), b)
	}
}

func datePlusTime(env *fqgw.Env, a, b value) (value, error) {
	t, err := dayStart(a.Int(), fqgw.Timestamp, env)
	if err != nil || isInfinite(t) {
		return tsResult(t, err)
	}
	return fqgw.TimestampValue(t + b.Int()), nil
}

func minusDates(a, b value) (value, error) {
	if isInfinite(a.Int()) || isInfinite(b.Int()) {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "cannot subtract infinite dates")
	}
	return fqgw.IntValue(a.Int() - b.Int()), nil
}

func momentOps() []opDef {
	scale := func(_ *fqgw.Env, a, b value) (value, error) { return spanResult(scaleSpan(a.Span(), b.Float())) }
	clock := func(sign int64) func(a, b value) value {
		return func(a, b value) value {
			us := a.Int() + sign*(b.Span().Micros%usDay)
			return fqgw.TimeValue(us - fqgw.FloorDiv(us, usDay)*usDay)
		}
	}
	intDate := func(_ *fqgw.Env, a, b value) (value, error) { return datePlus(1)(b, a) }
	return []opDef{
		{"+", "timestamptz interval timestamptz", plusSpan(true)}, {"+", "interval timestamptz timestamptz", swap(plusSpan(true))},
		{"+", "timestamp interval timestamp", plusSpan(false)}, {"+", "interval timestamp timestamp", swap(plusSpan(false))},
		{"-", "timestamptz interval timestamptz", minusSpan(true)}, {"-", "timestamp interval timestamp", minusSpan(false)},
		{"-", "timestamptz timestamptz interval", minusTimestamps}, {"-", "timestamp timestamp interval", minusTimestamps},
		{"+", "date int4 date", datePlus(1)}, {"+", "int4 date date", intDate}, {"-", "date int4 date", datePlus(-1)},
		{"-", "date date int4", minusDates},
		{"+", "date interval timestamp", datePlusSpan(false)}, {"+", "interval date timestamp", swap(datePlusSpan(false))},
		{"-", "date interval timestamp", datePlusSpan(true)},
		{"+", "date time timestamp", datePlusTime}, {"+", "time date timestamp", swap(datePlusTime)},
		{"+", "time interval time", clock(1)}, {"-", "time interval time", clock(-1)},
		{"+", "interval time time", func(a, b value) value { return clock(1)(b, a) }},
		{"-", "time time interval", func(a, b value) value { return fqgw.SpanValue(fqgw.Span{Micros: a.Int() - b.Int()}) }},
		{"+", "interval interval interval", func(a, b value) (value, error) { return spanResult(sumSpan(a.Span(), b.Span())) }},
		{"-", "interval interval interval", func(a, b value) (value, error) {
			s, err := negSpan(b.Span())
			if err != nil {
				return fqgw.Null, err
			}
			return spanResult(sumSpan(a.Span(), s))
		}},
		{"*", "interval float8 interval", scale}, {"*", "float8 interval interval", swap(scale)},
		{"/", "interval float8 interval", func(a, b value) (value, error) { return spanResult(divSpan(a.Span(), b.Float())) }},
		{"-", "- interval interval", func(a value) (value, error) { return spanResult(negSpan(a.Span())) }},
	}
}
