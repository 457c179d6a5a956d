package pgcatalog

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/fqgw/fqgw"
)

// typeRecord is what the catalog says of a type beside its names.
type typeRecord struct {
	oid, namespace uint32
	relation, elem uint32
	name, category string
	length         int64
	byValue        bool
	align, storage string
	collation      uint32
	kind           string // typtype
	base           uint32
}

// typeRecords are the facts of pg_type, by OID.
var typeRecords = sync.OnceValue(func() map[uint32]typeRecord {
	names, rows := facts("pg_type")
	at := map[string]int{}
	for i, n := range names {
		at[n] = i
	}
	out := map[uint32]typeRecord{}
	for _, r := range rows {
		length, _ := strconv.ParseInt(r[at["typlen"]], 10, 16)
		t := typeRecord{oid: parseOID(r[at["oid"]]), namespace: parseOID(r[at["typnamespace"]]), elem: parseOID(r[at["typelem"]]),
			relation: parseOID(r[at["typrelid"]]), name: r[at["typname"]], category: r[at["typcategory"]],
			length: length, byValue: r[at["typbyval"]] == "t", align: r[at["typalign"]], storage: r[at["typstorage"]],
			collation: parseOID(r[at["typcollation"]]), kind: r[at["typtype"]], base: parseOID(r[at["typbasetype"]])}
		out[t.oid] = t
	}
	return out
})

var rowTypes = sync.OnceValue(func() map[uint32]uint32 {
	out := map[uint32]uint32{}
	for _, t := range typeRecords() {
		if t.relation != 0 {
			out[t.relation] = t.oid
		}
	}
	return out
})

// systemRowType is the row type of a system relation, 0 for fqgw's own.
func systemRowType(rel uint32) uint32 { return rowTypes()[rel] }

// btreeClass is the operator class that an index on the type would have.
func btreeClass(typ uint32) uint32 {
	if typ == fqgw.Varchar.OID {
		typ = fqgw.Text.OID
	}
	return btreeClasses()[typ]
}

var btreeClasses = sync.OnceValue(func() map[uint32]uint32 {
	out := map[uint32]uint32{}
	_, rows := facts("pg_opclass")
	for _, r := range rows {
		if r[1] == "403" && r[7] == "t" {
			out[parseOID(r[6])] = parseOID(r[0])
		}
	}
	return out
})

// fillType adds the row types of users' relations, and arrays of them.
func fillType(r *relation, s *snapshot) [][]fqgw.Value {
	out := factRows(&r.SystemRelation)
	out = out[:len(out):len(out)]
	proc := func(name string) fqgw.Value { return oid(procOID(name)) }
	for _, o := range s.objects {
		base := fields{"typnamespace": oid(s.namespace(o)), "typowner": number(owner), "typlen": number(-1), "typisdefined": boolean(true), "typdelim": text(","),
			"typalign": text("d"), "typstorage": text("x"), "typtypmod": number(-1)}
		out = append(out, row(&r.SystemRelation, fields{
			"oid": oid(o.rowType()), "typname": text(o.name.Name), "typtype": text("c"), "typcategory": text("C"), "typrelid": oid(o.oid),
			"typarray": oid(o.arrayType()), "typinput": proc("record_in"), "typoutput": proc("record_out"), "typreceive": proc("record_recv"), "typsend": proc("record_send"),
		}.with(base)), row(&r.SystemRelation, fields{
			"oid": oid(o.arrayType()), "typname": text("_" + o.name.Name), "typtype": text("b"), "typcategory": text("A"), "typelem": oid(o.rowType()),
			"typsubscript": proc("array_subscript_handler"), "typinput": proc("array_in"), "typoutput": proc("array_out"), "typreceive": proc("array_recv"), "typsend": proc("array_send"),
		}.with(base)))
	}
	return out
}

// fillKnownTypes gives the facts whose types fqgw has: no operators, casts and
// operator classes of others.
func fillKnownTypes(r *relation, _ *snapshot) [][]fqgw.Value {
	var at []int
	for i, c := range r.Columns {
		switch c.Name {
		case "oprleft", "oprright", "oprresult", "castsource", "casttarget", "opcintype":
			at = append(at, i)
		}
	}
	var out [][]fqgw.Value
	for _, row := range factRows(&r.SystemRelation) {
		if !slices.ContainsFunc(at, func(i int) bool { return row[i].Int() != 0 && !hasType(uint32(row[i].Int())) }) {
			out = append(out, row)
		}
	}
	return out
}

// fillAggregate makes pg_aggregate of pg_proc: which functions are aggregates
// and of what kind; the functions behind them are not fqgw's.
func fillAggregate(r *relation, _ *snapshot) [][]fqgw.Value {
	kinds := map[string]string{"mode": "o", "percentile_cont": "o", "percentile_disc": "o", "rank": "h", "dense_rank": "h", "percent_rank": "h", "cume_dist": "h"}
	var out [][]fqgw.Value
	_, rows := facts("pg_proc")
	for _, p := range rows {
		if p[5] != "a" || usable(p) == nil {
			continue
		}
		kind, direct := "n", int64(0)
		if k := kinds[p[1]]; k != "" {
			kind, direct = k, 1
		}
		out = append(out, row(&r.SystemRelation, fields{"aggfnoid": oid(parseOID(p[0])), "aggkind": text(kind), "aggnumdirectargs": number(direct)}))
	}
	return out
}

// sqlName is how information_schema names a type.
func sqlName(typ uint32) string {
	t := typeRecords()[typ]
	switch {
	case t.category == "A":
		return "ARRAY"
	case t.kind == "d":
		return sqlName(t.base)
	}
	if f, ok := fqgw.TypeByOID(typ); ok {
		return f.String()
	}
	return strings.TrimPrefix(t.name, "_")
}
