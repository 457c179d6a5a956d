package pgcatalog

import (
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

// databaseOID is the OID of the one database.
const databaseOID = 5

func fillNamespace(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	for _, n := range []uint32{nsCatalog, nsToast, nsPublic, nsFqgw, nsSchema} {
		out = append(out, row(&r.SystemRelation, fields{"oid": oid(n), "nspname": text(schemaNames[n]), "nspowner": number(owner)}))
	}
	return out
}

func fillDatabase(r *relation, s *snapshot) [][]fqgw.Value {
	return [][]fqgw.Value{row(&r.SystemRelation, fields{
		"oid": number(databaseOID), "datname": text(s.database()), "datdba": number(owner), "encoding": number(6), "datlocprovider": text("c"),
		"datallowconn": boolean(true), "datconnlimit": number(-1), "dattablespace": number(1663), "datcollate": text("C"), "datctype": text("C"),
	})}
}

// fillRoles serves pg_authid, pg_roles, pg_user and pg_shadow: the session's
// user, who may everything.
func fillRoles(r *relation, s *snapshot) [][]fqgw.Value {
	f := fields{}
	for _, prefix := range []string{"rol", "use"} {
		for name, v := range map[string]fqgw.Value{
			"name": text(s.user()), "sysid": number(owner), "super": boolean(true), "inherit": boolean(true), "createrole": boolean(true), "createdb": boolean(true),
			"canlogin": boolean(true), "connlimit": number(-1), "replication": boolean(false), "repl": boolean(false), "bypassrls": boolean(true), "password": text("********"),
		} {
			f[prefix+name] = v
		}
	}
	f["oid"], f["passwd"] = number(owner), text("********")
	return [][]fqgw.Value{row(&r.SystemRelation, f)}
}

// fillSettings gives PostgreSQL's settings with the session's values where it
// has them.
func fillSettings(r *relation, s *snapshot) [][]fqgw.Value {
	names, rows := facts("pg_settings")
	at := map[string]int{}
	for i, n := range names {
		at[n] = i
	}
	var out [][]fqgw.Value
	add := func(name, unit, context, vartype, boot string, enums fqgw.Value) {
		v, ok := s.setting(name)
		if !ok {
			v = boot
		}
		out = append(out, row(&r.SystemRelation, fields{
			"name": text(name), "setting": text(v), "unit": textOrNull(unit), "context": text(context), "vartype": text(vartype), "source": text("default"),
			"enumvals": enums, "boot_val": text(boot), "reset_val": text(v), "pending_restart": boolean(false), "category": text(""), "short_desc": text(""),
		}))
	}
	orEmpty := func(s string) string {
		if s == null {
			return ""
		}
		return s
	}
	for _, rec := range rows {
		var enums fqgw.Value
		if e := rec[at["enumvals"]]; e != null {
			enums = parse(e, fqgw.Text.Array())
		}
		add(rec[at["name"]], orEmpty(rec[at["unit"]]), rec[at["context"]], rec[at["vartype"]], orEmpty(rec[at["boot_val"]]), enums)
	}
	for _, name := range []string{"fqgw.as_of", "fqgw.clock", "fqgw.deadline", "fqgw.kafka", "fqgw.redis"} {
		add(name, "", "user", "string", "", fqgw.Null)
	}
	slices.SortFunc(out, func(a, b []fqgw.Value) int {
		return strings.Compare(strings.ToLower(a[0].Str()), strings.ToLower(b[0].Str()))
	})
	return out
}

// fillActivity shows the session itself: sessions do not see each other.
func fillActivity(r *relation, s *snapshot) [][]fqgw.Value {
	if s.env == nil || s.env.Session == nil {
		return nil
	}
	app, _ := s.setting("application_name")
	return [][]fqgw.Value{row(&r.SystemRelation, fields{
		"datid": number(databaseOID), "datname": text(s.database()), "pid": number(int64(s.env.Session.BackendPID())), "usesysid": number(owner),
		"usename": text(s.user()), "application_name": text(app), "state": text("active"), "backend_type": text("client backend"),
		"query_start": fqgw.TimestampValue(s.env.Now), "state_change": fqgw.TimestampValue(s.env.Now),
	})}
}

func fillStatDatabase(r *relation, s *snapshot) [][]fqgw.Value {
	return [][]fqgw.Value{row(&r.SystemRelation, fields{"datid": number(databaseOID), "datname": text(s.database()), "numbackends": number(1)})}
}
