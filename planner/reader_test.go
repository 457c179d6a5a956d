package planner

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fqgw/fqgw/planner/guc"
	"github.com/fqgw/fqgw/planner/pgcatalog"
	"github.com/fqgw/fqgw/planner/plan"
)

// TestReaderOfSettings shows every setting in every way there is.
func TestReaderOfSettings(t *testing.T) {
	c := newClient(t)
	for _, s := range guc.All() {
		shown := c.query("SHOW " + s.Name)
		asked := c.query("SELECT current_setting('" + strings.ToUpper(s.Name) + "')")
		if shown != asked || !strings.HasSuffix(shown, "; I") {
			t.Errorf("%s: SHOW %s, current_setting %s", s.Name, shown, asked)
		}
		want := "(f); I"
		if !s.Hidden {
			want = "(t); I"
		}
		if got := c.query("SELECT count(*) = 1 FROM pg_settings WHERE name = '" + s.Name + "'"); got != want {
			t.Errorf("%s: pg_settings has it: %s, want %s", s.Name, got, want)
		}
	}
	listed := c.query("SELECT count(*) FROM pg_settings")
	if n := strings.Count(c.query("SHOW ALL"), "); (") + 1; fmt.Sprintf("(%d); I", n) != listed {
		t.Errorf("SHOW ALL has %d rows, pg_settings %s", n, listed)
	}
}

// TestReaderOfRelations selects every column of every system relation by name.
func TestReaderOfRelations(t *testing.T) {
	c := newClient(t)
	pgcatalog.Relations(func(r *plan.SystemRelation) {
		if r.Schema == "fqgw" { // some need the stores
			return
		}
		var names []string
		for _, col := range r.Columns {
			names = append(names, `"`+col.Name+`"`)
		}
		for _, what := range []string{"*", strings.Join(names, ", ")} {
			sql := "SELECT " + what + " FROM " + r.Schema + "." + r.Name
			texts, err := c.Split(sql)
			if err != nil {
				t.Fatal(err)
			}
			p, err := c.PrepareQuery(texts[0])
			if err != nil {
				t.Errorf("%s: %v", sql, err)
				continue
			}
			for i, col := range r.Columns {
				if i >= len(p.Columns) || p.Columns[i].Name != col.Name || p.Columns[i].Type.OID != col.Type.OID {
					t.Errorf("%s: column %d is not %s %s", sql, i+1, col.Name, col.Type)
				}
			}
			if got := c.query(sql + " LIMIT 3"); !strings.HasSuffix(got, "I") || strings.Contains(got, "ERROR") {
				t.Errorf("%s: %s", sql, got)
			}
		}
	})
}

// TestReaderOfFunctions calls the functions of the catalog that stock tools
// call: each has an answer, whatever it is here.
func TestReaderOfFunctions(t *testing.T) {
	c := newClient(t)
	for _, call := range []string{
		"acldefault('r', 10)",
		"array_lower(current_schemas(true), 1)",
		"col_description('pg_class'::regclass, 1)",
		"current_catalog",
		"current_database()",
		"current_query() IS NOT NULL",
		"current_role",
		"current_schema()",
		"current_schemas(false)",
		"current_setting('server_version_num')",
		"current_setting('no.such', true)",
		"current_user",
		"format_type(23, NULL)",
		"getdatabaseencoding()",
		"has_any_column_privilege('pg_class', 'SELECT')",
		"has_column_privilege('pg_class', 'oid', 'SELECT')",
		"has_database_privilege(current_database(), 'CONNECT')",
		"has_function_privilege('now()', 'EXECUTE')",
		"has_language_privilege('sql', 'USAGE')",
		"has_schema_privilege('public', 'USAGE')",
		"has_schema_privilege(current_user, 'public', 'CREATE')",
		"has_table_privilege('pg_class', 'SELECT')",
		"has_table_privilege(current_user, 'pg_class', 'SELECT')",
		"has_tablespace_privilege('pg_default', 'CREATE')",
		"inet_client_addr() IS NULL",
		"inet_server_port() IS NULL",
		"obj_description('pg_class'::regclass, 'pg_class')",
		"obj_description('pg_class'::regclass)",
		"pg_backend_pid() >= 0",
		"pg_blocking_pids(0)",
		"pg_char_to_encoding('UTF8')",
		"pg_client_encoding()",
		"pg_collation_for('a'::text)",
		"pg_collation_is_visible(100)",
		"pg_column_size(1)",
		"pg_conf_load_time() IS NOT NULL",
		"pg_conversion_is_visible(1)",
		"pg_database_size(current_database()) >= 0",
		"pg_encoding_to_char(6)",
		"pg_function_is_visible('now'::regproc)",
		"pg_get_constraintdef(0)",
		"pg_get_constraintdef(0, true)",
		"pg_get_expr(NULL, 0)",
		"pg_get_function_arguments('now'::regproc)",
		"pg_get_function_identity_arguments('now'::regproc)",
		"pg_get_function_result('now'::regproc)",
		"pg_get_functiondef(0)",
		"pg_get_indexdef(0)",
		"pg_get_indexdef(0, 1, true)",
		"pg_get_partkeydef(0)",
		"pg_get_partition_constraintdef(0)",
		"pg_get_ruledef(0)",
		"pg_get_serial_sequence('pg_class', 'oid')",
		"pg_get_statisticsobjdef(0)",
		"pg_get_triggerdef(0)",
		"pg_get_userbyid(10)",
		"pg_get_viewdef(0)",
		"pg_get_viewdef(0, true)",
		"pg_has_role(current_user, 'USAGE')",
		"pg_has_role(current_user, current_user, 'MEMBER')",
		"pg_indexes_size('pg_class') >= 0",
		"pg_is_in_recovery()",
		"pg_is_other_temp_schema(0)",
		"pg_jit_available() IS NOT NULL",
		"pg_my_temp_schema()",
		"pg_opclass_is_visible(1)",
		"pg_operator_is_visible(96)",
		"pg_opfamily_is_visible(1)",
		"pg_postmaster_start_time() IS NOT NULL",
		"pg_relation_filenode('pg_class') IS NULL",
		"pg_relation_is_publishable('pg_class')",
		"pg_relation_is_updatable('pg_class', false) >= 0",
		"pg_relation_size('pg_class') >= 0",
		"pg_size_pretty(12345678::bigint)",
		"pg_table_is_visible('pg_class'::regclass)",
		"pg_table_size('pg_class') >= 0",
		"pg_tablespace_location(1663)",
		"pg_tablespace_size(1663) >= 0",
		"pg_total_relation_size('pg_class') >= 0",
		"pg_trigger_depth()",
		"pg_try_advisory_lock(42)",
		"pg_advisory_unlock(42)",
		"pg_ts_config_is_visible(0)",
		"pg_type_is_visible(23)",
		"pg_typeof(1)",
		"quote_ident('a b')",
		"row_security_active('pg_class')",
		"session_user",
		"shobj_description(5, 'pg_database')",
		"to_regclass('pg_class')",
		"to_regnamespace('pg_catalog')",
		"to_regproc('no_such_function')",
		"to_regrole('nobody')",
		"to_regtype('int4')",
		"txid_current() > 0",
		"version() LIKE 'PostgreSQL 15%'",
		"(SELECT typname[0] FROM pg_type WHERE oid = 1007)",
		"(SELECT count(*) > 300 FROM pg_show_all_settings())",
		"(SELECT count(*) > 400 FROM pg_timezone_names())",
		"(SELECT count(*) > 100 FROM pg_timezone_abbrevs())",
		"(SELECT count(*) >= 0 FROM pg_lock_status())",
		"(SELECT count(*) > 400 FROM pg_get_keywords())",
		"(SELECT count(*) FROM pg_options_to_table(ARRAY['a=1','b']))",
		"(SELECT count(*) FROM aclexplode(NULL))",
		"to_regoper('no_such_operator')",
		"to_regprocedure('no_such()')",
		"pg_get_function_sqlbody(0)",
		"pg_get_replica_identity_index('pg_class')",
		"inet_client_port() IS NULL",
	} {
		if got := c.query("SELECT " + call); !strings.HasPrefix(got, "(") || !strings.HasSuffix(got, "); I") {
			t.Errorf("SELECT %s: %s", call, got)
		}
	}
}

// TestExtensionMembers: pg_dump leaves out the relations of schema fqgw, which
// are an extension's; a type is visible by the schema that it is in.
func TestExtensionMembers(t *testing.T) {
	newClient(t).steps(t,
		"SELECT extname, extnamespace::regnamespace FROM pg_extension", "(fqgw,fqgw); I",
		`SELECT count(*) FROM pg_class c WHERE relnamespace = 'fqgw'::regnamespace AND NOT EXISTS
			(SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_extension'::regclass AND d.deptype = 'e')`, "(0); I",
		"SELECT pg_type_is_visible('int4'::regtype), pg_type_is_visible(oid) FROM pg_type WHERE typname = 'sql_identifier'", "(t,f); I",
		"SELECT typname[0], typname[3], typname[63] = '', typname[64] FROM pg_type WHERE oid = 1007", "(_,t,t,); I",
	)
}
