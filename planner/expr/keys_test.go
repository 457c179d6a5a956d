package expr

import (
	"slices"
	"testing"

	"github.com/fqgw/fqgw"
)

// keyValues are values of every type that a join key may have or be compared with.
var keyValues = map[string][]string{
	"int2": {"-32768", "-1", "0", "1", "7", "32767"},
	"int4": {"-2147483648", "-32769", "-1", "0", "1", "7", "32768", "2147483647"},
	"int8": {"-9223372036854775808", "-9223372036854775807", "-9223372036854775296", "-9007199254740993", "-9007199254740992", "-1", "0", "1", "7", "2147483648",
		"9007199254740991", "9007199254740992", "9007199254740993", "9007199254740994", "9223372036854775295", "9223372036854775296", "9223372036854775807"},
	"float4": {"NaN", "Infinity", "-Infinity", "-0", "0", "0.1", "1", "1.5", "7", "-32768", "32768", "16777217", "2147483648", "9007199254740992", "9223372036854775807", "1e38"},
	"float8": {"NaN", "Infinity", "-Infinity", "-0", "0", "5e-324", "0.1", "1", "1.5", "7", "-32768", "32767.5", "32768", "2147483647", "2147483648", "9007199254740991",
		"9007199254740992", "9007199254740994", "-9007199254740992", "9223372036854774784", "9223372036854775807", "-9223372036854775808", "9223372036854777856", "1e300"},
	"numeric":     {"NaN", "Infinity", "-Infinity", "-0.0", "0.00", "1", "1.000", "1.5", "7", "32768", "2147483648", "9007199254740993", "9223372036854775807", "9223372036854775808", "1e40"},
	"text":        {"", "a", "a ", "A", "é", "7"},
	"varchar":     {"", "a", "a ", "A", "é", "7"},
	"bpchar":      {"", "a", "a  ", "A", "é"},
	"name":        {"", "a", "a ", "A", "é", "7"},
	"char":        {"", "a", "A"},
	"bool":        {"true", "false"},
	"uuid":        {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12"},
	"bytea":       {`\x`, `\x00`, `\x00ff`, `\x61`},
	"date":        {"infinity", "-infinity", "1969-12-31", "1970-01-01", "2013-03-10", "2013-11-03", "2011-12-29", "2011-12-30", "2011-12-31", "294277-01-01", "5874897-12-31"},
	"timestamp":   {"infinity", "-infinity", "1969-12-31 00:00:00", "2013-03-10 00:00:00", "2013-03-10 01:30:00", "2013-03-10 02:30:00", "2013-03-10 03:30:00", "2013-11-03 00:00:00", "2013-11-03 01:30:00", "2011-12-30 00:00:00", "2011-12-31 00:00:00", "2011-12-30 10:00:00", "2013-03-10 00:00:00.000001"},
	"timestamptz": {"infinity", "-infinity", "1969-12-31 00:00:00+00", "2013-03-10 00:00:00-05", "2013-03-10 00:00:00+00", "2013-03-10 06:30:00+00", "2013-03-10 07:30:00+00", "2013-11-03 00:00:00-04", "2013-11-03 05:30:00+00", "2013-11-03 06:30:00+00", "2011-12-30 10:00:00+00", "2011-12-30 20:00:00+00", "2013-03-10 00:00:00.000001+00"},
	"oid":         {"0", "1", "7", "2147483648", "4294967295"},
}

// TestEqualKeys: for every pair of types that = compares, the keys that equal a
// value are those of which = is true, in zones with and without changes of clock.
func TestEqualKeys(t *testing.T) {
	pairs := 0
	for kn, keys := range keyValues {
		key, _ := fqgw.TypeByName(kn)
		if !fqgw.KeyTypeOK(key) {
			continue
		}
		for vn, values := range keyValues {
			of, _ := fqgw.TypeByName(vn)
			both := []fqgw.Expr{&Column{Index: 0, Typ: key}, &Column{Index: 1, Typ: of}}
			equal, err := Op("=", both[0], both[1])
			operand, ok := KeyOperand(both[1], key, key)
			switch {
			case err != nil && ok:
				t.Errorf("%s = %s is no operator, and has an operand", kn, vn)
			case err == nil && !ok && (key == fqgw.OID) == (of == fqgw.OID):
				t.Errorf("%s = %s cannot be turned round", kn, vn)
			}
			if !ok || (key == fqgw.OID) != (of == fqgw.OID) { // negative integers as oid count round
				continue
			}
			pairs++
			for _, zone := range []string{"UTC", "America/New_York", "Pacific/Apia", "Asia/Kolkata"} {
				loc, err := Zone(zone)
				if err != nil {
					t.Fatal(err)
				}
				env := &fqgw.Env{Zone: loc}
				if zone != "UTC" && !(isMoment(key) && isMoment(of)) {
					continue
				}
				for _, text := range values {
					v := valueOf(t, text, of)
					row := []fqgw.Value{fqgw.Null, v}
					o, err := operand.Eval(env, row)
					if err != nil {
						t.Fatal(err)
					}
					got := EqualKeys(o, operand.Type(), key, env)
					for _, g := range got {
						if row[0] = g; !evalTrue(t, equal, env, row) {
							t.Errorf("%s: %s key %s is said to equal %s %s", zone, kn, Text(g, key, env), vn, text)
						}
					}
					if len(got) > 1 && !ManyKeys(key, operand.Type()) {
						t.Errorf("%s = %s %s has %d keys", kn, vn, text, len(got))
					}
					for _, k := range keys {
						row[0] = valueOf(t, k, key)
						want := evalTrue(t, equal, env, row)
						if kn == "varchar" && vn == "bpchar" { // as text
							want = row[0].Str() == o.Str()
						}
						has := slices.ContainsFunc(got, func(g fqgw.Value) bool { return fqgw.Compare(g, row[0]) == 0 })
						if has != want {
							t.Errorf("%s: %s key %s = %s %s is %v, found by it: %v", zone, kn, k, vn, text, want, has)
						}
					}
				}
			}
		}
	}
	if pairs < 45 {
		t.Errorf("%d pairs of types", pairs)
	}
}

// TestKeySeenAs: a key under a cast is the key where the cast tells it.
func TestKeySeenAs(t *testing.T) {
	for kn, keys := range keyValues {
		key, _ := fqgw.TypeByName(kn)
		for sn := range keyValues {
			seen, _ := fqgw.TypeByName(sn)
			if !fqgw.KeyTypeOK(key) || !KeySeenAs(key, seen) {
				continue
			}
			under, err := Cast(&Column{Index: 0, Typ: key}, seen, Explicit)
			if err != nil {
				t.Fatal(err)
			}
			for vn, values := range keyValues {
				of, _ := fqgw.TypeByName(vn)
				col := &Column{Index: 1, Typ: of}
				operand, ok := KeyOperand(col, key, seen)
				if !ok || vn == "bpchar" || (key == fqgw.OID) != (of == fqgw.OID) {
					continue
				}
				equal, err := Op("=", under, col)
				if err != nil {
					t.Fatalf("%s::%s = %s: %v", kn, sn, vn, err)
				}
				for _, text := range values {
					row := []fqgw.Value{fqgw.Null, valueOf(t, text, of)}
					o, err := operand.Eval(&fqgw.Env{}, row)
					if err != nil {
						continue // the comparison raises it too
					}
					got := EqualKeys(o, operand.Type(), key, &fqgw.Env{})
					for _, k := range keys {
						row[0] = valueOf(t, k, key)
						v, err := equal.Eval(&fqgw.Env{}, row)
						if has := slices.ContainsFunc(got, func(g fqgw.Value) bool { return fqgw.Compare(g, row[0]) == 0 }); err == nil && has != v.True() {
							t.Errorf("%s %s under %s = %s %s is %v, found by it: %v", kn, k, sn, vn, text, v.True(), has)
						}
					}
				}
			}
		}
	}
}

func valueOf(t *testing.T, text string, typ fqgw.Type) fqgw.Value {
	t.Helper()
	v, err := Parse(text, typ, &fqgw.Env{})
	if err != nil {
		t.Fatalf("%s %s: %v", typ, text, err)
	}
	return v
}

func evalTrue(t *testing.T, e fqgw.Expr, env *fqgw.Env, row []fqgw.Value) bool {
	t.Helper()
	v, err := e.Eval(env, row)
	if err != nil {
		t.Fatal(err)
	}
	return v.True()
}
