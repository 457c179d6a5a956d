package sqltests

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/twmb/avro"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/cmd/fqgw/app"
	"github.com/fqgw/fqgw/connectors/kafka"
)

// TestAvroReal: a topic whose schemas a real registry has: with references, while they
// change, and with the registry gone in between, over a restart of fqgw too.
func TestAvroReal(t *testing.T) {
	address := os.Getenv("FQGW_TEST_SCHEMAS")
	if address == "" {
		t.Skip("FQGW_TEST_SCHEMAS is not set: no real schema registry is used")
	}
	target, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	var gone atomic.Bool // the registry, as far as fqgw can see
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gone.Load() {
			panic(http.ErrAbortHandler)
		}
		proxy.ServeHTTP(w, r)
	}))
	defer server.Close()

	topic := fmt.Sprintf("orders_%d", time.Now().UnixNano())
	register := func(subject, text string, references ...map[string]any) int32 {
		t.Helper()
		body, err := json.Marshal(map[string]any{"schema": text, "references": references})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(address+"/subjects/"+subject+"/versions", "application/vnd.schemaregistry.v1+json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		said, _ := io.ReadAll(resp.Body)
		var answer struct{ ID int32 }
		if err := json.Unmarshal(said, &answer); err != nil || answer.ID == 0 {
			t.Fatalf("%s: %s", resp.Status, said)
		}
		return answer.ID
	}
	const money = `{"type":"record","name":"money","namespace":"shop","fields":[{"name":"cents","type":"long"}]}`
	order := func(more string) string {
		return `{"type":"record","name":"order","namespace":"shop","fields":[{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"user_id","type":"int"},{"name":"total","type":"money"}` + more + `]}`
	}
	register("money-"+topic, money)
	reference := map[string]any{"name": "shop.money", "subject": "money-" + topic, "version": 1}
	first := register(topic+"-value", order(""), reference)

	c := app.Throwaway(filepath.Join(t.TempDir(), "data"))
	c.Log, c.Schemas = "error", server.URL
	run := func(f func(ctx context.Context, conn *pgx.Conn, produce func(id int32, schema string, value map[string]any))) {
		t.Helper()
		err := app.WithApp(t.Context(), c, nil, func(ctx context.Context, a *app.App) error {
			conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=exec", a.Addr()))
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(ctx))
			var broker string
			if err := conn.QueryRow(ctx, "SHOW fqgw.kafka").Scan(&broker); err != nil {
				return err
			}
			log, err := kafka.Open(kafka.Options{Brokers: []string{broker}})
			if err != nil {
				return err
			}
			defer log.Close()
			f(ctx, conn, func(id int32, schema string, value map[string]any) {
				t.Helper()
				var known avro.SchemaCache
				if _, err := known.Parse(money); err != nil {
					t.Fatal(err)
				}
				s, err := known.Parse(schema)
				if err != nil {
					t.Fatal(err)
				}
				b, err := s.AppendEncode(binary.BigEndian.AppendUint32([]byte{0}, uint32(id)), value)
				if err != nil {
					t.Fatal(err)
				}
				if err := log.Produce(ctx, topic, []fqgw.LogRecord{{Value: b, Timestamp: time.Now().UnixMicro()}}); err != nil {
					t.Fatal(err)
				}
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	exec := func(ctx context.Context, conn *pgx.Conn, sql string) {
		t.Helper()
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	want := func(ctx context.Context, conn *pgx.Conn, sql, want string) {
		t.Helper()
		var got string
		if err := conn.QueryRow(ctx, sql).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %s, %v, want %s", sql, got, err, want)
		}
	}
	stands := func(ctx context.Context, conn *pgx.Conn) {
		t.Helper()
		for until := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
			var why string
			err := conn.QueryRow(ctx, "SELECT paused FROM fqgw.stream_status WHERE paused IS NOT NULL").Scan(&why)
			if err == nil && strings.Contains(why, "schema registry cannot be reached") {
				return
			}
			if time.Now().After(until) {
				t.Fatalf("the stream stands for %q, %v", why, err)
			}
		}
	}
	at := time.Now().Add(-time.Minute).Truncate(time.Second)
	const sums = "SELECT n || ' ' || coalesce(cents::text, '-') FROM sums WHERE user_id = 1"
	run(func(ctx context.Context, conn *pgx.Conn, produce func(int32, string, map[string]any)) {
		exec(ctx, conn, "CREATE SOURCE orders WITH (topic = '"+topic+"', format = 'avro', event_time = 'at')")
		want(ctx, conn, "SELECT string_agg(column_name || ' ' || data_type, ', ' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'orders'",
			"at timestamp with time zone, user_id integer, total jsonb")
		exec(ctx, conn, "CREATE SOURCE cents (at timestamptz, user_id bigint, cents bigint, shop text) WITH (topic = '"+topic+"', format = 'avro', event_time = 'at', field.cents = 'total.cents', history = 'lake.cents')")
		exec(ctx, conn, "CREATE FEATURE VIEW sums AS SELECT user_id, count(*) OVER w AS n, sum(cents) OVER w AS cents FROM cents WINDOW w AS (PARTITION BY user_id ORDER BY at RANGE '1 hour' PRECEDING)")
		produce(first, order(""), map[string]any{"at": at, "user_id": int32(1), "total": map[string]any{"cents": int64(5)}})
		exec(ctx, conn, "SELECT fqgw.sync()")
		want(ctx, conn, sums, "1 5")
		want(ctx, conn, "SELECT total::text FROM orders", `{"cents": 5}`)

		more := `,{"name":"shop","type":"string","default":"-"}`
		second := register(topic+"-value", order(more), reference)
		gone.Store(true)
		produce(second, order(more), map[string]any{"at": at, "user_id": int32(1), "total": map[string]any{"cents": int64(7)}, "shop": "x"})
		produce(first, order(""), map[string]any{"at": at, "user_id": int32(1), "total": map[string]any{"cents": int64(11)}})
		stands(ctx, conn)
		want(ctx, conn, sums, "1 5")
		gone.Store(false)
		exec(ctx, conn, "SELECT fqgw.sync()")
		want(ctx, conn, sums, "3 23")
		want(ctx, conn, "SELECT string_agg(coalesce(shop, 'NULL'), ' ' ORDER BY _fq_offset) FROM cents", "NULL x NULL")
		gone.Store(true)
		produce(second, order(more), map[string]any{"at": at, "user_id": int32(1), "total": map[string]any{"cents": int64(100)}, "shop": "x"})
	})
	// fqgw starts while the registry is gone: what was applied can be read.
	run(func(ctx context.Context, conn *pgx.Conn, produce func(int32, string, map[string]any)) {
		produce(first, order(""), map[string]any{"at": at, "user_id": int32(1), "total": map[string]any{"cents": int64(1000)}})
		stands(ctx, conn)
		gone.Store(false)
		exec(ctx, conn, "SELECT fqgw.sync()")
		want(ctx, conn, sums, "5 1123")
		want(ctx, conn, "SELECT count(*)::text FROM fqgw.dead_letters", "0")
	})
}
