package expr

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fqgw/fqgw"
)

// abbreviations are the zone abbreviations that PostgreSQL knows by default and
// people use, in minutes east of UTC.
var abbreviations = map[string]int{
	"utc": 0, "uct": 0, "gmt": 0, "z": 0, "zulu": 0, "wet": 0,
	"west": 60, "bst": 60, "cet": 60, "met": 60, "mez": 60, "cest": 120, "cetdst": 120, "mest": 120, "mesz": 120,
	"eet": 120, "sast": 120, "ist": 120, "eest": 180, "eetdst": 180, "idt": 180, "eat": 180,
	"pkt": 300, "npt": 345, "almt": 360, "ict": 420, "wib": 420, "sgt": 480, "hkt": 480, "pht": 480, "awst": 480,
	"jst": 540, "kst": 540, "acst": 570, "aest": 600, "acdt": 630, "aedt": 660, "nzst": 720, "nzt": 720, "nzdt": 780,
	"nst": -210, "ndt": -150, "ast": -240, "adt": -180, "est": -300, "edt": -240, "cst": -360, "cdt": -300,
	"mst": -420, "mdt": -360, "pst": -480, "pdt": -420, "akst": -540, "akdt": -480, "hst": -600, "art": -180,
	"brt": -180, "brst": -120, "clt": -180, "clst": -180, "azot": -60, "gst": 240,
}

var zones sync.Map // lower-case name -> *time.Location

// Zone is the time zone of that name: an abbreviation (EST), a name of the tz
// database in any case (America/New_York), or a POSIX form (UTC+3, whose sign is
// west). 22023 when there is none.
func Zone(name string) (*time.Location, error) {
	if loc := findZone(name); loc != nil {
		return loc, nil
	}
	return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "time zone \"%s\" not recognized", name)
}

// findZone is Zone, nil when there is none.
func findZone(name string) *time.Location {
	low := strings.ToLower(strings.TrimSpace(name))
	if l, ok := zones.Load(low); ok {
		return l.(*time.Location)
	}
	var loc *time.Location
	if min, ok := abbreviations[low]; ok {
		if min == 0 {
			return time.UTC
		}
		loc = time.FixedZone(strings.ToUpper(low), min*60)
	} else if low == "msk" || low == "msd" { // Moscow's own time, whatever it was
		loc = namedZone("europe/moscow", "Europe/Moscow")
	} else if loc = namedZone(low, name); loc == nil {
		return posixZone(low) // not kept: anybody can write any number of them
	}
	zones.Store(low, loc)
	return loc
}

func namedZone(low, name string) *time.Location {
	if low == "" || low == "local" || len(low) > 64 || strings.Trim(low, "abcdefghijklmnopqrstuvwxyz0123456789_/+-") != "" || low[0] == '/' || strings.Contains(low, "..") {
		return nil
	}
	var title []byte
	for i := 0; i < len(low); i++ {
		c := low[i]
		if c >= 'a' && c <= 'z' && (i == 0 || strings.IndexByte("/_-", low[i-1]) >= 0) {
			c -= 'a' - 'A'
		}
		title = append(title, c)
	}
	upper := strings.ToUpper(low)
	prefix, rest, _ := strings.Cut(low, "/")
	for _, n := range []string{name, string(title), upper, strings.ToUpper(prefix) + string(title[len(prefix):]), string(title[:len(prefix)]) + "/" + strings.ToUpper(rest)} {
		if l, err := time.LoadLocation(n); err == nil && n != "" && n != "Local" {
			return l
		}
	}
	return nil
}

// posixZone reads NAME±hh[:mm[:ss]], <NAME>±hh and ±hh; positive is west.
func posixZone(low string) *time.Location {
	rest := strings.TrimLeft(low, "abcdefghijklmnopqrstuvwxyz")
	if strings.HasPrefix(low, "<") {
		if i := strings.IndexByte(low, '>'); i > 0 {
			rest = low[i+1:]
		}
	}
	if rest == "" {
		return nil
	}
	sign := -1
	switch rest[0] {
	case '-':
		sign, rest = 1, rest[1:]
	case '+':
		rest = rest[1:]
	}
	sec := 0
	for i, p := range strings.Split(rest, ":") {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 || i > 2 || i == 0 && n > 24 || i > 0 && n > 59 {
			return nil
		}
		sec += n * [...]int{3600, 60, 1}[i]
	}
	return time.FixedZone(strings.ToUpper(low), sign*sec)
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
