package expr

import (
	"strings"

	"github.com/fqgw/fqgw"
)

// castFacts are PostgreSQL's casts between our types (pg_cast): per source type
// the targets, each with its context (i implicit, a assignment, e explicit) and
// its method (b same bytes, f function, i by text).
var castFacts = [][2]string{
	{"bool", "int4:ef text:af varchar:af bpchar:af"},
	{"char", "text:if bpchar:af varchar:af int4:ef"},
	{"name", "text:if bpchar:af varchar:af"},
	{"int8", "int2:af int4:af float4:if float8:if numeric:if oid:if regproc:if regclass:if regtype:if regrole:if regnamespace:if " +
		"regprocedure:if regoper:if regoperator:if regconfig:if regdictionary:if regcollation:if"},
	{"int2", "int8:if int4:if float4:if float8:if numeric:if oid:if regproc:if regclass:if regtype:if regrole:if regnamespace:if " +
		"regprocedure:if regoper:if regoperator:if regconfig:if regdictionary:if regcollation:if"},
	{"int4", "int8:if int2:af float4:if float8:if numeric:if bool:ef oid:ib regproc:ib regclass:ib regtype:ib regrole:ib regnamespace:ib " +
		"regprocedure:ib regoper:ib regoperator:ib regconfig:ib regdictionary:ib regcollation:ib char:ef"},
	{"regproc", "oid:ib int8:af int4:ab regprocedure:ib"},
	{"text", "regclass:if bpchar:ib varchar:ib char:af name:if"},
	{"oid", "int8:af int4:ab regproc:ib regclass:ib regtype:ib regrole:ib regnamespace:ib " +
		"regprocedure:ib regoper:ib regoperator:ib regconfig:ib regdictionary:ib regcollation:ib"},
	{"json", "jsonb:ai"},
	{"pg_node_tree", "text:ib"},
	{"float4", "int8:af int2:af int4:af float8:if numeric:af"},
	{"float8", "int8:af int2:af int4:af float4:af numeric:af"},
	{"bpchar", "text:if varchar:if char:af name:if"},
	{"varchar", "regclass:if text:ib bpchar:ib char:af name:if"},
	{"date", "timestamp:if timestamptz:if"},
	{"time", "interval:if"},
	{"timestamp", "date:af time:af timestamptz:if"},
	{"timestamptz", "date:af time:af timestamp:af"},
	{"interval", "time:af"},
	{"numeric", "int8:af int2:af int4:af float4:if float8:if"},
	{"regclass", "oid:ib int8:af int4:ab"},
	{"regtype", "oid:ib int8:af int4:ab"},
	{"regnamespace", "oid:ib int8:af int4:ab"},
	{"regrole", "oid:ib int8:af int4:ab"},
	{"regprocedure", "oid:ib int8:af int4:ab regproc:ib"},
	{"regoper", "oid:ib int8:af int4:ab regoperator:ib"},
	{"regoperator", "oid:ib int8:af int4:ab regoper:ib"},
	{"regconfig", "oid:ib int8:af int4:ab"},
	{"regdictionary", "oid:ib int8:af int4:ab"},
	{"regcollation", "oid:ib int8:af int4:ab"},
	{"jsonb", "json:ai bool:ef numeric:ef int2:ef int4:ef int8:ef float4:ef float8:ef"},
	{"oidvector", "_oid:ib"},
	{"int2vector", "_int2:ib"},
}

// CastContext says where a cast stands: an implicit one is always tried, an
// assignment's when a value is stored, an explicit one when it is written.
type CastContext int

// The contexts, each permitting what the one before it does.
const (
	Implicit CastContext = iota
	Assignment
	Explicit
)

// castPath is how a value gets from one type to another.
type castPath byte

const (
	noPath    castPath = iota
	samePath           // relabel: the value stays
	funcPath           // coerceValue
	arrayPath          // every element by itself
	textPath           // text output, then input
)

type castFact struct {
	context CastContext
	path    castPath
}

var castTable = func() map[[2]uint32]castFact {
	m := map[[2]uint32]castFact{}
	for _, f := range castFacts {
		from, _ := fqgw.TypeByName(f[0])
		for _, word := range strings.Fields(f[1]) {
			name, how, _ := strings.Cut(word, ":")
			to, _ := fqgw.TypeByName(name)
			c := castFact{context: Implicit, path: funcPath}
			switch how[0] {
			case 'a':
				c.context = Assignment
			case 'e':
				c.context = Explicit
			}
			switch how[1] {
			case 'b':
				c.path = samePath
			case 'i':
				c.path = textPath
			}
			m[[2]uint32{from.OID, to.OID}] = c
		}
	}
	return m
}()

// findPath is PostgreSQL's find_coercion_pathway.
func findPath(from, to fqgw.Type, ctx CastContext) castPath {
	if from.OID == to.OID {
		return samePath
	}
	if f, ok := castTable[[2]uint32{from.OID, to.OID}]; ok {
		if f.context > ctx {
			return noPath
		}
		return f.path
	}
	fromArray, toArray := from.IsArray(), to.IsArray()
	if fromArray && toArray && to != fqgw.OIDVector && to != fqgw.Int2Vector {
		switch findPath(from.Elem().Base(), to.Elem().Base(), ctx) {
		case noPath:
		case textPath:
			return textPath
		default:
			return arrayPath
		}
	}
	if to.OID == fqgw.Void.OID || to.OID == fqgw.Unknown.OID {
		return noPath
	}
	switch {
	case ctx >= Assignment && to.Category() == 'S':
		return textPath
	case ctx >= Explicit && from.Category() == 'S':
		return textPath
	}
	return noPath
}
