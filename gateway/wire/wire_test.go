package wire

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"io"
	"math"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/expr/exprtest"
	"github.com/fqgw/fqgw/planner/plan"
)

// Each value's binary form as PostgreSQL 15's send function gives it.
var binaryForms = []struct {
	typ  fqgw.Type
	text string
	hex  string
}{
	{fqgw.Bool, "t", "01"},
	{fqgw.Int2, "-2", "fffe"},
	{fqgw.Int4, "65536", "00010000"},
	{fqgw.Int8, "-1", "ffffffffffffffff"},
	{fqgw.Float4, "1.5", "3fc00000"},
	{fqgw.Float8, "-0.1", "bfb999999999999a"},
	{fqgw.Text, "é", "c3a9"},
	{fqgw.Bytea, `\x00ff`, "00ff"},
	{fqgw.Date, "2000-01-02", "00000001"},
	{fqgw.Date, "1999-12-31", "ffffffff"},
	{fqgw.Timestamptz, "2000-01-01 00:00:01+00", "00000000000f4240"},
	{fqgw.Timestamptz, "infinity", "7fffffffffffffff"},
	{fqgw.Interval, "1 mon 2 days 00:00:03", "00000000002dc6c00000000200000001"},
	{fqgw.UUID, "00010203-0405-0607-0809-0a0b0c0d0e0f", "000102030405060708090a0b0c0d0e0f"},
	{fqgw.Numeric, "0", "0000000000000000"},
	{fqgw.Numeric, "1", "00010000000000000001"},
	{fqgw.Numeric, "-12345.678", "0003000140000003000109291a7c"},
	{fqgw.Numeric, "0.0001", "0001ffff000000040001"},
	{fqgw.Numeric, "100000000", "00010002000000000001"},
	{fqgw.Numeric, "NaN", "00000000c0000000"},
	{fqgw.Numeric, "10.50", "000200000000000200" + "0a1388"},
	{fqgw.Int4.Array(), "{1,NULL}", "0000000100000001000000170000000200000001" + "0000000400000001" + "ffffffff"},
	{fqgw.Text.Array(), "{}", "000000000000000000000019"},
	{fqgw.JSONB, `{"a": 1}`, "017b2261223a20317d"},
}

// TestRecord: the fields of a row go out behind their types, in rows and arrays in it too.
func TestRecord(t *testing.T) {
	row := func(types []fqgw.Type, fields ...fqgw.Value) fqgw.Value {
		return fqgw.RecordValue(&fqgw.RowType{Types: types}, fields)
	}
	inner := fqgw.ArrayOf(fqgw.Record, row([]fqgw.Type{fqgw.Bool}, fqgw.BoolValue(true)))
	v := row([]fqgw.Type{fqgw.Int2, fqgw.Int4, fqgw.Int4, fqgw.Int8, fqgw.Float4, fqgw.CharType, fqgw.RegProc, fqgw.Record.Array(), fqgw.Record},
		fqgw.IntValue(1), fqgw.IntValue(2), fqgw.Null, fqgw.IntValue(3), fqgw.FloatValue(1.5), fqgw.TextValue("a"), fqgw.IntValue(1299), inner,
		row([]fqgw.Type{fqgw.Text}, fqgw.TextValue("x")))
	got, err := AppendValue(nil, v, fqgw.Record, 1, nil)
	// PostgreSQL's record_send.
	const want = "00000009" + "00000015000000020001" + "000000170000000400000002" + "00000017ffffffff" + "00000014000000080000000000000003" +
		"000002bc000000043fc00000" + "000000120000000161" + "000000180000000400000513" +
		"000008ef00000025" + "0000000100000000000008c90000000100000001" + "0000000d000000010000001000000001" + "01" +
		"000008c90000000d" + "00000001000000190000000178"
	if err != nil || hex.EncodeToString(got) != want {
		t.Errorf("%x, %v; want %s", got, err, want)
	}
}

func TestBinary(t *testing.T) {
	for _, c := range binaryForms {
		v, err := expr.Parse(c.text, c.typ, nil)
		if err != nil {
			t.Errorf("%s %q: %v", c.typ, c.text, err)
			continue
		}
		got, err := AppendValue(nil, v, c.typ, 1, nil)
		if err != nil || hex.EncodeToString(got) != c.hex {
			t.Errorf("%s %q: %x, %v; want %s", c.typ, c.text, got, err, c.hex)
			continue
		}
		back, err := Decode(got, c.typ, 1, nil)
		if err != nil || fqgw.Compare(back, v) != 0 {
			t.Errorf("%s %q comes back as %v, %v", c.typ, c.text, back, err)
		}
		if text := expr.Text(back, c.typ, nil); text != expr.Text(v, c.typ, nil) {
			t.Errorf("%s %q comes back as %q", c.typ, c.text, text)
		}
	}
}

// TestBinaryNaN: what a client sends as some NaN goes out as the one NaN.
func TestBinaryNaN(t *testing.T) {
	for _, c := range []struct {
		typ     fqgw.Type
		in, out string
	}{
		{fqgw.Float8, "fff8000000000001", "7ff8000000000000"}, {fqgw.Float8, "7ff8000000000001", "7ff8000000000000"}, {fqgw.Float4, "ffc00001", "7fc00000"},
		{fqgw.Float8.Array(), "0000000100000000000002bd0000000100000001" + "00000008fff8000000000000", "0000000100000000000002bd0000000100000001" + "000000087ff8000000000000"},
	} {
		raw, _ := hex.DecodeString(c.in)
		v, err := Decode(raw, c.typ, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := AppendValue(nil, v, c.typ, 1, nil); err != nil || hex.EncodeToString(got) != c.out {
			t.Errorf("%s %s goes out as %x, %v; want %s", c.typ, c.in, got, err, c.out)
		}
	}
}

func TestDecodeBadBinary(t *testing.T) {
	for _, c := range []struct {
		typ fqgw.Type
		raw string
	}{{fqgw.Int4, "00"}, {fqgw.Numeric, "0001"}, {fqgw.Numeric, "000100000000000027ff"}, {fqgw.Int4.Array(), "7fffffff00000000000000177fffffff00000001"}, {fqgw.UUID, "00"}} {
		raw, _ := hex.DecodeString(c.raw)
		if v, err := Decode(raw, c.typ, 1, nil); err == nil || fqgw.AsError(err).Code != fqgw.CodeInvalidBinary {
			t.Errorf("%s %s: %v, %v", c.typ, c.raw, v, err)
		}
	}
	if _, err := Decode([]byte("a\x00"), fqgw.Text, 0, nil); fqgw.AsError(err).Code != fqgw.CodeNotInRepertoire {
		t.Errorf("a zero byte in text: %v", err)
	}
	if _, err := Decode([]byte{0xff}, fqgw.Text, 1, nil); fqgw.AsError(err).Code != fqgw.CodeNotInRepertoire {
		t.Errorf("invalid UTF-8: %v", err)
	}
}

func TestRowEncoder(t *testing.T) {
	columns := []plan.Column{{Type: fqgw.Int4}, {Type: fqgw.Text}, {Type: fqgw.Text}, {Type: fqgw.Float8}}
	var e RowEncoder
	e.Reset(columns, []int16{1, 0, 0, 1}, nil)
	const want = "44" + "00000022" + "0004" + "0000000400000007" + "00000000" + "ffffffff" + "000000087ff0000000000000"
	for range 2 { // the buffers are used again
		e.Begin()
		for _, v := range []fqgw.Value{fqgw.IntValue(7), fqgw.TextValue(""), fqgw.Null, fqgw.FloatValue(math.Inf(1))} {
			e.Value(v)
		}
		e.End()
		e.Begin()
		e.Null()
		if _, err := e.End(); err == nil {
			t.Error("a row of one column is taken for one of four")
		}
		e.Begin() // which is forgotten
		if got := e.Messages(); hex.EncodeToString(got) != want {
			t.Errorf("the row is %x; want %s", got, want)
		}
		e.Clear()
	}
	e.Reset([]plan.Column{{Type: fqgw.Record}}, []int16{1}, nil)
	e.Begin()
	e.Value(fqgw.Value{})
	if _, err := e.End(); err != nil {
		t.Error(err)
	}
}

var (
	textFormat = plan.CopyFormat{Name: "text", Delimiter: '\t', Null: `\N`}
	csvFormat  = plan.CopyFormat{Name: "csv", Delimiter: ',', Quote: '"', Escape: '"'}
)

// copied is the data of a COPY … TO of columns a, b, …
func copied(t *testing.T, f plan.CopyFormat, types []fqgw.Type, rows [][]fqgw.Value) (data []byte) {
	t.Helper()
	var e RowEncoder
	columns := make([]plan.Column, len(types))
	for i, typ := range types {
		columns[i] = plan.Column{Name: string(rune('a' + i)), Type: typ}
	}
	if err := e.ResetCopy(f, columns, nil); err != nil {
		t.Fatal(err)
	}
	e.Header()
	for _, r := range rows {
		e.Begin()
		for _, v := range r {
			e.Value(v)
		}
		if _, err := e.End(); err != nil {
			t.Fatal(err)
		}
	}
	e.Trailer()
	for m := e.Messages(); len(m) > 0; {
		size := int(binary.BigEndian.Uint32(m[1:]))
		if m[0] != 'd' {
			t.Fatalf("a message %q", m[0])
		}
		data, m = append(data, m[5:size+1]...), m[size+1:]
	}
	return data
}

// Every kind of cell that has to be escaped or quoted, with other delimiters, a header
// and a binary header that waits for what follows it.
func TestCopyEncodeCorners(t *testing.T) {
	text, one := []fqgw.Type{fqgw.Text, fqgw.Text}, []fqgw.Type{fqgw.Text}
	cell := func(s string) []fqgw.Value { return []fqgw.Value{fqgw.TextValue(s)} }
	pair := func(a, b string) []fqgw.Value { return append(cell(a), cell(b)...) }
	for _, c := range []struct {
		format plan.CopyFormat
		types  []fqgw.Type
		rows   [][]fqgw.Value
		want   string
	}{
		{textFormat, text, [][]fqgw.Value{pair("\b\f\n\r\t\v\\", "|\x01")}, `\b\f\n\r\t\v\\` + "\t|\x01\n"},
		{plan.CopyFormat{Name: "text", Delimiter: '|', Null: "-", Header: true}, text, [][]fqgw.Value{pair("|\t", ""), {fqgw.Null, fqgw.TextValue("-")}}, "a|b\n\\|\\t|\n-|-\n"},
		{plan.CopyFormat{Name: "csv", Delimiter: ',', Quote: '"', Escape: '"', Null: "a", Header: true, ForceQuote: []string{"b"}}, text,
			[][]fqgw.Value{pair("a", "x"), {fqgw.Null, fqgw.Null}, pair("\r", "\"")}, "\"a\",b\n\"a\",\"x\"\na,a\n\"\r\",\"\"\"\"\n"},
		{csvFormat, one, [][]fqgw.Value{cell(`\.`), cell(""), {fqgw.Null}}, "\"\\.\"\n\"\"\n\n"},
		{csvFormat, text, [][]fqgw.Value{pair(`\.`, "")}, "\\.,\"\"\n"},
		{plan.CopyFormat{Name: "binary"}, one, nil, string(binarySignature) + "\xff\xff"},
		{plan.CopyFormat{Name: "binary"}, one, [][]fqgw.Value{cell("x"), {fqgw.Null}}, string(binarySignature) + "\x00\x01\x00\x00\x00\x01x\x00\x01\xff\xff\xff\xff\xff\xff"},
	} {
		if out := copied(t, c.format, c.types, c.rows); string(out) != c.want {
			t.Errorf("%+v:\n%q\nwant\n%q", c.format, out, c.want)
		}
	}
	if err := new(RowEncoder).ResetCopy(plan.CopyFormat{Name: "parquet"}, nil, nil); fqgw.AsError(err).Code != fqgw.CodeFeatureNotSupported {
		t.Errorf("parquet to a client: %v", err)
	}
}

// A row that was begun and is forgotten keeps the header waiting; rows after COPY are
// DataRow again.
func TestCopyThenRows(t *testing.T) {
	columns := []plan.Column{{Name: "a", Type: fqgw.Int4}}
	var e RowEncoder
	e.Reset(columns, []int16{1}, nil)
	if err := e.ResetCopy(plan.CopyFormat{Name: "binary"}, columns, nil); err != nil {
		t.Fatal(err)
	}
	e.Begin()
	e.Begin()
	e.Int(fqgw.KindInt, 7)
	e.End()
	e.Reset(columns, []int16{1}, nil)
	e.Begin()
	e.Int(fqgw.KindInt, 8)
	e.End()
	want := "d\x00\x00\x00\x21" + string(binarySignature) + "\x00\x01\x00\x00\x00\x04\x00\x00\x00\x07" + "D\x00\x00\x00\x0e\x00\x01\x00\x00\x00\x04\x00\x00\x00\x08"
	if got := string(e.Messages()); got != want {
		t.Errorf("%q\nwant\n%q", got, want)
	}
}

func TestCopyEncode(t *testing.T) {
	types := []fqgw.Type{fqgw.Int4, fqgw.Text}
	rows := [][]fqgw.Value{
		{fqgw.IntValue(1), fqgw.TextValue("a\tb\\\n")}, {fqgw.Null, fqgw.TextValue("")}, {fqgw.IntValue(2), fqgw.Null}, {fqgw.IntValue(3), fqgw.TextValue(`x,"y`)},
	}
	for _, c := range []struct {
		format plan.CopyFormat
		want   string
	}{
		{textFormat, "1\ta\\tb\\\\\\n\n\\N\t\n2\t\\N\n3\tx,\"y\n"},
		{csvFormat, "1,\"a\tb\\\n\"\n,\"\"\n2,\n3,\"x,\"\"y\"\n"},
	} {
		if out := copied(t, c.format, types, rows); string(out) != c.want {
			t.Errorf("%s:\n%q\nwant\n%q", c.format.Name, out, c.want)
		}
	}
}

// What COPY TO writes, COPY FROM reads back, in every format.
func TestCopyRoundTrip(t *testing.T) {
	types := []fqgw.Type{fqgw.Int8, fqgw.Text, fqgw.Float8, fqgw.Timestamptz, fqgw.Numeric, fqgw.Text.Array()}
	row := func(texts ...string) []fqgw.Value {
		out := make([]fqgw.Value, len(texts))
		for i, s := range texts {
			if s == "NULL" {
				continue
			}
			v, err := expr.Parse(s, types[i], nil)
			if err != nil {
				t.Fatal(err)
			}
			out[i] = v
		}
		return out
	}
	rows := [][]fqgw.Value{
		row("1", "plain", "0.1", "2013-03-08 22:17:30.5+00", "12.50", `{a,"b,c",NULL}`),
		row("NULL", "NULL", "NULL", "NULL", "NULL", "NULL"),
		row("-9223372036854775808", "", "NaN", "infinity", "NaN", "{}"),
		row("7", "tab\there \\N \\. \"quote\" ünï\r\nline", "-0", "1969-12-31 23:59:59.999999+00", "-0.001", `{"\\"}`),
		row("8", `\N`, "1e300", "2000-01-01 00:00:00+00", "0", `{NULL}`),
	}
	for _, f := range []plan.CopyFormat{textFormat, csvFormat, {Name: "binary"}, {Name: "csv", Delimiter: ';', Quote: '\'', Escape: '\\', Null: `\N`, Header: true}} {
		d, err := NewCopyDecoder(bytes.NewReader(copied(t, f, types, rows)), f, types, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range rows {
			got, err := d.Next()
			if err != nil {
				t.Fatalf("%s row %d: %v", f.Name, i, err)
			}
			for c := range want {
				if got[c].IsNull() != want[c].IsNull() || !want[c].IsNull() && expr.Text(got[c], types[c], nil) != expr.Text(want[c], types[c], nil) {
					t.Errorf("%s row %d column %d: %q, want %q", f.Name, i, c, expr.Text(got[c], types[c], nil), expr.Text(want[c], types[c], nil))
				}
			}
		}
		if _, err := d.Next(); err != io.EOF {
			t.Errorf("%s: %v behind the last row", f.Name, err)
		}
	}
}

func TestCopyDecodeBad(t *testing.T) {
	for _, c := range []struct {
		format plan.CopyFormat
		in     string
		code   fqgw.Code
	}{
		{textFormat, "1\n", fqgw.CodeBadCopyFormat}, {textFormat, "1\ta\tb\n", fqgw.CodeBadCopyFormat}, {textFormat, "x\ta\n", fqgw.CodeInvalidText},
		{csvFormat, "1,\"a\n", fqgw.CodeBadCopyFormat}, {plan.CopyFormat{Name: "binary"}, "nonsense", fqgw.CodeBadCopyFormat},
	} {
		d, err := NewCopyDecoder(bytes.NewReader([]byte(c.in)), c.format, []fqgw.Type{fqgw.Int4, fqgw.Text}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = d.Next(); err == nil || fqgw.AsError(err).Code != c.code {
			t.Errorf("%q: %v, want %s", c.in, err, c.code)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, c := range binaryForms {
		raw, _ := hex.DecodeString(c.hex)
		f.Add(c.typ.OID, raw)
	}
	f.Fuzz(func(t *testing.T, oid uint32, raw []byte) {
		typ, ok := fqgw.TypeByOID(oid)
		if !ok {
			return
		}
		for _, format := range []int16{0, 1} {
			v, err := Decode(raw, typ, format, nil)
			if err != nil {
				continue
			}
			if _, err := AppendValue(nil, v, typ, format, nil); err != nil && fqgw.AsError(err).Code == fqgw.CodeInternal {
				t.Fatalf("%s %q read but not written: %v", typ, raw, err)
			}
		}
	})
}

func FuzzCopyDecode(f *testing.F) {
	f.Add("1\ta\\tb\n", byte(0))
	f.Add("1,\"a\"\"b\"\n", byte(1))
	f.Add("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02", byte(2))
	f.Fuzz(func(t *testing.T, in string, kind byte) {
		format := []plan.CopyFormat{textFormat, csvFormat, {Name: "binary"}}[kind%3]
		d, err := NewCopyDecoder(bytes.NewReader([]byte(in)), format, []fqgw.Type{fqgw.Int4, fqgw.Text}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for {
			if _, err := d.Next(); err != nil {
				return
			}
		}
	})
}

// TestEveryType: each type goes out as PostgreSQL's send function sends it, comes in
// so too, and as text both ways.
func TestEveryType(t *testing.T) {
	exprtest.Types(t, func(t *testing.T, e exprtest.Example) {
		v, err := expr.Parse(e.Less, e.Type, nil)
		if err != nil {
			t.Fatal(err)
		}
		raw, err := hex.DecodeString(e.Binary)
		if err != nil {
			t.Fatal(err)
		}
		for format, want := range []string{e.Less, string(raw)} {
			got, err := AppendValue(nil, v, e.Type, int16(format), nil)
			if err != nil || string(got) != want {
				t.Errorf("in format %d %x, %v; want %x", format, got, err, want)
			}
			back, err := Decode([]byte(want), e.Type, int16(format), nil)
			if err != nil || back.Kind() != v.Kind() || fqgw.Compare(back, v) != 0 {
				t.Errorf("in format %d %x comes in as %v, %v", format, want, back, err)
			}
			var row RowEncoder // as the state of a feature hands it over
			row.Reset([]plan.Column{{Type: e.Type}}, []int16{int16(format)}, nil)
			row.Begin()
			in := fqgw.Unpack(fqgw.AppendPacked(nil, v))
			in.Write(&row)
			if _, err := row.End(); err != nil || !bytes.HasSuffix(row.Messages(), []byte(want)) {
				t.Errorf("in format %d a row is %x, %v", format, row.Messages(), err)
			}
		}
	})
}
