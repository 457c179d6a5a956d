package sqltests

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/cmd/fqgw/app"
	"github.com/fqgw/fqgw/connectors/kafka"
)

// TestProtobuf: a topic of Protobuf from its schema, which refers to another, to a
// feature; the writer goes on with a schema whose fields have other numbers.
func TestProtobuf(t *testing.T) {
	const first = `{"id": 1, "schemaType": "PROTOBUF", "schema": "syntax = \"proto3\"; package shop; import \"money.proto\"; import \"google/protobuf/timestamp.proto\";` +
		` message Other { int32 n = 1; } message Click { google.protobuf.Timestamp at = 1; int32 user_id = 2; Money price = 3; }",
		"references": [{"name": "money.proto", "subject": "money", "version": 1}]}`
	answers := map[string]string{
		"/subjects/clicks-value/versions/latest": first, "/schemas/ids/1": first,
		"/subjects/money/versions/1": `{"id": 3, "schemaType": "PROTOBUF", "schema": "syntax = \"proto3\"; package shop; message Money { double units = 1; }"}`,
		"/schemas/ids/2": `{"id": 2, "schemaType": "PROTOBUF", "schema": "syntax = \"proto3\"; import \"google/protobuf/timestamp.proto\"; message Click {` +
			` int64 user_id = 1; google.protobuf.Timestamp at = 2; float cost = 3; string shop = 4; }"}`,
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		text, ok := answers[q.URL.Path]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = w.Write([]byte(text))
	}))
	defer server.Close()
	c := app.Throwaway(filepath.Join(t.TempDir(), "data"))
	c.Log, c.Schemas = "error", server.URL
	err := app.WithApp(t.Context(), c, nil, func(ctx context.Context, a *app.App) error {
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=exec", a.Addr()))
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		testProtobuf(ctx, t, conn)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func testProtobuf(ctx context.Context, t *testing.T, conn *pgx.Conn) {
	t.Helper()
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	want := func(sql, want string) {
		t.Helper()
		var got string
		if err := conn.QueryRow(ctx, sql).Scan(&got); err != nil || got != want {
			t.Errorf("%s: %q, %v, not %q", sql, got, err, want)
		}
	}
	exec(`CREATE SOURCE clicks WITH (connector = 'kafka', topic = 'clicks', format = 'protobuf', event_time = 'at', message = 'shop.Click', field.paid = 'price.units|cost')`)
	want("SELECT string_agg(column_name || ' ' || data_type, ', ' ORDER BY ordinal_position) FROM information_schema.columns WHERE table_name = 'clicks'",
		"at timestamp with time zone, user_id integer, price jsonb, paid double precision")
	exec("CREATE FEATURE VIEW spent AS SELECT user_id, count(*) OVER w AS n, sum(paid) OVER w AS total FROM clicks WINDOW w AS (PARTITION BY user_id ORDER BY at RANGE '1 hour' PRECEDING)")

	var broker string
	if err := conn.QueryRow(ctx, "SHOW fqgw.kafka").Scan(&broker); err != nil {
		t.Fatal(err)
	}
	log, err := kafka.Open(kafka.Options{Brokers: []string{broker}})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	now := time.Now()
	varint := func(b []byte, n protowire.Number, v int64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), uint64(v))
	}
	message := func(b []byte, n protowire.Number, v []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), v)
	}
	at := varint(nil, 1, now.Unix())
	half := protowire.AppendFixed64(protowire.AppendTag(nil, 1, protowire.Fixed64Type), 0x3fe0000000000000)
	two := protowire.AppendFixed32(protowire.AppendTag(nil, 3, protowire.Fixed32Type), 0x40000000)
	var recs []fqgw.LogRecord
	for _, b := range [][]byte{
		message(varint(message([]byte{0, 0, 0, 0, 1, 2, 2}, 1, at), 2, 7), 3, half),
		append(message(varint([]byte{0, 0, 0, 0, 2, 0}, 1, 7), 2, at), two...),
		message(varint(message([]byte{0, 0, 0, 0, 1, 2, 2}, 1, at), 2, 7), 3, nil),
		varint([]byte{0, 0, 0, 0, 1, 0}, 1, 7), // of another message, without a time
		{0, 0, 0, 0, 1, 0, 0x80},
	} {
		recs = append(recs, fqgw.LogRecord{Value: b, Timestamp: now.UnixMicro()})
	}
	if err := log.Produce(ctx, "clicks", recs); err != nil {
		t.Fatal(err)
	}
	exec("SELECT fqgw.sync()")
	want("SELECT n || ' ' || total FROM spent WHERE user_id = 7", "3 2.5")
	want("SELECT string_agg(coalesce(price::text, 'NULL'), ', ' ORDER BY _fq_offset) FROM clicks", `{"units": 0.5}, NULL, {"units": 0}`)
	want("SELECT count(*) || ' ' || max(reason) FROM fqgw.dead_letters", "2 record is not what its message shop.Other of schema 1 says (22P03)")
	_, err = conn.Exec(ctx, "INSERT INTO clicks (at, user_id) VALUES (now(), 1)")
	wantCode(t, "INSERT", err, "0A000")
}
