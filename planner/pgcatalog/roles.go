package pgcatalog

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/guc"
)

// databaseOID is the OID of the one database.
const databaseOID = 5

func fillNamespace(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	for _, n := range s.schemas(nsCatalog, nsToast, nsPublic, nsFqgw, nsSchema) {
		name, _ := schemaName(s.catalog, n)
		out = append(out, row(&r.SystemRelation, fields{"oid": oid(n), "nspname": text(name), "nspowner": number(owner)}))
	}
	return out
}

func fillDatabase(r *relation, s *snapshot) [][]fqgw.Value {
	return [][]fqgw.Value{row(&r.SystemRelation, fields{
		"oid": number(databaseOID), "datname": text(s.database()), "datdba": number(owner), "encoding": number(6), "datlocprovider": text("c"),
		"datallowconn": boolean(true), "datconnlimit": number(-1), "dattablespace": number(1663), "datcollate": text("C.UTF-8"), "datctype": text("C.UTF-8"),
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

// fillSettings is pg_settings: what PostgreSQL says of each setting, with the
// session's values.
func fillSettings(r *relation, s *snapshot) [][]fqgw.Value {
	state := func(known *guc.Setting) (value, reset, source string) { return known.Default, known.Default, "default" }
	if s.env != nil {
		if session, ok := s.env.Session.(interface {
			SettingState(name string) (value, reset, source string)
		}); ok {
			state = func(known *guc.Setting) (string, string, string) { return session.SettingState(known.Name) }
		}
	}
	var out [][]fqgw.Value
	for _, known := range guc.All() {
		if known.Hidden {
			continue
		}
		value, reset, source := state(known)
		f := fields{
			"name": text(known.Name), "setting": text(known.Setting(value)), "unit": textOrNull(known.Unit), "category": text(known.Category),
			"short_desc": text(known.Short), "extra_desc": textOrNull(known.Extra), "context": text(known.Context), "vartype": text(known.Type),
			"source": text(source), "min_val": textOrNull(known.Min), "max_val": textOrNull(known.Max), "boot_val": text(known.Boot),
			"reset_val": text(reset), "pending_restart": boolean(false),
		}
		if known.Enum != nil {
			f["enumvals"] = texts(known.Enum)
		}
		if known.Null {
			f["boot_val"] = fqgw.Null
			if reset == "" {
				f["reset_val"] = fqgw.Null
			}
		}
		out = append(out, row(&r.SystemRelation, f))
	}
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
