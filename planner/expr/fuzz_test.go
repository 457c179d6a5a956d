package expr

import (
	"sort"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
)

// FuzzParse: no text makes an input function panic, and what one reads, its
// output function prints so that it reads the same again.
func FuzzParse(f *testing.F) {
	var types []fqgw.Type
	fqgw.Types(func(t fqgw.Type) { types = append(types, t) })
	sort.Slice(types, func(i, j int) bool { return types[i].OID < types[j].OID })
	for i := range types {
		for _, s := range []string{"", "1", "-1.5e3", "2013-01-05 12:00:00.5+02", "{1,NULL,\"a\\\"b\"}", "1 day -2:03", "P1DT2H", `\xdead`, "{\"a\":[1,2.50]}",
			"Jan 5 2013 4 PM America/New_York", "44-03-15 BC", "infinity", "04:05", "{{1,2},{3,4}}", "[1:2]={1,2}", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "1:2:3:", "+", "J1", "::"} {
			f.Add(s, uint8(i))
		}
	}
	env := answersEnv(f)
	f.Fuzz(func(t *testing.T, s string, which uint8) {
		typ := types[int(which)%len(types)]
		v, err := Parse(s, typ, env)
		if err != nil {
			if _, ok := err.(*fqgw.Error); !ok {
				t.Fatalf("%q as %s: error without a code: %v", s, typ, err)
			}
			return
		}
		HashKey(nil, v)
		printed := Text(v, typ, env)
		if typ.OID == fqgw.PgNodeTree.OID || typ.IsArray() && strings.Contains(typ.PgName(), "json") {
			return
		}
		again, err := Parse(printed, typ, env)
		if err != nil {
			// A zone's offset can print beyond the times that can be read.
			if strings.Contains(err.Error(), "out of range") || strings.Contains(err.Error(), "displacement") {
				return
			}
			t.Fatalf("%q as %s prints as %q: %v", s, typ, printed, err)
		}
		if twice := Text(again, typ, env); twice != printed {
			t.Fatalf("%q as %s prints as %q, then as %q", s, typ, printed, twice)
		}
	})
}

// FuzzText: functions of text, patterns and templates take anything.
func FuzzText(f *testing.F) {
	f.Add("abc", "a%", "YYYY-MM-DD HH24:MI")
	f.Add("2013-01-05 04:05 PM", `(\d+)-(\w)`, "FM999,990.00PR")
	f.Add("%1$s %-10L", `[[:alpha:]]\m`, "9.99EEEE")
	env := answersEnv(f)
	stamp, number := fqgw.TimestampValue(1357387200_000000), fqgw.NumericValue(fqgw.DecimalFromFloat(-1234.5678))
	f.Fuzz(func(t *testing.T, a, b, c string) {
		if len(a)+len(b)+len(c) > 2000 {
			return
		}
		args := map[string][]value{
			"to_char": {stamp, fqgw.TextValue(c)}, "like": {fqgw.TextValue(a), fqgw.TextValue(b)}, "format": {fqgw.TextValue(a), fqgw.TextValue(b)},
			"regexp_replace": {fqgw.TextValue(a), fqgw.TextValue(b), fqgw.TextValue(c)}, "to_timestamp": {fqgw.TextValue(a), fqgw.TextValue(c)},
			"similar_to_escape": {fqgw.TextValue(a)}, "to_number": {fqgw.TextValue(a), fqgw.TextValue(c)}, "translate": {fqgw.TextValue(a), fqgw.TextValue(b), fqgw.TextValue(c)},
			"regexp_match": {fqgw.TextValue(a), fqgw.TextValue(b)}, "to_date": {fqgw.TextValue(a), fqgw.TextValue(c)}, "initcap": {fqgw.TextValue(a)},
		}
		for name, vals := range args {
			var exprs []fqgw.Expr
			for _, v := range vals {
				exprs = append(exprs, &Const{Val: v, Typ: kindType(v)})
			}
			if e, err := Func(name, exprs); err == nil {
				_, _ = e.Eval(env, nil)
			}
		}
		if f, err := parseNumFormat(c); err == nil {
			_, _ = f.print(number, fqgw.Numeric)
		}
	})
}

// kindType is the widest type that a value of the kind can be.
func kindType(v value) fqgw.Type {
	switch v.Kind() {
	case fqgw.KindBool:
		return fqgw.Bool
	case fqgw.KindInt:
		return fqgw.Int8
	case fqgw.KindFloat:
		return fqgw.Float8
	case fqgw.KindNumeric:
		return fqgw.Numeric
	case fqgw.KindBytes:
		return fqgw.Bytea
	case fqgw.KindDate:
		return fqgw.Date
	case fqgw.KindTime:
		return fqgw.Time
	case fqgw.KindTimestamp:
		return fqgw.Timestamptz
	case fqgw.KindInterval:
		return fqgw.Interval
	case fqgw.KindUUID:
		return fqgw.UUID
	case fqgw.KindArray:
		return v.List().Elem.Array()
	case fqgw.KindRecord:
		return fqgw.Record
	}
	return fqgw.Text
}
