package fqgw

import (
	"fmt"
	"strings"
)

// Type is a PostgreSQL type: its OID and its modifier (-1 when there is none).
// Types compare with ==. The OIDs are PostgreSQL's own (pg_type).
type Type struct {
	OID uint32
	Mod int32
}

// The types that fqgw knows, without a modifier.
var (
	Unknown       = Type{705, -1}
	Bool          = Type{16, -1}
	Bytea         = Type{17, -1}
	CharType      = Type{18, -1} // "char", one byte
	Name          = Type{19, -1}
	Int8          = Type{20, -1}
	Int2          = Type{21, -1}
	Int2Vector    = Type{22, -1}
	Int4          = Type{23, -1}
	RegProc       = Type{24, -1}
	Text          = Type{25, -1}
	OID           = Type{26, -1}
	OIDVector     = Type{30, -1}
	JSON          = Type{114, -1}
	PgNodeTree    = Type{194, -1}
	Float4        = Type{700, -1}
	Float8        = Type{701, -1}
	ACLItem       = Type{1033, -1}
	BPChar        = Type{1042, -1}
	Varchar       = Type{1043, -1}
	Date          = Type{1082, -1}
	Time          = Type{1083, -1}
	Timestamp     = Type{1114, -1}
	Timestamptz   = Type{1184, -1}
	Interval      = Type{1186, -1}
	Numeric       = Type{1700, -1}
	RegProcedure  = Type{2202, -1}
	RegOper       = Type{2203, -1}
	RegOperator   = Type{2204, -1}
	RegClass      = Type{2205, -1}
	RegType       = Type{2206, -1}
	RegConfig     = Type{3734, -1}
	RegDictionary = Type{3769, -1}
	RegCollation  = Type{4191, -1}
	RegNS         = Type{4089, -1}
	RegRole       = Type{4096, -1}
	Record        = Type{2249, -1}
	Void          = Type{2278, -1}
	UUID          = Type{2950, -1}
	JSONB         = Type{3802, -1}
)

// typeFacts has what every room must know about a type: its names, its array
// type, the kind of Value that carries it, and where its values may stand.
type typeFacts struct {
	name  string // the SQL spelling, as format_type prints it
	typ   string // pg_type.typname
	array uint32 // OID of the array over it, 0 for none
	elem  uint32 // OID of the element, 0 unless an array
	kind  Kind
	size  int16 // typlen
	class byte  // typcategory
	uses  uses
}

// uses say where values of a type may stand.
type uses uint8

const (
	preferred uses = 1 << iota // typispreferred: within its category others are cast to it
	asKey                      // a join key (SEMANTICS §1)
	asColumn                   // a column of a table
	carried                    // a field of a record
	inRecord  = asColumn | carried
)

var facts = map[uint32]typeFacts{
	705:  {"unknown", "unknown", 0, 0, KindText, -2, 'X', 0},
	16:   {"boolean", "bool", 1000, 0, KindBool, 1, 'B', preferred | asKey | inRecord},
	17:   {"bytea", "bytea", 1001, 0, KindBytes, -1, 'U', asKey | inRecord},
	18:   {"\"char\"", "char", 1002, 0, KindText, 1, 'Z', asColumn},
	19:   {"name", "name", 1003, 0, KindText, 64, 'S', asKey | inRecord},
	20:   {"bigint", "int8", 1016, 0, KindInt, 8, 'N', asKey | inRecord},
	21:   {"smallint", "int2", 1005, 0, KindInt, 2, 'N', asKey | inRecord},
	22:   {"int2vector", "int2vector", 1006, 21, KindArray, -1, 'A', 0},
	23:   {"integer", "int4", 1007, 0, KindInt, 4, 'N', asKey | inRecord},
	24:   {"regproc", "regproc", 1008, 0, KindInt, 4, 'N', 0},
	25:   {"text", "text", 1009, 0, KindText, -1, 'S', preferred | asKey | inRecord},
	26:   {"oid", "oid", 1028, 0, KindInt, 4, 'N', preferred | asKey | inRecord},
	30:   {"oidvector", "oidvector", 1013, 26, KindArray, -1, 'A', 0},
	114:  {"json", "json", 199, 0, KindText, -1, 'U', inRecord},
	194:  {"pg_node_tree", "pg_node_tree", 0, 0, KindText, -1, 'Z', 0},
	700:  {"real", "float4", 1021, 0, KindFloat, 4, 'N', inRecord},
	701:  {"double precision", "float8", 1022, 0, KindFloat, 8, 'N', preferred | inRecord},
	1033: {"aclitem", "aclitem", 1034, 0, KindText, 12, 'U', 0},
	1042: {"character", "bpchar", 1014, 0, KindText, -1, 'S', inRecord},
	1043: {"character varying", "varchar", 1015, 0, KindText, -1, 'S', asKey | inRecord},
	1082: {"date", "date", 1182, 0, KindDate, 4, 'D', asKey | inRecord},
	1083: {"time without time zone", "time", 1183, 0, KindTime, 8, 'D', inRecord},
	1114: {"timestamp without time zone", "timestamp", 1115, 0, KindTimestamp, 8, 'D', asKey | inRecord},
	1184: {"timestamp with time zone", "timestamptz", 1185, 0, KindTimestamp, 8, 'D', preferred | asKey | inRecord},
	1186: {"interval", "interval", 1187, 0, KindInterval, 16, 'T', preferred | asColumn},
	1700: {"numeric", "numeric", 1231, 0, KindNumeric, -1, 'N', inRecord},
	2202: {"regprocedure", "regprocedure", 2207, 0, KindInt, 4, 'N', 0},
	2203: {"regoper", "regoper", 2208, 0, KindInt, 4, 'N', 0},
	2204: {"regoperator", "regoperator", 2209, 0, KindInt, 4, 'N', 0},
	2205: {"regclass", "regclass", 2210, 0, KindInt, 4, 'N', 0},
	2206: {"regtype", "regtype", 2211, 0, KindInt, 4, 'N', 0},
	3734: {"regconfig", "regconfig", 3735, 0, KindInt, 4, 'N', 0},
	3769: {"regdictionary", "regdictionary", 3770, 0, KindInt, 4, 'N', 0},
	4089: {"regnamespace", "regnamespace", 4090, 0, KindInt, 4, 'N', 0},
	4096: {"regrole", "regrole", 4097, 0, KindInt, 4, 'N', 0},
	4191: {"regcollation", "regcollation", 4192, 0, KindInt, 4, 'N', 0},
	2249: {"record", "record", 2287, 0, KindRecord, -1, 'P', 0},
	2278: {"void", "void", 0, 0, KindText, 4, 'P', 0},
	2950: {"uuid", "uuid", 2951, 0, KindUUID, 16, 'U', asKey | inRecord},
	3802: {"jsonb", "jsonb", 3807, 0, KindText, -1, 'U', inRecord},
}

var byTypeName = map[string]uint32{}

func init() {
	for oid, f := range facts {
		byTypeName[f.typ] = oid
	}
	arrays := map[uint32]typeFacts{}
	for oid, f := range facts {
		if f.array != 0 {
			a := typeFacts{name: f.name + "[]", typ: "_" + f.typ, elem: oid, kind: KindArray, size: -1, class: 'A', uses: f.uses & inRecord}
			if f.class == 'P' {
				a.class = 'P'
			}
			arrays[f.array] = a
		}
	}
	for oid, f := range arrays {
		facts[oid] = f
		byTypeName[f.typ] = oid
	}
}

// TypeByName returns the type whose pg_type.typname is name ("int4", "_text").
func TypeByName(name string) (Type, bool) {
	oid, ok := byTypeName[name]
	return Type{oid, -1}, ok
}

// TypeByOID returns the type with that OID and no modifier; false when fqgw has no such type.
func TypeByOID(oid uint32) (Type, bool) {
	_, ok := facts[oid]
	return Type{oid, -1}, ok
}

// Types calls f for every known OID, in no order.
func Types(f func(Type)) {
	for oid := range facts {
		f(Type{oid, -1})
	}
}

// Kind is the kind of Value that carries t.
func (t Type) Kind() Kind { return facts[t.OID].kind }

// PgName is pg_type.typname: "int4", "_text".
func (t Type) PgName() string { return facts[t.OID].typ }

// Size is pg_type.typlen: bytes, -1 for variable length.
func (t Type) Size() int16 { return facts[t.OID].size }

// Base is t without its modifier.
func (t Type) Base() Type { return Type{t.OID, -1} }

// IsReg says whether t is one of the types that show an OID by its object's name.
func (t Type) IsReg() bool {
	switch t.OID {
	case RegProc.OID, RegProcedure.OID, RegOper.OID, RegOperator.OID, RegClass.OID, RegType.OID, RegConfig.OID, RegDictionary.OID,
		RegNS.OID, RegRole.OID, RegCollation.OID:
		return true
	}
	return false
}

// Category is pg_type.typcategory: 'N' for numbers, 'S' for strings …
func (t Type) Category() byte { return facts[t.OID].class }

// Preferred is pg_type.typispreferred.
func (t Type) Preferred() bool { return facts[t.OID].uses&preferred != 0 }

// InTables says whether a column of a table may have it.
func (t Type) InTables() bool { return facts[t.OID].uses&asColumn != 0 }

// InRecords says whether a column of a source may have it: all formats of records
// carry it, and the lake keeps it.
func (t Type) InRecords() bool { return facts[t.OID].uses&carried != 0 }

// IsArray says whether t is an array (the vector types included).
func (t Type) IsArray() bool { return facts[t.OID].elem != 0 }

// Elem is the element type of an array, the zero Type otherwise.
func (t Type) Elem() Type {
	if e := facts[t.OID].elem; e != 0 {
		return Type{e, t.Mod}
	}
	return Type{}
}

// Array is the type of an array of t, the zero Type when there is none.
func (t Type) Array() Type {
	if a := facts[t.OID].array; a != 0 {
		return Type{a, t.Mod}
	}
	return Type{}
}

// String is the SQL spelling with the modifier, as PostgreSQL's format_type prints it.
func (t Type) String() string {
	f, ok := facts[t.OID]
	if !ok {
		return fmt.Sprintf("oid(%d)", t.OID)
	}
	if f.elem != 0 && strings.HasSuffix(f.name, "[]") {
		return t.Elem().String() + "[]"
	}
	if t.Mod < 0 {
		return f.name
	}
	switch t.OID {
	case 1700:
		p, s := t.NumericMod()
		return fmt.Sprintf("numeric(%d,%d)", p, s)
	case 1043, 1042:
		return fmt.Sprintf("%s(%d)", f.name, t.Mod-4)
	case 1114:
		return fmt.Sprintf("timestamp(%d) without time zone", t.Mod)
	case 1184:
		return fmt.Sprintf("timestamp(%d) with time zone", t.Mod)
	}
	return f.name
}

// NumericMod splits the modifier of numeric(p,s); it is only meaningful when Mod >= 0.
func (t Type) NumericMod() (precision, scale int) {
	m := t.Mod - 4
	return int(m>>16) & 0xffff, int(m&0x7ff^1024) - 1024
}

// NumericOf is numeric(p,s).
func NumericOf(precision, scale int) Type {
	return Type{1700, int32(precision<<16|scale&0x7ff) + 4}
}
