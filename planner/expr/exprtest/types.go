// Package exprtest has values of every type for the tests of the rooms that types
// go through: one that forgets a type fails there.
package exprtest

import (
	"testing"

	"github.com/fqgw/fqgw"
)

// Example is two values of a type, as PostgreSQL prints them.
type Example struct {
	Type          fqgw.Type
	Less, Greater string // by the type's order, if it has one
	Binary        string // what its send function makes of Less, in hexadecimal
}

var examples = []Example{
	{fqgw.Bool, "f", "t", "00"},
	{fqgw.Bytea, `\x00ff`, `\x61`, "00ff"},
	{fqgw.CharType, "A", "a", "41"},
	{fqgw.Name, "a", "b", "61"},
	{fqgw.Int8, "-9223372036854775808", "7", "8000000000000000"},
	{fqgw.Int2, "-2", "32767", "fffe"},
	{fqgw.Int4, "-2147483648", "65536", "80000000"},
	{fqgw.Text, "JFK", "zoë", "4a464b"},
	{fqgw.OID, "7", "4294967295", "00000007"},
	{fqgw.JSON, `{"a":1}`, "[2]", "7b2261223a317d"},
	{fqgw.Float4, "-1.5", "3.4e+38", "bfc00000"},
	{fqgw.Float8, "-0.1", "NaN", "bfb999999999999a"},
	{fqgw.BPChar, "ab", "b", "6162"},
	{fqgw.Varchar, "JFK", "zoë", "4a464b"},
	{fqgw.Date, "1969-12-31", "2024-02-29", "ffffd532"},
	{fqgw.Time, "09:05:00.000001", "23:59:59", "000000079d126701"},
	{fqgw.Timestamp, "1969-12-31 23:59:59.5", "2024-02-29 12:00:00", "fffca2fec4c07ee0"},
	{fqgw.Timestamptz, "1969-12-31 23:59:59.5+00", "2024-02-29 12:00:00+00", "fffca2fec4c07ee0"},
	{fqgw.Interval, "1 mon 2 days 00:00:03", "2 mons", "00000000002dc6c00000000200000001"},
	{fqgw.Numeric, "-12345.6780", "1000000000000000000000000.5", "0003000140000004000109291a7c"},
	{fqgw.UUID, "00010203-0405-0607-0809-0a0b0c0d0e0f", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "000102030405060708090a0b0c0d0e0f"},
	{fqgw.JSONB, `"zoë"`, `{"a": [1, null]}`, "01227a6fc3ab22"},
}

// Types calls f with an example of each type that a column may have, arrays apart.
func Types(t *testing.T, f func(t *testing.T, e Example)) {
	t.Helper()
	have := map[fqgw.Type]bool{}
	for _, e := range examples {
		have[e.Type] = true
		t.Run(e.Type.PgName(), func(t *testing.T) { f(t, e) })
	}
	fqgw.Types(func(typ fqgw.Type) {
		if typ.InTables() && !typ.IsArray() && !have[typ] {
			t.Errorf("exprtest has no example of the type %s", typ)
		}
	})
}
