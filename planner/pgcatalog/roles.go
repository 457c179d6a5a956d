package pgcatalog

import (
	"cmp"
	"slices"
	"strconv"
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

// activities are what the sessions of this process do. A session of the planner
// knows them all; another knows nobody.
func (s *snapshot) activities() []fqgw.Activity {
	if s.env == nil {
		return nil
	}
	if all, ok := s.env.Session.(interface{ Activities() []fqgw.Activity }); ok {
		return all.Activities()
	}
	return nil
}

func fillActivity(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	for _, a := range s.activities() {
		colon := max(strings.LastIndexByte(a.Client, ':'), 0)
		host, port := strings.Trim(a.Client[:colon], "[]"), strings.TrimPrefix(a.Client[colon:], ":")
		f := fields{
			"datid": number(databaseOID), "datname": text(a.Database), "pid": number(int64(a.PID)), "usesysid": number(owner),
			"usename": text(a.User), "application_name": text(a.Application), "state": text(a.State), "query": text(a.Query),
			"backend_type": text("client backend"), "client_addr": textOrNull(host), "backend_start": instant(a.Started), "xact_start": instant(a.Block),
			"query_start": instant(a.QueryStart), "state_change": instant(a.Changed),
		}
		if n, err := strconv.Atoi(port); err == nil {
			f["client_port"] = number(int64(n))
		}
		out = append(out, row(&r.SystemRelation, f))
	}
	slices.SortFunc(out, func(a, b []fqgw.Value) int { return cmp.Compare(a[2].Int(), b[2].Int()) })
	return out
}

func fillStatDatabase(r *relation, s *snapshot) [][]fqgw.Value {
	return [][]fqgw.Value{row(&r.SystemRelation, fields{"datid": number(databaseOID), "datname": text(s.database()), "numbackends": number(int64(len(s.activities())))})}
}
