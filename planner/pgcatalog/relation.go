package pgcatalog

import (
	"maps"
	"slices"
	"strconv"
	"sync"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// The schemas; fqgw's OIDs below 16384 are free in PostgreSQL.
const (
	nsCatalog = 11
	nsToast   = 99
	nsPublic  = 2200
	nsSchema  = 13207 // information_schema
	nsFqgw    = 9000
)

// schemaNames are the schemas by OID.
var schemaNames = map[uint32]string{nsCatalog: "pg_catalog", nsToast: "pg_toast", nsPublic: "public", nsSchema: "information_schema", nsFqgw: "fqgw"}

// schemaOID is the OID of a schema, 0 when there is none of that name.
func schemaOID(c *fqgw.Catalog, name string) uint32 {
	for id, s := range schemaNames {
		if s == name {
			return id
		}
	}
	if c != nil && c.Schemas[name] != nil {
		return c.Schemas[name].OID
	}
	return 0
}

// schemaName is the reverse of schemaOID.
func schemaName(c *fqgw.Catalog, oid uint32) (string, bool) {
	if s, ok := schemaNames[oid]; ok || c == nil {
		return s, ok
	}
	for _, s := range c.Schemas {
		if s.OID == oid {
			return s.Name, true
		}
	}
	return "", false
}

// namespace is the OID of the schema of an object.
func (s *snapshot) namespace(o *object) uint32 { return schemaOID(s.catalog, o.name.Schema) }

// schemas are the OIDs of all schemas: those of the system that are named, then
// those that somebody made.
func (s *snapshot) schemas(system ...uint32) []uint32 {
	for _, name := range slices.Sorted(maps.Keys(s.catalog.Schemas)) {
		system = append(system, s.catalog.Schemas[name].OID)
	}
	return system
}

// relation is a system relation with what pg_class says of it.
type relation struct {
	plan.SystemRelation
	kind  byte     // relkind
	types []uint32 // atttypid as PostgreSQL has it: Columns show the nearest type that fqgw knows
	fill  func(r *relation, s *snapshot) [][]fqgw.Value
}

// Lookup finds a relation of pg_catalog, information_schema or fqgw; schema ""
// means those that need no schema, which are pg_catalog's. nil when there is none.
func Lookup(schema, name string) *plan.SystemRelation {
	if schema == "" {
		schema = "pg_catalog"
	}
	if r := relations().byName[schema+"."+name]; r != nil {
		return &r.SystemRelation
	}
	return nil
}

// Relations calls f for every system relation.
func Relations(f func(*plan.SystemRelation)) {
	for _, r := range relations().all {
		f(&r.SystemRelation)
	}
}

// directory holds the system relations.
type directory struct {
	all    []*relation
	byName map[string]*relation
	byOID  map[uint32]*relation
}

var relations = sync.OnceValue(func() *directory {
	d := &directory{byName: map[string]*relation{}, byOID: map[uint32]*relation{}}
	_, rows := facts("catalog-columns")
	var r *relation
	for _, rec := range rows {
		if r == nil || r.Name != rec[1] || r.Schema != rec[0] {
			r = &relation{kind: rec[3][0]}
			r.Schema, r.Name, r.OID = rec[0], rec[1], parseOID(rec[2])
			d.add(r)
		}
		typ := parseOID(rec[6])
		r.types = append(r.types, typ)
		r.Columns = append(r.Columns, fqgw.Column{Name: rec[5], Type: shown(typ), NotNull: rec[7] == "t"})
	}
	for _, r := range ownRelations() {
		d.add(r)
	}
	return d
})

func (d *directory) add(r *relation) {
	full := r.Schema + "." + r.Name
	if r.fill == nil {
		r.fill = fillers[full]
	}
	r.Rows = func(env *fqgw.Env, each func([]fqgw.Value) error) error {
		var rows [][]fqgw.Value
		if r.fill == nil {
			rows = factRows(&r.SystemRelation) // none for most: no content is possible
		} else {
			rows = r.fill(r, newSnapshot(env))
		}
		for _, row := range rows {
			if err := each(row); err != nil {
				return err
			}
		}
		return nil
	}
	d.all = append(d.all, r)
	d.byName[full] = r
	d.byOID[r.OID] = r
}

func parseOID(s string) uint32 {
	n, _ := strconv.ParseUint(s, 10, 32)
	return uint32(n)
}

// shown is the type in which a column is given: PostgreSQL's own, the base of
// information_schema's domains, or the nearest that fqgw knows.
func shown(typ uint32) fqgw.Type {
	switch typ {
	case 13226: // sql_identifier
		return fqgw.Name
	case 13224, 13234: // character_data, yes_or_no
		return fqgw.Varchar
	case 13221: // cardinal_number
		return fqgw.Int4
	case 13232: // time_stamp
		return fqgw.Timestamptz
	case 28: // xid: an unsigned number of four bytes, as oid is
		return fqgw.OID
	case 3361, 3402, 5017: // statistics
		return fqgw.Bytea
	}
	if t, ok := fqgw.TypeByOID(typ); ok {
		return t
	}
	return fqgw.Text // pg_lsn, inet, anyarray
}

// ClassOID is the OID of a relation or index; schemas are pg_catalog,
// information_schema, fqgw and those where users' objects are.
func ClassOID(c *fqgw.Catalog, schema, name string) (uint32, bool) {
	if r := relations().byName[schema+"."+name]; r != nil {
		return r.OID, true
	}
	oid, ok := listingOf(c).byName[fqgw.QualifiedName{Schema: schema, Name: name}]
	return oid, ok
}

// ClassName is the reverse of ClassOID.
func ClassName(c *fqgw.Catalog, oid uint32) (schema, name string, ok bool) {
	if r := relations().byOID[oid]; r != nil {
		return r.Schema, r.Name, true
	}
	switch o := listingOf(c).byOID[oid]; {
	case o == nil:
		return "", "", false
	case oid == o.oid:
		return o.name.Schema, o.name.Name, true
	case oid == o.indexOID():
		return o.name.Schema, o.indexName(), true
	}
	return "", "", false
}
