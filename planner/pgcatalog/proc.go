package pgcatalog

import (
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// procRecord is a function as the catalog knows it.
type procRecord struct {
	oid      uint32
	schema   string
	name     string
	result   uint32
	set      bool
	args     []uint32
	all      []uint32 // with OUT arguments; nil when there are none
	modes    []string // of all
	names    []string
	defaults int
}

// ownFunctions are the functions of schema fqgw.
var ownFunctions = []procRecord{
	{oid: 9100, schema: "fqgw", name: "sync", result: fqgw.Void.OID},
	{oid: 9101, schema: "fqgw", name: "now", result: fqgw.Timestamptz.OID},
	{oid: 9102, schema: "fqgw", name: "advance", result: fqgw.Timestamptz.OID, args: []uint32{fqgw.Interval.OID}},
}

// procRecords are the functions that can be called, by OID: those of PostgreSQL
// that planner/expr or the relational route has with types it has, and fqgw's.
var procRecords = sync.OnceValue(func() map[uint32]*procRecord {
	out := map[uint32]*procRecord{}
	_, rows := facts("pg_proc")
	for _, r := range rows {
		if p := usable(r); p != nil {
			out[p.oid] = p
		}
	}
	for i := range ownFunctions {
		out[ownFunctions[i].oid] = &ownFunctions[i]
	}
	return out
})

// usable reads a row of the facts; nil when the function cannot be called here.
func usable(r []string) *procRecord {
	name := r[1]
	if !expr.HasFunc(name) && !expr.IsAggregate(name) && !expr.IsWindow(name) && !expr.IsSetFunc(name) {
		return nil
	}
	p := &procRecord{oid: parseOID(r[0]), schema: "pg_catalog", name: name, set: r[7] == "t", result: parseOID(r[11]), args: oids(r[12], " "),
		all: oids(strings.Trim(r[13], "{}"), ","), modes: split(r[14]), names: split(r[15])}
	p.defaults, _ = strconv.Atoi(r[10])
	if !hasType(p.result) || slices.ContainsFunc(p.args, func(t uint32) bool { return !hasType(t) }) {
		return nil
	}
	return p
}

func split(s string) []string {
	if s == null {
		return nil
	}
	return strings.Split(strings.Trim(s, "{}"), ",")
}

func oids(s, sep string) []uint32 {
	if s == null || s == "" {
		return nil
	}
	var out []uint32
	for _, n := range strings.Split(s, sep) {
		out = append(out, parseOID(n))
	}
	return out
}

// hasType says whether fqgw has the type, or it is one that stands for several.
func hasType(oid uint32) bool {
	switch oid {
	case 2276, 2277, 2283, 2776, 5077, 5078, 5079: // any, anyarray, anyelement, …
		return true
	}
	_, ok := fqgw.TypeByOID(oid)
	return ok
}

// fillProc lists what can be called, and the functions that other catalog rows
// name (the input and output of types).
func fillProc(*relation, *snapshot) [][]fqgw.Value { return procRows() }

var procRows = sync.OnceValue(func() [][]fqgw.Value {
	r := Lookup("pg_catalog", "pg_proc")
	var out [][]fqgw.Value
	at := places(r)
	needed := typeFunctions()
	for _, row := range factRows(r) {
		id := uint32(row[at["oid"]].Int())
		if procRecords()[id] == nil && !needed[id] {
			continue
		}
		row = slices.Clone(row)
		row[at["procost"]], row[at["proparallel"]], row[at["prosrc"]] = fqgw.FloatValue(1), text("s"), row[at["proname"]]
		out = append(out, row)
	}
	for _, f := range ownFunctions {
		args := make([]int64, len(f.args))
		for i, t := range f.args {
			args[i] = int64(t)
		}
		out = append(out, row(r, fields{
			"oid": oid(f.oid), "proname": text(f.name), "pronamespace": number(nsFqgw), "proowner": number(owner), "prolang": number(12),
			"prokind": text("f"), "provolatile": text("v"), "proparallel": text("u"), "pronargs": number(int64(len(f.args))), "proisstrict": boolean(true),
			"prorettype": oid(f.result), "proargtypes": vector(fqgw.OIDVector, args), "prosrc": text(f.name), "procost": fqgw.FloatValue(1),
		}))
	}
	return out
})

// typeFunctions are the functions that pg_type names.
var typeFunctions = sync.OnceValue(func() map[uint32]bool {
	out := map[uint32]bool{}
	names, rows := facts("pg_type")
	for i, n := range names {
		if n == "typinput" || n == "typoutput" || n == "typreceive" || n == "typsend" || n == "typmodin" || n == "typmodout" || n == "typsubscript" {
			for _, r := range rows {
				out[procOID(r[i])] = true
			}
		}
	}
	return out
})

// procName is the schema and name of a function; false when there is none.
func procName(oid uint32) (schema, name string, ok bool) {
	if p := procRecords()[oid]; p != nil {
		return p.schema, p.name, true
	}
	name, ok = procNames()[oid]
	return "pg_catalog", name, ok
}

var procNames = sync.OnceValue(func() map[uint32]string {
	out := map[uint32]string{}
	_, rows := facts("pg_proc")
	for _, r := range rows {
		out[parseOID(r[0])] = r[1]
	}
	return out
})

// ProcArguments answers pg_get_function_arguments, ProcResult
// pg_get_function_result; false when oid is no function that can be called.
func ProcArguments(oid uint32) (string, bool) {
	p := procRecords()[oid]
	if p == nil {
		return "", false
	}
	types, modes := p.args, []string(nil)
	if p.all != nil {
		types, modes = p.all, p.modes
	}
	var parts []string
	for i, t := range types {
		part := typeText(t)
		if i < len(p.names) && p.names[i] != "" && p.names[i] != `""` {
			part = p.names[i] + " " + part
		}
		if i < len(modes) {
			switch modes[i] {
			case "o":
				part = "OUT " + part
			case "b":
				part = "INOUT " + part
			case "v":
				part = "VARIADIC " + part
			case "t":
				continue
			}
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, ", "), true
}

func ProcResult(oid uint32) (string, bool) {
	p := procRecords()[oid]
	if p == nil {
		return "", false
	}
	if p.set {
		return "SETOF " + typeText(p.result), true
	}
	return typeText(p.result), true
}

// typeText is format_type of any type of the facts.
func typeText(oid uint32) string {
	if t, ok := fqgw.TypeByOID(oid); ok {
		return t.String()
	}
	t := typeRecords()[oid]
	switch {
	case t.category == "A" && t.elem != 0:
		return typeText(t.elem) + "[]"
	case t.name == "timetz":
		return "time with time zone"
	case t.name == "varbit":
		return "bit varying"
	case t.name == "bit":
		return "bit"
	case t.namespace != nsCatalog && t.namespace != nsPublic:
		return expr.QuoteIdent(schemaNames[t.namespace]) + "." + expr.QuoteIdent(t.name)
	}
	return expr.QuoteIdent(t.name)
}
