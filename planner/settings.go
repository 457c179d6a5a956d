package planner

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/guc"
)

// ServerVersion is what server_version says: clients choose their catalog
// queries by its first number.
var ServerVersion = "15.18 (fqgw " + Version + ")"

// Version is fqgw's own; a release sets it from git when it links.
var Version = "0.1.0"

// settings holds a session's GUCs with what a transaction must restore. Names
// are lower case, values as package guc keeps them.
type settings struct {
	values   map[string]string
	defaults map[string]string // what RESET gives: the startup packet's values
	after    map[string]string // what COMMIT makes of those that SET LOCAL changed
	undo     []savedSetting    // what the transaction changed, oldest first
	sent     map[string]bool   // what the startup packet said
	told     map[string]string // the reported ones as the client knows them
	untold   bool              // one may have changed since
	typed    typed
}

// typed are the settings that statements go by, as they need them: read when they
// are set, so that no statement looks one up by its name.
type typed struct {
	zone  *time.Location // TimeZone
	style fqgw.Style     // DateStyle, IntervalStyle, bytea_output, extra_float_digits
	path  []string       // search_path: its schemas
	asOf  fqgw.Expr      // fqgw.as_of; nil is now
	reads reading        // what the binding of a text depends on

	// Times are 0 where there is no limit.
	deadline         time.Duration // fqgw.deadline
	lakeDeadline     time.Duration // fqgw.lake_deadline
	statementTimeout time.Duration
	idleTimeout      time.Duration // idle_session_timeout
	blockTimeout     time.Duration // idle_in_transaction_session_timeout

	lakeEntities int // fqgw.lake_entities

	readOnly    bool   // transaction_read_only
	leastNotice string // client_min_messages
}

// put keeps a value that was checked.
func (g *settings) put(name, value string) {
	g.values[name] = value
	t := &g.typed
	switch name {
	case "timezone":
		if t.zone, _ = expr.SessionZone(value); t.zone == nil {
			t.zone = time.UTC
		}
		t.reads.zone = value
	case "datestyle", "intervalstyle", "bytea_output", "extra_float_digits":
		t.style = guc.Style(g.values["datestyle"], g.values["intervalstyle"], g.values["bytea_output"], g.values["extra_float_digits"])
		t.reads.style = t.style
	case "search_path":
		t.path, t.reads.search = searchPath(value), value
	case "fqgw.as_of":
		t.asOf, t.reads.asOf = nil, value
		if v, err := expr.Parse(value, fqgw.Timestamptz, nil); value != "" && err == nil { // it is kept in UTC
			t.asOf = &expr.Const{Val: v, Typ: fqgw.Timestamptz}
		}
	case "fqgw.deadline":
		t.deadline = guc.Lookup(name).Duration(value)
	case "fqgw.lake_deadline":
		t.lakeDeadline = guc.Lookup(name).Duration(value)
	case "fqgw.lake_entities":
		t.lakeEntities, _ = strconv.Atoi(value) // it was checked
	case "statement_timeout":
		t.statementTimeout = guc.Lookup(name).Duration(value)
	case "idle_session_timeout":
		t.idleTimeout = guc.Lookup(name).Duration(value)
	case "idle_in_transaction_session_timeout":
		t.blockTimeout = guc.Lookup(name).Duration(value)
	case "transaction_read_only":
		t.readOnly = value == "on"
	case "client_min_messages":
		t.leastNotice = value
	}
}

func (g *settings) init(user string) {
	g.values, g.defaults, g.after, g.told = map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}
	g.sent, g.untold = map[string]bool{}, true
	for _, s := range guc.All() {
		g.defaults[strings.ToLower(s.Name)] = s.Default
	}
	g.defaults["server_version"] = ServerVersion
	g.defaults["session_authorization"] = user
	g.typed.reads.role = user
	for name, value := range g.defaults {
		g.put(name, value)
	}
}

// startup applies a parameter of the startup packet.
func (g *settings) startup(name, value string) error {
	n := strings.ToLower(name)
	if n == "client_encoding" {
		value = strings.Trim(value, "'\"")
	}
	v, err := g.checked(n, value, false)
	if err != nil {
		return err
	}
	g.put(n, v)
	g.defaults[n], g.sent[n] = v, true
	return nil
}

// checked is a value as it is kept; begun says that the session has: 42704,
// 22023, 55P02, 0A000.
func (g *settings) checked(name, value string, begun bool) (string, error) {
	s := guc.Lookup(name)
	if s == nil {
		custom, err := guc.Custom(name)
		if err == nil && !custom {
			err = guc.Unknown(name)
		}
		return value, err
	}
	if err := s.Settable(name, begun); err != nil {
		return "", err
	}
	return s.Parse(name, value, g.values[name])
}

// described are the settings whose values are the process's.
var described = []string{"fqgw.clock", "fqgw.kafka", "fqgw.redis", "max_connections", "port", "listen_addresses", "data_directory"}

// value is the value of a setting as it is kept; ok is false when it has none.
func (g *settings) value(name string, s *Session) (v string, ok bool) {
	if slices.Contains(described, name) {
		if v := s.planner.engine.Describe(name); v != "" {
			return v, true
		}
	}
	v, ok = g.values[name]
	return v, ok
}

// show is the value as SHOW prints it; 42704.
func (g *settings) show(name string, s *Session) (string, error) {
	name = canonicalSetting(name)
	v, ok := g.value(name, s)
	if !ok {
		return "", guc.Unknown(name)
	}
	if known := guc.Lookup(name); known != nil {
		return known.Show(v), nil
	}
	return v, nil
}

// SettingState is what pg_settings shows of a setting: its value and that of
// RESET, in the base unit, and where the value came from.
func (s *Session) SettingState(name string) (value, reset, source string) {
	g := &s.settings
	name = canonicalSetting(name)
	value, _ = g.value(name, s)
	reset = g.defaults[name]
	if slices.Contains(described, name) {
		reset = value
	}
	known := guc.Lookup(name)
	switch {
	case value != reset:
		source = "session"
	case g.sent[name]:
		source = "client"
	case known != nil && value != known.Boot:
		source = "override"
	default:
		source = "default"
	}
	return value, reset, source
}

func (g *settings) reported() [][2]string {
	var out [][2]string
	for _, s := range guc.All() {
		if s.Reported {
			out = append(out, [2]string{s.Name, g.values[strings.ToLower(s.Name)]})
		}
	}
	return out
}

// searchPath splits a search_path into its schemas.
func searchPath(v string) []string {
	var out []string
	for _, p := range strings.Split(v, ",") {
		p = strings.Trim(strings.TrimSpace(p), "\"")
		if p != "" && p != "$user" {
			out = append(out, p)
		}
	}
	return out
}
