package expr

import (
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
)

// ask calls the session for a function that reaches beyond the library; otherwise
// is the answer when it has none, or there is no session.
func ask(name string, otherwise func(env *fqgw.Env, args []value) (value, error)) func(*fqgw.Env, []value) (value, error) {
	return func(env *fqgw.Env, args []value) (value, error) {
		if env != nil && env.Session != nil {
			if v, ok, err := env.Session.Call(sessionContext(env), name, args); ok || err != nil {
				return v, err
			}
		}
		return otherwise(env, args)
	}
}

func fixed(v value) func(*fqgw.Env, []value) (value, error) {
	return func(*fqgw.Env, []value) (value, error) { return v, nil }
}

func unsupported(name string) func(*fqgw.Env, []value) (value, error) {
	return func(*fqgw.Env, []value) (value, error) {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "function %s() cannot be used here", name)
	}
}

func sessionText(name string, f func(fqgw.Session) string) func(*fqgw.Env, []value) (value, error) {
	return func(env *fqgw.Env, _ []value) (value, error) {
		if env == nil || env.Session == nil {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "%s cannot be used here", name)
		}
		return fqgw.TextValue(f(env.Session)), nil
	}
}

func currentSetting(env *fqgw.Env, args []value) (value, error) {
	name := args[0].Str()
	if env != nil && env.Session != nil {
		if v, ok := env.Session.Setting(name); ok {
			return fqgw.TextValue(v), nil
		}
	}
	if len(args) == 2 && args[1].Bool() {
		return fqgw.Null, nil
	}
	return fqgw.Null, fqgw.Errorf(fqgw.CodeUndefinedObject, "unrecognized configuration parameter \"%s\"", name)
}

func setConfig(env *fqgw.Env, args []value) (value, error) {
	if args[0].IsNull() {
		return fqgw.Null, fqgw.Errorf("22004", "SET requires parameter name")
	}
	if env == nil || env.Session == nil {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "set_config() cannot be used here")
	}
	if err := env.Session.SetSetting(args[0].Str(), args[1].Str(), args[2].True()); err != nil {
		return fqgw.Null, err
	}
	v, _ := env.Session.Setting(args[0].Str())
	return fqgw.TextValue(v), nil
}

// searchPath are the schemas that names are looked up in.
func searchPath(env *fqgw.Env) []string {
	path := `"$user", public`
	if env != nil && env.Session != nil {
		if v, ok := env.Session.Setting("search_path"); ok {
			path = v
		}
	}
	var out []string
	for _, p := range strings.Split(path, ",") {
		switch p = strings.Trim(strings.TrimSpace(p), `"`); p {
		case "public", "fqgw", "information_schema", "pg_catalog":
			out = append(out, p)
		default:
			if env != nil && env.Session != nil && env.Session.Catalog().HasSchema(p) {
				out = append(out, p)
			}
		}
	}
	return out
}

func currentSchema(env *fqgw.Env, _ []value) (value, error) {
	for _, s := range searchPath(env) {
		return fqgw.TextValue(s), nil
	}
	return fqgw.Null, nil
}

func currentSchemas(env *fqgw.Env, args []value) (value, error) {
	path := searchPath(env)
	implicit := !strings.Contains(strings.Join(path, ","), "pg_catalog") && args[0].Bool()
	var items []value
	if implicit {
		items = append(items, fqgw.TextValue("pg_catalog"))
	}
	for _, p := range path {
		items = append(items, fqgw.TextValue(p))
	}
	return fqgw.ArrayOf(fqgw.Name, items...), nil
}

// formatType is format_type(oid, modifier).
func formatType(env *fqgw.Env, args []value) (value, error) {
	if args[0].IsNull() {
		return fqgw.Null, nil
	}
	mod := int32(-1)
	if !args[1].IsNull() {
		mod = int32(args[1].Int())
	}
	t, ok := fqgw.TypeByOID(uint32(args[0].Int()))
	if !ok {
		if args[0].Int() == 0 {
			return fqgw.TextValue("-"), nil
		}
		name := regText(args[0].Int(), fqgw.RegType, env)
		if isDigits(name) {
			name = "???"
		}
		return fqgw.TextValue(name), nil
	}
	t.Mod = mod
	if args[1].IsNull() {
		return fqgw.TextValue(t.String()), nil
	}
	return fqgw.TextValue(typeSQL(t)), nil
}

func pgTypeof(_ *fqgw.Env, types []fqgw.Type, _ []value) (value, error) {
	return fqgw.IntValue(int64(types[0].OID)), nil
}

// toReg is to_regclass and its kin: NULL where the cast would fail.
func toReg(t fqgw.Type) func(*fqgw.Env, value) (value, error) {
	return func(env *fqgw.Env, a value) (value, error) {
		in := input{env: env}
		if a.Str() != "" && isDigits(a.Str()) {
			return fqgw.Null, nil
		}
		v, err := in.parse(a.Str(), t)
		if err != nil {
			return fqgw.Null, nil
		}
		return v, nil
	}
}

// sizePretty is pg_size_pretty.
func sizePretty(a value) value {
	n := a.Int()
	units := []string{"bytes", "kB", "MB", "GB", "TB", "PB"}
	i := 0
	limit := int64(10 * 1024)
	half := false
	for i < len(units)-1 && max(n, -n) >= limit {
		// One bit is kept for rounding after the first step.
		if i == 0 {
			n >>= 9
			limit = 20*1024 - 1
		} else {
			n /= 1 << 10
		}
		half = true
		i++
	}
	if half {
		if n < 0 {
			n = (n - 1) / 2
		} else {
			n = (n + 1) / 2
		}
	}
	return fqgw.TextValue(strconv.FormatInt(n, 10) + " " + units[i])
}

// sizeBytes reads "1.5 GB".
func sizeBytes(a value) (value, error) {
	s := strings.TrimSpace(a.Str())
	i := strings.IndexFunc(s, func(r rune) bool { return r != '.' && r != '-' && r != '+' && (r < '0' || r > '9') })
	if i < 0 {
		i = len(s)
	}
	n, ok := fqgw.ParseDecimal(s[:i])
	shift, known := map[string]uint{"": 0, "bytes": 0, "b": 0, "kb": 10, "mb": 20, "gb": 30, "tb": 40, "pb": 50}[strings.ToLower(strings.TrimSpace(s[i:]))]
	if !ok || !known || !n.Finite() {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidParameter, "invalid size: \"%s\"", a.Str())
	}
	v, ok := n.Mul(fqgw.DecimalFromInt(1 << shift)).Int64()
	if !ok {
		return fqgw.Null, outOfRange(fqgw.Int8)
	}
	return fqgw.IntValue(v), nil
}

func systemFuncs() []def {
	yes, no, null := fqgw.BoolValue(true), fqgw.BoolValue(false), fqgw.Null
	out := []def{
		{"version", "text|s", ask("version", unsupported("version"))},
		{"current_setting", "text text|s", currentSetting}, {"current_setting", "text bool text|s", currentSetting},
		{"set_config", "text text bool text|nv", setConfig},
		{"pg_backend_pid", "int4|s", func(env *fqgw.Env, _ []value) (value, error) {
			if env == nil || env.Session == nil {
				return fqgw.IntValue(0), nil
			}
			return fqgw.IntValue(int64(env.Session.BackendPID())), nil
		}},
		{"current_schema", "name|s", currentSchema}, {"current_schemas", "bool _name|s", currentSchemas},
		{"pg_typeof", "any regtype|ns", pgTypeof}, {"format_type", "oid int4 text|ns", formatType},
		{"to_regclass", "text regclass|s", toReg(fqgw.RegClass)}, {"to_regtype", "text regtype|s", toReg(fqgw.RegType)},
		{"to_regproc", "text regproc|s", toReg(fqgw.RegProc)}, {"to_regnamespace", "text regnamespace|s", toReg(fqgw.RegNS)},
		{"to_regrole", "text regrole|s", toReg(fqgw.RegRole)}, {"to_regprocedure", "text regprocedure|s", toReg(fqgw.RegProcedure)},
		{"to_regoper", "text regoper|s", toReg(fqgw.RegOper)}, {"to_regoperator", "text regoperator|s", toReg(fqgw.RegOperator)},
		{"to_regcollation", "text regcollation|s", toReg(fqgw.RegCollation)},
		{"pg_encoding_to_char", "int4 name|s", func(a value) value {
			if a.Int() == 6 {
				return fqgw.TextValue("UTF8")
			}
			return fqgw.TextValue("")
		}},
		{"pg_char_to_encoding", "name int4|s", func(a value) value {
			if n := strings.ToLower(a.Str()); n == "utf8" || n == "utf-8" || n == "unicode" {
				return fqgw.IntValue(6)
			}
			return fqgw.IntValue(-1)
		}},
		{"getdatabaseencoding", "name|s", fixed(fqgw.TextValue("UTF8"))}, {"pg_client_encoding", "name|s", fixed(fqgw.TextValue("UTF8"))},
		{"pg_size_pretty", "int8 text", sizePretty},
		{"pg_get_userbyid", "oid name|s", ask("pg_get_userbyid", userName)},
		{"txid_current", "int8|s", ask("txid_current", fixed(fqgw.IntValue(1)))},
		{"pg_sleep", "float8 void|v", ask("pg_sleep", unsupported("pg_sleep"))},
		{"num_nulls", "...any int4|n", countNulls(true)}, {"num_nonnulls", "...any int4|n", countNulls(false)},
		{"pg_collation_for", "any text|ns", fixed(fqgw.TextValue(`"default"`))},
		{"pg_column_size", "any int4|n", func(args []value) (value, error) {
			if args[0].IsNull() {
				return fqgw.Null, nil
			}
			return fqgw.IntValue(int64(len(HashKey(nil, args[0])))), nil
		}},
		{"pg_postmaster_start_time", "timestamptz|s", ask("pg_postmaster_start_time", fixed(fqgw.TimestampValue(0)))},
		{"pg_conf_load_time", "timestamptz|s", ask("pg_conf_load_time", fixed(fqgw.TimestampValue(0)))},
		{"fqgw.sync", "void|v", ask("fqgw.sync", unsupported("fqgw.sync"))},
		{"fqgw.advance", "interval timestamptz|v", ask("fqgw.advance", unsupported("fqgw.advance"))},
		{"fqgw.now", "timestamptz|t", ask("fqgw.now", now)},
		{"fqgw.rebuild", "text text|v", ask("fqgw.rebuild", unsupported("fqgw.rebuild"))},
		{"fqgw.replay_dead_letters", "text int8|v", ask("fqgw.replay_dead_letters", unsupported("fqgw.replay_dead_letters"))},
		{"fqgw.drop_training_set", "text void|v", ask("fqgw.drop_training_set", unsupported("fqgw.drop_training_set"))},
	}
	user := func(s fqgw.Session) string { return s.User() }
	database := func(s fqgw.Session) string { return s.Database() }
	for _, n := range []string{"current_user", "session_user", "user", "current_role"} {
		out = append(out, def{n, "name|s", sessionText(n, user)})
	}
	for _, n := range []string{"current_database", "current_catalog"} {
		out = append(out, def{n, "name|s", sessionText(n, database)})
	}
	// What the catalog answers, or else a plain default.
	for _, f := range []struct {
		names, sig string
		otherwise  value
	}{
		{"pg_table_is_visible pg_type_is_visible pg_function_is_visible pg_operator_is_visible pg_opclass_is_visible pg_opfamily_is_visible pg_collation_is_visible pg_conversion_is_visible pg_statistics_obj_is_visible pg_ts_config_is_visible pg_ts_dict_is_visible pg_ts_parser_is_visible pg_ts_template_is_visible", "oid bool", yes},
		{"pg_get_viewdef", "oid text", null}, {"pg_get_viewdef", "oid bool text", null}, {"pg_get_viewdef", "oid int4 text", null}, {"pg_get_viewdef", "text text", null},
		{"pg_get_indexdef pg_get_constraintdef pg_get_functiondef pg_get_ruledef pg_get_triggerdef pg_get_partkeydef pg_get_statisticsobjdef pg_get_function_arguments pg_get_function_identity_arguments pg_get_function_result pg_get_function_sqlbody", "oid text", null},
		{"pg_get_indexdef", "oid int4 bool text", null}, {"pg_get_constraintdef", "oid bool text", null}, {"pg_get_ruledef pg_get_triggerdef", "oid bool text", null},
		{"pg_get_expr", "pg_node_tree oid text", null}, {"pg_get_expr", "pg_node_tree oid bool text", null},
		{"pg_get_partition_constraintdef", "oid text", null}, {"pg_get_serial_sequence", "text text text", null},
		{"obj_description", "oid name text", null}, {"obj_description", "oid text", null}, {"shobj_description", "oid name text", null},
		{"col_description", "oid int4 text", null},
		{"pg_relation_size", "regclass int8", fqgw.IntValue(0)}, {"pg_relation_size", "regclass text int8", fqgw.IntValue(0)},
		{"pg_total_relation_size pg_table_size pg_indexes_size", "regclass int8", fqgw.IntValue(0)},
		{"pg_database_size pg_tablespace_size", "oid int8", fqgw.IntValue(0)}, {"pg_database_size", "name int8", fqgw.IntValue(0)},
		{"pg_relation_filenode", "regclass oid", null}, {"pg_relation_filepath", "regclass text", null},
		{"pg_relation_is_publishable", "regclass bool", no}, {"pg_relation_is_updatable", "regclass bool int4", fqgw.IntValue(0)},
		{"pg_is_in_recovery pg_is_wal_replay_paused", "bool", no}, {"pg_is_other_temp_schema", "oid bool", no}, {"pg_my_temp_schema", "oid", fqgw.IntValue(0)},
		{"inet_server_addr inet_client_addr", "text", null}, {"inet_server_port inet_client_port", "int4", null},
		{"pg_tablespace_location", "oid text", fqgw.TextValue("")}, {"pg_tablespace_databases", "oid oid", null},
		{"pg_cancel_backend", "int4 bool", no}, {"pg_terminate_backend", "int4 bool", no}, {"pg_terminate_backend", "int4 int8 bool", no},
		{"pg_reload_conf", "bool", yes}, {"pg_stat_get_numscans pg_stat_get_live_tuples pg_stat_get_tuples_inserted", "oid int8", fqgw.IntValue(0)},
		{"pg_advisory_lock pg_advisory_xact_lock", "int8 void", fqgw.TextValue("")}, {"pg_advisory_unlock pg_try_advisory_lock pg_try_advisory_xact_lock", "int8 bool", yes},
		{"pg_advisory_unlock_all", "void", fqgw.TextValue("")},
		{"pg_notify", "text text void", fqgw.TextValue("")}, {"pg_current_xact_id", "int8", fqgw.IntValue(1)}, {"pg_export_snapshot", "text", null},
		{"row_security_active", "oid bool", no}, {"row_security_active", "text bool", no}, {"pg_index_column_has_property", "regclass int4 text bool", no},
		{"acldefault", "char oid _aclitem", null}, {"pg_get_statisticsobjdef_columns", "oid text", null},
		{"pg_get_function_arg_default", "oid int4 text", null}, {"pg_column_is_updatable", "regclass int2 bool bool", no},
		{"pg_trigger_depth", "int4", fqgw.IntValue(0)}, {"pg_jit_available", "bool", no}, {"current_query", "text", null},
		{"pg_blocking_pids", "int4 _int4", fqgw.ArrayOf(fqgw.Int4)}, {"txid_current_if_assigned", "int8", null},
		{"pg_partition_root", "regclass regclass", null}, {"pg_get_replica_identity_index", "regclass regclass", null},
		{"pg_stat_get_backend_start pg_stat_get_backend_activity_start", "int4 timestamptz", null},
		{"pg_sequence_last_value", "regclass int8", null}, {"pg_stat_get_backend_pid", "int4 int4", null},
	} {
		flags := "|s"
		if strings.HasPrefix(f.names, "pg_cancel") || strings.HasPrefix(f.names, "pg_terminate") || strings.Contains(f.names, "advisory") || f.names == "pg_notify" || f.names == "pg_reload_conf" {
			flags = "|v"
		}
		for _, n := range strings.Fields(f.names) {
			out = append(out, def{n, f.sig + flags, ask(n, fixed(f.otherwise))})
		}
	}
	return out
}

func userName(_ *fqgw.Env, args []value) (value, error) {
	if args[0].Int() == 10 {
		return fqgw.TextValue("postgres"), nil
	}
	return fqgw.TextValue("unknown (OID=" + strconv.FormatInt(args[0].Int(), 10) + ")"), nil
}

func countNulls(null bool) func(args []value) (value, error) {
	return func(args []value) (value, error) {
		n := int64(0)
		for _, a := range args {
			if a.IsNull() == null {
				n++
			}
		}
		return fqgw.IntValue(n), nil
	}
}

// keywordRows is pg_get_keywords().
func keywordRows(*fqgw.Env, []fqgw.Type, []value) (setRows, error) {
	categories := map[byte]string{'U': "unreserved", 'C': "unreserved (cannot be function or type name)", 'T': "reserved (can be function or type name)", 'R': "reserved"}
	var rows [][]value
	for _, w := range sortedKeywords() {
		k := keywords[w]
		bare := "requires AS"
		if k.BareLabel {
			bare = "can be bare label"
		}
		rows = append(rows, []value{fqgw.TextValue(k.Word), fqgw.TextValue(string(k.Category)), fqgw.BoolValue(k.BareLabel),
			fqgw.TextValue(categories[k.Category]), fqgw.TextValue(bare)})
	}
	return rowsOf(rows), nil
}

// optionsToTable splits name=value.
func optionsToTable(_ *fqgw.Env, _ []fqgw.Type, args []value) (setRows, error) {
	var rows [][]value
	for _, v := range args[0].List().Items {
		if v.IsNull() {
			continue
		}
		name, val, ok := strings.Cut(v.Str(), "=")
		row := []value{fqgw.TextValue(name), fqgw.Null}
		if ok {
			row[1] = fqgw.TextValue(val)
		}
		rows = append(rows, row)
	}
	return rowsOf(rows), nil
}
