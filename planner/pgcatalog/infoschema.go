package pgcatalog

import (
	"strconv"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// A feature view is a VIEW in information_schema: PostgreSQL leaves
// materialized views out of it, but the tools that read nothing else would then
// not find the features.

// eachRelation calls f for every relation, the system's first.
func eachRelation(s *snapshot, f func(schema, name, tableType string, insertable bool)) {
	tableType := func(kind byte) string {
		if kind == 'r' {
			return "BASE TABLE"
		}
		return "VIEW"
	}
	for _, sys := range relations().all {
		f(sys.Schema, sys.Name, tableType(sys.kind), false)
	}
	for _, o := range s.objects {
		f(o.name.Schema, o.name.Name, tableType(o.kind), o.kind == 'r')
	}
}

func fillSchemaTables(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	db := text(s.database())
	eachRelation(s, func(schema, name, tableType string, insertable bool) {
		out = append(out, row(&r.SystemRelation, fields{"table_catalog": db, "table_schema": text(schema), "table_name": text(name),
			"table_type": text(tableType), "is_insertable_into": yesNo(insertable), "is_typed": text("NO")}))
	})
	return out
}

func fillSchemata(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	for _, n := range s.schemas(nsCatalog, nsPublic, nsFqgw, nsSchema) {
		name, _ := schemaName(s.catalog, n)
		out = append(out, row(&r.SystemRelation, fields{"catalog_name": text(s.database()), "schema_name": text(name), "schema_owner": text(s.user())}))
	}
	return out
}

func fillSchemaViews(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	for _, o := range s.objects {
		if o.kind == 'r' {
			continue
		}
		def, _ := ViewDef(s.catalog, o.oid)
		out = append(out, row(&r.SystemRelation, fields{"table_catalog": text(s.database()), "table_schema": text(o.name.Schema), "table_name": text(o.name.Name),
			"view_definition": text(def), "check_option": text("NONE"), "is_updatable": text("NO"), "is_insertable_into": text("NO"),
			"is_trigger_updatable": text("NO"), "is_trigger_deletable": text("NO"), "is_trigger_insertable_into": text("NO")}))
	}
	return out
}

// placed is where columns sit in a row of information_schema.columns: the
// relation is the largest here, so its rows are not made from fields.
type placed map[string]int

func places(r *plan.SystemRelation) placed {
	p := placed{}
	for i, c := range r.Columns {
		p[c.Name] = i
	}
	return p
}

func fillSchemaColumns(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	at := places(&r.SystemRelation)
	db := text(s.database())
	add := func(schema, table string, num int, name string, typ uint32, mod int32, notNull bool, def string, updatable bool) {
		v := make([]fqgw.Value, len(r.Columns))
		set := func(col string, x fqgw.Value) { v[at[col]] = x }
		set("table_catalog", db)
		set("table_schema", text(schema))
		set("table_name", text(table))
		set("column_name", text(name))
		set("ordinal_position", number(int64(num)))
		set("column_default", textOrNull(def))
		set("is_nullable", yesNo(!notNull))
		describeType(set, typ, mod)
		t := typeRecords()[typ]
		if t.kind == "d" {
			set("domain_catalog", db)
			set("domain_schema", text("information_schema"))
			set("domain_name", text(t.name))
			t = typeRecords()[t.base]
		}
		set("udt_catalog", db)
		set("udt_schema", text("pg_catalog"))
		set("udt_name", text(t.name))
		set("dtd_identifier", text(strconv.Itoa(num)))
		set("is_self_referencing", text("NO"))
		set("is_identity", text("NO"))
		set("identity_cycle", text("NO"))
		set("is_generated", text("NEVER"))
		set("is_updatable", yesNo(updatable))
		out = append(out, v)
	}
	for _, sys := range relations().all {
		for i, c := range sys.Columns {
			add(sys.Schema, sys.Name, i+1, c.Name, sys.types[i], -1, c.NotNull, "", false)
		}
	}
	for _, o := range s.objects {
		for i, c := range o.columns {
			add(o.name.Schema, o.name.Name, i+1, c.Name, c.Type.OID, c.Type.Mod, c.NotNull, c.def, o.kind == 'r')
		}
	}
	return out
}

// describeType sets what information_schema says of a type in columns and
// element_types.
func describeType(set func(string, fqgw.Value), typ uint32, mod int32) {
	set("data_type", text(sqlName(typ)))
	if t := typeRecords()[typ]; t.kind == "d" {
		typ = t.base
	}
	binary := func(bits int64) {
		set("numeric_precision", number(bits))
		set("numeric_precision_radix", number(2))
	}
	switch t := (fqgw.Type{OID: typ, Mod: mod}); t.Base() {
	case fqgw.Int2:
		binary(16)
		set("numeric_scale", number(0))
	case fqgw.Int4:
		binary(32)
		set("numeric_scale", number(0))
	case fqgw.Int8:
		binary(64)
		set("numeric_scale", number(0))
	case fqgw.Float4:
		binary(24)
	case fqgw.Float8:
		binary(53)
	case fqgw.Numeric:
		set("numeric_precision_radix", number(10))
		if mod >= 0 {
			p, scale := t.NumericMod()
			set("numeric_precision", number(int64(p)))
			set("numeric_scale", number(int64(scale)))
		}
	case fqgw.Text:
		set("character_octet_length", number(1<<30))
	case fqgw.Varchar, fqgw.BPChar:
		set("character_octet_length", number(1<<30))
		if mod >= 4 {
			set("character_maximum_length", number(int64(mod-4)))
			set("character_octet_length", number(int64(mod-4)*4))
		}
	case fqgw.Date:
		set("datetime_precision", number(0))
	case fqgw.Time, fqgw.Timestamp, fqgw.Timestamptz, fqgw.Interval:
		p := int64(6)
		if mod >= 0 && mod <= 6 {
			p = int64(mod)
		}
		set("datetime_precision", number(p))
	}
}

// fillElementTypes names the elements of array columns.
func fillElementTypes(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	at := places(&r.SystemRelation)
	for _, o := range s.objects {
		for i, c := range o.columns {
			if !c.Type.IsArray() {
				continue
			}
			v := make([]fqgw.Value, len(r.Columns))
			set := func(col string, x fqgw.Value) { v[at[col]] = x }
			set("object_catalog", text(s.database()))
			set("object_schema", text(o.name.Schema))
			set("object_name", text(o.name.Name))
			set("object_type", text("TABLE"))
			set("collection_type_identifier", text(strconv.Itoa(i+1)))
			describeType(set, c.Type.Elem().OID, c.Type.Mod)
			set("udt_catalog", text(s.database()))
			set("udt_schema", text("pg_catalog"))
			set("udt_name", text(c.Type.Elem().PgName()))
			set("dtd_identifier", text("a"+strconv.Itoa(i+1)))
			out = append(out, v)
		}
	}
	return out
}

func fillTableConstraints(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	db := text(s.database())
	add := func(o *object, name, kind string) {
		out = append(out, row(&r.SystemRelation, fields{"constraint_catalog": db, "constraint_schema": text(o.name.Schema), "constraint_name": text(name),
			"table_catalog": db, "table_schema": text(o.name.Schema), "table_name": text(o.name.Name), "constraint_type": text(kind),
			"is_deferrable": text("NO"), "initially_deferred": text("NO"), "enforced": text("YES")}))
	}
	for _, o := range s.objects {
		if len(o.keys) > 0 {
			add(o, o.indexName(), "PRIMARY KEY")
		}
		for _, c := range o.checks {
			add(o, c.Name, "CHECK")
		}
	}
	return out
}

func fillCheckConstraints(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	for _, o := range s.objects {
		for _, c := range o.checks {
			out = append(out, row(&r.SystemRelation, fields{"constraint_catalog": text(s.database()), "constraint_schema": text(o.name.Schema),
				"constraint_name": text(c.Name), "check_clause": text(parenthesised(c.SQL))}))
		}
	}
	return out
}

func fillKeyColumns(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	db := text(s.database())
	for _, o := range s.objects {
		for i, name := range o.keyNames() {
			out = append(out, row(&r.SystemRelation, fields{"constraint_catalog": db, "constraint_schema": text(o.name.Schema), "constraint_name": text(o.indexName()),
				"table_catalog": db, "table_schema": text(o.name.Schema), "table_name": text(o.name.Name), "column_name": text(name), "ordinal_position": number(int64(i + 1))}))
		}
	}
	return out
}

func fillConstraintColumns(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	db := text(s.database())
	add := func(o *object, column, constraint string) {
		out = append(out, row(&r.SystemRelation, fields{"table_catalog": db, "table_schema": text(o.name.Schema), "table_name": text(o.name.Name), "column_name": text(column),
			"constraint_catalog": db, "constraint_schema": text(o.name.Schema), "constraint_name": text(constraint)}))
	}
	for _, o := range s.objects {
		for _, name := range o.keyNames() {
			add(o, name, o.indexName())
		}
		for _, c := range o.checks {
			for _, n := range checkColumns(&c) {
				add(o, o.columns[n-1].Name, c.Name)
			}
		}
	}
	return out
}

func fillCatalogName(r *relation, s *snapshot) [][]fqgw.Value {
	return [][]fqgw.Value{row(&r.SystemRelation, fields{"catalog_name": text(s.database())})}
}

func fillEnabledRoles(r *relation, s *snapshot) [][]fqgw.Value {
	return [][]fqgw.Value{row(&r.SystemRelation, fields{"role_name": text(s.user())})}
}

func fillTablePrivileges(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	eachRelation(s, func(schema, name, tableType string, insertable bool) {
		for _, p := range []string{"SELECT", "INSERT"} {
			if p == "INSERT" && !insertable {
				continue
			}
			out = append(out, row(&r.SystemRelation, fields{"grantor": text(s.user()), "grantee": text(s.user()), "table_catalog": text(s.database()),
				"table_schema": text(schema), "table_name": text(name), "privilege_type": text(p), "is_grantable": text("YES"), "with_hierarchy": yesNo(p == "SELECT")}))
		}
	})
	return out
}

func fillCharacterSets(r *relation, s *snapshot) [][]fqgw.Value {
	return [][]fqgw.Value{row(&r.SystemRelation, fields{"character_set_name": text("UTF8"), "character_repertoire": text("UCS"), "form_of_use": text("UTF8"),
		"default_collate_catalog": text(s.database()), "default_collate_schema": text("pg_catalog"), "default_collate_name": text("C")})}
}
