package expr

import (
	_ "embed"
	"math"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fqgw/fqgw"
)

//go:embed zonenames.tsv
var zoneNamesText string

//go:embed zoneabbrevs.tsv
var zoneAbbrevsText string

// ZoneNames are the zones of the tz database, as pg_timezone_names lists them.
var ZoneNames = sync.OnceValue(func() []string {
	return strings.Split(strings.TrimSpace(zoneNamesText), "\n")[1:]
})

// zoneNames are the same by their names in lower case.
var zoneNames = sync.OnceValue(func() map[string]string {
	m := map[string]string{}
	for _, n := range ZoneNames() {
		m[strings.ToLower(n)] = n
	}
	return m
})

// Abbrev is an abbreviation of a zone: a fixed offset, or the name of the zone
// whose own offset it then stands for, whatever it was at the time.
type Abbrev struct {
	Name   string
	Offset int // seconds east of UTC, when Zone is ""
	Zone   string
	DST    bool
}

// ZoneAbbrevs are the abbreviations of PostgreSQL's default set, by name.
var ZoneAbbrevs = sync.OnceValue(func() []Abbrev {
	var out []Abbrev
	for _, line := range strings.Split(strings.TrimSpace(zoneAbbrevsText), "\n")[1:] {
		f := strings.Split(line, "\t")
		a := Abbrev{Name: f[0], DST: f[2] == "t"}
		var err error
		if a.Offset, err = strconv.Atoi(f[1]); err != nil {
			a.Zone = f[1]
		}
		out = append(out, a)
	}
	return out
})

var zoneAbbrevs = sync.OnceValue(func() map[string]Abbrev {
	m := map[string]Abbrev{}
	for _, a := range ZoneAbbrevs() {
		m[strings.ToLower(a.Name)] = a
	}
	return m
})

// Zone is the time zone that AT TIME ZONE and its like name: an abbreviation
// (EST), a name of the tz database in any case (America/New_York), or a POSIX
// form (UTC+3, whose sign is west). 22023 when there is none.
func Zone(name string) (*time.Location, error) {
	if loc := findZone(name); loc != nil {
		return loc, nil
	}
	return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "time zone \"%s\" not recognized", name)
}

// findZone is Zone, nil when there is none.
func findZone(name string) *time.Location {
	a, ok := zoneAbbrevs()[strings.ToLower(name)]
	switch {
	case !ok:
		return namedZone(name)
	case a.Zone != "":
		return namedZone(a.Zone)
	case a.Offset == 0:
		return time.UTC
	}
	return time.FixedZone(a.Name, a.Offset)
}

// SessionZone is what the setting TimeZone may be: hours east of UTC (5.5),
// INTERVAL '-08:00', a name of the tz database or a POSIX form; no abbreviation.
// The zone's String is what SHOW prints. nil when there is none, with the reason
// where there is one to give.
func SessionZone(s string) (*time.Location, string) {
	if rest, ok := cutFold(s, "interval"); ok {
		rest = strings.TrimLeft(rest, " \t\n")
		quoted, ok := strings.CutPrefix(rest, "'")
		quoted, ended := strings.CutSuffix(quoted, "'")
		if !ok || !ended {
			return nil, ""
		}
		v, err := Parse(quoted, fqgw.Interval, nil)
		if err != nil {
			return nil, fqgw.AsError(err).Message
		}
		switch span := v.Span(); {
		case span.Months != 0:
			return nil, "Cannot specify months in time zone interval."
		case span.Days != 0:
			return nil, "Cannot specify days in time zone interval."
		default:
			return offsetZone(float64(span.Micros / usSecond))
		}
	}
	if hours, err := parseFloat(strings.TrimLeft(s, " \t\n"), fqgw.Float8, 64); err == nil && strings.TrimRight(s, " \t\n") == s {
		return offsetZone(math.Trunc(hours.Float() * 3600))
	}
	return namedZone(s), ""
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// offsetZone is a fixed offset east of UTC as PostgreSQL names it: <+02>-02.
func offsetZone(seconds float64) (*time.Location, string) {
	if !(math.Abs(seconds) <= 167*3600+3599) {
		return nil, "UTC timezone offset is out of range."
	}
	sec := int(seconds)
	east, west := "+", "-"
	if sec < 0 {
		east, west = "-", "+"
	}
	off := string(formatOffset(nil, int64(sec))[1:])
	name := "<" + east + off + ">"
	return tzif(name+west+off, east+off, sec, name+posixClock(-sec)), ""
}

var zones sync.Map // lower-case name of the tz database -> *time.Location

// namedZone is a zone of the tz database in any case, or a POSIX form; nil when
// it is neither.
func namedZone(name string) *time.Location {
	low := strings.ToLower(name)
	if l, ok := zones.Load(low); ok {
		return l.(*time.Location)
	}
	proper, ok := zoneNames()[low]
	if !ok {
		return posixZone(name) // not kept: anybody can write any number of them
	}
	loc, err := time.LoadLocation(proper)
	if err != nil {
		return nil
	}
	zones.Store(strings.Clone(low), loc)
	return loc
}

// numericZone reads +hh, +hhmm, +hh:mm and +hh:mm:ss, east of UTC, as the text
// of a timestamptz ends. ok is false when it is no offset, over when it is one
// past PostgreSQL's 15:59:59.
func numericZone(s string) (seconds int64, ok, over bool) {
	if s == "" || s[0] != '+' && s[0] != '-' {
		return 0, false, false
	}
	var f [3]int64
	parts := strings.Split(s[1:], ":")
	if len(parts) > 3 {
		return 0, false, false
	}
	for i, p := range parts {
		n, err := strconv.ParseInt(p, 10, 32)
		if err != nil || !isDigits(p) {
			return 0, false, false
		}
		f[i] = n
	}
	if len(parts) == 1 && len(parts[0]) > 2 {
		f[0], f[1] = f[0]/100, f[0]%100
	}
	if f[0] > 15 || f[1] > 59 || f[2] > 59 {
		return 0, true, true
	}
	seconds = f[0]*3600 + f[1]*60 + f[2]
	if s[0] == '-' {
		seconds = -seconds
	}
	return seconds, true, false
}

// argumentZone is the zone argument of make_timestamptz: an offset whose sign is
// that of ISO 8601, unlike AT TIME ZONE's, an abbreviation or a name; 22023.
func argumentZone(s string) (*time.Location, error) {
	if s != "" && isDigit(s[0]) {
		return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "invalid input syntax for type %s: \"%s\"", "numeric time zone", s).
			WithHint("Numeric time zones must have \"-\" or \"+\" as first character.")
	}
	switch sec, ok, over := numericZone(s); {
	case over:
		return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "numeric time zone \"%s\" out of range", s)
	case ok:
		return time.FixedZone("", int(sec)), nil
	}
	return Zone(s)
}

// formatOffset prints an offset as +hh[:mm[:ss]].
func formatOffset(b []byte, sec int64) []byte {
	if sec < 0 {
		b, sec = append(b, '-'), -sec
	} else {
		b = append(b, '+')
	}
	b = two(b, sec/3600)
	if sec%3600 != 0 {
		b = two(append(b, ':'), sec/60%60)
		if sec%60 != 0 {
			b = two(append(b, ':'), sec%60)
		}
	}
	return b
}

func two(b []byte, n int64) []byte {
	if n < 10 {
		b = append(b, '0')
	}
	return strconv.AppendInt(b, n, 10)
}
