package guc

import (
	"slices"
	"strings"
)

// unlisted are the settings that PostgreSQL has and does not list, and fqgw's own.
func unlisted() []Setting {
	own := func(name, typ, unit, context, short string) Setting {
		return Setting{Name: name, Category: "Customized Options", Short: short, Unit: unit, Context: context, Type: typ}
	}
	deadline := own("fqgw.deadline", "integer", "ms", "user", "How long a read waits for the online store; 0 is without an end.")
	deadline.Min, deadline.Max, deadline.Boot, deadline.Default = "0", "2147483647", "0", "0"
	lakeDeadline := own("fqgw.lake_deadline", "integer", "ms", "user", "How long a read waits for entities that are in the lake only; 0 is without an end.")
	lakeDeadline.Min, lakeDeadline.Max, lakeDeadline.Boot, lakeDeadline.Default = "0", "2147483647", "1000", "1000"
	lakeEntities := own("fqgw.lake_entities", "integer", "", "user", "How many entities of a feature view a statement reads from the lake.")
	lakeEntities.Min, lakeEntities.Max, lakeEntities.Boot, lakeEntities.Default = "0", "2147483647", "1000", "1000"
	return []Setting{
		own("fqgw.as_of", "string", "", "user", "The time at which feature views without AS OF are read; empty is now."),
		own("fqgw.clock", "string", "", "internal", "The clock that T comes from: real, or a set clock and its rate."),
		deadline,
		own("fqgw.kafka", "string", "", "internal", "The brokers that sources read."),
		lakeDeadline,
		lakeEntities,
		own("fqgw.redis", "string", "", "internal", "The address of the online store."),
		{Name: "is_superuser", Category: "Reporting and Logging / What to Log", Short: "Shows whether the current user is a superuser.",
			Context: "internal", Type: "bool", Boot: "off", Default: "on", Hidden: true},
		{Name: "session_authorization", Category: "Ungrouped", Short: "Sets the session user name.", Context: "user", Type: "string", Null: true, Hidden: true},
		{Name: "role", Category: "Ungrouped", Short: "Sets the current role.", Context: "user", Type: "string", Boot: "none", Default: "none", Hidden: true},
		{Name: "ssl_renegotiation_limit", Category: "Connections and Authentication / SSL", Short: "SSL renegotiation is no longer supported; this can only be 0.",
			Unit: "kB", Context: "user", Type: "integer", Min: "0", Max: "0", Boot: "0", Default: "0", Hidden: true},
		{Name: "default_with_oids", Category: "Version and Platform Compatibility / Previous PostgreSQL Versions",
			Short: "WITH OIDS is no longer supported; this can only be false.", Context: "user", Type: "bool", Boot: "off", Default: "off", Hidden: true},
	}
}

// defaults are where fqgw begins with another value than PostgreSQL.
var defaults = map[string]string{
	"server_version":             "15.18",
	"TimeZone":                   "UTC",
	"log_timezone":               "UTC",
	"client_encoding":            "UTF8",
	"server_encoding":            "UTF8",
	"lc_collate":                 "C.UTF-8",
	"lc_ctype":                   "C.UTF-8",
	"lc_messages":                "C.UTF-8",
	"lc_monetary":                "C.UTF-8",
	"lc_numeric":                 "C.UTF-8",
	"lc_time":                    "C.UTF-8",
	"default_text_search_config": "pg_catalog.english",
	"timezone_abbreviations":     "Default",
	"unix_socket_directories":    "",
	"ssl_library":                "",
	"jit":                        "off",
	"max_stack_depth":            "2048",
}

// reasons say why a setting keeps its default: another value would change what
// statements mean, and fqgw has only the one meaning.
var reasons = map[string]string{
	"array_nulls":                 "NULL in the text of an array is always a null element.",
	"backslash_quote":             "\\' in an escape string is always a quote.",
	"default_with_oids":           "Tables have no OID column.",
	"exit_on_error":               "An error ends its statement, not the session.",
	"local_preload_libraries":     "fqgw loads no libraries.",
	"quote_all_identifiers":       "Identifiers are quoted where they need it.",
	"role":                        "A session has one role, its user.",
	"session_authorization":       "A session has one role, its user.",
	"standard_conforming_strings": "A backslash in a plain string literal is a backslash.",
	"timezone_abbreviations":      "Abbreviations of time zones are those of PostgreSQL's set Default.",
	"transform_null_equals":       "x = NULL is NULL.",
}

// harmless are the settings of a superuser that change nothing that anybody could miss.
var harmless = []string{"commit_delay", "compute_query_id", "deadlock_timeout", "debug_discard_caches", "lc_messages", "lo_compat_privileges",
	"max_stack_depth", "session_replication_role", "update_process_title"}

// storageReason is why a setting of a superuser keeps its default.
func (s *Setting) storageReason() string {
	switch {
	case !strings.HasPrefix(s.Context, "superuser") && s.Context != "backend" || slices.Contains(harmless, s.Name):
		return ""
	case strings.HasPrefix(s.Category, "Reporting and Logging"):
		return "What fqgw logs is said where it starts (--log)."
	case strings.HasPrefix(s.Category, "Statistics"):
		return "fqgw counts for its metrics, and always."
	}
	return "It is of PostgreSQL's own storage and processes, which fqgw has not."
}
