// Package guc knows every setting of PostgreSQL 15 and fqgw's own: what
// PostgreSQL says of it (settings.tsv), which values it takes, and what fqgw
// does not do and so refuses. What a session has set is the session's.
//
// A value is kept in the setting's base unit, as pg_settings shows it; SHOW and
// current_setting() print it with a unit.
package guc

import (
	"cmp"
	_ "embed"
	"slices"
	"strings"
	"sync"

	"github.com/fqgw/fqgw"
)

// The columns of settings.tsv are those of pg_settings in a fresh PostgreSQL 15:
// \copy (SELECT name, category, … FROM pg_settings ORDER BY lower(name) COLLATE "C") TO settings.tsv WITH (HEADER)
//
//go:embed settings.tsv
var facts string

// Setting is one setting. The texts are PostgreSQL's.
type Setting struct {
	Name, Category, Short, Extra string
	Unit                         string // "ms", "8kB" …; "" for none
	Context                      string // who may change it and when: internal, postmaster, sighup, superuser, user …
	Type                         string // bool, integer, real, string, enum
	Min, Max                     string
	Enum                         []string
	Boot                         string // PostgreSQL's own value
	Default                      string // fqgw's, where a session begins
	Null                         bool   // Boot is NULL
	Reported                     bool   // a client is told by ParameterStatus
	Hidden                       bool   // not in SHOW ALL and pg_settings
	Kept                         bool   // RESET ALL leaves it
	check                        func(value, now string) (string, error)
	why                          string // why no other value than the default is taken; "" when others are
}

// null is NULL in settings.tsv.
const null = `\N`

var table = sync.OnceValue(func() map[string]*Setting {
	m := map[string]*Setting{}
	add := func(s *Setting) { m[strings.ToLower(s.Name)] = s }
	for _, line := range strings.Split(strings.TrimSuffix(facts, "\n"), "\n")[1:] {
		f := strings.Split(line, "\t")
		s := &Setting{Name: f[0], Category: f[1], Short: f[2], Extra: f[3], Unit: f[4], Context: f[5], Type: f[6], Min: f[7], Max: f[8], Boot: f[10]}
		s.Null = s.Boot == null
		for _, p := range []*string{&s.Short, &s.Extra, &s.Unit, &s.Min, &s.Max, &s.Boot} {
			if *p == null {
				*p = ""
			}
			*p = strings.ReplaceAll(*p, `\\`, `\`) // COPY's
		}
		if f[9] != null {
			for _, e := range strings.Split(strings.Trim(f[9], "{}"), ",") {
				s.Enum = append(s.Enum, strings.Trim(e, `"`))
			}
		}
		s.Default = s.Boot
		add(s)
	}
	for _, s := range unlisted() {
		add(&s)
	}
	for name, d := range defaults {
		m[strings.ToLower(name)].Default = d
	}
	for _, n := range []string{"application_name", "client_encoding", "DateStyle", "default_transaction_read_only", "in_hot_standby", "integer_datetimes",
		"IntervalStyle", "is_superuser", "server_encoding", "server_version", "session_authorization", "standard_conforming_strings", "TimeZone"} {
		m[strings.ToLower(n)].Reported = true
	}
	for _, n := range []string{"transaction_deferrable", "transaction_isolation", "transaction_read_only", "is_superuser", "session_authorization", "role"} {
		m[n].Kept = true
	}
	for n, check := range checks {
		m[n].check = check
	}
	for n, s := range m {
		s.why = cmp.Or(reasons[n], s.storageReason())
	}
	return m
})

var all = sync.OnceValue(func() []*Setting {
	out := make([]*Setting, 0, len(table()))
	for _, s := range table() {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b *Setting) int { return cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name)) })
	return out
})

// All are the settings, by name in any case.
func All() []*Setting { return all() }

// Lookup finds a setting by its name in any case; nil when there is none.
func Lookup(name string) *Setting { return table()[strings.ToLower(name)] }

// Unknown is the error for a name that no setting has: 42704.
func Unknown(name string) error {
	e := fqgw.Errorf(fqgw.CodeUndefinedObject, "unrecognized configuration parameter \"%s\"", name)
	names := make([]string, 0, len(all()))
	for _, s := range all() {
		names = append(names, s.Name)
	}
	if near := fqgw.Nearest(strings.ToLower(name), names); near != "" {
		e = e.WithHint("Perhaps you meant \"%s\".", near)
	}
	return e
}

// Custom says whether a name is a parameter of the user's own, which takes any
// text; 42602 when it is one that PostgreSQL would not take.
func Custom(name string) (bool, error) {
	prefix, _, dotted := strings.Cut(name, ".")
	if !dotted || strings.EqualFold(prefix, "fqgw") {
		return false, nil
	}
	for _, part := range strings.Split(name, ".") {
		for i, r := range part {
			if r != '_' && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && r < 0x80 && (i == 0 || r != '$' && (r < '0' || r > '9')) {
				part = ""
			}
		}
		if part == "" {
			return false, fqgw.Errorf("42602", "invalid configuration parameter name \"%s\"", name).
				WithDetail("Custom parameter names must be two or more simple identifiers separated by dots.")
		}
	}
	return true, nil
}

// Settable is nil when the setting can be set, in the startup packet (begun is
// false) or after it: 55P02. name is how it was written, as in Parse.
func (s *Setting) Settable(name string, begun bool) error {
	refuse := func(format string) error { return fqgw.Errorf("55P02", format, name) }
	switch {
	case s == nil: // the user's own
	case s.Context == "internal":
		return refuse("parameter \"%s\" cannot be changed")
	case s.Context == "postmaster":
		return refuse("parameter \"%s\" cannot be changed without restarting the server")
	case s.Context == "sighup":
		return refuse("parameter \"%s\" cannot be changed now")
	case begun && strings.HasSuffix(s.Context, "backend"):
		return refuse("parameter \"%s\" cannot be set after connection start")
	}
	return nil
}

// Parse reads a value as SET gives it into the form that is kept; now is the
// current one, which some values only amend. 22023, and 0A000 for a value that
// would mean what fqgw does not do.
func (s *Setting) Parse(name, text, now string) (string, error) {
	v, err := s.parse(name, text)
	if err != nil {
		return "", err
	}
	if s.check != nil {
		if v, err = s.check(v, now); err != nil {
			switch e, ok := err.(*fqgw.Error); {
			case ok:
				return "", e
			case err == errNoReason:
				return "", invalid(s.Name, text)
			}
			return "", invalid(s.Name, text).WithDetail("%s", err)
		}
	}
	if s.why != "" && v != s.Default {
		return "", fqgw.Errorf(fqgw.CodeFeatureNotSupported, "parameter \"%s\" cannot be set to \"%s\"", s.Name, text).WithDetail("%s", s.why)
	}
	return v, nil
}

func invalid(name, text string) *fqgw.Error {
	return fqgw.Errorf(fqgw.CodeInvalidParameter, "invalid value for parameter \"%s\": \"%s\"", name, text)
}
