package expr

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
)

// TestISOMoments: the short way reads what the long one does, in every session.
func TestISOMoments(t *testing.T) {
	york, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	envs := []*fqgw.Env{nil, {}, {Zone: york}, {Zone: york, Style: fqgw.Style{Order: fqgw.DMY}}, {Style: fqgw.Style{Order: fqgw.YMD}}}
	r := rand.New(rand.NewPCG(1, 2))
	taken := 0
	for range 100_000 {
		s := []byte([]string{"2013-03-10T02:30:00", "2013-03-01 09:05:07.123456", "1999-12-31 23:59:59.5Z", "2012-02-29T00:00:00+05:30", "0001-01-01 00:00:00-08", "9999-12-31T23:59:59.999999+14:59"}[r.IntN(6)])
		for range r.IntN(4) {
			s[r.IntN(len(s))] = "0123456789012345678901234567890123456789.:-+TZ "[r.IntN(47)]
		}
		env := envs[r.IntN(len(envs))]
		for _, typ := range []fqgw.Type{fqgw.Timestamp, fqgw.Timestamptz} {
			long := input{env: env}
			v, zoned, ok := isoMoment(string(s), typ, env)
			if !ok {
				continue
			}
			taken++
			d := &dateReader{in: &long, typ: typ, text: string(s), order: styleOf(env).Order}
			if w, err := d.all(); err != nil || w.Int() != v.Int() || zoned != long.usedEnv || d.ordered {
				t.Fatalf("%s as %s is %d, by the long way %d (%v)", s, typ, v.Int(), w.Int(), err)
			}
		}
	}
	if taken < 20_000 {
		t.Errorf("only %d were taken", taken)
	}
}

// TestShortInt: the short way to an integer reads what strconv does.
func TestShortInt(t *testing.T) {
	for _, s := range []string{"0", "-0", "7", "-7", "32767", "32768", "-32768", "-32769", "2147483647", "2147483648", "-2147483648", "-2147483649", "007", "", "-", "--1", "1-", "+1", " 1", "999999999999999999", "9999999999999999999", "1_0"} {
		n, ok := ShortInt(s)
		if ok != (s != "" && isDigits(s[len(s)-len(trimMinus(s)):]) && len(trimMinus(s)) < 19) {
			t.Errorf("%q: %d, %t", s, n, ok)
		}
	}
}

func trimMinus(s string) string {
	if s != "" && s[0] == '-' {
		return s[1:]
	}
	return s
}

func TestCalendar(t *testing.T) {
	last := int64(minDay) - 1
	for y := -4713; y < 3000; y++ {
		for m := 1; m <= 12; m++ {
			d := daysFromCivil(y, m, daysIn(y, m))
			if gy, gm, gd := civil(d); gy != y || gm != m || gd != daysIn(y, m) {
				t.Fatalf("day %d: got %d-%d-%d, want %d-%d-%d", d, gy, gm, gd, y, m, daysIn(y, m))
			}
			if y > -4713 && d-last != int64(daysIn(y, m)) {
				t.Fatalf("month %d-%d has %d days", y, m, d-last)
			}
			last = d
		}
	}
}
