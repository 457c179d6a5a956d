package decode

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

func source(cols ...fqgw.Column) *fqgw.Source {
	return &fqgw.Source{Name: "s", Format: "json", Columns: cols, TimeUnit: 1000, KeyColumn: -1}
}

// show is a value as text, with its kind where the text does not tell.
func show(v fqgw.Value) string {
	switch v.Kind() {
	case fqgw.KindNull:
		return "NULL"
	case fqgw.KindTimestamp, fqgw.KindDate:
		return strings.Trim(string(appendMoment(nil, v)), `"`)
	case fqgw.KindTime:
		return expr.Text(v, fqgw.Time, nil)
	case fqgw.KindText:
		return "'" + v.Str() + "'"
	case fqgw.KindArray:
		var items []string
		for _, i := range v.List().Items {
			items = append(items, show(i))
		}
		return "{" + strings.Join(items, ",") + "}"
	}
	b, err := appendValue(nil, &column{typ: fqgw.Float8}, v)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestValues(t *testing.T) {
	for _, c := range []struct {
		typ  fqgw.Type
		json string
		want string // a value, or a SQLSTATE
	}{
		{fqgw.Bool, `true`, "true"}, {fqgw.Bool, `false`, "false"}, {fqgw.Bool, `"t"`, "true"}, {fqgw.Bool, `"maybe"`, "22P02"},
		{fqgw.Bool, `null`, "NULL"}, {fqgw.Bool, `2`, "22P02"}, {fqgw.Bool, `"T"`, "true"}, {fqgw.Bool, `"YES"`, "true"}, {fqgw.Bool, `"N"`, "false"}, {fqgw.Bool, `0`, "false"}, {fqgw.Bool, `{}`, "22P02"},
		{fqgw.Int4, `7`, "7"}, {fqgw.Int4, `-2147483648`, "-2147483648"}, {fqgw.Int4, `2147483648`, "22003"},
		{fqgw.Int4, `1.0`, "1"}, {fqgw.Int4, `1e3`, "1000"}, {fqgw.Int4, `1.5`, "22P02"}, {fqgw.Int4, `15e-1`, "22P02"},
		{fqgw.Int4, `150e-1`, "15"}, {fqgw.Int4, `"1e3"`, "22P02"}, {fqgw.Int4, `" +5 "`, "5"}, {fqgw.Int4, `"12"`, "12"}, {fqgw.Int4, `"x"`, "22P02"}, {fqgw.Int4, `1e999999999999999999999`, "22003"},
		{fqgw.Int4, `0e999999999999999999999`, "22003"}, {fqgw.Int4, `[1]`, "22P02"}, {fqgw.Int4, `true`, "22P02"}, {fqgw.Int4, `""`, "22P02"},
		{fqgw.Int2, `32768`, "22003"}, {fqgw.Int8, `9223372036854775807`, "9223372036854775807"},
		{fqgw.Int8, `9223372036854775808`, "22003"}, {fqgw.Int8, `-9223372036854775808`, "-9223372036854775808"},
		{fqgw.Int8, `9007199254740993`, "9007199254740993"}, {fqgw.Int8, `9007199254740993.000`, "9007199254740993"},
		{fqgw.Float8, `1.5`, "1.5"}, {fqgw.Float8, `-0`, "-0"}, {fqgw.Float8, `"NaN"`, `"NaN"`}, {fqgw.Float8, `"-Infinity"`, `"-Infinity"`},
		{fqgw.Float8, `1e400`, "22003"}, {fqgw.Float8, `1e-400`, "22003"}, {fqgw.Float8, `0e-400`, "0"}, {fqgw.Float8, `"0x10"`, "16"},
		{fqgw.Float8, `"1_0"`, "22P02"}, {fqgw.Float8, `10.357019999999999`, "10.357019999999999"}, {fqgw.Float4, `1e39`, "22003"}, {fqgw.Float4, `0.5`, "0.5"},
		{fqgw.Numeric, `1.50`, "1.50"}, {fqgw.Numeric, `123456789012345678901234567890.10`, "123456789012345678901234567890.10"},
		{fqgw.Numeric, `1e3`, "1000"}, {fqgw.Numeric, `"NaN"`, `"NaN"`}, {fqgw.Numeric, `"a"`, "22P02"}, {fqgw.NumericOf(4, 1), `12.25`, "12.3"},
		{fqgw.NumericOf(4, 1), `"NaN"`, "22003"}, {fqgw.NumericOf(4, 1), `"Infinity"`, "22003"}, {fqgw.NumericOf(4, 1), `1000`, "22003"}, {fqgw.NumericOf(4, 1), `999.96`, "22003"},
		{fqgw.Text, `"a"`, "'a'"}, {fqgw.Text, `1.0`, "'1.0'"}, {fqgw.Text, `true`, "'true'"}, {fqgw.Text, `{"a": 1}`, `'{"a": 1}'`},
		{fqgw.Text, `"\u00e9\n\ud83d\ude00"`, "'é\n😀'"}, {fqgw.Text, `"\ud83d"`, "22P05"}, {fqgw.Text, `"\ud83dx\u0041"`, "22P05"}, {fqgw.Text, `"\u0000"`, "22P05"},
		{fqgw.Type{OID: 1043, Mod: 7}, `"abcd"`, "22001"}, {fqgw.Type{OID: 1043, Mod: 7}, `"abc  "`, "'abc'"}, {fqgw.Type{OID: 1042, Mod: 7}, `"a"`, "'a  '"},
		{fqgw.Timestamptz, `"2013-03-01T09:54:00Z"`, "2013-03-01T09:54:00Z"}, {fqgw.Timestamptz, `"2013-03-01 09:54:00.1234567+01:30"`, "2013-03-01T08:24:00.123457Z"},
		{fqgw.Timestamp, `"2013-03-01T09:54:00-05"`, "2013-03-01T14:54:00Z"}, {fqgw.Timestamptz, `"2013-02-29T00:00:00Z"`, "22008"},
		{fqgw.Timestamptz, `"soon"`, "22007"}, {fqgw.Timestamptz, `" now "`, "22007"}, {fqgw.Timestamp, `"2013-03-01 9:05:00"`, "2013-03-01T09:05:00Z"}, {fqgw.Timestamp, `"March 1, 2013 9:05 PM Europe/Berlin"`, "2013-03-01T20:05:00Z"}, {fqgw.Timestamptz, `"2013-03-01T09:60:00Z"`, "22008"}, {fqgw.Timestamptz, `"2012-06-30T23:59:60Z"`, "2012-07-01T00:00:00Z"},
		{fqgw.Timestamptz, `"1969-12-31T23:59:59.9999999Z"`, "1970-01-01T00:00:00Z"}, {fqgw.Timestamptz, `"0044-03-15T00:00:00Z BC"`, "0044-03-15T00:00:00Z BC"},
		{fqgw.Timestamptz, `"1970-01-01T00:00:00.0000005Z"`, "1970-01-01T00:00:00Z"},
		{fqgw.Timestamptz, `"1970-01-01T00:00:00.0000015Z"`, "1970-01-01T00:00:00.000002Z"}, {fqgw.Timestamptz, `"1970-01-01T00:00:00.9999995Z"`, "1970-01-01T00:00:01Z"},
		{fqgw.Time, `"23:59:59.9999999"`, "24:00:00"}, {fqgw.Time, `"24:00:00.0000001"`, "24:00:00"},
		{fqgw.Timestamptz, `1362131640000`, "2013-03-01T09:54:00Z"}, {fqgw.Timestamptz, `1362131640000.0019`, "2013-03-01T09:54:00.000001Z"},
		{fqgw.Timestamptz, `-0.0001`, "1969-12-31T23:59:59.999999Z"}, {fqgw.Timestamptz, `-1e-300`, "1969-12-31T23:59:59.999999Z"},
		{fqgw.Timestamptz, `1.36213164e12`, "2013-03-01T09:54:00Z"}, {fqgw.Timestamptz, `1e300`, "22008"}, {fqgw.Timestamptz, `9223372036854775`, "294247-01-10T04:00:54.775Z"},
		{fqgw.Timestamptz, `9223372036854776`, "22008"}, {fqgw.Timestamptz, `-210866803200001`, "22008"}, {fqgw.Timestamptz, `"infinity"`, "infinity"},
		{fqgw.Date, `"2013-03-01"`, "2013-03-01"}, {fqgw.Date, `"2013-3-1"`, "2013-03-01"}, {fqgw.Date, `20130301`, "2013-03-01"}, {fqgw.Date, `"2013-03-01T23:54:00-05"`, "2013-03-01"}, {fqgw.Date, `"5880000-01-01"`, "22008"}, {fqgw.Date, `"today"`, "22007"}, {fqgw.Date, `"2013-04-31"`, "22008"},
		{fqgw.Time, `"23:59:59.5"`, "23:59:59.5"}, {fqgw.Time, `"25:00"`, "22008"},
		{fqgw.JSONB, `{ "a" : [1, "x y", "\" "] }`, `'{"a": [1, "x y", "\" "]}'`}, {fqgw.JSONB, `"x"`, `'"x"'`}, {fqgw.JSONB, ` 1.50 `, "'1.50'"},
		{fqgw.JSONB, `{"bb":1,"c":-0,"a":{"y":[],"x":{}},"a":1.0e2}`, `'{"a": 100, "c": 0, "bb": 1}'`}, {fqgw.JSONB, `["\u00e9\/\u0001\t",null,true]`, "'[\"é/\\u0001\\t\", null, true]'"},
		{fqgw.JSONB, `{"a":"\u0000"}`, "22P05"}, {fqgw.JSONB, `["\ud800"]`, "22P05"}, {fqgw.JSONB, `[1e999999]`, "22003"},
		{fqgw.UUID, `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`, `"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"`}, {fqgw.UUID, `"a0"`, "22P02"},
		{fqgw.Bytea, `"\\x00ff"`, `"\\x00ff"`}, {fqgw.Bytea, `"a\\001\\\\"`, `"\\x61015c"`}, {fqgw.Bytea, `"\\x0"`, "22023"},
		{fqgw.Int4.Array(), `[1, null,3]`, "{1,NULL,3}"}, {fqgw.Int4.Array(), `[]`, "{}"}, {fqgw.Int4.Array(), `[[1]]`, "0A000"}, {fqgw.Text.Array(), `[[], []]`, "{}"}, {fqgw.Text.Array(), `[[], ["a"]]`, "0A000"}, {fqgw.Int4.Array(), `"{1, NULL}"`, "{1,NULL}"}, {fqgw.Int4.Array(), `"{{1}}"`, "0A000"}, {fqgw.Int4.Array(), `["a"]`, "22P02"},
		{fqgw.Int4.Array(), `1`, "22P02"}, {fqgw.Text.Array(), `["a","b\u0063"]`, "{'a','bc'}"},
	} {
		d, err := newJSON(source(fqgw.Column{Name: "x", Type: c.typ}))
		if err != nil {
			t.Fatal(err)
		}
		row := make([]fqgw.Value, 1)
		err = d.decode([]byte(`{"w":[{}],"x":`+c.json+`,"y":1}`), row)
		got := show(row[0])
		var e *fqgw.Error
		if errors.As(err, &e) {
			if got = string(e.Code); e.Column != "x" {
				t.Errorf("%s %s: column %q in %q", c.typ, c.json, e.Column, e.Message)
			}
		} else if err != nil {
			t.Errorf("%s %s: %v is not an *fqgw.Error", c.typ, c.json, err)
		}
		if got != c.want {
			t.Errorf("%s %s: got %s, want %s (%v)", c.typ, c.json, got, c.want, err)
		}
	}
}

func TestFields(t *testing.T) {
	s := source(
		fqgw.Column{Name: "id", Type: fqgw.Int8, Field: "user.id"},
		fqgw.Column{Name: "city", Type: fqgw.Text, Field: "user.home.city"},
		fqgw.Column{Name: "user", Type: fqgw.JSONB},
		fqgw.Column{Name: "a.b", Type: fqgw.Text},
	)
	d, err := newJSON(s)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ json, want string }{
		{`{"user":{"id":5,"home":{"city":"Oslo"}}}`, `5 'Oslo' '{"id": 5, "home": {"city": "Oslo"}}' NULL`},
		{`{"a.b":"x","user":{"home":{}}}`, `NULL NULL '{"home": {}}' 'x'`},
		{`{"user":{"id":5},"user":{"home":{"city":"B"}}}`, `NULL 'B' '{"home": {"city": "B"}}' NULL`}, // the last one, as a whole
		{`{"user":{"id":1,"id":2}}`, `2 NULL '{"id": 2}' NULL`},
		{`{"user":{"id":"bad"},"user":null}`, `NULL NULL NULL NULL`}, // the bad one is not the last
		{`{"\u0075ser":{"i\u0064":7}}`, `7 NULL '{"id": 7}' NULL`},
		{`{"USER":{"id":1}}`, `NULL NULL NULL NULL`},
		{` { } `, `NULL NULL NULL NULL`},
	} {
		row := make([]fqgw.Value, 4)
		if err := d.decode([]byte(c.json), row); err != nil {
			t.Errorf("%s: %v", c.json, err)
			continue
		}
		var got []string
		for _, v := range row {
			got = append(got, show(v))
		}
		if g := strings.Join(got, " "); g != c.want {
			t.Errorf("%s: got %s, want %s", c.json, g, c.want)
		}
	}
	for _, bad := range []string{``, `[]`, `1`, `{`, `{}x`, `{"a":}`, `{"a":01}`, `{"a":1,}`, `{a:1}`, "{\"a\":\"\x01\"}", "{\"a\":\"\xff\"}",
		"{\"a\":\"behind eight \x1f characters and more\"}", "{\"a\":\"behind eight \\x characters and more\"}", `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":1.}`, `{"a":.5}`, `{"a":+1}`, `{"a":1e}`, `{"a":nul}`, `{"user":{"id":1}`, `{"user":{"id":1]}`,
	} {
		var e *fqgw.Error
		if err := d.decode([]byte(bad), make([]fqgw.Value, 4)); !errors.As(err, &e) || e.Code[:2] != "22" {
			t.Errorf("%.40q: got %v, want class 22", bad, err)
		}
	}
}

// TestDepth: what is nested too deeply is refused for that, wanted or not.
func TestDepth(t *testing.T) {
	nested := func(n int) string { return strings.Repeat("[", n) + strings.Repeat("]", n) }
	d, _ := newJSON(source(fqgw.Column{Name: "x", Type: fqgw.JSONB}, fqgw.Column{Name: "y", Type: fqgw.JSON}))
	for _, c := range []struct{ json, code string }{
		{`{"ignored":` + nested(20000) + `}`, "54001"}, {`{"ignored":` + nested(9000) + `}`, ""}, {`{"ignored":` + nested(20000), "54001"},
		{`{"x":` + nested(1000) + `}`, ""}, {`{"x":` + nested(1001) + `}`, "54001"}, {`{"y":` + nested(1001) + `}`, "54001"},
		{`{"ignored":[}`, "22P02"},
	} {
		err := d.decode([]byte(c.json), make([]fqgw.Value, 2))
		if (err == nil) != (c.code == "") || err != nil && string(fqgw.AsError(err).Code) != c.code {
			t.Errorf("%.40s: %v, want %q", c.json, err, c.code)
		}
	}
}

func TestOwnsMemory(t *testing.T) {
	d, _ := newJSON(source(fqgw.Column{Name: "x", Type: fqgw.Text}, fqgw.Column{Name: "n", Type: fqgw.Numeric}))
	b := []byte(`{"x":"a long text that is not shared with the payload","n":1.25}`)
	row := make([]fqgw.Value, 2)
	if err := d.decode(b, row); err != nil {
		t.Fatal(err)
	}
	for i := range b {
		b[i] = '#'
	}
	if strings.Contains(show(row[0]), "#") || show(row[1]) != "1.25" {
		t.Errorf("values lie in the payload: %s %s", show(row[0]), show(row[1]))
	}
}

func TestTimeUnits(t *testing.T) {
	for unit, want := range map[int64]int64{1: 1500, 1000: 1500000, 1000000: 1500000000} {
		s := source(fqgw.Column{Name: "x", Type: fqgw.Timestamptz})
		s.TimeUnit = unit
		d, _ := newJSON(s)
		row := make([]fqgw.Value, 1)
		if err := d.decode([]byte(`{"x":1500}`), row); err != nil || row[0].Int() != want {
			t.Errorf("unit %d: got %d, %v, want %d", unit, row[0].Int(), err, want)
		}
	}
}

func TestRefusedTypes(t *testing.T) {
	if _, err := New(source(fqgw.Column{Name: "x", Type: fqgw.Interval})); fqgw.AsError(err).Code != "0A000" {
		t.Errorf("got %v, want 0A000", err)
	}
	s := source(fqgw.Column{Name: "x", Type: fqgw.Int8})
	s.Format = "nosuch"
	if _, err := New(s); fqgw.AsError(err).Code != "0A000" {
		t.Errorf("got %v, want 0A000", err)
	}
}

// TestDecodeReadsOn: what can be read of a record that cannot is read, in any order
// of the columns; the error is the first column's.
func TestDecodeReadsOn(t *testing.T) {
	s := &fqgw.Source{Columns: []fqgw.Column{{Name: "a", Type: fqgw.Int4}, {Name: "t", Type: fqgw.Timestamptz}, {Name: "b", Type: fqgw.Int4}}}
	d, err := newJSON(s)
	if err != nil {
		t.Fatal(err)
	}
	row := []fqgw.Value{fqgw.IntValue(1), fqgw.IntValue(2), fqgw.IntValue(3)}
	err = d.decode([]byte(`{"b":"y","a":"x","t":"1970-01-01T00:00:01Z"}`), row)
	if fqgw.AsError(err).Column != "a" || !row[0].IsNull() || row[1].Int() != 1_000_000 || !row[2].IsNull() {
		t.Errorf("%v, %v", err, row)
	}
	if err := d.decode([]byte(`{"a":1`), row); err == nil || !row[1].IsNull() {
		t.Errorf("no record: %v, %v", err, row)
	}
}

// TestRowsLetGo: a row that is kept, or the next one that the decoder has ready, does
// not keep the texts of many large records before it in memory.
func TestRowsLetGo(t *testing.T) {
	d, err := New(source(fqgw.Column{Name: "x", Type: fqgw.Text}, fqgw.Column{Name: "n", Type: fqgw.Int8}))
	if err != nil {
		t.Fatal(err)
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	var kept []fqgw.Event
	for range 64 {
		r := fqgw.LogRecord{Value: []byte(`{"x": "` + strings.Repeat("x", 1<<20) + `", "n": 1}`)}
		if kept, err = d.Decode(&r, kept[:0]); err != nil {
			t.Fatal(err)
		}
	}
	if took := heap() - before; took > 8<<20 {
		t.Errorf("one row of 1 MiB is kept, and %d MiB are in use", took>>20)
	}
	runtime.KeepAlive(kept)
	runtime.KeepAlive(d)
}
