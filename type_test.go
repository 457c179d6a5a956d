package fqgw

import "testing"

func TestTypeNames(t *testing.T) {
	for want, typ := range map[string]Type{
		"integer": Int4, "bigint": Int8, "double precision": Float8, "timestamp with time zone": Timestamptz, "\"char\"": CharType, "text[]": Text.Array(),
		"numeric(10,2)": NumericOf(10, 2), "numeric(3,-2)": NumericOf(3, -2), "numeric(1000,1000)": NumericOf(1000, 1000), "character varying(20)": {1043, 24}, "character(3)": {1042, 7},
		"timestamp(3) without time zone": {1114, 3}, "timestamp(0) with time zone": {1184, 0}, "numeric(5,1)[]": NumericOf(5, 1).Array(), "oid(99999)": {99999, -1}, "int2vector": Int2Vector,
	} {
		if got := typ.String(); got != want {
			t.Errorf("%+v prints as %s, want %s", typ, got, want)
		}
	}
	for _, ps := range [][2]int{{1, 0}, {38, 9}, {1000, 1000}, {5, -3}, {1, -1000}} {
		if p, s := NumericOf(ps[0], ps[1]).NumericMod(); p != ps[0] || s != ps[1] {
			t.Errorf("numeric(%d,%d) comes back as (%d,%d)", ps[0], ps[1], p, s)
		}
	}
}

// TestTypes: names, arrays and elements fit together, for every type.
func TestTypes(t *testing.T) {
	n := 0
	Types(func(typ Type) {
		n++
		if got, ok := TypeByName(typ.PgName()); !ok || got != typ {
			t.Errorf("%s: by its name it is %v", typ, got)
		}
		if got, ok := TypeByOID(typ.OID); !ok || got != typ {
			t.Errorf("%s: by its OID it is %v", typ, got)
		}
		if a := typ.Array(); a.OID != 0 && (a.Elem() != typ || !a.IsArray() || a.Kind() != KindArray) {
			t.Errorf("%s: its array is %v of %v", typ, a, a.Elem())
		}
		if typ.Kind() == KindNull || typ.Size() == 0 || typ.Base() != typ {
			t.Errorf("%s: kind %d, size %d", typ, typ.Kind(), typ.Size())
		}
	})
	if n < 60 {
		t.Errorf("only %d types", n)
	}
	if _, ok := TypeByName("nosuch"); ok {
		t.Error("a type that is not there")
	}
	if m := (Type{1043, 24}); m.Array().Mod != 24 || m.Array().Elem() != m || m.Base() != Varchar {
		t.Error("modifiers do not pass to arrays and back")
	}
	if KeyTypeOK(Float8) || !KeyTypeOK(Type{1043, 24}) || KeyTypeOK(Text.Array()) {
		t.Error("KeyTypeOK")
	}
}
