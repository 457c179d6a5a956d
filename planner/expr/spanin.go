package expr

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
)

// spanUnits are the units of intervals: months, or microseconds below a day.
var spanUnits = map[string]string{
	"us": "us", "usec": "us", "usecs": "us", "usecond": "us", "useconds": "us", "microsecond": "us", "microseconds": "us", "microsecon": "us",
	"ms": "ms", "msec": "ms", "msecs": "ms", "msecond": "ms", "mseconds": "ms", "millisecond": "ms", "milliseconds": "ms", "millisecon": "ms",
	"s": "s", "sec": "s", "secs": "s", "second": "s", "seconds": "s",
	"m": "m", "min": "m", "mins": "m", "minute": "m", "minutes": "m",
	"h": "h", "hr": "h", "hrs": "h", "hour": "h", "hours": "h",
	"d": "d", "day": "d", "days": "d",
	"w": "w", "week": "w", "weeks": "w",
	"mon": "mon", "mons": "mon", "month": "mon", "months": "mon",
	"y": "y", "yr": "y", "yrs": "y", "year": "y", "years": "y",
	"dec": "dec", "decade": "dec", "decades": "dec", "decs": "dec",
	"c": "c", "cent": "c", "century": "c", "centuries": "c",
	"mil": "mil", "mils": "mil", "millennium": "mil", "millennia": "mil",
	"qtr": "qtr", "quarter": "qtr", // not of intervals' input, but of date_trunc's and extract's names
}

var spanScale = map[string]float64{
	"us": 1, "ms": 1000, "s": float64(usSecond), "m": float64(usMinute), "h": float64(usHour),
	"d": 1, "w": 7, "mon": 1, "y": 12, "dec": 120, "c": 1200, "mil": 12000,
}

// spanSum gathers the parts of an interval, in floats' whole parts kept exact.
type spanSum struct {
	months, days, micros int64
	over                 bool
}

func (s *spanSum) addMicros(us float64) {
	if math.Abs(us) >= 1<<63 {
		s.over = true
		return
	}
	a := int64(math.RoundToEven(us))
	sum := s.micros + a
	if (a > 0) != (sum > s.micros) && a != 0 {
		s.over = true
	}
	s.micros = sum
}

// add adds whole.frac of a unit; sign is that of both.
func (s *spanSum) add(unit string, whole int64, frac float64) {
	switch unit {
	case "us", "ms", "s", "m", "h":
		scale := int64(spanScale[unit])
		p := whole * scale
		if whole != 0 && (p/whole != scale || whole == math.MinInt64) {
			s.over = true
		}
		sum := s.micros + p
		if (p > 0) != (sum > s.micros) && p != 0 {
			s.over = true
		}
		s.micros = sum
		s.addMicros(frac * float64(scale))
	case "d", "w":
		scale := int64(spanScale[unit])
		if whole > math.MaxInt32 || whole < math.MinInt32 {
			s.over = true
			return
		}
		s.days += whole * scale
		f := frac * float64(scale)
		d := math.Trunc(f)
		s.days += int64(d)
		s.addMicros((f - d) * float64(usDay))
	case "mon":
		s.months += clampUnit(whole, s)
		f := frac * 30
		d := math.Trunc(f)
		s.days += int64(d)
		s.addMicros((f - d) * float64(usDay))
	default:
		scale := int64(spanScale[unit])
		s.months += clampUnit(whole, s)*scale + int64(math.RoundToEven(frac*float64(scale)))
	}
}

func clampUnit(n int64, s *spanSum) int64 {
	if n > math.MaxInt32 || n < math.MinInt32 {
		s.over = true
		return 0
	}
	return n
}

func (s *spanSum) span() (fqgw.Span, bool) {
	if s.over || s.months > math.MaxInt32 || s.months < math.MinInt32 || s.days > math.MaxInt32 || s.days < math.MinInt32 {
		return fqgw.Span{}, false
	}
	return fqgw.Span{Months: int32(s.months), Days: int32(s.days), Micros: s.micros}, true
}

// interval reads PostgreSQL's, ISO 8601's and SQL's forms of an interval. Under
// IntervalStyle sql_standard a sign at its front is that of all of it, where no
// other is given.
func (in *input) interval(s string, t fqgw.Type) (value, error) {
	low := strings.ToLower(strings.TrimSpace(s))
	plain, err := parseInterval(s, low, t)
	body, negative := strings.CutPrefix(low, "-")
	if !negative || strings.Contains(body, "+") || strings.Contains(body, " -") {
		return plain, err
	}
	whole, werr := parseInterval(s, strings.TrimSpace(body), t)
	if werr == nil {
		span := whole.Span()
		whole = fqgw.SpanValue(fqgw.Span{Months: -span.Months, Days: -span.Days, Micros: -span.Micros})
	}
	in.usedEnv = in.usedEnv || err == nil && werr == nil && plain.Span() != whole.Span()
	if styleOf(in.env).Spans == fqgw.SpansSQL {
		return whole, werr
	}
	return plain, err
}

// parseInterval reads low, which is s in lower case or what is to be read of it.
func parseInterval(s, low string, t fqgw.Type) (value, error) {
	sum, ok := spanSum{}, false
	if len(low) <= 200 {
		if strings.HasPrefix(low, "p") {
			ok = sum.iso(low)
		} else {
			ok = sum.words(low, spanFields(t.Mod))
		}
	}
	if !ok && !sum.over {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeFormat, "invalid input syntax for type interval: \"%s\"", s)
	}
	span, in := sum.span()
	if !in {
		return fqgw.Null, fqgw.Errorf("22015", "interval field value out of range: \"%s\"", s)
	}
	return fqgw.SpanValue(span), nil
}

// spanMasks say which fields a unit fills; a field may be given once.
var spanMasks = map[string]int{
	"us": 1, "ms": 2, "s": 4, "m": 8, "h": 16, "d": 32, "w": 64, "mon": 128, "y": 256, "dec": 512, "c": 1024, "mil": 2048,
}

const secondsMask, clockMask = 1 | 2 | 4, 1 | 2 | 4 | 8 | 16

// words reads "1 year 2 mons 3 days 04:05:06 ago" and the like, from its end, as
// PostgreSQL does. A number without a unit has that of the modifier's last
// field, else seconds; before a time or hours it is days.
func (s *spanSum) words(text string, fields int32) bool {
	tokens, ok := spanTokens(strings.TrimPrefix(text, "@"))
	if !ok {
		return false
	}
	unit, ago, seen := "", false, 0
	for _, t := range slices.Backward(tokens) {
		mask := 0
		neg, body := t[0] == '-', strings.TrimLeft(t, "+-")
		switch {
		case t == "ago":
			ago, unit = true, "ago"
		case isAlpha(t[0]):
			if unit, ok = spanUnits[t]; !ok || unit == "qtr" {
				return false
			}
		case strings.Contains(body, ":"):
			s.micros = 0 // a time replaces what fractions of days gave
			if !s.clock(body, neg, fields) {
				return false
			}
			mask, unit = clockMask, "d"
		case strings.Contains(body, "-"): // years-months
			y, m, _ := strings.Cut(body, "-")
			if !isDigits(y) || !isDigits(m) {
				return false
			}
			if len(m) > 2 || atoi(m) > 11 {
				s.over = true
				return false
			}
			s.add("mon", signed(int64(atoi(y))*12+int64(atoi(m)), neg), 0)
			mask, unit = spanMasks["mon"], "mon"
		default:
			if unit == "" {
				unit = defaultUnit(fields)
			}
			whole, frac, ok := splitNumber(body, s)
			if !ok || unit == "ago" {
				return false
			}
			if neg {
				whole, frac = -whole, -frac
			}
			s.add(unit, whole, frac)
			if mask = spanMasks[unit]; unit == "s" && frac != 0 {
				mask = secondsMask
			}
			if unit == "h" {
				unit = "d"
			}
		}
		if seen&mask != 0 {
			return false
		}
		seen |= mask
	}
	if ago {
		s.months, s.days, s.micros = -s.months, -s.days, -s.micros
	}
	return seen != 0
}

func signed(n int64, neg bool) int64 {
	if neg {
		return -n
	}
	return n
}

func defaultUnit(fields int32) string {
	switch {
	case fields == fieldsAll || fields&fieldSecond != 0:
		return "s"
	case fields&fieldMinute != 0:
		return "m"
	case fields&fieldHour != 0:
		return "h"
	case fields&fieldDay != 0:
		return "d"
	case fields&fieldMonth != 0:
		return "mon"
	case fields&fieldYear != 0:
		return "y"
	}
	return "s"
}

func shortUnit(w string) bool {
	return len(w) == 1 && strings.Contains("dhjmstyz", w) || w == "mon" || w == "dec"
}

// spanTokens splits into numbers (signed, with : . -) and words.
func spanTokens(s string) (out []string, ok bool) {
	for i := 0; i < len(s); {
		c, start := s[i], i
		switch {
		case isSpace(c) || c == ',':
			i++
			continue
		case isAlpha(c):
			for i < len(s) && isAlpha(s[i]) {
				i++
			}
			// A word that runs into a number ends there only when it is a letter or so.
			if i < len(s) && !isSpace(s[i]) && s[i] != ',' && !((isDigit(s[i]) || s[i] == '+') && shortUnit(s[start:i])) {
				return nil, false
			}
			out = append(out, s[start:i])
			continue
		case c == '+' || c == '-':
			i++
			for i < len(s) && isSpace(s[i]) {
				i++
			}
			fallthrough
		case isDigit(c) || c == '.':
			from := i
			for i < len(s) && (isDigit(s[i]) || s[i] == ':' || s[i] == '.' || s[i] == '-' && i > from) {
				i++
			}
			if i == from || s[i-1] == '.' && i < len(s) && isAlpha(s[i]) {
				return nil, false
			}
			sign := ""
			if c == '+' || c == '-' {
				sign = string(c)
			}
			out = append(out, sign+s[from:i])
			continue
		}
		return nil, false
	}
	return out, true
}

// splitNumber splits 1.5 into its whole part and its fraction.
func splitNumber(s string, sum *spanSum) (whole int64, frac float64, ok bool) {
	w, f, dotted := strings.Cut(s, ".")
	if w == "" && f == "" || w != "" && !isDigits(w) || f != "" && !isDigits(f) {
		return 0, 0, false
	}
	if w != "" {
		n, err := strconv.ParseInt(w, 10, 64)
		if err != nil {
			sum.over = true
			return 0, 0, true
		}
		whole = n
	}
	if dotted && f != "" {
		frac, _ = strconv.ParseFloat("0."+f, 64)
	}
	return whole, frac, true
}

// clock reads h:m[:s[.f]]; "m:s.f" when there are two parts and a fraction, or
// when the modifier says minute to second.
func (s *spanSum) clock(body string, neg bool, fields int32) bool {
	if strings.HasSuffix(body, ":") { // 1: is an hour
		body += "0"
	}
	parts := strings.Split(body, ":")
	if len(parts) > 3 || !isDigits(parts[0]) {
		return false
	}
	h, err := strconv.ParseInt(parts[0], 10, 64)
	if err != nil || h > math.MaxInt64/usHour {
		s.over = true
		return true
	}
	last, frac, dotted := strings.Cut(parts[len(parts)-1], ".")
	if frac != "" && !isDigits(frac) || !isDigits(last) || len(last) > 9 || len(parts) == 3 && (!isDigits(parts[1]) || len(parts[1]) > 9) {
		return false
	}
	var m, sec int64
	switch {
	case len(parts) == 3:
		m, sec = int64(atoi(parts[1])), int64(atoi(last))
	case dotted || fields == fieldMinute|fieldSecond:
		h, m, sec = 0, h, int64(atoi(last))
	default:
		m = int64(atoi(last))
	}
	if m > 59 || sec > 60 {
		s.over = true
		return true
	}
	s.add("h", signed(h, neg), 0)
	s.add("m", signed(m, neg), 0)
	s.add("s", signed(sec, neg), 0)
	s.add("us", signed(fraction(frac), neg), 0)
	return true
}

// iso reads P1Y2M3DT4H5M6.7S, P1W, and the alternative P0001-02-03T04:05:06.
func (s *spanSum) iso(text string) bool {
	datePart, timePart, hasTime := strings.Cut(text[1:], "t")
	if datePart == "" && !hasTime {
		return false
	}
	if strings.Contains(strings.TrimPrefix(datePart, "-"), "-") && strings.IndexFunc(datePart, func(r rune) bool { return r >= 'a' }) < 0 {
		p := strings.Split(datePart, "-")
		for i, unit := range []string{"y", "mon", "d"}[:min(len(p), 3)] {
			if !isDigits(p[i]) || len(p) > 3 {
				return false
			}
			s.add(unit, int64(atoi(p[i])), 0)
		}
		datePart = ""
	}
	units := func(part string, names map[byte]string) bool {
		for part != "" {
			i := 0
			for i < len(part) && (isDigit(part[i]) || part[i] == '.' || part[i] == '-') {
				i++
			}
			if i == 0 || i == len(part) || names[part[i]] == "" {
				return false
			}
			n := part[:i]
			minus := strings.HasPrefix(n, "-")
			whole, frac, ok := splitNumber(strings.TrimLeft(n, "+-"), s)
			if !ok {
				return false
			}
			if minus {
				whole, frac = -whole, -frac
			}
			s.add(names[part[i]], whole, frac)
			part = part[i+1:]
		}
		return true
	}
	if !units(datePart, map[byte]string{'y': "y", 'm': "mon", 'w': "w", 'd': "d"}) {
		return false
	}
	if strings.Contains(timePart, ":") {
		return s.clock(timePart, false, fieldsAll)
	}
	return units(timePart, map[byte]string{'h': "h", 'm': "m", 's': "s"})
}
