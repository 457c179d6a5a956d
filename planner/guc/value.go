package guc

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
)

// unit is a name that a number may carry and how many of the base unit it is.
type unit struct {
	name  string
	scale float64
}

// sizes and times are the units by what they are in bytes and milliseconds, the
// greatest first.
var (
	sizes = []unit{{"TB", 1 << 40}, {"GB", 1 << 30}, {"MB", 1 << 20}, {"kB", 1 << 10}, {"B", 1}}
	times = []unit{{"d", 86_400_000}, {"h", 3_600_000}, {"min", 60_000}, {"s", 1000}, {"ms", 1}, {"us", 0.001}}
)

// bases are the base units of settings in those of sizes and times.
var bases = map[string]float64{"B": 1, "kB": 1 << 10, "8kB": 8 << 10, "MB": 1 << 20, "ms": 1, "s": 1000, "min": 60_000}

// units are what the setting's numbers may carry, scaled to its base unit; none
// when it is a bare number.
func (s *Setting) units() []unit {
	base := bases[s.Unit]
	if base == 0 {
		return nil
	}
	from := times
	if strings.HasSuffix(s.Unit, "B") {
		from = sizes
	}
	out := slices.Clone(from)
	for i := range out {
		out[i].scale /= base
	}
	return out
}

// parse reads text by the setting's type.
func (s *Setting) parse(name, text string) (string, error) {
	switch s.Type {
	case "bool":
		if b, ok := parseBool(text); ok {
			return b, nil
		}
		return "", fqgw.Errorf(fqgw.CodeInvalidParameter, "parameter \"%s\" requires a Boolean value", name)
	case "enum":
		return s.parseEnum(name, text)
	case "integer", "real":
		return s.parseNumber(name, text)
	}
	return text, nil
}

// parseBool reads on, off, and unique beginnings of true, false, yes and no.
func parseBool(text string) (string, bool) {
	low := strings.ToLower(text)
	for _, w := range []struct {
		word, value string
		least       int
	}{{"true", "on", 1}, {"false", "off", 1}, {"yes", "on", 1}, {"no", "off", 1}, {"on", "on", 2}, {"off", "off", 2}, {"1", "on", 1}, {"0", "off", 1}} {
		if len(low) >= w.least && strings.HasPrefix(w.word, low) {
			return w.value, true
		}
	}
	return "", false
}

// parseEnum reads one of the values in any case; where on and off are among
// them, their other names too.
func (s *Setting) parseEnum(name, text string) (string, error) {
	low := strings.ToLower(text)
	if slices.Contains(s.Enum, "on") && slices.Contains(s.Enum, "off") {
		switch low {
		case "true", "yes", "1":
			low = "on"
		case "false", "no", "0":
			low = "off"
		}
	}
	if low == "debug" && slices.Contains(s.Enum, "debug2") {
		low = "debug2"
	}
	for _, e := range s.Enum {
		if strings.EqualFold(e, low) {
			return e, nil
		}
	}
	return "", invalid(name, text).WithHint("Available values: %s.", strings.Join(s.Enum, ", "))
}

// parseNumber reads a number with or without a unit, into the base unit.
func (s *Setting) parseNumber(name, text string) (string, error) {
	body := strings.TrimLeft(text, " \t\n\v\f\r")
	n := numberLength(body)
	v, err := number(body[:n])
	given := v
	if err != nil || n == 0 || math.IsNaN(v) {
		return "", invalid(name, text)
	}
	if tail := strings.TrimSpace(body[n:]); tail != "" {
		units := s.units()
		if units == nil {
			return "", invalid(name, text)
		}
		i := slices.IndexFunc(units, func(u unit) bool { return u.name == tail })
		if i < 0 {
			hint := `Valid units for this parameter are "us", "ms", "s", "min", "h", and "d".`
			if units[0].name == "TB" {
				hint = `Valid units for this parameter are "B", "kB", "MB", "GB", and "TB".`
			}
			return "", invalid(name, text).WithHint("%s", hint)
		}
		v *= units[i].scale
		if i+1 < len(units) { // 30.1GB is a whole number of MB
			v = math.RoundToEven(v/units[i+1].scale) * units[i+1].scale
		}
	}
	if s.Type == "integer" {
		if v = math.RoundToEven(v); v == 0 && given != 0 && strings.HasPrefix(s.Name, "fqgw.") { // PostgreSQL's own become 0, which is no limit
			return "", invalid(name, text).WithHint("The least is 1 %s.", s.Unit)
		}
		if v > math.MaxInt32 || v < math.MinInt32 {
			return "", invalid(name, text).WithHint("Value exceeds integer range.")
		}
	}
	if v < bound(s.Min) || v > bound(s.Max) {
		unit := ""
		if s.Unit != "" {
			unit = " " + s.Unit
		}
		return "", fqgw.Errorf(fqgw.CodeInvalidParameter, "%s%s is outside the valid range for parameter \"%s\" (%s .. %s)", s.print(v), unit, name, s.Min, s.Max)
	}
	return s.print(v), nil
}

// bound reads a limit, of which the facts have six digits.
func bound(text string) float64 {
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.Abs(v) > math.MaxFloat64/2 {
		return math.Copysign(math.MaxFloat64, v)
	}
	return v
}

// numberLength is how much of s is a number as C's strtol and strtod read it.
func numberLength(s string) int {
	i := 0
	digits := func() (n int) {
		for ; i < len(s) && s[i] >= '0' && s[i] <= '9'; i++ {
			n++
		}
		return n
	}
	if i < len(s) && (s[i] == '+' || s[i] == '-') {
		i++
	}
	if strings.HasPrefix(strings.ToLower(s[i:]), "0x") {
		for i += 2; i < len(s) && strings.IndexByte("0123456789abcdefABCDEF", s[i]) >= 0; i++ {
		}
		return i
	}
	n := digits()
	if i < len(s) && s[i] == '.' {
		i++
		n += digits()
	}
	if n == 0 {
		return 0
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		mark := i
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if digits() == 0 {
			i = mark
		}
	}
	return i
}

// number reads what numberLength measured; a leading 0 makes a whole number octal.
func number(s string) (float64, error) {
	body := strings.TrimLeft(s, "+-")
	if n, err := strconv.ParseInt(body, 0, 64); err == nil && !strings.ContainsAny(body, "_bBoO") {
		if strings.HasPrefix(s, "-") {
			n = -n
		}
		return float64(n), nil
	}
	return strconv.ParseFloat(s, 64)
}

func (s *Setting) print(v float64) string {
	if s.Type == "integer" {
		return strconv.FormatInt(int64(v), 10)
	}
	return short(v)
}

// short prints a number as C's %g does, with six digits.
func short(v float64) string {
	e := strconv.FormatFloat(v, 'e', 5, 64)
	exp, err := strconv.Atoi(e[strings.IndexByte(e, 'e')+1:])
	if err != nil || exp < -4 || exp >= 6 {
		m, x, _ := strings.Cut(e, "e")
		if strings.Contains(m, ".") {
			m = strings.TrimRight(strings.TrimRight(m, "0"), ".")
		}
		return m + "e" + x
	}
	f := strconv.FormatFloat(v, 'f', 5-exp, 64)
	if strings.Contains(f, ".") {
		f = strings.TrimRight(strings.TrimRight(f, "0"), ".")
	}
	return f
}

// octal are the settings that are printed as the modes of files.
var octal = []string{"data_directory_mode", "log_file_mode", "unix_socket_permissions"}

// Setting is the value as pg_settings shows it.
func (s *Setting) Setting(value string) string {
	if slices.Contains(octal, s.Name) {
		if n, err := strconv.Atoi(value); err == nil {
			return fmt.Sprintf("%04o", n)
		}
	}
	return value
}

// Show is the value as SHOW prints it: in the greatest unit that divides it.
func (s *Setting) Show(value string) string {
	units := s.units()
	v, err := strconv.ParseFloat(value, 64)
	if units == nil || err != nil || v <= 0 {
		return s.Setting(value)
	}
	if s.Type == "real" {
		for i, u := range units {
			q := v / u.scale
			if i == len(units)-1 || q > 0 && math.Abs(math.Round(q)/q-1) <= 1e-8 {
				return short(q) + u.name
			}
		}
	}
	for _, u := range units {
		if u.scale <= 1 || math.Mod(v, u.scale) == 0 {
			return strconv.FormatInt(int64(math.RoundToEven(v/u.scale)), 10) + u.name
		}
	}
	return value
}

// Duration is a kept value of a setting whose unit is one of time.
func (s *Setting) Duration(value string) time.Duration {
	v, err := strconv.ParseFloat(value, 64)
	if err != nil {
		return 0
	}
	return time.Duration(v * bases[s.Unit] * float64(time.Millisecond))
}
