package pgcatalog

import (
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// fillTables is pg_tables.
func fillTables(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	for _, sys := range relations().all {
		if sys.kind == 'r' {
			out = append(out, row(&r.SystemRelation, fields{"schemaname": text(sys.Schema), "tablename": text(sys.Name), "tableowner": text(s.user()),
				"hasindexes": boolean(false), "hasrules": boolean(false), "hastriggers": boolean(false), "rowsecurity": boolean(false)}))
		}
	}
	for _, o := range s.objects {
		if o.kind == 'r' {
			out = append(out, row(&r.SystemRelation, fields{"schemaname": text(o.name.Schema), "tablename": text(o.name.Name), "tableowner": text(s.user()),
				"hasindexes": boolean(false), "hasrules": boolean(false), "hastriggers": boolean(false), "rowsecurity": boolean(false)}))
		}
	}
	return out
}

// fillViews is pg_views and pg_matviews.
func fillViews(r *relation, s *snapshot) [][]fqgw.Value {
	kind, prefix := byte('v'), "view"
	if r.Name == "pg_matviews" {
		kind, prefix = 'm', "matview"
	}
	var out [][]fqgw.Value
	for _, sys := range relations().all {
		if sys.kind == kind {
			out = append(out, row(&r.SystemRelation, fields{"schemaname": text(sys.Schema), prefix + "name": text(sys.Name), prefix + "owner": text(s.user()), "definition": text("")}))
		}
	}
	for _, o := range s.objects {
		if o.kind == kind {
			def, _ := ViewDef(s.catalog, o.oid)
			out = append(out, row(&r.SystemRelation, fields{"schemaname": text(o.name.Schema), prefix + "name": text(o.name.Name), prefix + "owner": text(s.user()),
				"definition": text(def), "hasindexes": boolean(len(o.keys) > 0), "ispopulated": boolean(true)}))
		}
	}
	return out
}

// fillIndexes is pg_indexes.
func fillIndexes(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	for _, o := range s.objects {
		if len(o.keys) > 0 {
			def, _ := IndexDef(s.catalog, o.indexOID(), 0)
			out = append(out, row(&r.SystemRelation, fields{"schemaname": text(o.name.Schema), "tablename": text(o.name.Name), "indexname": text(o.indexName()), "indexdef": text(def)}))
		}
	}
	return out
}

// fillStatTables is pg_stat_user_tables and its like: the tables, with nothing
// counted.
func fillStatTables(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	for _, o := range s.objects {
		if o.kind == 'v' {
			continue
		}
		f := fields{"relid": oid(o.oid), "schemaname": text(o.name.Schema), "relname": text(o.name.Name)}
		for _, c := range r.Columns {
			if _, ok := f[c.Name]; !ok && c.Type == fqgw.Int8 {
				f[c.Name] = number(0)
			}
		}
		out = append(out, row(&r.SystemRelation, f))
	}
	return out
}

// fillZones is pg_timezone_names: the zones as they are at the statement's time.
func fillZones(r *relation, s *snapshot) [][]fqgw.Value {
	at := time.Now()
	if s.env != nil {
		at = time.UnixMicro(s.env.Now)
	}
	var out [][]fqgw.Value
	for _, name := range expr.ZoneNames() {
		loc, err := time.LoadLocation(name)
		if err != nil { // a zone that this build does not know
			continue
		}
		abbrev, offset := at.In(loc).Zone()
		out = append(out, row(&r.SystemRelation, fields{"name": text(name), "abbrev": text(abbrev),
			"utc_offset": fqgw.SpanValue(fqgw.Span{Micros: int64(offset) * 1_000_000}), "is_dst": boolean(at.In(loc).IsDST())}))
	}
	return out
}

// fillAbbrevs is pg_timezone_abbrevs, an abbreviation of a zone by its offset at
// the statement's time.
func fillAbbrevs(r *relation, s *snapshot) [][]fqgw.Value {
	at := time.Now()
	if s.env != nil {
		at = time.UnixMicro(s.env.Now)
	}
	var out [][]fqgw.Value
	for _, a := range expr.ZoneAbbrevs() {
		offset, dst := a.Offset, a.DST
		if a.Zone != "" {
			loc, err := expr.Zone(a.Zone)
			if err != nil {
				continue
			}
			_, offset = at.In(loc).Zone()
			dst = at.In(loc).IsDST()
		}
		out = append(out, row(&r.SystemRelation, fields{"abbrev": text(a.Name), "is_dst": boolean(dst),
			"utc_offset": fqgw.SpanValue(fqgw.Span{Micros: int64(offset) * 1_000_000})}))
	}
	return out
}

// The fillers refer to the list of relations, which refers to them: hence init.
// A relation without facts and without a filler is empty.
func init() {
	for name, f := range map[string]func(*relation, *snapshot) [][]fqgw.Value{
		"pg_catalog.pg_class": fillClass, "pg_catalog.pg_attribute": fillAttribute, "pg_catalog.pg_index": fillIndex,
		"pg_catalog.pg_constraint": fillConstraint, "pg_catalog.pg_attrdef": fillAttrdef, "pg_catalog.pg_description": fillDescription,
		"pg_catalog.pg_rewrite": fillRewrite, "pg_catalog.pg_type": fillType, "pg_catalog.pg_aggregate": fillAggregate, "pg_catalog.pg_proc": fillProc, "pg_catalog.pg_operator": fillKnownTypes,
		"pg_catalog.pg_cast": fillKnownTypes, "pg_catalog.pg_opclass": fillKnownTypes,
		"pg_catalog.pg_namespace": fillNamespace, "pg_catalog.pg_database": fillDatabase, "pg_catalog.pg_settings": fillSettings,
		"pg_catalog.pg_authid": fillRoles, "pg_catalog.pg_roles": fillRoles, "pg_catalog.pg_user": fillRoles, "pg_catalog.pg_shadow": fillRoles,
		"pg_catalog.pg_extension": fillExtension, "pg_catalog.pg_depend": fillDepend, "pg_catalog.pg_timezone_names": fillZones, "pg_catalog.pg_timezone_abbrevs": fillAbbrevs,
		"pg_catalog.pg_stat_activity": fillActivity, "pg_catalog.pg_stat_database": fillStatDatabase,
		"pg_catalog.pg_tables": fillTables, "pg_catalog.pg_views": fillViews, "pg_catalog.pg_matviews": fillViews, "pg_catalog.pg_indexes": fillIndexes,
		"pg_catalog.pg_stat_all_tables": fillStatTables, "pg_catalog.pg_stat_user_tables": fillStatTables,
		"pg_catalog.pg_statio_all_tables": fillStatTables, "pg_catalog.pg_statio_user_tables": fillStatTables,
		"information_schema.tables": fillSchemaTables, "information_schema.columns": fillSchemaColumns, "information_schema.schemata": fillSchemata,
		"information_schema.views": fillSchemaViews, "information_schema.table_constraints": fillTableConstraints,
		"information_schema.key_column_usage": fillKeyColumns, "information_schema.constraint_column_usage": fillConstraintColumns,
		"information_schema.check_constraints": fillCheckConstraints, "information_schema.information_schema_catalog_name": fillCatalogName,
		"information_schema.enabled_roles": fillEnabledRoles, "information_schema.applicable_roles": fillEnabledRoles,
		"information_schema.table_privileges": fillTablePrivileges, "information_schema.role_table_grants": fillTablePrivileges,
		"information_schema.character_sets": fillCharacterSets, "information_schema.element_types": fillElementTypes,
	} {
		fillers[name] = f
	}
}

// fillers compute the rows of the relations that are not facts alone.
var fillers = map[string]func(*relation, *snapshot) [][]fqgw.Value{}
