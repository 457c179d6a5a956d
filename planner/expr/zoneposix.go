package expr

import (
	"encoding/binary"
	"strconv"
	"strings"
	"time"
)

// posixRule is the change of clocks in the United States since 2007, which a
// POSIX zone with a summer time and no rule has.
const posixRule = "M3.2.0,M11.1.0"

// posixZone reads a zone as in POSIX's variable TZ: NAME±hh[:mm[:ss]] and
// perhaps NAME[±hh][,begin,end] of a summer time; positive is west. A name may
// be missing, or stand in <>. It is called by its own text in upper case. nil
// when it is none.
func posixZone(text string) *time.Location {
	if len(text) > 255 || strings.HasPrefix(text, ":") {
		return nil
	}
	name := strings.ToUpper(text)
	std, rest, ok := posixName(name)
	if !ok || rest == "" {
		return nil
	}
	off, rest, ok := posixOffset(rest)
	if !ok {
		return nil
	}
	if rest == "" {
		return tzif(name, std, -off, "<"+std+">"+posixClock(off))
	}
	dst, rest, ok := posixName(rest)
	if !ok || dst == "" {
		return nil
	}
	dstOff := off - 3600
	if rest != "" && rest[0] != ',' && rest[0] != ';' {
		if dstOff, rest, ok = posixOffset(rest); !ok {
			return nil
		}
	}
	rule := posixRule
	if rest != "" {
		rule = rest[1:]
		begin, end, two := strings.Cut(rule, ",")
		if !two || !posixDay(begin) || !posixDay(end) {
			return nil
		}
	}
	return tzif(name, std, -off, "<"+std+">"+posixClock(off)+"<"+dst+">"+posixClock(dstOff)+","+rule)
}

// posixName takes a name off the front of s.
func posixName(s string) (name, rest string, ok bool) {
	if strings.HasPrefix(s, "<") {
		name, rest, ok = strings.Cut(s[1:], ">")
		return name, rest, ok
	}
	i := strings.IndexAny(s, "0123456789,+-")
	if i < 0 {
		i = len(s)
	}
	return s[:i], s[i:], !strings.ContainsAny(s[:i], "<>\x00")
}

// posixOffset takes [±]hh[:mm[:ss]] off the front of s, in seconds; fewer than
// 168 hours.
func posixOffset(s string) (seconds int, rest string, ok bool) {
	sign := 1
	switch {
	case strings.HasPrefix(s, "-"):
		sign, s = -1, s[1:]
	case strings.HasPrefix(s, "+"):
		s = s[1:]
	}
	for i, limit := range []int{167, 59, 60} {
		if i > 0 {
			if !strings.HasPrefix(s, ":") {
				break
			}
			s = s[1:]
		}
		n := 0
		for n < len(s) && isDigit(s[n]) {
			n++
		}
		v, err := strconv.Atoi(s[:n])
		if err != nil || v > limit {
			return 0, s, false
		}
		seconds = seconds + v*[]int{3600, 60, 1}[i]
		s = s[n:]
	}
	return sign * seconds, s, true
}

// posixDay says whether s is Mm.w.d, Jn or n, perhaps with /time.
func posixDay(s string) bool {
	day, clock, timed := strings.Cut(s, "/")
	if timed {
		if _, rest, ok := posixOffset(clock); !ok || rest != "" {
			return false
		}
	}
	within := func(s string, lo, hi int) bool {
		n, err := strconv.Atoi(s)
		return err == nil && isDigits(s) && n >= lo && n <= hi
	}
	if rule, ok := strings.CutPrefix(day, "M"); ok {
		p := strings.Split(rule, ".")
		return len(p) == 3 && within(p[0], 1, 12) && within(p[1], 1, 5) && within(p[2], 0, 6)
	}
	if n, ok := strings.CutPrefix(day, "J"); ok {
		return within(n, 1, 365)
	}
	return within(day, 0, 365)
}

// posixClock prints seconds as ±h:mm:ss.
func posixClock(seconds int) string {
	sign := ""
	if seconds < 0 {
		sign, seconds = "-", -seconds
	}
	return sign + strconv.Itoa(seconds/3600) + string(two([]byte{':'}, int64(seconds/60%60))) + string(two([]byte{':'}, int64(seconds%60)))
}

// tzif makes a zone without changes but those of a rule, by way of the file
// format of the tz database (RFC 8536): the rule is its footer.
func tzif(name, std string, east int, rule string) *time.Location {
	block := func(b []byte, version byte) []byte {
		b = append(append(b, "TZif"...), version)
		b = append(b, make([]byte, 15)...)
		for _, n := range []uint32{0, 0, 0, 0, 1, uint32(len(std) + 1)} { // utc, std, leaps, changes, types, names
			b = binary.BigEndian.AppendUint32(b, n)
		}
		b = binary.BigEndian.AppendUint32(b, uint32(int32(east)))
		return append(append(append(b, 0, 0), std...), 0)
	}
	data := append(append(block(block(nil, '3'), '3'), '\n'), rule+"\n"...)
	loc, err := time.LoadLocationFromTZData(name, data)
	if err != nil {
		return nil
	}
	return loc
}
