package expr

import (
	"strings"

	"github.com/fqgw/fqgw"
)

// privilegeFuncs are has_table_privilege and its kin: everything is allowed to
// everybody who could log in, unless the session says otherwise.
func privilegeFuncs() []def {
	var out []def
	add := func(name string, forms ...string) {
		for _, f := range forms {
			out = append(out, def{name, strings.TrimSpace(f) + " bool|s", ask(name, fixed(fqgw.BoolValue(true)))})
		}
	}
	for _, what := range strings.Fields("table any_column schema database function sequence type language tablespace foreign_data_wrapper server") {
		for _, user := range []string{"", "name ", "oid "} {
			add("has_"+what+"_privilege", user+"text text", user+"oid text")
		}
	}
	for _, user := range []string{"", "name ", "oid "} {
		for _, table := range []string{"text ", "oid "} {
			add("has_column_privilege", user+table+"text text", user+table+"int2 text")
		}
	}
	for _, user := range []string{"", "name ", "oid "} {
		add("pg_has_role", user+"name text", user+"oid text")
	}
	return out
}
