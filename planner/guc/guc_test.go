package guc

import (
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
)

// TestValues: what SET takes and SHOW prints, from PostgreSQL 15.
func TestValues(t *testing.T) {
	for _, c := range []struct{ name, text, kept, shown, failed string }{
		{"work_mem", "64MB", "65536", "64MB", ""},
		{"work_mem", "4096", "4096", "4MB", ""},
		{"work_mem", "4097", "4097", "4097kB", ""},
		{"work_mem", "1 GB ", "1048576", "1GB", ""},
		{"work_mem", "30.1GB", "31561728", "30822MB", ""},
		{"work_mem", "0x100", "256", "256kB", ""},
		{"work_mem", "1e3", "1000", "1000kB", ""},
		{"work_mem", "1mb", "", "", `22023 invalid value for parameter "work_mem": "1mb" | Valid units for this parameter are "B", "kB", "MB", "GB", and "TB".`},
		{"work_mem", "1", "", "", `22023 1 kB is outside the valid range for parameter "work_mem" (64 .. 2147483647)`},
		{"work_mem", "10TB", "", "", `22023 invalid value for parameter "work_mem": "10TB" | Value exceeds integer range.`},
		{"work_mem", "", "", "", `22023 invalid value for parameter "work_mem": ""`},
		{"temp_buffers", "1GB", "131072", "1GB", ""},
		{"temp_buffers", "129", "129", "1032kB", ""},
		{"statement_timeout", "90s", "90000", "90s", ""},
		{"statement_timeout", "1.5h", "5400000", "90min", ""},
		{"statement_timeout", "100us", "0", "0", ""},
		{"statement_timeout", "-1", "", "", `22023 -1 ms is outside the valid range for parameter "statement_timeout" (0 .. 2147483647)`},
		{"statement_timeout", "5x", "", "", `22023 invalid value for parameter "statement_timeout": "5x" | Valid units for this parameter are "us", "ms", "s", "min", "h", and "d".`},
		{"from_collapse_limit", "5s", "", "", `22023 invalid value for parameter "from_collapse_limit": "5s"`},
		{"fqgw.deadline", "0.5s", "500", "500ms", ""},
		{"fqgw.deadline", "0.0005min", "", "", `22023 invalid value for parameter "fqgw.deadline": "0.0005min" | The least is 1 ms.`},
		{"seq_page_cost", "1.50", "1.5", "1.5", ""},
		{"seq_page_cost", "1e30", "1e+30", "1e+30", ""},
		{"seq_page_cost", "nan", "", "", `22023 invalid value for parameter "seq_page_cost": "nan"`},
		{"vacuum_cost_delay", "1.5", "1.5", "1500us", ""},
		{"enable_sort", "f", "off", "off", ""},
		{"enable_sort", "o", "", "", `22023 parameter "enable_sort" requires a Boolean value`},
		{"synchronous_commit", "FALSE", "off", "off", ""},
		{"synchronous_commit", "remote_apply", "remote_apply", "remote_apply", ""},
		{"synchronous_commit", "maybe", "", "", `22023 invalid value for parameter "synchronous_commit": "maybe" | Available values: local, remote_write, remote_apply, on, off.`},
		{"client_min_messages", "debug", "debug2", "debug2", ""},
		{"bytea_output", "ESCAPE", "escape", "escape", ""},
		{"default_table_access_method", "heap", "heap", "heap", ""},
		{"default_table_access_method", "columnar", "", "", `22023 invalid value for parameter "default_table_access_method": "columnar" | Table access method "columnar" does not exist.`},
		{"DateStyle", "dmy", "ISO, DMY", "ISO, DMY", ""},
		{"DateStyle", "german", "German, DMY", "German, DMY", ""},
		{"DateStyle", "YMD, PostgreSQL", "Postgres, YMD", "Postgres, YMD", ""},
		{"DateStyle", "sql, european", "SQL, DMY", "SQL, DMY", ""},
		{"DateStyle", "iso, sql", "", "", `22023 invalid value for parameter "DateStyle": "iso, sql" | Conflicting "datestyle" specifications.`},
		{"DateStyle", "french", "", "", `22023 invalid value for parameter "DateStyle": "french" | Unrecognized key word: "french".`},
		{"IntervalStyle", "ISO_8601", "iso_8601", "iso_8601", ""},
		{"extra_float_digits", "3", "3", "3", ""},
		{"extra_float_digits", "4", "", "", `22023 4 is outside the valid range for parameter "extra_float_digits" (-15 .. 3)`},
		{"TimeZone", "-7", "<-07>+07", "<-07>+07", ""},
		{"TimeZone", "america/new_york", "America/New_York", "America/New_York", ""},
		{"TimeZone", "PST", "", "", `22023 invalid value for parameter "TimeZone": "PST"`},
		{"TimeZone", "168", "", "", `22023 invalid value for parameter "TimeZone": "168" | UTC timezone offset is out of range.`},
		{"client_encoding", "unicode", "UTF8", "UTF8", ""},
		{"client_encoding", "latin1", "", "", `0A000 invalid value for parameter "client_encoding": "latin1" | Conversion between LATIN1 and UTF8 is not supported.`},
		{"client_encoding", "klingon", "", "", `22023 invalid value for parameter "client_encoding": "klingon"`},
		{"lc_numeric", "C", "C", "C", ""},
		{"lc_numeric", "de_DE", "", "", `22023 invalid value for parameter "lc_numeric": "de_DE"`},
		{"unix_socket_permissions", "511", "511", "0777", ""},
		{"standard_conforming_strings", "on", "on", "on", ""},
		{"standard_conforming_strings", "off", "", "", `0A000 parameter "standard_conforming_strings" cannot be set to "off" | A backslash in a plain string literal is a backslash.`},
		{"log_statement", "all", "", "", `0A000 parameter "log_statement" cannot be set to "all" | What fqgw logs is said where it starts (--log).`},
		{"session_replication_role", "replica", "replica", "replica", ""},
	} {
		s := Lookup(c.name)
		kept, err := s.Parse(s.Name, c.text, s.Default)
		if c.failed != "" {
			e := fqgw.AsError(err)
			if err == nil {
				t.Errorf("%s = %q: %q, want %s", c.name, c.text, kept, c.failed)
				continue
			}
			got := string(e.Code) + " " + e.Message
			if more := e.Detail + e.Hint; more != "" {
				got += " | " + more
			}
			if got != c.failed {
				t.Errorf("%s = %q:\n got %s\nwant %s", c.name, c.text, got, c.failed)
			}
			continue
		}
		if err != nil || kept != c.kept || s.Show(kept) != c.shown {
			t.Errorf("%s = %q: %q, shown %q, %v; want %q, %q", c.name, c.text, kept, s.Show(kept), err, c.kept, c.shown)
		}
	}
}

// TestDefaults: a setting's own default is a value that it takes.
func TestDefaults(t *testing.T) {
	if n := len(All()); n < 360 {
		t.Errorf("%d settings", n)
	}
	for _, s := range All() {
		v, err := s.Parse(s.Name, s.Default, s.Default)
		if s.Default == "" && s.Type == "string" && err != nil {
			continue // not set, where it cannot be set to nothing
		}
		if err != nil || v != s.Default {
			t.Errorf("%s: default %q is read as %q, %v", s.Name, s.Default, v, err)
		}
		for _, e := range s.Enum {
			if v, err := s.parse(s.Name, strings.ToUpper(e)); err != nil || v != e {
				t.Errorf("%s: %q is read as %q, %v", s.Name, e, v, err)
			}
		}
	}
}

// TestSettable: who may set what and when (PostgreSQL 15, "pg_settings.context").
func TestSettable(t *testing.T) {
	for name, want := range map[string]string{
		"server_version":        `parameter "server_version" cannot be changed`,
		"max_connections":       `parameter "max_connections" cannot be changed without restarting the server`,
		"fsync":                 `parameter "fsync" cannot be changed now`,
		"ignore_system_indexes": `parameter "ignore_system_indexes" cannot be set after connection start`,
		"work_mem":              "",
	} {
		err := Lookup(strings.ToUpper(name)).Settable(name, true)
		if err == nil != (want == "") || err != nil && (fqgw.AsError(err).Message != want || fqgw.AsError(err).Code != "55P02") {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
	}
	if err := Lookup("ignore_system_indexes").Settable("ignore_system_indexes", false); err != nil {
		t.Error("at start:", err)
	}
}

func TestCustom(t *testing.T) {
	for name, want := range map[string]bool{"my.var": true, "a.b.c": true, "work_mem": false, "fqgw.nothing": false} {
		if got, err := Custom(name); got != want || err != nil {
			t.Errorf("%s: %v %v", name, got, err)
		}
	}
	for _, name := range []string{"a.", ".a", "a-b.c", "a.1b"} {
		if _, err := Custom(name); err == nil || fqgw.AsError(err).Code != "42602" {
			t.Errorf("%s: %v", name, err)
		}
	}
}
