package sqltests

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/kafka"
)

// crashChangelog is a changelog with views of its rows and of windows over them.
const crashChangelog = `CREATE SOURCE tap_orders (id bigint PRIMARY KEY, user_id bigint, price double precision, ts timestamptz NOT NULL)
  WITH (topic = 'tap_orders', format = 'debezium-json', event_time = 'ts', partitions = 3);
CREATE FEATURE VIEW tap_order AS SELECT DISTINCT ON (id) id, user_id, price FROM tap_orders WHERE price > 10 ORDER BY id, ts DESC;
CREATE FEATURE VIEW tap_order_sums AS SELECT user_id, count(*) OVER h AS n, sum(price) OVER h AS total, stddev_pop(price) OVER d AS sd
  FROM tap_orders WINDOW h AS (PARTITION BY user_id ORDER BY ts RANGE '1 hour' PRECEDING), d AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING);
`

const crashOrders = 60 // rows of the table; a multiple of the partitions: a row's changes are in one

// order produces the changes that the log does not have yet: a row comes, changes
// twice, its entity too, goes and comes again.
func order(ctx context.Context, conn *pgx.Conn) error {
	row := func(seq int) string {
		user, price, ts := crashEvent(seq)
		return fmt.Sprintf(`{"id":%d,"user_id":%d,"price":%g,"ts":"%s"}`, seq%crashOrders, user, price, ts)
	}
	return produce(ctx, conn, "tap_orders", func(seq int) fqgw.LogRecord {
		r := fqgw.LogRecord{Timestamp: crashTime.Add(-time.Duration(seq%7) * time.Second).UnixMicro()}
		switch before := seq - crashOrders; seq / crashOrders % 4 {
		case 0:
			r.Value = fmt.Appendf(nil, `{"op":"c","after":%s,"source":{"ts_ms":1}}`, row(seq))
		case 3:
			r.Value = fmt.Appendf(nil, `{"op":"d","before":%s,"source":{"ts_ms":1}}`, row(before))
		default:
			r.Value = fmt.Appendf(nil, `{"op":"u","before":%s,"after":%s,"source":{"ts_ms":1}}`, row(before), row(seq))
		}
		return r
	})
}

// produce writes the records that the log of a topic does not have yet.
func produce(ctx context.Context, conn *pgx.Conn, topic string, record func(seq int) fqgw.LogRecord) error {
	var brokers string
	if err := conn.QueryRow(ctx, "SHOW fqgw.kafka").Scan(&brokers); err != nil {
		return err
	}
	log, err := kafka.Open(kafka.Options{Brokers: strings.Split(brokers, ","), Timeout: 5 * time.Second})
	if err != nil {
		return err
	}
	defer log.Close()
	_, end, err := log.Offsets(ctx, topic)
	if err != nil {
		return err
	}
	var batch []fqgw.LogRecord
	for seq := range crashRows {
		if p := seq % partitions; int64(seq/partitions) >= end[p] {
			r := record(seq)
			r.Partition = int32(p)
			batch = append(batch, r)
		}
		if len(batch) == 20 || seq == crashRows-1 && len(batch) > 0 {
			if err := log.Produce(ctx, topic, batch); err != nil {
				return err
			}
			batch = nil
		}
	}
	_, err = conn.Exec(ctx, "SELECT fqgw.sync()")
	return err
}

// orderedAnswers are the answers of the views over the changelog, the same now and AS OF now.
func orderedAnswers(t *testing.T, ctx context.Context, conn *pgx.Conn) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, view := range []string{"tap_order", "tap_order_sums"} {
		for _, at := range []string{"", " AS OF fqgw.now()"} {
			var rows []string
			err := conn.QueryRow(ctx, "SELECT array_agg(r ORDER BY r) FROM (SELECT row_to_json(f)::text AS r FROM "+view+at+" AS f) AS all_rows").Scan(&rows)
			if err != nil {
				t.Fatal(err)
			}
			if out[view] == "" {
				out[view] = strings.Join(rows, " ")
			}
			if all := strings.Join(rows, " "); all != out[view] || len(rows) < 10 {
				t.Errorf("%s%s is %s, not %s", view, at, all, out[view])
			}
		}
	}
	return out
}
