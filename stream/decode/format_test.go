package decode

import (
	"errors"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/expr/exprtest"
)

// TestEveryFormat: what the encoder of a format writes its decoder reads, for every
// type; what no record of the source is, is refused, and never with a panic.
func TestEveryFormat(t *testing.T) {
	for _, name := range Formats() {
		if Changes(name) {
			if _, err := (Maker{}).Encoder(&fqgw.Source{Format: name}); fqgw.AsError(err).Code != fqgw.CodeFeatureNotSupported {
				t.Errorf("an encoder of %s: %v", name, err)
			}
			continue // its records are the database's
		}
		t.Run(name, func(t *testing.T) {
			exprtest.Types(t, func(t *testing.T, x exprtest.Example) { testFormat(t, name, x) })
		})
	}
	if _, err := New(&fqgw.Source{Format: "nosuch"}); fqgw.AsError(err).Code != fqgw.CodeFeatureNotSupported {
		t.Errorf("a format that there is not: %v", err)
	}
}

func testFormat(t *testing.T, format string, x exprtest.Example) {
	s := source(fqgw.Column{Name: "v", Type: x.Type}, fqgw.Column{Name: "a", Type: x.Type.Array()}, fqgw.Column{Name: "k", Type: fqgw.Text})
	s.Format, s.KeyColumn, s.Topic = format, 2, "topic"
	with := Maker{Schemas: newRegistry()}
	d, err := with.Decoder(s)
	if !x.Type.InRecords() {
		if fqgw.AsError(err).Code != fqgw.CodeFeatureNotSupported {
			t.Errorf("a source with a column of it: %v", err)
		}
		return
	}
	e, eerr := with.Encoder(s)
	if format == "protobuf" { // which fqgw does not write
		if fqgw.AsError(eerr).Code != fqgw.CodeFeatureNotSupported {
			t.Errorf("an encoder: %v", eerr)
		}
		s.Options = map[string]string{"schema": `syntax = "proto3"; message Record { optional string v = 1; optional string a = 2; optional string k = 3; }`}
		e, eerr = protoTexts{s}, nil
		d, err = with.Decoder(s)
	}
	if err := errors.Join(err, eerr); err != nil {
		t.Fatal(err)
	}
	decode := func(payload []byte) ([]fqgw.Event, error) { // in memory that is used again
		r := fqgw.LogRecord{Value: slices.Clone(payload)}
		changes, err := d.Decode(&r, nil)
		clear(r.Value)
		return changes, err
	}
	for _, text := range []string{x.Less, x.Greater} {
		v, err := expr.Parse(text, x.Type, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range [][]fqgw.Value{
			{v, fqgw.ArrayOf(x.Type, v, fqgw.Null), fqgw.TextValue("a \"b\"")}, {fqgw.Null, fqgw.ArrayOf(x.Type), fqgw.Null}, make([]fqgw.Value, 3),
		} {
			b, err := e.Append([]byte("before"), row)
			if err != nil || string(b[:6]) != "before" {
				t.Fatalf("%q, %v", b, err)
			}
			b = b[6:]
			changes, err := decode(b)
			if err != nil || len(changes) != 1 || changes[0].Op != fqgw.Insert || !slices.EqualFunc(changes[0].Row, row, equal) {
				t.Fatalf("%q comes back as %v, %v; not %v", b, changes, err, row)
			}
			if key, err := e.Key(row); err != nil || (key == nil) != row[2].IsNull() || key != nil && string(key) != row[2].Str() {
				t.Errorf("the key of %v is %q, %v", row, key, err)
			}
			for n := range b { // cut short, and with a byte that is another
				for _, bad := range [][]byte{b[:n], append(append(slices.Clone(b[:n]), 0xff), b[n+1:]...)} {
					changes, err := decode(bad)
					var known *fqgw.Error
					if err != nil && !errors.As(err, &known) {
						t.Fatalf("%q is refused without a code: %v", bad, err)
					}
					for _, c := range changes {
						if len(c.Row) != len(s.Columns) {
							t.Fatalf("%q has a row of %d columns", bad, len(c.Row))
						}
					}
				}
			}
		}
	}
}

// protoTexts writes every value of a row as PostgreSQL's text of it, in a message.
type protoTexts struct{ s *fqgw.Source }

func (e protoTexts) Append(dst []byte, row []fqgw.Value) ([]byte, error) {
	for i, v := range row {
		if v.IsNull() {
			continue
		}
		s := expr.Text(v, e.s.Columns[i].Type, nil)
		if v.Kind() == fqgw.KindBytes { // of which a string has the bytes
			s = v.Str()
		}
		dst = protowire.AppendString(protowire.AppendTag(dst, protowire.Number(i+1), protowire.BytesType), s)
	}
	return dst, nil
}

func (e protoTexts) Key(row []fqgw.Value) ([]byte, error) {
	columns, _, err := compile(e.s)
	if err != nil {
		return nil, err
	}
	return recordKey(columns, e.s.KeyColumn, row)
}
