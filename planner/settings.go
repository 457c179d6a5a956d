package planner

import (
	"maps"
	"slices"
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
	styled   [5]string         // the settings that zone and style were made of
	zone     *time.Location
	style    fqgw.Style
}

func (g *settings) init(user string) {
	g.values, g.defaults, g.after, g.told = map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}
	g.sent, g.untold = map[string]bool{}, true
	for _, s := range guc.All() {
		g.defaults[strings.ToLower(s.Name)] = s.Default
	}
	g.defaults["server_version"] = ServerVersion
	g.defaults["session_authorization"] = user
	maps.Copy(g.values, g.defaults)
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
	g.values[n], g.defaults[n], g.sent[n] = v, v, true
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

// reading is the zone and the style in which values are written and read.
func (g *settings) reading() (*time.Location, fqgw.Style) {
	v := g.values
	now := [5]string{v["timezone"], v["datestyle"], v["intervalstyle"], v["bytea_output"], v["extra_float_digits"]}
	if now != g.styled || g.zone == nil {
		g.styled, g.style = now, guc.Style(now[1], now[2], now[3], now[4])
		if g.zone, _ = expr.SessionZone(now[0]); g.zone == nil {
			g.zone = time.UTC
		}
	}
	return g.zone, g.style
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

// duration is a setting that is a time.
func (g *settings) duration(name string) time.Duration {
	v := g.values[name]
	if v == "0" { // asked before every message
		return 0
	}
	return guc.Lookup(name).Duration(v)
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
