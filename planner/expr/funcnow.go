package expr

import (
	"math"

	"github.com/fqgw/fqgw"
)

func nowOf(env *fqgw.Env) int64 {
	if env == nil {
		return 0
	}
	return env.Now
}

func now(env *fqgw.Env, _ []value) (value, error) { return fqgw.TimestampValue(nowOf(env)), nil }

// wallClock is clock_timestamp(): the session's clock, T where there is none.
func wallClock(env *fqgw.Env, args []value) (value, error) {
	if env != nil && env.Session != nil {
		if v, ok, err := env.Session.Call(sessionContext(env), "clock_timestamp", nil); ok || err != nil {
			return v, err
		}
	}
	return now(env, args)
}

func today(env *fqgw.Env, _ []value) (value, error) {
	return fqgw.DateValue(fqgw.FloorDiv(toLocal(nowOf(env), env.Location()), usDay)), nil
}

func localNow(env *fqgw.Env, _ []value) (value, error) {
	return fqgw.TimestampValue(toLocal(nowOf(env), env.Location())), nil
}

func localTime(env *fqgw.Env, _ []value) (value, error) {
	t := toLocal(nowOf(env), env.Location())
	return fqgw.TimeValue(t - fqgw.FloorDiv(t, usDay)*usDay), nil
}

// atZone is AT TIME ZONE with a zone's name: a timestamptz becomes its wall
// clock, a timestamp the moment of it.
func atZone(zoned bool) func(zone, t value) (value, error) {
	return func(zone, t value) (value, error) {
		loc, err := Zone(zone.Str())
		if err != nil {
			return fqgw.Null, err
		}
		if zoned {
			return fqgw.TimestampValue(toLocal(t.Int(), loc)), nil
		}
		return fqgw.TimestampValue(toUTC(t.Int(), loc)), nil
	}
}

func atOffset(sign int64) func(zone, t value) (value, error) {
	return func(zone, t value) (value, error) {
		s := zone.Span()
		if s.Months != 0 || s.Days != 0 {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "interval time zone \"%s\" must not include months or days", appendSpan(nil, s, fqgw.SpansPostgres))
		}
		if isInfinite(t.Int()) {
			return t, nil
		}
		r, ok := addTime(t.Int(), sign*s.Micros)
		if !ok {
			return fqgw.Null, errTimestampRange()
		}
		return fqgw.TimestampValue(r), nil
	}
}

func fieldRange(format string, args ...any) error {
	return fqgw.Errorf(fqgw.CodeDatetimeOverflow, format, args...)
}

func makeDate(args []value) (value, error) {
	y, m, d := args[0].Int(), args[1].Int(), args[2].Int()
	bad := fieldRange("date field value out of range: %d-%02d-%02d", y, m, d)
	year := y
	if y < 0 {
		year++
	}
	if y == 0 || m < 1 || m > 12 || d < 1 || y > 5874897 || y < -4714 || d > int64(daysIn(int(year), int(m))) {
		return fqgw.Null, bad
	}
	days := daysFromCivil(int(year), int(m), int(d))
	if days < minDay {
		return fqgw.Null, fieldRange("date out of range: %d-%02d-%02d", y, m, d)
	}
	return fqgw.DateValue(days), nil
}

func clockMicros(h, m int64, sec float64) (int64, error) {
	us := math.RoundToEven(sec * 1e6)
	total := h*usHour + m*usMinute + int64(us)
	if h < 0 || h > 24 || m < 0 || m > 59 || !(sec >= 0 && us <= 60e6) || total > usDay {
		return 0, fieldRange("time field value out of range: %d:%02d:%02g", h, m, sec)
	}
	return total, nil
}

func makeTime(args []value) (value, error) {
	us, err := clockMicros(args[0].Int(), args[1].Int(), args[2].Float())
	if err != nil {
		return fqgw.Null, err
	}
	return fqgw.TimeValue(us), nil
}

func makeTimestamp(zoned bool) func(env *fqgw.Env, args []value) (value, error) {
	return func(env *fqgw.Env, args []value) (value, error) {
		d, err := makeDate(args[:3])
		if err != nil {
			return fqgw.Null, err
		}
		us, err := clockMicros(args[3].Int(), args[4].Int(), args[5].Float())
		if err != nil {
			return fqgw.Null, err
		}
		t, ok := dayTime(d.Int(), us)
		if !ok {
			return fqgw.Null, errTimestampRange()
		}
		if zoned {
			loc := env.Location()
			if len(args) == 7 {
				if loc, err = argumentZone(args[6].Str()); err != nil {
					return fqgw.Null, err
				}
			}
			t = toUTC(t, loc)
		}
		return fqgw.TimestampValue(t), nil
	}
}

// makeInterval is make_interval(years, months, weeks, days, hours, mins, secs), later ones left out.
func makeInterval(args []value) (value, error) {
	var sum spanSum
	for i, unit := range []string{"y", "mon", "w", "d", "h", "m"} {
		if i < len(args) {
			sum.add(unit, args[i].Int(), 0)
		}
	}
	if len(args) == 7 {
		sum.addMicros(math.RoundToEven(args[6].Float() * 1e6))
		if math.IsNaN(args[6].Float()) {
			sum.over = true
		}
	}
	s, ok := sum.span()
	if !ok {
		return fqgw.Null, errIntervalRange()
	}
	return fqgw.SpanValue(s), nil
}

// fromEpoch is to_timestamp(double).
func fromEpoch(a value) (value, error) {
	f := a.Float()
	switch {
	case math.IsNaN(f):
		return fqgw.Null, fieldRange("timestamp cannot be NaN")
	case math.IsInf(f, 1):
		return fqgw.TimestampValue(fqgw.InfinityTime), nil
	case math.IsInf(f, -1):
		return fqgw.TimestampValue(fqgw.NegInfinityTime), nil
	}
	if f < float64(minDay)*86400 || f >= float64(maxTSDay)*86400 {
		return fqgw.Null, fieldRange("timestamp out of range: \"%g\"", f)
	}
	// Whole seconds apart from the fraction keep the double's digits.
	whole := math.Floor(f)
	return fqgw.TimestampValue(int64(whole)*usSecond + int64(math.RoundToEven((f-whole)*1e6))), nil
}

func age(zoned bool) func(env *fqgw.Env, args []value) (value, error) {
	return func(env *fqgw.Env, args []value) (value, error) {
		a, b := args[0].Int(), int64(0)
		if len(args) == 2 {
			b = args[1].Int()
		} else { // against midnight of today
			b = a
			local := toLocal(nowOf(env), env.Location())
			a = fqgw.FloorDiv(local, usDay) * usDay
			if zoned {
				a = toUTC(a, env.Location())
			}
		}
		if zoned {
			a, b = toLocal(a, env.Location()), toLocal(b, env.Location())
		}
		return spanResult(ageOf(a, b))
	}
}

// overlapsFor is overlaps where an end may be an interval after its start.
func overlapsFor(t fqgw.Type, firstSpan, secondSpan bool) func(env *fqgw.Env, args []value) (value, error) {
	end := func(env *fqgw.Env, start, span value) (value, error) {
		if t == fqgw.Time {
			us := start.Int() + span.Span().Micros%usDay
			return fqgw.TimeValue(us - fqgw.FloorDiv(us, usDay)*usDay), nil
		}
		return tsResult(addInZone(start.Int(), span.Span(), t == fqgw.Timestamptz, env))
	}
	return func(env *fqgw.Env, args []value) (value, error) {
		args = append([]value(nil), args...)
		for i, is := range []bool{firstSpan, secondSpan} {
			if !is {
				continue
			}
			v, err := end(env, args[2*i], args[2*i+1])
			if err != nil {
				return fqgw.Null, err
			}
			args[2*i+1] = v
		}
		return overlaps(args)
	}
}

// overlaps is (a, b) OVERLAPS (c, d) over moments of one kind; NULLs are not handled.
func overlaps(args []value) (value, error) {
	s1, e1, s2, e2 := args[0], args[1], args[2], args[3]
	if fqgw.Compare(s1, e1) > 0 {
		s1, e1 = e1, s1
	}
	if fqgw.Compare(s2, e2) > 0 {
		s2, e2 = e2, s2
	}
	if c := fqgw.Compare(s1, s2); c == 0 {
		return fqgw.BoolValue(true), nil
	} else if c > 0 {
		return fqgw.BoolValue(fqgw.Compare(s1, e2) < 0), nil
	}
	return fqgw.BoolValue(fqgw.Compare(s2, e1) < 0), nil
}

func momentFuncs() []def {
	spanFunc := func(f func(fqgw.Span) fqgw.Span) func(value) value {
		return func(v value) value { return fqgw.SpanValue(f(v.Span())) }
	}
	out := []def{
		{"now", "timestamptz|t", now}, {"current_timestamp", "timestamptz|t", now}, {"transaction_timestamp", "timestamptz|t", now},
		{"statement_timestamp", "timestamptz|t", now}, {"clock_timestamp", "timestamptz|tv", wallClock},
		{"timeofday", "text|tv", func(env *fqgw.Env, args []value) (value, error) {
			v, err := wallClock(env, args)
			return fqgw.TextValue(Text(v, fqgw.Timestamptz, env)), err
		}},
		{"current_date", "date|t", today}, {"localtimestamp", "timestamp|t", localNow}, {"localtime", "time|t", localTime},
		{"date_trunc", "text timestamptz timestamptz|s", truncTimestamp(fqgw.Timestamptz)},
		{"date_trunc", "text timestamptz text timestamptz", truncTimestamp(fqgw.Timestamptz)},
		{"date_trunc", "text timestamp timestamp", truncTimestamp(fqgw.Timestamp)},
		{"date_trunc", "text interval interval", truncInterval},
		{"date_bin", "interval timestamp timestamp timestamp", dateBin}, {"date_bin", "interval timestamptz timestamptz timestamptz", dateBin},
		{"age", "timestamptz timestamptz interval|s", age(true)}, {"age", "timestamp timestamp interval", age(false)},
		{"age", "timestamptz interval|t", age(true)}, {"age", "timestamp interval|t", age(false)},
		{"timezone", "text timestamptz timestamp", atZone(true)}, {"timezone", "text timestamp timestamptz", atZone(false)},
		{"timezone", "interval timestamptz timestamp", atOffset(1)}, {"timezone", "interval timestamp timestamptz", atOffset(-1)},
		{"make_date", "int4 int4 int4 date", makeDate}, {"make_time", "int4 int4 float8 time", makeTime},
		{"make_timestamp", "int4 int4 int4 int4 int4 float8 timestamp", makeTimestamp(false)},
		{"make_timestamptz", "int4 int4 int4 int4 int4 float8 timestamptz|s", makeTimestamp(true)},
		{"make_timestamptz", "int4 int4 int4 int4 int4 float8 text timestamptz", makeTimestamp(true)},
		{"to_timestamp", "float8 timestamptz", fromEpoch}, {"to_timestamp", "text text timestamptz|s", toTimestamp}, {"to_date", "text text date|s", toDate},
		{"justify_hours", "interval interval", spanFunc(justifyHours)}, {"justify_days", "interval interval", spanFunc(justifyDays)},
		{"justify_interval", "interval interval", spanFunc(justify)},
		{"to_char", "timestamptz text text|s", charTimestamp(fqgw.Timestamptz)}, {"to_char", "timestamp text text", charTimestamp(fqgw.Timestamp)},
		{"to_char", "interval text text", charInterval}, {"to_char", "numeric text text", charNumber(fqgw.Numeric)},
		{"to_char", "int4 text text", charNumber(fqgw.Int4)}, {"to_char", "int8 text text", charNumber(fqgw.Int8)},
		{"to_char", "float8 text text", charNumber(fqgw.Float8)}, {"to_char", "float4 text text", charNumber(fqgw.Float4)},
		{"to_number", "text text numeric", toNumber},
	}
	for _, t := range []fqgw.Type{fqgw.Timestamptz, fqgw.Timestamp, fqgw.Date, fqgw.Time, fqgw.Interval} {
		flags := ""
		if t == fqgw.Timestamptz {
			flags = "|s"
		}
		out = append(out, def{"extract", "text " + t.PgName() + " numeric" + flags, extractPart(t, part.numeric)},
			def{"date_part", "text " + t.PgName() + " float8" + flags, datePartOf(t)})
		if t != fqgw.Interval {
			n := t.PgName()
			if t != fqgw.Date { // dates go as timestamps
				out = append(out, def{"overlaps", n + " " + n + " " + n + " " + n + " bool", overlaps},
					def{"overlaps", n + " interval " + n + " interval bool" + flags, overlapsFor(t, true, true)},
					def{"overlaps", n + " " + n + " " + n + " interval bool" + flags, overlapsFor(t, false, true)},
					def{"overlaps", n + " interval " + n + " " + n + " bool" + flags, overlapsFor(t, true, false)})
			}
		}
	}
	sig := ""
	for _, t := range []string{"int4", "int4", "int4", "int4", "int4", "int4", "float8"} {
		out = append(out, def{"make_interval", sig + "interval", makeInterval})
		sig += t + " "
	}
	return append(out, def{"make_interval", sig + "interval", makeInterval})
}
