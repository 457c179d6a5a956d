package decode

import (
	"bytes"
	"encoding/json"
	"math/big"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
)

// FuzzDecode compares with encoding/json: what is valid, which of repeated
// fields wins, and what the texts, numbers and sub-documents are.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		`{"t":"a","j":{"x":[1,2]},"o":{"t":"in","n":1.5},"n":12.50,"i":7}`,
		`{"t":"\ud83d\ude00\n","t":"last","o":{"t":1},"o":{"n":2}}`,
		`{"t":"\ud83d","i":1e3,"n":-0.0e+5}`, `{"\u0074":null,"j": [ 1 , {"a":"b c"} ] }`, `[]`, `{"t":1}{}`, "{\"t\":\"\xff\"}", `{"o":{"t":"x"`,
		`{"i":9223372036854775808,"j":"s"}`, `{"j":[{"y":[],"x":{}},[[]],{"":{"":""}},-0.10e-3],"o":{"n":{"b":1,"a":2,"b":3}}}`,
	} {
		f.Add([]byte(s))
	}
	d, err := newJSON(source(
		fqgw.Column{Name: "t", Type: fqgw.Text}, fqgw.Column{Name: "j", Type: fqgw.JSONB},
		fqgw.Column{Name: "ot", Type: fqgw.Text, Field: "o.t"}, fqgw.Column{Name: "on", Type: fqgw.JSONB, Field: "o.n"},
	))
	if err != nil {
		f.Fatal(err)
	}
	numbers, _ := newJSON(source(fqgw.Column{Name: "n", Type: fqgw.Numeric}))
	ints, _ := newJSON(source(fqgw.Column{Name: "i", Type: fqgw.Int8}))
	f.Fuzz(func(t *testing.T, b []byte) {
		var want map[string]json.RawMessage
		ok := utf8.Valid(b) && json.Unmarshal(b, &want) == nil && want != nil
		row := make([]fqgw.Value, 4)
		got := d.decode(b, row)
		if got != nil && fqgw.AsError(got).Code == "22P05" {
			if !bytes.Contains(b, []byte(`\u`)) || !ok {
				t.Fatalf("%q: %v", b, got)
			}
			return
		}
		if got != nil && fqgw.AsError(got).Code == fqgw.CodeOutOfRange { // a number that no numeric holds
			if !bytes.ContainsAny(b, "eE") || !ok {
				t.Fatalf("%q: %v", b, got)
			}
			return
		}
		if got != nil && fqgw.AsError(got).Code == fqgw.CodeTooComplex {
			if bytes.Count(b, []byte("["))+bytes.Count(b, []byte("{")) <= maxDocument {
				t.Fatalf("%q: %v", b, got)
			}
			return
		}
		if ok != (got == nil) {
			t.Fatalf("%q: encoding/json says valid=%v, got %v", b, ok, got)
		}
		if !ok {
			return
		}
		same(t, b, "t", want["t"], row[0], false)
		same(t, b, "j", want["j"], row[1], true)
		var inner map[string]json.RawMessage
		if strings.HasPrefix(strings.TrimSpace(string(want["o"])), "{") {
			if err := json.Unmarshal(want["o"], &inner); err != nil {
				t.Fatal(err)
			}
		}
		same(t, b, "o.t", inner["t"], row[2], false)
		same(t, b, "o.n", inner["n"], row[3], true)

		raw := string(want["n"])
		if raw != "" && strings.Trim(raw, "0123456789.-") == "" && len(raw) < 1000 {
			n := make([]fqgw.Value, 1)
			if err := numbers.decode(b, n); err != nil || n[0].Numeric().String() != strings.Replace(raw, "-0", "0", 1) && n[0].Numeric().String() != raw {
				if r, ok := new(big.Rat).SetString(raw); !ok || r.Sign() != 0 {
					t.Fatalf("%q: numeric %v %v", b, n[0].Numeric(), err)
				}
			}
		}
		raw = string(want["i"])
		if raw != "" && strings.Trim(raw, "0123456789.-+eE") == "" && len(raw) < 100 && exponentSmall(raw) {
			r, _ := new(big.Rat).SetString(raw)
			i := make([]fqgw.Value, 1)
			err := ints.decode(b, i)
			switch {
			case r.IsInt() && r.Num().IsInt64():
				if err != nil || i[0].Int() != r.Num().Int64() {
					t.Fatalf("%q: bigint %d %v", b, i[0].Int(), err)
				}
			case r.IsInt():
				if fqgw.AsError(err).Code != "22003" {
					t.Fatalf("%q: got %v, want 22003", b, err)
				}
			case fqgw.AsError(err).Code != "22P02":
				t.Fatalf("%q: got %v, want 22P02", b, err)
			}
		}
	})
}

func exponentSmall(s string) bool {
	i := strings.IndexAny(s, "eE")
	return i < 0 || len(s)-i < 5
}

func same(t *testing.T, payload []byte, field string, raw json.RawMessage, got fqgw.Value, document bool) {
	t.Helper()
	want := fqgw.Null
	switch {
	case raw == nil || string(raw) == "null":
	case document:
		again, err := appendJSONB(nil, []byte(got.Str()))
		if err != nil || string(again) != got.Str() || !reflect.DeepEqual(plainJSON(t, raw), plainJSON(t, []byte(got.Str()))) {
			t.Fatalf("%q: field %s: got %s, again %s, %v", payload, field, show(got), again, err)
		}
		return
	case raw[0] == '"':
		var s string
		if err := json.Unmarshal(raw, &s); err != nil {
			t.Fatal(err)
		}
		want = fqgw.TextValue(s)
	default:
		want = fqgw.TextValue(string(raw))
	}
	if want != got {
		t.Fatalf("%q: field %s: got %s, want %s", payload, field, show(got), show(want))
	}
}

// plainJSON is what a document means: numbers by value, of equal keys the last.
func plainJSON(t *testing.T, raw []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", raw, err)
	}
	var walk func(any) any
	walk = func(v any) any {
		switch x := v.(type) {
		case json.Number:
			if n, ok := fqgw.ParseDecimal(x.String()); ok {
				return n.String()
			}
		case []any:
			for i := range x {
				x[i] = walk(x[i])
			}
		case map[string]any:
			for k := range x {
				x[k] = walk(x[k])
			}
		}
		return v
	}
	return walk(v)
}
