package pgcatalog

import (
	"strconv"
	"testing"

	"github.com/fqgw/fqgw"
)

// TestTypeFacts: what the root says of a type is what PostgreSQL's pg_type says.
func TestTypeFacts(t *testing.T) {
	names, rows := facts("pg_type")
	seen := map[uint32]bool{}
	for _, r := range rows {
		field := map[string]string{}
		for i, n := range names {
			field[n] = r[i]
		}
		typ, ok := fqgw.TypeByOID(parseOID(field["oid"]))
		if !ok {
			continue
		}
		seen[typ.OID] = true
		elem := parseOID(field["typelem"])
		if field["typsubscript"] != "array_subscript_handler" {
			elem = 0 // of a name, which is no array
		}
		if typ.PgName() != field["typname"] || strconv.Itoa(int(typ.Size())) != field["typlen"] || typ.Elem().OID != elem ||
			string(typ.Category()) != field["typcategory"] || typ.Preferred() != (field["typispreferred"] == "t") ||
			typ.Array().OID != parseOID(field["typarray"]) {
			t.Errorf("%s is not PostgreSQL's: %v", typ, field)
		}
	}
	fqgw.Types(func(typ fqgw.Type) {
		if !seen[typ.OID] {
			t.Errorf("pg_type has no %s", typ)
		}
	})
}
