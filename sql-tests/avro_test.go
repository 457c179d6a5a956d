package sqltests

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/avro"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/cmd/fqgw/app"
	"github.com/fqgw/fqgw/connectors/kafka"
)

// schemaRegistry is one that knows what it takes for a topic, with a switch to be away.
type schemaRegistry struct {
	mu      sync.Mutex
	texts   []string       // by id, from 1
	latest  map[string]int // ids by subject
	away    bool
	lookups int
}

func (r *schemaRegistry) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	path := strings.Split(strings.Trim(q.URL.Path, "/"), "/")
	say := func(status int, v any) {
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(v)
	}
	schema := func(id int) {
		if id < 1 || id > len(r.texts) {
			say(http.StatusNotFound, map[string]any{"error_code": 40403, "message": "Schema not found"})
			return
		}
		say(http.StatusOK, map[string]any{"id": id, "schema": r.texts[id-1]})
	}
	switch {
	case r.away:
		say(http.StatusServiceUnavailable, map[string]any{"error_code": 50301})
	case path[0] == "schemas":
		id, _ := strconv.Atoi(path[2])
		r.lookups++
		schema(id)
	case len(path) == 1:
		var all []string
		for s := range r.latest {
			all = append(all, s)
		}
		say(http.StatusOK, all)
	case q.Method == http.MethodPost:
		var body struct{ Schema string }
		_ = json.NewDecoder(q.Body).Decode(&body)
		say(http.StatusOK, map[string]int{"id": r.add(path[1], body.Schema)})
	default:
		schema(r.latest[path[1]])
	}
}

func (r *schemaRegistry) add(subject, text string) int {
	r.texts = append(r.texts, text)
	r.latest[subject] = len(r.texts)
	return len(r.texts)
}

func (r *schemaRegistry) register(subject, text string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.add(subject, text)
}

func (r *schemaRegistry) set(away bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = away
}

// TestAvro: a topic of Avro from its schemas to a feature: columns from the registry,
// records of schemas that change, a registry that is away and comes back, what is
// refused and why, and rows that are written.
func TestAvro(t *testing.T) {
	registry := &schemaRegistry{latest: map[string]int{}}
	server := httptest.NewServer(registry)
	defer server.Close()
	c := app.Throwaway(filepath.Join(t.TempDir(), "data"))
	c.Log, c.Schemas = "error", server.URL
	err := app.WithApp(t.Context(), c, nil, func(ctx context.Context, a *app.App) error {
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=exec", a.Addr()))
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		testAvro(ctx, t, conn, registry)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func testAvro(ctx context.Context, t *testing.T, conn *pgx.Conn, registry *schemaRegistry) {
	t.Helper()
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	refused := func(sql, code, says string) {
		t.Helper()
		_, err := conn.Exec(ctx, sql)
		e := wantCode(t, sql, err, code)
		if e != nil && !strings.Contains(e.Message+e.Detail+e.Hint, says) {
			t.Errorf("%s: %s %s %s", sql, e.Message, e.Detail, e.Hint)
		}
	}
	want := func(sql, want string) {
		t.Helper()
		rows, err := conn.Query(ctx, sql, pgx.QueryExecModeSimpleProtocol)
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		var got []string
		for rows.Next() {
			var cells []string
			for _, b := range rows.RawValues() {
				if b == nil {
					b = []byte("NULL")
				}
				cells = append(cells, string(b))
			}
			got = append(got, strings.Join(cells, "|"))
		}
		if all := strings.Join(got, "\n"); rows.Err() != nil || all != want {
			t.Errorf("%s: %v\n got %s\nwant %s", sql, rows.Err(), all, want)
		}
	}
	var broker string
	if err := conn.QueryRow(ctx, "SHOW fqgw.kafka").Scan(&broker); err != nil {
		t.Fatal(err)
	}
	log, err := kafka.Open(kafka.Options{Brokers: []string{broker}})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	record := func(id int, schema string, value map[string]any) fqgw.LogRecord {
		t.Helper()
		s, err := avro.Parse(schema)
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.AppendEncode(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), value)
		if err != nil {
			t.Fatal(err)
		}
		return fqgw.LogRecord{Value: b, Timestamp: time.Now().UnixMicro()}
	}
	produce := func(recs ...fqgw.LogRecord) {
		t.Helper()
		if err := log.Produce(ctx, "clicks", recs); err != nil {
			t.Fatal(err)
		}
	}

	refused("CREATE SOURCE clicks WITH (connector = 'kafka', topic = 'clicks', format = 'avro', event_time = 'at')", "42704", "no subjects at all")
	const first = `{"type":"record","name":"click","fields":[{"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},
		{"name":"user_id","type":"int"},{"name":"price","type":["null","float"]},{"name":"tags","type":{"type":"map","values":"string"}}]}`
	one := registry.register("clicks-value", first)
	refused("CREATE SOURCE s WITH (topic = 'click', format = 'avro', event_time = 'at')", "42704", "clicks-value")
	refused("CREATE SOURCE s WITH (topic = 'clicks', format = 'avro', event_time = 'ad')", "42703", "at")
	exec("CREATE SOURCE clicks WITH (connector = 'kafka', topic = 'clicks', format = 'avro', event_time = 'at')")
	want("SELECT column_name || ' ' || data_type FROM information_schema.columns WHERE table_name = 'clicks' ORDER BY ordinal_position",
		"at timestamp with time zone\nuser_id integer\nprice real\ntags jsonb")
	exec("CREATE FEATURE VIEW spent AS SELECT user_id, count(*) OVER w AS n, sum(price) OVER w AS total FROM clicks WINDOW w AS (PARTITION BY user_id ORDER BY at RANGE '1 hour' PRECEDING)")

	at := time.Now().Add(-time.Minute).Truncate(time.Second).UTC()
	click := func(user any, price any) map[string]any {
		return map[string]any{"at": at, "user_id": user, "price": price, "tags": map[string]any{"a": "b"}}
	}
	produce(record(one, first, click(int32(1), float32(0.5))), record(one, first, click(int32(1), nil)))
	exec("SELECT fqgw.sync()")
	want("SELECT n, total FROM spent WHERE user_id = 1", "2|0.5")

	// The schema changes: wider types, a field more, one less. Nothing is restarted.
	const second = `{"type":"record","name":"click","fields":[{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"shop","type":"string"},
		{"name":"user_id","type":"long"},{"name":"cost","aliases":["price"],"type":"double"}]}`
	two := registry.register("clicks-value", second)
	produce(record(two, second, map[string]any{"at": at, "shop": "x", "user_id": int64(1), "cost": 2.0}), record(one, first, click(int32(1), float32(1))))
	exec("SELECT fqgw.sync()")
	want("SELECT n, total FROM spent WHERE user_id = 1", "4|3.5")
	want("SELECT user_id, price, tags FROM clicks ORDER BY _fq_offset", "1|0.5|{\"a\": \"b\"}\n1|NULL|{\"a\": \"b\"}\n1|2|NULL\n1|1|{\"a\": \"b\"}")

	// A value that its column cannot have, a record without a frame, and a schema that is none.
	three := registry.register("clicks-value", `{"type":"record"}`)
	produce(record(two, second, map[string]any{"at": at, "shop": "x", "user_id": int64(1) << 40, "cost": 2.0}),
		fqgw.LogRecord{Value: []byte(`{"user_id":1}`), Timestamp: at.UnixMicro()}, record(three, first, click(int32(1), nil)))
	exec("SELECT fqgw.sync()")
	want("SELECT reason FROM fqgw.dead_letters ORDER BY \"offset\"", "integer out of range (22003)\nrecord does not begin with the id of a schema (22P03)\n"+
		"the Avro schema "+strconv.Itoa(three)+" cannot be read: a type record has no name (22P02)")

	// The registry is away when a new schema comes, and then it does not know it.
	status := func(says string) {
		t.Helper()
		for until := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			var why *string
			if err := conn.QueryRow(ctx, "SELECT paused FROM fqgw.stream_status WHERE source = 'clicks' AND paused IS NOT NULL").Scan(&why); err == nil && strings.Contains(*why, says) {
				return
			} else if time.Now().After(until) {
				t.Fatalf("the status does not say %q: %v, %v", says, why, err)
			}
		}
	}
	registry.set(true)
	four := three + 1
	produce(record(four, first, click(int32(1), float32(4))), record(one, first, click(int32(1), float32(8))))
	status("the schema registry answers 503")
	registry.set(false)
	status(fmt.Sprintf("does not know schema %d", four))
	want("SELECT n, total FROM spent WHERE user_id = 1", "4|3.5")
	registry.register("clicks-value", first)
	exec("SELECT fqgw.sync()")
	want("SELECT n, total FROM spent WHERE user_id = 1", "6|15.5")
	want("SELECT count(*) FROM fqgw.dead_letters", "3")

	// Rows are written by the topic's newest schema; a topic without one is given the source's.
	refused("INSERT INTO clicks (at, user_id) VALUES (now(), 2)", "0A000", "\"tags\" of type map")
	exec("CREATE SOURCE orders (id bigint NOT NULL, total numeric(9,2), at timestamptz, zip text) WITH (format = 'avro', event_time = 'at', field.zip = 'address.zip')")
	exec("INSERT INTO orders VALUES (7, 12.5, '2026-11-30 12:00:00.123456Z', 'N1'), (8, NULL, '2026-11-30 12:00Z', NULL)")
	exec("SELECT fqgw.sync()")
	want("SELECT * FROM orders ORDER BY id", "7|12.50|2026-11-30 12:00:00.123456+00|N1\n8|NULL|2026-11-30 12:00:00+00|NULL")
	registry.mu.Lock()
	made := registry.texts[registry.latest["orders-value"]-1]
	registry.mu.Unlock()
	if want := `{"type":"record","name":"orders_value","fields":[{"name":"id","type":"long"},` +
		`{"name":"total","type":["null",{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}],"default":null},{"name":"at","type":{"type":"long","logicalType":"timestamp-micros"}},` +
		`{"name":"address","type":["null",{"type":"record","name":"orders_value_address","fields":[{"name":"zip","type":["null","string"],"default":null}]}],"default":null}]}`; made != want {
		t.Errorf("registered is %s", made)
	}
	registry.register("orders-value", strings.Replace(made, `"fields":[`, `"fields":[{"name":"by","type":"string","default":"web"},`, 1))
	exec("INSERT INTO orders VALUES (9, 0.01, '2026-11-30 12:00Z', NULL)")
	registry.register("orders-value", strings.Replace(made, `"fields":[`, `"fields":[{"name":"by","type":"string"},`, 1))
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) { // the newest schema is known for a moment
		_, err := conn.Exec(ctx, "INSERT INTO orders VALUES (9, 0.01, '2026-11-30 12:00Z', NULL)")
		if err != nil {
			wantCode(t, "a field that no column has", err, "0A000")
			break
		}
		if time.Now().After(until) {
			t.Fatal("the newest schema is not looked up again")
		}
	}
	want("SELECT DISTINCT id, total FROM orders WHERE id = 9", "9|0.01")

	// A table's changes: the latest row follows updates and deletes.
	const row = `{"type":"record","name":"Value","fields":[{"name":"id","type":"long"},{"name":"plan","type":["null","string"]},{"name":"at","type":{"type":"long","connect.name":"io.debezium.time.MicroTimestamp"}}]}`
	const change = `{"type":"record","name":"Envelope","fields":[{"name":"before","type":["null",` + row + `]},{"name":"after","type":["null","Value"]},` +
		`{"name":"source","type":{"type":"record","name":"Source","fields":[{"name":"ts_ms","type":"long"}]}},{"name":"op","type":"string"}]}`
	five := registry.register("users-value", change)
	exec("CREATE SOURCE users (id bigint PRIMARY KEY, plan text, at timestamp) WITH (topic = 'users', format = 'debezium-avro', event_time = 'at')")
	exec("CREATE FEATURE VIEW profile AS SELECT DISTINCT ON (id) id, plan FROM users ORDER BY id, at DESC")
	state := func(plan any) map[string]any {
		return map[string]any{"id": int64(1), "plan": plan, "at": at.UnixMicro()}
	}
	tell := func(op string, before, after any) {
		t.Helper()
		r := record(five, change, map[string]any{"before": before, "after": after, "op": op, "source": map[string]any{"ts_ms": time.Now().UnixMilli()}})
		if err := log.Produce(ctx, "users", []fqgw.LogRecord{r}); err != nil {
			t.Fatal(err)
		}
		exec("SELECT fqgw.sync()")
	}
	tell("r", nil, state("free"))
	want("SELECT plan FROM profile WHERE id = 1", "free")
	tell("u", state("free"), state("pro"))
	want("SELECT plan FROM profile WHERE id = 1", "pro")
	tell("u", nil, state("__debezium_unavailable_value"))
	want("SELECT plan FROM profile WHERE id = 1", "pro")
	tell("d", state("pro"), nil)
	want("SELECT plan FROM profile WHERE id = 1", "")
	refused("CREATE SOURCE u WITH (topic = 'users', format = 'debezium-avro', event_time = 'at')", "42P17", "has no columns")
}
