package planner

import (
	"log/slog"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/exec"
)

// TestTypedSettings: what statements go by is what SHOW says, through rollbacks,
// savepoints, SET LOCAL and RESET.
func TestTypedSettings(t *testing.T) {
	c := newClient(t)
	check := func(after string, deadline, timeout time.Duration, zone string, readOnly bool) {
		t.Helper()
		g := &c.settings.typed
		if g.deadline != deadline || g.statementTimeout != timeout || g.zone.String() != zone || g.readOnly != readOnly {
			t.Errorf("%s: deadline %s, statement_timeout %s, zone %s, read only %t", after, g.deadline, g.statementTimeout, g.zone, g.readOnly)
		}
		if env := c.Env(); env.Deadline != deadline || env.Zone.String() != zone {
			t.Errorf("%s: a statement has deadline %s, zone %s", after, env.Deadline, env.Zone)
		}
	}
	run := func(sql string) string { return c.query(sql) }
	check("a new session", 0, 0, "UTC", false)
	run("SET fqgw.deadline = '8ms'; SET statement_timeout = '1min'; SET TimeZone = 'Asia/Tokyo'")
	check("SET", 8*time.Millisecond, time.Minute, "Asia/Tokyo", false)
	run("BEGIN READ ONLY")
	run("SET LOCAL fqgw.deadline = 1")
	run("SAVEPOINT s")
	run("SET statement_timeout = 0")
	run("SET TimeZone = 'UTC'")
	check("in the block", time.Millisecond, 0, "UTC", true)
	run("ROLLBACK TO s")
	check("ROLLBACK TO", time.Millisecond, time.Minute, "Asia/Tokyo", true)
	run("COMMIT")
	check("COMMIT", 8*time.Millisecond, time.Minute, "Asia/Tokyo", false)
	run("SET statement_timeout = '2s'; SELECT 1/0")
	check("an error", 8*time.Millisecond, time.Minute, "Asia/Tokyo", false)
	run("RESET ALL")
	check("RESET ALL", 0, 0, "UTC", false)
	run("SET idle_session_timeout = '3s'; SET idle_in_transaction_session_timeout = '2min'")
	if d := c.IdleLimit(); d != 3*time.Second {
		t.Errorf("idle for %s", d)
	}
	run("BEGIN")
	if d := c.IdleLimit(); d != 2*time.Minute {
		t.Errorf("idle in a block for %s", d)
	}
}

// TestStartupAsOf: fqgw.as_of of the startup packet is a time in the zone of the
// startup packet, and one that cannot be read is refused there.
func TestStartupAsOf(t *testing.T) {
	p := New(exec.New(exec.Options{Catalog: &fqgw.Catalog{}, Clock: fqgw.RealClock(), Logger: slog.New(slog.DiscardHandler)}))
	s, err := p.NewSession(SessionOptions{PID: 1, Params: map[string]string{"TimeZone": "Asia/Tokyo", "fqgw.as_of": "2020-01-01 09:00"}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if v, _ := s.Setting("fqgw.as_of"); v != "2020-01-01 00:00:00+00" {
		t.Errorf("fqgw.as_of is %s", v)
	}
	_, err = p.NewSession(SessionOptions{PID: 2, Params: map[string]string{"fqgw.as_of": "yesterdayish"}})
	if err == nil || fqgw.AsError(err).Code != fqgw.CodeDatetimeFormat {
		t.Errorf("a time that is none: %v", err)
	}
}
