package planner

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// setting is what is known of one GUC.
type setting struct {
	value    string
	reported string // its name in ParameterStatus, "" when it is not reported
	readonly bool
	check    func(string) (string, error) // canonical form, or why not
}

// known are the settings and their defaults; names are lower case.
func known() map[string]setting {
	return map[string]setting{
		"application_name":                    {reported: "application_name"},
		"client_encoding":                     {value: "UTF8", reported: "client_encoding", check: checkEncoding},
		"client_min_messages":                 {value: "notice", check: oneOf("debug5", "debug4", "debug3", "debug2", "debug1", "log", "notice", "warning", "error")},
		"datestyle":                           {value: "ISO, MDY", reported: "DateStyle", check: checkDateStyle},
		"default_transaction_deferrable":      {value: "off", check: checkBool},
		"default_transaction_isolation":       {value: "read committed", check: checkIsolation},
		"default_transaction_read_only":       {value: "off", reported: "default_transaction_read_only", check: checkBool},
		"extra_float_digits":                  {value: "1", check: checkInt(-15, 3)},
		"fqgw.as_of":                          {},
		"fqgw.clock":                          {readonly: true},
		"fqgw.deadline":                       {value: "0", check: checkDuration},
		"fqgw.kafka":                          {readonly: true},
		"fqgw.redis":                          {readonly: true},
		"idle_in_transaction_session_timeout": {value: "0", check: checkDuration},
		"idle_session_timeout":                {value: "0", check: checkDuration},
		"in_hot_standby":                      {value: "off", reported: "in_hot_standby", readonly: true},
		"integer_datetimes":                   {value: "on", reported: "integer_datetimes", readonly: true},
		"intervalstyle":                       {value: "postgres", reported: "IntervalStyle", check: oneOf("postgres")},
		"is_superuser":                        {value: "on", reported: "is_superuser", readonly: true},
		"jit":                                 {value: "off", check: checkBool},
		"lock_timeout":                        {value: "0", check: checkDuration},
		"max_identifier_length":               {value: "63", readonly: true},
		"row_security":                        {value: "on", check: checkBool},
		"search_path":                         {value: "\"$user\", public"},
		"server_encoding":                     {value: "UTF8", reported: "server_encoding", readonly: true},
		"server_version":                      {value: ServerVersion, reported: "server_version", readonly: true},
		"server_version_num":                  {value: "150018", readonly: true},
		"session_authorization":               {reported: "session_authorization"},
		"standard_conforming_strings":         {value: "on", reported: "standard_conforming_strings", check: oneOf("on")},
		"statement_timeout":                   {value: "0", check: checkDuration},
		"synchronize_seqscans":                {value: "on", check: checkBool},
		"timezone":                            {value: "UTC", reported: "TimeZone", check: checkZone},
		"transaction_deferrable":              {value: "off", check: checkBool},
		"transaction_isolation":               {value: "read committed", check: checkIsolation},
		"transaction_read_only":               {value: "off", check: checkBool},
		"work_mem":                            {value: "4MB"},
	}
}

// ServerVersion is what server_version says: clients choose their catalog
// queries by its first number.
var ServerVersion = "15.18 (fqgw " + Version + ")"

// Version is fqgw's own; a release sets it from git when it links.
var Version = "0.1.0"

// settings holds a session's GUCs with what a transaction must restore.
type settings struct {
	table    map[string]setting
	values   map[string]string
	defaults map[string]string // what RESET gives: the startup packet's values
	after    map[string]string // what COMMIT makes of those that SET LOCAL changed
	undo     []savedSetting    // what the transaction changed, oldest first
	told     map[string]string // the reported ones as the client knows them
	untold   bool              // one may have changed since
}

func (g *settings) init(user string) {
	g.table = known()
	g.values, g.defaults, g.after, g.told = map[string]string{}, map[string]string{}, map[string]string{}, map[string]string{}
	g.untold = true
	for n, s := range g.table {
		g.defaults[n] = s.value
	}
	g.defaults["session_authorization"] = user
	maps.Copy(g.values, g.defaults)
}

// startup applies a parameter of the startup packet.
func (g *settings) startup(name, value string) error {
	n := strings.ToLower(name)
	if n == "client_encoding" {
		value = strings.Trim(value, "'\"")
	}
	v, err := g.checked(n, value)
	if err != nil {
		return err
	}
	g.values[n], g.defaults[n] = v, v
	return nil
}

func (g *settings) checked(name, value string) (string, error) {
	s, ok := g.table[name]
	switch {
	case !ok && strings.Contains(name, ".") && !strings.HasPrefix(name, "fqgw."):
		return value, nil
	case !ok:
		e := fqgw.Errorf(fqgw.CodeUndefinedObject, "unrecognized configuration parameter \"%s\"", name)
		if near := fqgw.Nearest(name, slices.Sorted(maps.Keys(g.table))); near != "" {
			e = e.WithHint("Perhaps you meant \"%s\".", near)
		}
		return "", e
	case s.readonly:
		return "", fqgw.Errorf("55P02", "parameter \"%s\" cannot be changed", name)
	case s.check == nil:
		return value, nil
	}
	v, err := s.check(value)
	if err != nil {
		return "", fqgw.Errorf(fqgw.CodeInvalidParameter, "invalid value for parameter \"%s\": \"%s\"", name, value).WithDetail("%s", err)
	}
	return v, nil
}

// show is the value as SHOW prints it; 42704.
func (g *settings) show(name string, s *Session) (string, error) {
	name = canonicalSetting(name)
	switch name {
	case "fqgw.clock", "fqgw.kafka", "fqgw.redis":
		return s.planner.engine.Describe(name), nil
	}
	v, ok := g.values[name]
	if !ok {
		_, err := g.checked(name, "")
		if err == nil {
			err = fqgw.Errorf(fqgw.CodeUndefinedObject, "unrecognized configuration parameter \"%s\"", name)
		}
		return "", err
	}
	return v, nil
}

func (g *settings) reported() [][2]string {
	var out [][2]string
	for _, n := range slices.Sorted(maps.Keys(g.table)) {
		if r := g.table[n].reported; r != "" {
			out = append(out, [2]string{r, g.values[n]})
		}
	}
	return out
}

// duration reads a setting in milliseconds.
func (g *settings) duration(name string) time.Duration {
	v := g.values[name]
	if v == "0" { // asked before every message
		return 0
	}
	d, _ := parseDuration(v)
	return d
}

func oneOf(values ...string) func(string) (string, error) {
	return func(v string) (string, error) {
		v = strings.ToLower(v)
		if !slices.Contains(values, v) {
			return "", fmt.Errorf("available values: %s", strings.Join(values, ", "))
		}
		return v, nil
	}
}

func checkBool(v string) (string, error) {
	switch strings.ToLower(v) {
	case "on", "true", "yes", "1", "t":
		return "on", nil
	case "off", "false", "no", "0", "f":
		return "off", nil
	}
	return "", fmt.Errorf("it needs a Boolean value")
}

func checkEncoding(v string) (string, error) {
	switch strings.ToLower(strings.Trim(v, "'\"")) {
	case "utf8", "utf-8", "unicode", "sql_ascii":
		return "UTF8", nil
	}
	return "", fmt.Errorf("fqgw speaks UTF8 only")
}

func checkDateStyle(v string) (string, error) {
	for _, part := range strings.Split(strings.ToLower(v), ",") {
		switch strings.TrimSpace(part) {
		case "iso", "mdy", "us", "":
		default:
			return "", fmt.Errorf("fqgw prints dates as \"ISO, MDY\" only")
		}
	}
	return "ISO, MDY", nil
}

func checkIsolation(v string) (string, error) {
	return oneOf("read committed", "read uncommitted", "repeatable read", "serializable")(v)
}

func checkInt(lo, hi int) func(string) (string, error) {
	return func(v string) (string, error) {
		n, err := strconv.Atoi(v)
		if err != nil || n < lo || n > hi {
			return "", fmt.Errorf("it must be an integer from %d to %d", lo, hi)
		}
		return strconv.Itoa(n), nil
	}
}

func checkDuration(v string) (string, error) {
	if _, err := parseDuration(v); err != nil {
		return "", err
	}
	return v, nil
}

// parseDuration reads a GUC time: a number of milliseconds, or with a unit.
func parseDuration(v string) (time.Duration, error) {
	v = strings.TrimSpace(v)
	i := strings.IndexFunc(v, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	num, unit := v, "ms"
	if i >= 0 {
		num, unit = v[:i], strings.TrimSpace(v[i:])
	}
	n, err := strconv.ParseFloat(num, 64)
	scale, ok := map[string]time.Duration{"us": time.Microsecond, "ms": time.Millisecond, "s": time.Second,
		"min": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[unit]
	if err != nil || !ok {
		return 0, fmt.Errorf("valid units are \"us\", \"ms\", \"s\", \"min\", \"h\", and \"d\"")
	}
	return time.Duration(n * float64(scale)), nil
}

func checkZone(v string) (string, error) {
	if _, err := expr.Zone(v); err != nil {
		return "", err
	}
	return v, nil
}

// names are the names of all settings, sorted.
func (g *settings) names() []string { return slices.Sorted(maps.Keys(g.table)) }

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
