package planner

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/exec"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/pgcatalog"
)

// The methods below make a Session an fqgw.Session: what expressions may ask.

// SetSetting is set_config().
func (s *Session) SetSetting(name, value string, local bool) error { return s.set(name, value, local) }

// User is the session's user.
func (s *Session) User() string { return s.options.User }

// Database is the session's database.
func (s *Session) Database() string { return s.options.Database }

// BackendPID is the number that CancelRequest and pg_cancel_backend name.
func (s *Session) BackendPID() int32 { return s.options.PID }

// Catalog is what the session sees.
func (s *Session) Catalog() *fqgw.Catalog { return s.catalog() }

// TempTable is the session's temporary table behind a scan.
func (s *Session) TempTable(t *fqgw.Table) *exec.TempTable {
	if temp := s.temp[t.Name]; temp != nil && temp.Table == t {
		return temp
	}
	return nil
}

// Notify sends a notice, the same one once in a statement.
func (s *Session) Notify(message, hint string) {
	if !slices.Contains(s.said, message) {
		s.said = append(s.said, message)
		s.notify(message, hint)
	}
}

// Call runs the functions that reach beyond the expression library.
func (s *Session) Call(ctx context.Context, name string, args []fqgw.Value) (fqgw.Value, bool, error) {
	e := s.planner.engine
	switch name {
	case "fqgw.sync":
		if s.tx.pending.Produces() {
			s.Notify("rows that this transaction inserted into sources are produced at its end: sync() does not wait for them", "Call it after COMMIT.")
		}
		return fqgw.TextValue(""), true, e.Sync(ctx)
	case "fqgw.now":
		return fqgw.TimestampValue(e.Now()), true, nil
	case "fqgw.advance":
		span := args[0].Span()
		if span.Months != 0 {
			return fqgw.Null, true, fqgw.Errorf(fqgw.CodeInvalidParameter, "the clock moves by days and shorter units, not by months")
		}
		t, err := e.Clock().Advance(int64(span.Days)*86_400_000_000 + span.Micros)
		return fqgw.TimestampValue(t), true, err
	case "pg_cancel_backend", "pg_terminate_backend":
		return fqgw.BoolValue(s.planner.cancel(int32(args[0].Int()), name == "pg_terminate_backend")), true, nil
	case "version":
		return fqgw.TextValue(versionText), true, nil
	case "pg_backend_start", "pg_postmaster_start_time", "pg_conf_load_time":
		return fqgw.TimestampValue(started.UnixMicro()), true, nil
	case "clock_timestamp":
		return fqgw.TimestampValue(e.Now()), true, nil
	case "pg_sleep":
		return fqgw.TextValue(""), true, sleep(ctx, args[0].Float())
	case "regclass_in":
		oid, err := s.classOID(args[0].Str())
		return fqgw.IntValue(int64(oid)), true, err
	case "regclass_out":
		return fqgw.TextValue(s.className(uint32(args[0].Int()))), true, nil
	}
	return s.describeObject(name, args)
}

var started = time.Now()

// versionText begins as PostgreSQL's does: some clients read it by a pattern.
var versionText = fmt.Sprintf("PostgreSQL 15.18 (fqgw %s) on %s-%s, compiled by %s, 64-bit", Version, runtime.GOARCH, runtime.GOOS, runtime.Version())

func sleep(ctx context.Context, seconds float64) error {
	timer := time.NewTimer(time.Duration(seconds * float64(time.Second)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// describeObject answers the catalog functions about one object.
func (s *Session) describeObject(name string, args []fqgw.Value) (fqgw.Value, bool, error) {
	text := func(v string, ok bool) (fqgw.Value, bool, error) {
		if !ok {
			return fqgw.Null, true, nil
		}
		return fqgw.TextValue(v), true, nil
	}
	oid := uint32(0)
	if len(args) > 0 && args[0].Kind() == fqgw.KindInt {
		oid = uint32(args[0].Int())
	}
	cat := s.catalog()
	switch name {
	case "pg_table_is_visible":
		schema, _, ok := pgcatalog.ClassName(cat, oid)
		visible := ok && (schema == "pg_catalog" || slices.Contains(searchPath(s.settings.values["search_path"]), schema))
		return fqgw.BoolValue(visible), true, nil
	case "pg_get_viewdef":
		return text(pgcatalog.ViewDef(cat, oid))
	case "pg_get_indexdef":
		column := 0
		if len(args) > 1 {
			column = int(args[1].Int())
		}
		return text(pgcatalog.IndexDef(cat, oid, column))
	case "pg_get_constraintdef":
		return text(pgcatalog.ConstraintDef(cat, oid))
	case "obj_description":
		return text(pgcatalog.Comment(cat, oid, 0))
	case "col_description":
		return text(pgcatalog.Comment(cat, oid, int(args[1].Int())))
	case "pg_get_expr":
		return args[0], true, nil
	case "pg_get_function_arguments", "pg_get_function_identity_arguments":
		return text(pgcatalog.ProcArguments(oid))
	case "pg_get_function_result":
		return text(pgcatalog.ProcResult(oid))
	case "pg_get_userbyid":
		return fqgw.TextValue(s.options.User), true, nil
	case "regproc_in":
		schema, name := splitName(args[0].Str())
		id, ok := pgcatalog.ProcOID(schema, name)
		if !ok {
			return fqgw.Null, true, fqgw.Errorf(fqgw.CodeUndefinedFunction, "function \"%s\" does not exist", args[0].Str())
		}
		return fqgw.IntValue(int64(id)), true, nil
	case "regproc_out":
		_, name, ok := pgcatalog.ProcName(oid)
		return text(name, ok)
	}
	return fqgw.Null, false, nil
}

func (p *Planner) cancel(pid int32, terminate bool) bool {
	p.mu.Lock()
	s := p.sessions[pid]
	p.mu.Unlock()
	if s == nil || s.options.Cancel == nil {
		return false
	}
	s.options.Cancel(terminate)
	return true
}

// classOID resolves the text of a regclass; 42P01.
func (s *Session) classOID(text string) (uint32, error) {
	schema, name := splitName(text)
	schemas := []string{schema}
	if schema == "" {
		schemas = append([]string{"pg_catalog"}, append(searchPath(s.settings.values["search_path"]), "public")...)
	}
	for _, sc := range schemas {
		if oid, ok := pgcatalog.ClassOID(s.catalog(), sc, name); ok {
			return oid, nil
		}
	}
	return 0, fqgw.Errorf(fqgw.CodeUndefinedTable, "relation \"%s\" does not exist", text)
}

// className is the text of a regclass: qualified unless it is in the search path.
func (s *Session) className(oid uint32) string {
	schema, name, ok := pgcatalog.ClassName(s.catalog(), oid)
	if !ok {
		return expr.Text(fqgw.IntValue(int64(oid)), fqgw.OID, nil)
	}
	name = quoteIfNeeded(name)
	if schema == "pg_catalog" {
		return name
	}
	for _, p := range searchPath(s.settings.values["search_path"]) {
		if p == schema {
			return name
		}
	}
	return quoteIfNeeded(schema) + "." + name
}

// splitName splits a possibly quoted and qualified name.
func splitName(text string) (schema, name string) {
	var parts []string
	var b strings.Builder
	quoted := false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"' && quoted && i+1 < len(text) && text[i+1] == '"':
			b.WriteByte('"')
			i++
		case c == '"':
			quoted = !quoted
		case c == '.' && !quoted:
			parts = append(parts, b.String())
			b.Reset()
		case !quoted && c >= 'A' && c <= 'Z':
			b.WriteByte(c + 'a' - 'A')
		default:
			b.WriteByte(c)
		}
	}
	parts = append(parts, b.String())
	if n := len(parts); n > 1 {
		return parts[n-2], parts[n-1]
	}
	return "", parts[0]
}

func quoteIfNeeded(name string) string {
	for i, r := range name {
		if r == '_' || r >= 'a' && r <= 'z' || i > 0 && (r >= '0' && r <= '9' || r == '$') {
			continue
		}
		return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
	}
	return name
}
