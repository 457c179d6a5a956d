package expr

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
)

// moment reads a date, time, timestamp or timestamptz; DateStyle has the order
// of a date's numbers.
func (in *input) moment(s string, t fqgw.Type) (value, error) {
	if v, zoned, ok := isoMoment(s, t, in.env); ok {
		in.usedEnv = in.usedEnv || zoned
		return v, nil
	}
	d := &dateReader{in: in, typ: t, text: s, order: styleOf(in.env).Order}
	v, err := d.all()
	if in.env == nil && d.ordered { // a literal: does it mean the same in every order?
		for _, o := range []fqgw.DateOrder{fqgw.DMY, fqgw.YMD} {
			other := &dateReader{in: in, typ: t, text: s, order: o}
			w, werr := other.all()
			in.usedEnv = in.usedEnv || (err == nil) != (werr == nil) || err == nil && v.Int() != w.Int() ||
				err != nil && fqgw.AsError(err).Hint != fqgw.AsError(werr).Hint
		}
	}
	return v, err
}

// all reads the text and makes the value.
func (d *dateReader) all() (value, error) {
	if err := d.read(); err != nil {
		return fqgw.Null, err
	}
	return d.value()
}

// dateReader takes the text of a moment apart: first into tokens, then token by token.
type dateReader struct {
	in   *input
	typ  fqgw.Type
	text string

	order            fqgw.DateOrder
	ordered          bool   // it was asked
	special          string // now, today, epoch, infinity …
	year, month, day int
	gotYear, gotMon  bool
	gotDay, gotTime  bool
	textMonth        bool
	twoDigits        bool // the year was written with two digits at most
	bc               bool
	hour, min, sec   int
	usec             int64
	half             byte // 'a' or 'p'
	zone             *int64
	loc              *time.Location
	isoTime          bool // the next token is a time, after T
	doy              int
	julian           int64
	gotJulian        bool // the next number is a Julian day
}

type dateToken struct {
	kind byte // 'n' number, 'd' date, 't' time, 'z' sign and offset, 'w' word, 's' signed word
	text string
}

func (d *dateReader) bad() *fqgw.Error {
	return fqgw.Errorf(fqgw.CodeDatetimeFormat, "invalid input syntax for type %s: \"%s\"", inputName(d.typ), d.text)
}

// inputName is a type's name in the messages about its input.
func inputName(t fqgw.Type) string {
	if t == fqgw.Timestamp || t == fqgw.Time {
		return t.PgName()
	}
	return typeName(t)
}

func (d *dateReader) overflow(hint bool) *fqgw.Error {
	e := fqgw.Errorf(fqgw.CodeDatetimeOverflow, "date/time field value out of range: \"%s\"", d.text)
	if hint {
		e = e.WithHint("Perhaps you need a different \"datestyle\" setting.")
	}
	return e
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }
func isAlpha(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

// dateTokens splits the text; ok is false when it cannot be a moment.
func dateTokens(s string) (out []dateToken, ok bool) {
	s = strings.ToLower(s)
	if len(s) > 200 {
		return nil, false
	}
	i := 0
	run := func(from int, p func(byte) bool) int {
		for from < len(s) && p(s[from]) {
			from++
		}
		return from
	}
	for i < len(s) {
		c, start := s[i], i
		switch {
		case isSpace(c):
			i++
			continue
		case isDigit(c):
			i = run(i, isDigit)
			switch {
			case i < len(s) && s[i] == ':':
				i = run(i, func(c byte) bool { return isDigit(c) || c == ':' || c == '.' })
				out = append(out, dateToken{'t', s[start:i]})
			case i < len(s) && (s[i] == '-' || s[i] == '/' || s[i] == '.'):
				delim, kind := s[i], byte('d')
				i++
				if i < len(s) && isDigit(s[i]) {
					if delim == '.' {
						kind = 'n'
					}
					i = run(i, isDigit)
					if i < len(s) && s[i] == delim {
						kind = 'd'
						i = run(i, func(c byte) bool { return isDigit(c) || c == delim })
					}
				} else {
					i = run(i, func(c byte) bool { return isDigit(c) || isAlpha(c) || c == delim })
				}
				out = append(out, dateToken{kind, s[start:i]})
			default:
				out = append(out, dateToken{'n', s[start:i]})
			}
			continue
		case c == '.':
			i = run(i+1, isDigit)
			out = append(out, dateToken{'n', s[start:i]})
			continue
		case isAlpha(c):
			i = run(i, isAlpha)
			kind := byte('w')
			if i < len(s) && (s[i] == '-' || s[i] == '/' || s[i] == '.' || s[i] == '_') && !knownDateWord(s[start:i]) {
				delim := s[i]
				j := run(i, func(c byte) bool {
					return isDigit(c) || isAlpha(c) || c == delim || c == '_' || c == '/' || c == '+' || c == '-'
				})
				i = j
				kind = 'z'
			} else if i < len(s) && (s[i] == '-' || s[i] == '/' || s[i] == '.') && monthNumber(s[start:i]) > 0 {
				delim := s[i]
				i = run(i, func(c byte) bool { return isDigit(c) || isAlpha(c) || c == delim })
				kind = 'd'
			} else if i < len(s) && (s[i] == '+' || s[i] == '-' || isDigit(s[i])) && start > 0 {
				if !knownDateWord(s[start:i]) {
					i = run(i, func(c byte) bool { return isDigit(c) || isAlpha(c) || c == '+' || c == '-' || c == ':' })
					kind = 'z'
				}
			}
			out = append(out, dateToken{kind, s[start:i]})
			continue
		case c == '+' || c == '-':
			i++
			i = run(i, isSpace)
			switch {
			case i < len(s) && isDigit(s[i]):
				j := run(i, func(c byte) bool { return isDigit(c) || c == ':' || c == '.' || c == '-' })
				out = append(out, dateToken{'o', string(c) + s[i:j]})
				i = j
			case i < len(s) && isAlpha(s[i]):
				j := run(i, isAlpha)
				out = append(out, dateToken{'s', string(c) + s[i:j]})
				i = j
			default:
				return nil, false
			}
			continue
		case strings.IndexByte("!\"#$%&'()*,/:;<=>?@[\\]^_`{|}~", c) >= 0:
			i++
			continue
		}
		return nil, false
	}
	return out, len(out) > 0
}

var monthNames = []string{"january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}
var dayNames = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

func monthNumber(w string) int {
	for i, m := range monthNames {
		if w == m || w == m[:3] || w == "sept" && i == 8 {
			return i + 1
		}
	}
	return 0
}

func isDayName(w string) bool {
	for _, d := range dayNames {
		if w == d || w == d[:3] {
			return true
		}
	}
	return w == "tues" || w == "wednes" || w == "weds" || w == "thur" || w == "thurs"
}

func knownDateWord(w string) bool {
	switch w {
	case "t", "j", "y", "m", "d", "am", "pm", "ad", "bc", "at", "on", "now", "today", "epoch", "infinity", "allballs":
		return true
	}
	return monthNumber(w) > 0 || isDayName(w)
}

func (d *dateReader) read() error {
	tokens, ok := dateTokens(d.text)
	if !ok {
		return d.bad()
	}
	for i := 0; i < len(tokens); i++ {
		t := tokens[i]
		var err error
		switch t.kind {
		case 'd':
			if d.gotYear && d.gotMon && d.gotDay {
				return d.bad()
			}
			err = d.date(t.text)
		case 't':
			if d.gotTime {
				return d.bad()
			}
			err = d.clock(t.text)
		case 'o':
			err = d.offset(t.text)
		case 'n':
			next := byte(0)
			if i+1 < len(tokens) {
				next = tokens[i+1].kind
			}
			err = d.number(t.text, next)
		case 's':
			if t.text != "-infinity" && t.text != "+infinity" {
				return d.bad()
			}
			d.special = strings.TrimPrefix(t.text, "+")
		case 'z':
			err = d.named(t.text)
		case 'w':
			err = d.word(t.text)
		}
		if err != nil {
			return err
		}
	}
	return d.check()
}

// word is a month, a special, am/pm, a zone …
func (d *dateReader) word(w string) error {
	switch w {
	case "t":
		if !d.gotDay && !d.gotYear || d.isoTime {
			return d.bad()
		}
		d.isoTime = true
		return nil
	case "am", "pm":
		d.half = w[0]
		return nil
	case "ad", "bc":
		d.bc = w == "bc"
		return nil
	case "at", "on":
		return nil
	case "now", "today", "tomorrow", "yesterday", "epoch", "infinity":
		if d.special != "" {
			return d.bad()
		}
		d.special = w
		return nil
	case "allballs":
		d.gotTime = true
		utc := int64(0)
		d.zone = &utc
		return nil
	case "j":
		d.gotJulian = true
		return nil
	}
	if m := monthNumber(w); m > 0 {
		if d.gotMon && !d.gotDay && !d.textMonth && d.month >= 1 && d.month <= 31 {
			d.day, d.gotDay = d.month, true
		} else if d.gotMon {
			return d.bad()
		}
		d.month, d.gotMon, d.textMonth = m, true, true
		return nil
	}
	if isDayName(w) {
		return nil
	}
	return d.named(w)
}

func (d *dateReader) named(w string) error {
	if d.zone != nil || d.loc != nil {
		return d.bad()
	}
	loc := findZone(w)
	if loc == nil {
		if strings.ContainsAny(w, "/_") {
			return fqgw.Errorf(fqgw.CodeInvalidParameter, "time zone \"%s\" not recognized", w)
		}
		return d.bad()
	}
	d.loc = loc
	return nil
}

// offset reads +hh[mm][:mm[:ss]] behind a time, or a date written with a sign.
func (d *dateReader) offset(s string) error {
	if !d.gotTime && !d.gotDay || d.zone != nil {
		return d.bad()
	}
	z, ok, over := numericZone(s)
	if !ok {
		return d.bad()
	}
	if over {
		return fqgw.Errorf("22009", "time zone displacement out of range: \"%s\"", d.text)
	}
	d.zone = &z
	if d.loc != nil { // UTC+3 after a time: an offset from a named zone; POSIX signs
		d.loc = nil
		z = -z
	}
	return nil
}

// clock reads hh:mm[:ss[.ffffff]].
func (d *dateReader) clock(s string) error {
	if strings.HasSuffix(s, ":") { // 12: is an hour
		s += "0"
	}
	parts := strings.Split(s, ":")
	if len(parts) > 3 || !isDigits(parts[0]) || len(parts[0]) > 9 {
		return d.bad()
	}
	d.hour, _ = strconv.Atoi(parts[0])
	last := parts[len(parts)-1]
	whole, frac, dotted := strings.Cut(last, ".")
	if strings.Contains(frac, ".") {
		return d.bad()
	}
	if len(parts) == 2 && dotted { // mm:ss.fff
		d.min, d.hour = d.hour, 0
		d.sec, _ = strconv.Atoi(whole)
	} else {
		if !isDigits(parts[1]) && len(parts) == 3 || len(parts[1]) > 9 {
			return d.bad()
		}
		d.min, _ = strconv.Atoi(parts[1])
		if len(parts) == 3 {
			if !isDigits(whole) || len(whole) > 9 {
				return d.bad()
			}
			d.sec, _ = strconv.Atoi(whole)
		}
	}
	d.usec = fraction(frac)
	d.gotTime, d.isoTime = true, false
	if d.min > 59 || d.sec > 60 || d.hour > 24 {
		return d.overflow(false)
	}
	return nil
}

// fraction is 0.digits in microseconds, rounded.
func fraction(digits string) int64 {
	if digits == "" {
		return 0
	}
	f, err := strconv.ParseFloat("0."+digits, 64)
	if err != nil {
		return 0
	}
	return int64(math.RoundToEven(f * 1e6))
}
