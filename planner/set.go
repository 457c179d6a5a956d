package planner

import (
	"maps"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/guc"
	"github.com/fqgw/fqgw/planner/plan"
)

// This file has how settings follow transactions (PostgreSQL 15: SET, "Server
// Configuration"): what a transaction set is gone when it fails, SET LOCAL lasts
// to its end, ROLLBACK TO takes back what came after the savepoint.

// savedSetting is a setting as it was before a change.
type savedSetting struct {
	name, value string
	after       string // what COMMIT would have made it, where local
	local       bool   // SET LOCAL was in force
}

// modes are the settings that every transaction takes from their defaults.
var modes = []string{"transaction_deferrable", "transaction_isolation", "transaction_read_only"}

// change gives a setting a value that was checked; local: until COMMIT.
func (g *settings) change(s *Session, name, value string, local bool) {
	old := g.values[name]
	after, was := g.after[name]
	g.undo = append(g.undo, savedSetting{name, old, after, was})
	switch {
	case !local:
		delete(g.after, name)
	case !was:
		g.after[name] = old
	}
	g.assign(s, name, value)
}

func (g *settings) assign(s *Session, name, value string) {
	g.put(name, value)
	if name == "application_name" {
		s.activity.mu.Lock()
		s.activity.a.Application = value
		s.activity.mu.Unlock()
	}
	if known := guc.Lookup(name); known != nil && known.Reported {
		g.untold = true
	}
}

// back undoes the changes after the first n.
func (g *settings) back(s *Session, n int) {
	for _, u := range slices.Backward(g.undo[n:]) {
		g.assign(s, u.name, u.value)
		if delete(g.after, u.name); u.local {
			g.after[u.name] = u.after
		}
	}
	g.undo = g.undo[:n]
}

// end is the end of a transaction whose changes stay, SET LOCAL's apart.
func (g *settings) end(s *Session) {
	if len(g.undo) == 0 {
		return
	}
	for name, v := range g.after {
		g.assign(s, name, v)
	}
	clear(g.after)
	g.undo = g.undo[:0]
	g.freshModes()
}

// freshModes gives the next transaction the modes that are the session's.
func (g *settings) freshModes() {
	for _, m := range modes {
		g.put(m, g.values["default_"+m])
	}
}

// set changes a setting as SET does, local as SET LOCAL does: inside a
// transaction block or not, it is undone with its transaction.
func (s *Session) set(name, value string, local bool) error {
	g := &s.settings
	name = canonicalSetting(name)
	v, err := g.checked(name, value, true)
	if err != nil {
		return err
	}
	if name == "fqgw.as_of" {
		if v, err = s.asOf(v); err != nil {
			return err
		}
	}
	if slices.Contains(modes, name) {
		if err := s.mayChangeMode(name, v); err != nil {
			return err
		}
	}
	g.change(s, name, v, local)
	return nil
}

// asOf is a value of fqgw.as_of as it is kept: in UTC, so that it stays that time
// when the zone changes.
func (s *Session) asOf(value string) (string, error) {
	if value == "" {
		return "", nil
	}
	t, err := expr.Parse(value, fqgw.Timestamptz, s.Env())
	if err != nil {
		return "", err
	}
	return expr.Text(t, fqgw.Timestamptz, &fqgw.Env{}), nil
}

// mayChangeMode is nil while the mode of the transaction can still be set.
func (s *Session) mayChangeMode(name, value string) error {
	late := func(msg string) error { return fqgw.Errorf(fqgw.CodeActiveTransaction, "%s", msg) }
	sub := len(s.tx.marks) > 1
	switch now := s.settings.values[name]; {
	case name == "transaction_deferrable" && sub:
		return late("SET TRANSACTION [NOT] DEFERRABLE cannot be called within a subtransaction")
	case name == "transaction_deferrable" && s.tx.queried:
		return late("SET TRANSACTION [NOT] DEFERRABLE must be called before any query")
	case name == "transaction_isolation" && now != value && s.tx.queried:
		return late("SET TRANSACTION ISOLATION LEVEL must be called before any query")
	case name == "transaction_isolation" && now != value && sub:
		return late("SET TRANSACTION ISOLATION LEVEL must not be called in a subtransaction")
	case name == "transaction_read_only" && now == "on" && value == "off" && sub:
		return late("cannot set transaction read-write mode inside a read-only transaction")
	case name == "transaction_read_only" && now == "on" && value == "off" && s.tx.queried:
		return late("transaction read-write mode must be set before any query")
	}
	return nil
}

// reset gives a setting its default again, local until COMMIT.
func (s *Session) reset(name string, local bool) error {
	g := &s.settings
	name = canonicalSetting(name)
	d, ok := g.defaults[name]
	if !ok { // one of the client's own names, or an error
		if _, err := g.checked(name, "", true); err != nil {
			return err
		}
	}
	if err := guc.Lookup(name).Settable(name, true); err != nil {
		return err
	}
	g.change(s, name, d, local)
	return nil
}

// resetAll is RESET ALL.
func (s *Session) resetAll() {
	g := &s.settings
	for _, n := range slices.Sorted(maps.Keys(g.values)) {
		if d := g.defaults[n]; !kept(n) && g.values[n] != d {
			g.change(s, n, d, false)
		}
	}
}

// kept says that RESET ALL leaves a setting.
func kept(name string) bool {
	known := guc.Lookup(name)
	return known != nil && known.Kept
}

func (s *Session) runSet(st *plan.Set) (*Result, error) {
	if st.Local {
		s.warnOutside("SET LOCAL")
	}
	var err error
	switch {
	case st.All:
		s.resetAll()
	case st.Default:
		err = s.reset(st.Name, st.Local)
	default:
		err = s.set(st.Name, st.Value, st.Local)
	}
	if err != nil {
		return nil, err
	}
	if st.Reset {
		return &Result{Tag: fixedTag("RESET")}, nil
	}
	return &Result{Tag: fixedTag("SET")}, nil
}

// runSetTransaction is SET TRANSACTION and SET SESSION CHARACTERISTICS.
func (s *Session) runSetTransaction(st *plan.SetTransaction) (*Result, error) {
	if !st.Session {
		s.warnOutside("SET TRANSACTION")
	}
	if err := s.setModes(st.Modes, st.Session); err != nil {
		return nil, err
	}
	return &Result{Tag: fixedTag("SET")}, nil
}

// setModes sets modes of the transaction, or their defaults in the session.
func (s *Session) setModes(list []plan.Mode, session bool) error {
	for _, m := range list {
		name := m.Name
		if session {
			name = "default_" + name
		}
		if err := s.set(name, m.Value, !session); err != nil {
			return err
		}
	}
	return nil
}

// warnOutside warns of a command that has no effect beyond its transaction where
// that is no block.
func (s *Session) warnOutside(command string) {
	if !s.blockLike() && s.nested == 0 {
		s.options.Notice(Notice{Severity: "WARNING", Code: string(fqgw.CodeNoTransaction), Message: command + " can only be used in transaction blocks"})
	}
}

// Changed are the reported settings that the client knows by another value, as
// name and value: it is told of them before ReadyForQuery.
func (s *Session) Changed() [][2]string {
	g := &s.settings
	if !g.untold {
		return nil
	}
	g.untold = false
	var out [][2]string
	for _, r := range g.reported() {
		if old, ok := g.told[r[0]]; !ok || old != r[1] {
			g.told[r[0]] = r[1]
			out = append(out, r)
		}
	}
	return out
}

func canonicalSetting(name string) string {
	name = strings.ToLower(name)
	if name == "time zone" {
		return "timezone"
	}
	return name
}
