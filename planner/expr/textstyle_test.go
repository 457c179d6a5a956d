package expr

import (
	"testing"
	"time"

	"github.com/fqgw/fqgw"
)

// TestStyles: the texts of every style, from PostgreSQL 15.
func TestStyles(t *testing.T) {
	la, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	dates := func(d fqgw.DateStyle, o fqgw.DateOrder) fqgw.Style { return fqgw.Style{Dates: d, Order: o} }
	spans := func(s fqgw.SpanStyle) fqgw.Style { return fqgw.Style{Spans: s} }
	for _, c := range []struct {
		style fqgw.Style
		typ   fqgw.Type
		want  map[string]string
	}{
		{dates(fqgw.DatesISO, fqgw.DMY), fqgw.Timestamptz, map[string]string{"1997-12-17 07:37:16-08": "1997-12-17 07:37:16-08", "infinity": "infinity"}},
		{dates(fqgw.DatesSQL, fqgw.MDY), fqgw.Timestamptz, map[string]string{"1997-12-17 07:37:16-08": "12/17/1997 07:37:16 PST", "2013-07-04 05:06:07.5+00": "07/03/2013 22:06:07.5 PDT"}},
		{dates(fqgw.DatesSQL, fqgw.DMY), fqgw.Date, map[string]string{"2013-07-04": "04/07/2013", "0044-03-15 BC": "15/03/0044 BC", "-infinity": "-infinity"}},
		{dates(fqgw.DatesSQL, fqgw.YMD), fqgw.Date, map[string]string{"2013-07-04": "07/04/2013"}},
		{dates(fqgw.DatesPostgres, fqgw.MDY), fqgw.Timestamp, map[string]string{"1997-12-17 07:37:16.123456": "Wed Dec 17 07:37:16.123456 1997", "0044-03-15 12:00 BC": "Fri Mar 15 12:00:00 0044 BC"}},
		{dates(fqgw.DatesPostgres, fqgw.DMY), fqgw.Timestamptz, map[string]string{"1997-12-17 07:37:16-08": "Wed 17 Dec 07:37:16 1997 PST"}},
		{dates(fqgw.DatesPostgres, fqgw.DMY), fqgw.Date, map[string]string{"2013-07-04": "04-07-2013", "12345-07-04": "04-07-12345"}},
		{dates(fqgw.DatesPostgres, fqgw.YMD), fqgw.Date, map[string]string{"2013-07-04": "07-04-2013"}},
		{dates(fqgw.DatesGerman, fqgw.MDY), fqgw.Timestamptz, map[string]string{"1997-12-17 07:37:16-08": "17.12.1997 07:37:16 PST"}},
		{dates(fqgw.DatesGerman, fqgw.DMY), fqgw.Date, map[string]string{"2013-07-04": "04.07.2013"}},
		{spans(fqgw.SpansVerbose), fqgw.Interval, map[string]string{"1 year 2 months 3 days 04:05:06.789": "@ 1 year 2 mons 3 days 4 hours 5 mins 6.789 secs",
			"-1 year -2 months +3 days -04:05:06": "@ 1 year 2 mons -3 days 4 hours 5 mins 6 secs ago", "0": "@ 0", "-00:00:00.5": "@ 0.5 secs ago",
			"1 day -1 hour": "@ 1 day -1 hours", "1 hour -1 sec": "@ 59 mins 59 secs", "1 sec": "@ 1 sec", "-1 sec": "@ 1 sec ago", "1 day -1 sec": "@ 1 day -1 sec"}},
		{spans(fqgw.SpansSQL), fqgw.Interval, map[string]string{"1 year 2 months 3 days 04:05:06.789": "+1-2 +3 +4:05:06.789", "3 days": "3 0:00:00", "1 year": "1-0",
			"-1 mon": "-0-1", "1 mon -1 day": "+0-1 -1 +0:00:00", "1 day -1 hour": "+0-0 +1 -1:00:00", "0": "0", "-00:00:00.5": "-0:00:00.5", "1 mon 1 hour": "+0-1 +0 +1:00:00"}},
		{spans(fqgw.SpansISO), fqgw.Interval, map[string]string{"1 year 2 months 3 days 04:05:06.789": "P1Y2M3DT4H5M6.789S", "0": "PT0S", "-00:00:00.5": "PT-0.5S",
			"1 day -1 hour": "P1DT-1H", "100 hours 1 sec": "PT100H1S"}},
		{fqgw.Style{EscapedBytes: true}, fqgw.Bytea, map[string]string{`\x00ff41275c22`: `\000\377A'\\"`, `\x`: ""}},
		{fqgw.Style{LessDigits: 1}, fqgw.Float8, map[string]string{"0.30000000000000004": "0.3", "123456789012345678": "1.23456789012346e+17", "1e15": "1e+15", "100": "100", "-0": "-0", "NaN": "NaN", "1e-5": "1e-05"}},
		{fqgw.Style{LessDigits: 1}, fqgw.Float4, map[string]string{"3.3000002": "3.3", "16777216": "1.67772e+07", "1234567": "1.23457e+06"}},
		{fqgw.Style{LessDigits: 16}, fqgw.Float8, map[string]string{"123456": "1e+05", "0.55": "0.6"}},
	} {
		env := &fqgw.Env{Zone: la, Style: c.style}
		for in, want := range c.want {
			v, err := Parse(in, c.typ, &fqgw.Env{})
			if err != nil {
				t.Fatal(err)
			}
			if got := Text(v, c.typ, env); got != want {
				t.Errorf("%+v: %s is %q, want %q", c.style, in, got, want)
			}
			read := c.style.Order != fqgw.YMD && (c.style.Dates != fqgw.DatesGerman || c.style.Order == fqgw.DMY) // else PostgreSQL cannot either
			if read && c.style.LessDigits == 0 {                                                                  // what is written reads as the same
				if again, err := Parse(want, c.typ, env); err != nil || Text(again, c.typ, nil) != Text(v, c.typ, nil) {
					t.Errorf("%+v: %q is read as %q, %v", c.style, want, Text(again, c.typ, nil), err)
				}
			}
		}
	}
}

// TestDateOrders: the orders in which a date's numbers are read, from PostgreSQL 15.
func TestDateOrders(t *testing.T) {
	for in, want := range map[string][3]string{
		"1/2/03":        {"2003-01-02", "2003-02-01", "2001-02-03"},
		"13/02/2003":    {"", "2003-02-13", ""},
		"02/13/2003":    {"2003-02-13", "", ""},
		"2003/1/2":      {"2003-01-02", "2003-01-02", "2003-01-02"},
		"99-1-8":        {"", "", "1999-01-08"},
		"08-Jan-99":     {"1999-01-08", "1999-01-08", ""},
		"99-Jan-08":     {"", "", "1999-01-08"},
		"8-Jan-1999":    {"1999-01-08", "1999-01-08", "1999-01-08"},
		"18.01.1999":    {"", "1999-01-18", ""},
		"030102":        {"2003-01-02", "2003-01-02", "2003-01-02"},
		"01 02 2003":    {"2003-01-02", "2003-02-01", ""},
		"Jan 8, 1999":   {"1999-01-08", "1999-01-08", "1999-01-08"},
		"3-1-2":         {"2002-03-01", "2002-01-03", "2003-01-02"},
		"1999-01-08":    {"1999-01-08", "1999-01-08", "1999-01-08"},
		"17.12.1997 BC": {"", "1997-12-17 BC", ""},
	} {
		for i, o := range []fqgw.DateOrder{fqgw.MDY, fqgw.DMY, fqgw.YMD} {
			v, err := Parse(in, fqgw.Date, &fqgw.Env{Style: fqgw.Style{Order: o}})
			got := ""
			if err == nil {
				got = Text(v, fqgw.Date, nil)
			}
			if got != want[i] {
				t.Errorf("%q in order %d: %q, %v, want %q", in, o, got, err, want[i])
			}
		}
	}
}

// TestStandardSigns: IntervalStyle sql_standard gives a sign at the front to all
// of an interval, from PostgreSQL 15.
func TestStandardSigns(t *testing.T) {
	for in, want := range map[string][2]string{
		"-1 2:03:04":          {"-1 days +02:03:04", "-1 days -02:03:04"},
		"-1 day 2 hours":      {"-1 days +02:00:00", "-1 days -02:00:00"},
		"-1 year 2 mons":      {"-10 mons", "-1 years -2 mons"},
		"-1-2":                {"-1 years -2 mons", "-1 years -2 mons"},
		"-1-2 +3 -4:05:06":    {"-1 years -2 mons +3 days -04:05:06", "-1 years -2 mons +3 days -04:05:06"},
		"1 day -2 hours":      {"1 day -02:00:00", "1 day -02:00:00"},
		"@ 1 year 2 mons ago": {"-1 years -2 mons", "-1 years -2 mons"},
		"-1 days 1 secs ago":  {"1 day -00:00:01", "1 day 00:00:01"},
	} {
		for i, s := range []fqgw.SpanStyle{fqgw.SpansPostgres, fqgw.SpansSQL} {
			v, err := Parse(in, fqgw.Interval, &fqgw.Env{Style: fqgw.Style{Spans: s}})
			if got := Text(v, fqgw.Interval, nil); err != nil || got != want[i] {
				t.Errorf("%q, style %d: %q, %v, want %q", in, s, got, err, want[i])
			}
		}
	}
}
