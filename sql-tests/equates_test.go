package sqltests

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// equatesKeys are the entities of a view by each type that a join key may have.
var equatesKeys = map[string][]string{
	"int2":        {"-32768", "-1", "0", "7", "32767"},
	"int4":        {"-2147483648", "0", "7", "2147483647"},
	"int8":        {"-9223372036854775808", "-9007199254740993", "0", "7", "9007199254740992", "9007199254740993", "9223372036854775807"},
	"text":        {"", "a", "a ", "A", "é"},
	"varchar":     {"", "a", "A", "é"},
	"bool":        {"true"},
	"uuid":        {"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"},
	"bytea":       {`\x`, `\x61`},
	"date":        {"1969-12-31", "2013-03-10", "2013-11-03", "2011-12-30", "2011-12-31"},
	"timestamp":   {"2013-03-10 00:00:00", "2013-03-10 02:30:00", "2013-03-10 03:30:00", "2013-11-03 01:30:00", "2011-12-30 00:00:00"},
	"timestamptz": {"2013-03-10 00:00:00+00", "2013-03-10 05:00:00+00", "2013-11-03 05:30:00+00", "2011-12-30 10:00:00+00", "infinity"},
}

// equatesValues are what a spine asks for, by the spine's type; each has a NULL besides.
var equatesValues = map[string][]string{
	"int2":        {"-32768", "7", "8"},
	"int4":        {"-2147483648", "7", "8", "32768"},
	"int8":        {"-9223372036854775808", "0", "7", "8", "4294967303", "9007199254740993", "9223372036854775807"},
	"float4":      {"NaN", "Infinity", "-0", "7", "7.5", "32768", "1e38", "9007199254740992"},
	"float8":      {"NaN", "-Infinity", "-0", "7", "7.5", "8", "1e300", "9007199254740992", "-9007199254740992", "9223372036854775807", "-9223372036854775808"},
	"numeric":     {"NaN", "Infinity", "-0.0", "7.000", "7.5", "9007199254740993", "9223372036854775808", "1e40"},
	"text":        {"", "a", "a ", "A", "z"},
	"varchar":     {"", "a", "a ", "z"},
	"bpchar":      {"a  ", "z"},
	"name":        {"a", "z"},
	"bool":        {"true", "false"},
	"uuid":        {"A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12"},
	"bytea":       {`\x`, `\x61`, `\x62`},
	"date":        {"1969-12-31", "2013-03-10", "2011-12-30", "2013-01-01", "infinity"},
	"timestamp":   {"2013-03-10 00:00:00", "2013-03-10 00:00:00.000001", "2013-03-10 03:30:00", "2011-12-30 00:00:00", "2013-11-03 01:30:00", "2013-01-01 00:00:00"},
	"timestamptz": {"2013-03-10 00:00:00+00", "2013-03-10 05:00:00+00", "2013-03-10 07:30:00+00", "2013-11-03 05:30:00+00", "2013-11-03 06:30:00+00", "2011-12-30 10:00:00+00", "infinity", "2013-01-01 12:00:00+00"},
}

// TestEquates: a LEFT JOIN equates a join key with a value of any type that =
// compares it with (SEMANTICS §4.2), for every pair of types, in zones with and
// without midnights: now, AS OF, AS OF a column, through a service and by WHERE
// alike. What = says is asked of the relational join of the same rows.
func TestEquates(t *testing.T) {
	c := app.Throwaway(t.TempDir())
	c.Clock, c.ClockRate = "2024-01-01 12:00:00Z", 0
	err := app.WithApp(t.Context(), c, map[string]bool{"clock": true, "clock_rate": true}, func(ctx context.Context, a *app.App) error {
		conn := dial(t, ctx, a.Addr(), "")
		exec := func(sql string) {
			t.Helper()
			if _, err := conn.Exec(ctx, sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
		for key, values := range equatesKeys {
			exec(fmt.Sprintf("CREATE SOURCE e_%[1]s (k %[1]s, t timestamptz NOT NULL) WITH (connector = 'kafka', topic = 'e_%[1]s', format = 'json', event_time = 't', partitions = 1)", key))
			exec(fmt.Sprintf("CREATE FEATURE VIEW v_%[1]s AS SELECT k, count(*) OVER w AS n, COALESCE(max(t) OVER w, '2000-01-01Z') AS d FROM e_%[1]s WINDOW w AS (PARTITION BY k ORDER BY t RANGE '1 day' PRECEDING)", key))
			exec(fmt.Sprintf("CREATE VIEW s_%[1]s AS SELECT a.k, a.n, b.d FROM v_%[1]s a LEFT JOIN v_%[1]s b ON b.k = a.k", key))
			for _, v := range values {
				exec(fmt.Sprintf("INSERT INTO e_%s VALUES ('%s', '2024-01-01 11:00Z')", key, v))
			}
		}
		for typ, values := range equatesValues {
			exec(fmt.Sprintf("CREATE TEMP TABLE x_%[1]s (i int, x %[1]s, at timestamptz)", typ))
			for i, v := range values {
				exec(fmt.Sprintf("INSERT INTO x_%s VALUES (%d, '%s', '2024-01-01 12:00Z')", typ, i, v))
			}
			exec(fmt.Sprintf("INSERT INTO x_%s VALUES (%d, NULL, '2024-01-01 12:00Z')", typ, len(values)))
		}
		exec("SELECT fqgw.sync()")
		pairs := 0
		for _, zone := range []string{"UTC", "America/New_York", "Pacific/Apia"} {
			exec("SET TimeZone = '" + zone + "'")
			for key := range equatesKeys {
				for typ, values := range equatesValues {
					zoned := strings.HasPrefix(key, "timestamp") || key == "date"
					if zone == "UTC" || zoned && (strings.HasPrefix(typ, "timestamp") || typ == "date") {
						if checkEquates(t, ctx, conn, zone, key, typ, values) {
							pairs++
						}
					}
				}
			}
		}
		if pairs < 50 {
			t.Errorf("%d pairs of types are comparable", pairs)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// checkEquates compares all ways to ask; false when = does not compare the types.
func checkEquates(t *testing.T, ctx context.Context, conn *pgx.Conn, zone, key, typ string, values []string) bool {
	t.Helper()
	read := func(sql string) ([]string, error) {
		rows, err := conn.Query(ctx, sql, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			return nil, err
		}
		out, err := pgx.CollectRows(rows, func(r pgx.CollectableRow) (string, error) {
			parts := make([]string, len(r.RawValues()))
			for i, v := range r.RawValues() {
				if parts[i] = string(v); v == nil {
					parts[i] = "~"
				}
			}
			return strings.Join(parts, "|"), nil
		})
		slices.Sort(out)
		return out, err
	}
	names := strings.NewReplacer("$v", "v_"+key, "$s", "s_"+key, "$x", "x_"+typ)
	// A view behind OFFSET 0 is a relation like another; a missing row has the values of
	// empty windows, and for a NULL key none but the default.
	naive, err := read(names.Replace(`SELECT x.i, f.k, CASE WHEN f.n IS NULL AND x.x IS NOT NULL THEN 0 ELSE f.n END, coalesce(f.d, '2000-01-01Z')
		FROM $x x LEFT JOIN (SELECT * FROM $v OFFSET 0) f ON f.k = x.x`))
	if err != nil {
		wantCode(t, "a comparison of "+key+" with "+typ, err, "42883")
		if _, err := read(names.Replace("SELECT x.i, f.n FROM $x x LEFT JOIN $v f ON f.k = x.x")); err == nil {
			t.Errorf("%s = %s is no operator, and the view is joined", key, typ)
		}
		return false
	}
	want := strings.Join(naive, "\n")
	check := func(sql string) {
		t.Helper()
		sql = names.Replace(sql)
		got, err := read(sql)
		if err != nil {
			t.Errorf("%s, %s: %v", zone, sql, err)
		} else if g := strings.Join(got, "\n"); g != want {
			t.Errorf("%s, %s:\n%s\nwant\n%s", zone, sql, g, want)
		}
	}
	for _, from := range []string{"$v f", "$v AS OF now() f", "$v AS OF x.at f", "$s f", "$s AS OF now() f", "$s AS OF x.at f", "(SELECT d, k, n FROM $v) f", "(SELECT * FROM $s) f"} {
		check("SELECT x.i, f.k, f.n, f.d FROM $x x LEFT JOIN " + from + " ON f.k = x.x")
	}
	check("SELECT x.i, f.k, f.n, f.d FROM $x x LEFT JOIN $v f ON x.x = f.k AND f.k = x.x")
	check("SELECT x.i, f.key, f.n, f.d FROM $x x LEFT JOIN (SELECT k AS x, k AS key, n, d FROM $v) f USING (x)")
	check("SELECT x.i, f.k, f.n, f.d FROM $v f RIGHT JOIN $x x ON f.k IN (x.x)")

	// Inner joins and WHERE: the rows that = finds. Parameters are of the value's type.
	naive, err = read(names.Replace("SELECT x.i, f.k, f.n FROM $x x JOIN (SELECT * FROM $v OFFSET 0) f ON f.k = x.x"))
	if err != nil {
		t.Error(err)
	}
	want = strings.Join(naive, "\n")
	check("SELECT x.i, f.k, f.n FROM $x x JOIN $v f ON f.k = x.x")
	check("SELECT x.i, f.k, f.n FROM $x x JOIN $v AS OF x.at f ON f.k = x.x")
	check("SELECT x.i, f.k, f.n FROM $x x, $s f WHERE f.k = x.x")
	check("SELECT x.i, f.k, f.n FROM $x x, LATERAL (SELECT * FROM $v f WHERE f.k = x.x) f")
	array := map[string]string{"bpchar": "bpchar", "name": "name"}[typ] // = ANY takes every type alike
	if array == "" {
		array = typ
	}
	var byWhere, byArray []string
	for i, v := range values {
		for _, at := range []string{"", " AS OF now()"} {
			byWhere = append(byWhere, fmt.Sprintf("SELECT %d, k, n FROM $v%s f WHERE k = '%s'::%s", i, at, v, typ))
			byArray = append(byArray, fmt.Sprintf("SELECT %d, k, n FROM $v%s f WHERE k = ANY ('{\"%s\",NULL}'::%s[])", i, at, strings.ReplaceAll(v, `\`, `\\`), array))
		}
	}
	twice := append(slices.Clone(naive), naive...)
	slices.Sort(twice)
	want = strings.Join(twice, "\n")
	check(strings.Join(byWhere, " UNION ALL "))
	check(strings.Join(byArray, " UNION ALL "))
	return true
}
