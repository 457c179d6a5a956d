package planner

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/exec"
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
	case "fqgw.rebuild":
		done, err := s.rebuild(ctx, args[0].Str())
		return fqgw.TextValue(done), true, err
	case "fqgw.drop_training_set":
		return fqgw.TextValue(""), true, s.dropTrainingSet(ctx, args[0].Str())
	case "fqgw.replay_dead_letters":
		n, err := s.replay(ctx, args[0].Str())
		return fqgw.IntValue(n), true, err
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
	case "current_query":
		s.activity.mu.Lock()
		defer s.activity.mu.Unlock()
		return fqgw.TextValue(s.activity.a.Query), true, nil
	case "inet_client_addr", "inet_client_port":
		return s.address(s.options.Client, name)
	case "inet_server_addr", "inet_server_port":
		return s.address(net.JoinHostPort(e.Describe("listen_addresses"), e.Describe("port")), name)
	case "version":
		return fqgw.TextValue(versionText), true, nil
	case "pg_backend_start", "pg_postmaster_start_time", "pg_conf_load_time":
		return fqgw.TimestampValue(started.UnixMicro()), true, nil
	case "clock_timestamp":
		return fqgw.TimestampValue(e.Now()), true, nil
	case "pg_sleep":
		return fqgw.TextValue(""), true, sleep(ctx, args[0].Float())
	}
	if typ, ok := strings.CutSuffix(name, "_in"); ok && strings.HasPrefix(name, "reg") {
		oid, err := s.objectNames().In(typ, args[0].Str())
		return fqgw.IntValue(int64(oid)), true, err
	}
	if typ, ok := strings.CutSuffix(name, "_out"); ok && strings.HasPrefix(name, "reg") {
		out, ok := s.objectNames().Out(typ, uint32(args[0].Int()))
		if !ok {
			return fqgw.Null, true, nil
		}
		return fqgw.TextValue(out), true, nil
	}
	return s.describeObject(ctx, name, args)
}

// address is the half of host:port that a function asks for, NULL when there is none.
func (s *Session) address(of, function string) (fqgw.Value, bool, error) {
	host, port, err := net.SplitHostPort(of)
	if err != nil || host == "" {
		return fqgw.Null, true, nil
	}
	if strings.HasSuffix(function, "addr") {
		return fqgw.TextValue(host), true, nil
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return fqgw.Null, true, nil
	}
	return fqgw.IntValue(int64(n)), true, nil
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

// objectNames are the names of the catalog's objects as this session sees them.
func (s *Session) objectNames() pgcatalog.Names {
	return pgcatalog.Names{Catalog: s.catalog(), Path: s.settings.typed.path, User: s.options.User}
}

// describeObject answers the catalog functions about one object.
func (s *Session) describeObject(ctx context.Context, name string, args []fqgw.Value) (fqgw.Value, bool, error) {
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
		return fqgw.BoolValue(s.objectNames().Visible(oid)), true, nil
	case "pg_type_is_visible":
		return fqgw.BoolValue(s.objectNames().TypeVisible(oid)), true, nil
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
	case "pg_relation_size", "pg_table_size", "pg_total_relation_size":
		_, bytes, ok := s.planner.engine.Extent(ctx, cat, oid)
		return fqgw.IntValue(bytes), ok, nil
	case "fqgw.reltuples":
		rows, _, ok := s.planner.engine.Extent(ctx, cat, oid)
		return fqgw.IntValue(rows), ok, nil
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
