package expr

import (
	"testing"

	"github.com/fqgw/fqgw"
)

// TestSessionZone: what SET TimeZone takes, its name in SHOW, and the offsets and
// abbreviation of a winter's and a summer's day, from PostgreSQL 15.
func TestSessionZone(t *testing.T) {
	for _, c := range []struct{ text, name, winter, summer, abbrev string }{
		{"-7", "<-07>+07", "-07", "-07", "-07"},
		{"7", "<+07>-07", "+07", "+07", "+07"},
		{" 3", "<+03>-03", "+03", "+03", "+03"},
		{"5.5", "<+05:30>-05:30", "+05:30", "+05:30", "+05:30"},
		{"-7.25", "<-07:15>+07:15", "-07:15", "-07:15", "-07:15"},
		{"0.001", "<+00:00:03>-00:00:03", "+00:00:03", "+00:00:03", "+00:00:03"},
		{"0", "<+00>-00", "+00", "+00", "+00"},
		{"1e1", "<+10>-10", "+10", "+10", "+10"},
		{"0x10", "<+16>-16", "+16", "+16", "+16"},
		{"167", "<+167>-167", "+167", "+167", "+167"},
		{"interval '-08:00'", "<-08>+08", "-08", "-08", "-08"},
		{"INTERVAL '02:00:30'", "<+02:00:30>-02:00:30", "+02:00:30", "+02:00:30", "+02:00:30"},
		{"+05:30", "+05:30", "-05:30", "-05:30", ""},
		{"3:00", "3:00", "-03", "-03", ""},
		{"3 ", "3 ", "-03", "-02", " "},
		{"<+03>-3", "<+03>-3", "+03", "+03", "+03"},
		{"<+0530>-5:30", "<+0530>-5:30", "+05:30", "+05:30", "+0530"},
		{"<>3", "<>3", "-03", "-03", ""},
		{"utc+3", "UTC+3", "-03", "-03", "UTC"},
		{"A3", "A3", "-03", "-03", "A"},
		{"ABC167", "ABC167", "-167", "-167", "ABC"},
		{"est5edt", "EST5EDT", "-05", "-04", "EDT"},
		{"foo5bar", "FOO5BAR", "-05", "-04", "BAR"},
		{"FOO5BAR,M3.2.0,M11.1.0", "FOO5BAR,M3.2.0,M11.1.0", "-05", "-04", "BAR"},
		{"CET-1CEST,M3.5.0,M10.5.0/3", "CET-1CEST,M3.5.0,M10.5.0/3", "+01", "+02", "CEST"},
		{"EST5EDT4,M3.2.0/2:00:00,M11.1.0/2", "EST5EDT4,M3.2.0/2:00:00,M11.1.0/2", "-05", "-04", "EDT"},
		{"EST5EDT,J60,J300", "EST5EDT,J60,J300", "-05", "-04", "EDT"},
		{"EST5EDT,59,300", "EST5EDT,59,300", "-05", "-04", "EDT"},
		{"Utc", "UTC", "+00", "+00", "UTC"},
		{"zulu", "Zulu", "+00", "+00", "UTC"},
		{"gmt0", "GMT0", "+00", "+00", "GMT"},
		{"EST", "EST", "-05", "-05", "EST"},
		{"cet", "CET", "+01", "+02", "CEST"},
		{"america/port-au-prince", "America/Port-au-Prince", "-05", "-04", "EDT"},
		{"AMERICA/NEW_YORK", "America/New_York", "-05", "-04", "EDT"},
		{"etc/gmt-14", "Etc/GMT-14", "+14", "+14", "+14"},
		{"asia/calcutta", "Asia/Calcutta", "+05:30", "+05:30", "IST"},
	} {
		loc, why := SessionZone(c.text)
		if loc == nil {
			t.Errorf("%q is no zone: %s", c.text, why)
			continue
		}
		const winter, summer = 1357387200_000_000, 1373025600_000_000 // 2013-01-05 and 2013-07-05, 12:00
		w, s := string(formatOffset(nil, offsetAt(winter, loc))), string(formatOffset(nil, offsetAt(summer, loc)))
		if a := zoneName(summer, loc); loc.String() != c.name || w != c.winter || s != c.summer || a != c.abbrev {
			t.Errorf("%q: %q %s %s %q, want %q %s %s %q", c.text, loc, w, s, a, c.name, c.winter, c.summer, c.abbrev)
		}
		if again, _ := SessionZone(loc.String()); again == nil || offsetAt(summer, again) != offsetAt(summer, loc) {
			t.Errorf("%q: SHOW's %q is not the same zone", c.text, loc)
		}
	}
	for text, want := range map[string]string{
		"": "", " UTC": "", "UTC ": "", "Z": "", "PST": "", "CEST": "", "JST": "", "default": "", "local": "", "America": "", "../etc/passwd": "", "ABC": "",
		"ABC168": "", "ABC3:60": "", "EST5EDT,M3.2.0": "", "EST5EDT,M13.2.0,M11.1.0": "", "interval -08:00": "",
		"168": "UTC timezone offset is out of range.", "inf": "UTC timezone offset is out of range.", "nan": "UTC timezone offset is out of range.",
		"INTERVAL '1 day'":   "Cannot specify days in time zone interval.",
		"INTERVAL '1 month'": "Cannot specify months in time zone interval.",
	} {
		if loc, why := SessionZone(text); loc != nil || why != want {
			t.Errorf("%q: %v %q, want none: %q", text, loc, why, want)
		}
	}
}

// TestZoneArguments: the sign of an offset is that of ISO 8601 in the text of a
// moment and in make_timestamptz, and of POSIX in AT TIME ZONE (PostgreSQL 15).
func TestZoneArguments(t *testing.T) {
	at := func(sql string, args ...fqgw.Expr) string {
		e, err := Func(sql, args)
		if err != nil {
			return err.Error()
		}
		v, err := e.Eval(&fqgw.Env{}, nil)
		if err != nil {
			return err.Error()
		}
		return Text(v, e.Type(), nil)
	}
	text := func(s string) fqgw.Expr { return &Const{Val: fqgw.TextValue(s), Typ: fqgw.Text} }
	number := func(n int64) fqgw.Expr { return &Const{Val: fqgw.IntValue(n), Typ: fqgw.Int4} }
	moment, err := Parse("2013-07-05 12:00+00", fqgw.Timestamptz, nil)
	if err != nil {
		t.Fatal(err)
	}
	for zone, want := range map[string][2]string{
		"+3":               {"2013-07-05 09:00:00+00", "2013-07-05 09:00:00"},
		"-3":               {"2013-07-05 15:00:00+00", "2013-07-05 15:00:00"},
		"+05:30":           {"2013-07-05 06:30:00+00", "2013-07-05 06:30:00"},
		"EST":              {"2013-07-05 17:00:00+00", "2013-07-05 07:00:00"},
		"America/New_York": {"2013-07-05 16:00:00+00", "2013-07-05 08:00:00"},
		"UTC+3":            {"2013-07-05 15:00:00+00", "2013-07-05 09:00:00"},
		"3":                {"invalid input syntax for type numeric time zone: \"3\"", "2013-07-05 09:00:00"},
		"+20":              {"numeric time zone \"+20\" out of range", "2013-07-04 16:00:00"},
		"nowhere":          {"time zone \"nowhere\" not recognized", "time zone \"nowhere\" not recognized"},
	} {
		made := at("make_timestamptz", number(2013), number(7), number(5), number(12), number(0), &Const{Val: fqgw.FloatValue(0), Typ: fqgw.Float8}, text(zone))
		shown := at("timezone", text(zone), &Const{Val: moment, Typ: fqgw.Timestamptz})
		if made != want[0] || shown != want[1] {
			t.Errorf("%s: make_timestamptz %q, AT TIME ZONE %q, want %q", zone, made, shown, want)
		}
	}
}
