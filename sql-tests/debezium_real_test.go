package sqltests

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// TestDebeziumReal writes at random into tables of a real PostgreSQL, which a real Debezium
// tells of into a real Kafka, while its worker is killed, columns come and go and snapshots
// are taken again. A trigger keeps every version of every row. At random moments, and now,
// fqgw's tables are PostgreSQL's.
//
// FQGW_TEST_KAFKA, FQGW_TEST_POSTGRES (with wal_level=logical) and FQGW_TEST_DEBEZIUM name the
// servers: the last is the folder of Kafka Connect's jars, a colon, and the folder of Debezium.
// FQGW_TEST_DEBEZIUM_SECONDS (20) is for how long is written, FQGW_TEST_SEED what is.
func TestDebeziumReal(t *testing.T) {
	brokers, postgres := os.Getenv("FQGW_TEST_KAFKA"), os.Getenv("FQGW_TEST_POSTGRES")
	jars, plugins, ok := strings.Cut(os.Getenv("FQGW_TEST_DEBEZIUM"), ":")
	if brokers == "" || postgres == "" || !ok {
		t.Skip("FQGW_TEST_KAFKA, FQGW_TEST_POSTGRES or FQGW_TEST_DEBEZIUM is not set")
	}
	number := func(name string, or uint64) uint64 {
		if n, err := strconv.ParseUint(os.Getenv(name), 10, 64); err == nil {
			return n
		}
		return or
	}
	seed := number("FQGW_TEST_SEED", uint64(time.Now().UnixNano()))
	t.Logf("FQGW_TEST_SEED=%d", seed)
	p := &watched{t: t, rnd: rand.New(rand.NewPCG(seed, 8)), brokers: brokers, seconds: int(number("FQGW_TEST_DEBEZIUM_SECONDS", 20))}
	p.open(postgres)
	p.worker = &connectWorker{t: t, jars: jars, plugins: plugins, brokers: brokers, dir: t.TempDir()}
	defer p.worker.kill()
	p.worker.start()
	p.connect()
	c := app.Throwaway(filepath.Join(t.TempDir(), "data"))
	c.Kafka = brokers
	err := app.WithApp(t.Context(), c, nil, func(ctx context.Context, a *app.App) error {
		conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable", a.Addr()))
		if err != nil {
			return err
		}
		defer conn.Close(context.WithoutCancel(ctx))
		p.fqgw = conn
		p.define()
		p.run()
		p.checkMoments()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// watched is a PostgreSQL that Debezium watches, and the fqgw that reads of it.
type watched struct {
	t        *testing.T
	rnd      *rand.Rand
	brokers  string
	seconds  int
	name     string // of the database, and the prefix of the topics
	config   map[string]string
	pg, fqgw *pgx.Conn
	worker   *connectWorker
	coupons  bool // orders has the column coupon
}

// compared are the tables with the columns that are compared.
var compared = []struct{ table, key, columns string }{
	{"orders", "id", "id, customer, amount, rate, qty, paid, price, placed_at, local_at, at3, day, at, tags, nums, meta, ref, raw, coupon"},
	{"accounts", "id, region", "id, region, owner, balance, note, updated_at"},
}

const tables = `
CREATE TABLE orders (id bigint PRIMARY KEY, customer text NOT NULL DEFAULT 'nobody', amount numeric(10,2), rate numeric, qty int, paid boolean NOT NULL,
	price float8, placed_at timestamptz NOT NULL DEFAULT now(), local_at timestamp, at3 timestamp(3), day date, at time, tags text[], nums int[], meta jsonb,
	ref uuid, raw bytea, big text, junk text);
ALTER TABLE orders ALTER big SET STORAGE EXTERNAL;
CREATE TABLE accounts (id int, region text, owner text, balance numeric(12,4) NOT NULL, note text, updated_at timestamptz(3) NOT NULL, PRIMARY KEY (id, region));
ALTER TABLE accounts REPLICA IDENTITY FULL, ALTER note SET STORAGE EXTERNAL;
CREATE TABLE signals (id text PRIMARY KEY, type text, data text);
CREATE TABLE versions (seq bigserial PRIMARY KEY, txid bigint DEFAULT txid_current(), tab text, key text, row jsonb);
CREATE FUNCTION keep() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE key text;
BEGIN
	IF TG_OP <> 'INSERT' THEN
		key := CASE TG_TABLE_NAME WHEN 'orders' THEN to_jsonb(OLD)->>'id' ELSE (to_jsonb(OLD)->>'id') || '/' || (to_jsonb(OLD)->>'region') END;
		INSERT INTO versions (tab, key) VALUES (TG_TABLE_NAME, key);
	END IF;
	IF TG_OP <> 'DELETE' THEN
		key := CASE TG_TABLE_NAME WHEN 'orders' THEN to_jsonb(NEW)->>'id' ELSE (to_jsonb(NEW)->>'id') || '/' || (to_jsonb(NEW)->>'region') END;
		INSERT INTO versions (tab, key, row) VALUES (TG_TABLE_NAME, key, to_jsonb(NEW));
	END IF;
	RETURN NULL;
END $$;
CREATE TRIGGER keep AFTER INSERT OR UPDATE OR DELETE ON orders FOR EACH ROW EXECUTE FUNCTION keep();
CREATE TRIGGER keep AFTER INSERT OR UPDATE OR DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION keep();`

// open makes a database of its own with the tables, and some rows that a snapshot finds.
func (p *watched) open(address string) {
	t := p.t
	admin, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	p.name = fmt.Sprintf("watched%d", time.Now().UnixNano()%1e9)
	if _, err := admin.Exec(t.Context(), "CREATE DATABASE "+p.name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		_, _ = admin.Exec(ctx, "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = $1 AND active", p.name)
		for range 50 {
			if _, err = admin.Exec(ctx, "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = $1", p.name); err == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
		}
		if _, err := admin.Exec(ctx, "DROP DATABASE "+p.name+" WITH (FORCE)"); err != nil {
			t.Error(err)
		}
		admin.Close(ctx)
	})
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + p.name
	if p.pg, err = pgx.Connect(t.Context(), u.String()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.pg.Close(context.WithoutCancel(t.Context())) })
	p.exec("SET TimeZone = 'UTC'", tables, "INSERT INTO accounts VALUES (0, 'last', 'settled', 0, NULL, now())")
	for range 30 {
		p.transaction()
	}
	password, _ := u.User.Password()
	p.config = map[string]string{
		"connector.class": "io.debezium.connector.postgresql.PostgresConnector", "tasks.max": "1", "plugin.name": "pgoutput",
		"database.hostname": u.Hostname(), "database.port": u.Port(), "database.user": u.User.Username(), "database.password": password,
		"database.dbname": p.name, "publication.autocreate.mode": "filtered", "poll.interval.ms": "50", "topic.prefix": p.name,
		"topic.creation.default.replication.factor": "1", "topic.creation.default.partitions": "3",
		"table.include.list": "public.orders,public.accounts,public.signals", "signal.data.collection": "public.signals",
		"incremental.snapshot.chunk.size": "50",
	}
}

// connect has the tables watched, as they are and flattened.
func (p *watched) connect() {
	p.watch("rows", p.config)
	p.watch("flat", p.flat())
}

// watch runs a connector with a slot and a publication of its name.
func (p *watched) watch(name string, config map[string]string) {
	p.t.Helper()
	config["slot.name"], config["publication.name"] = p.name+"_"+name, p.name+"_"+name
	p.worker.watch(name, config)
}

// flat is a connector whose records are rows, with schemas and other forms of values.
func (p *watched) flat() map[string]string {
	const json = "org.apache.kafka.connect.json.JsonConverter"
	flat := map[string]string{}
	for k, v := range p.config {
		flat[k] = v
	}
	for k, v := range map[string]string{
		"topic.prefix": p.name + "flat", "transforms": "unwrap", "transforms.unwrap.type": "io.debezium.transforms.ExtractNewRecordState",
		"transforms.unwrap.add.fields": "op,source.ts_ms", "decimal.handling.mode": "string", "time.precision.mode": "connect",
		"key.converter": json, "value.converter": json, "key.converter.schemas.enable": "true", "value.converter.schemas.enable": "true",
		"table.include.list": "public.accounts",
	} {
		flat[k] = v
	}
	delete(flat, "signal.data.collection")
	return flat
}

// define makes the sources and their views.
func (p *watched) define() {
	for _, sql := range []string{
		`SET TimeZone = 'UTC'`,
		`CREATE SOURCE orders (id bigint PRIMARY KEY, customer text, amount numeric(10,2), rate numeric, qty bigint, paid boolean, price float8, placed_at timestamptz,
			local_at timestamp, at3 timestamp(3), day date, at time, tags text[], nums int[], meta jsonb, ref uuid, raw bytea, coupon text)
			WITH (topic = '` + p.name + `.public.orders', format = 'debezium-json', event_time = 'placed_at')`,
		`CREATE SOURCE accounts (id int, region text, owner text, balance numeric(12,4), note text, updated_at timestamptz, PRIMARY KEY (id, region))
			WITH (topic = '` + p.name + `.public.accounts', format = 'debezium-json', event_time = 'updated_at')`,
		`CREATE SOURCE flat (id int, region text, owner text, balance numeric(12,4), updated_at timestamptz, PRIMARY KEY (id, region))
			WITH (topic = '` + p.name + `flat.public.accounts', format = 'debezium-json', unwrapped = true, event_time = 'updated_at')`,
		`CREATE FEATURE VIEW orders_now AS SELECT DISTINCT ON (id) ` + compared[0].columns + ` FROM orders ORDER BY id, placed_at DESC`,
		`CREATE FEATURE VIEW accounts_now AS SELECT DISTINCT ON (id, region) ` + compared[1].columns + ` FROM accounts ORDER BY id, region, updated_at DESC`,
		`CREATE FEATURE VIEW regions AS SELECT region, count(*) OVER w AS n, sum(balance) OVER w AS balance, avg(balance) FILTER (WHERE owner > 'a') OVER w AS mean
			FROM accounts WINDOW w AS (PARTITION BY region ORDER BY updated_at)`,
		`CREATE FEATURE VIEW flat_now AS SELECT DISTINCT ON (id, region) id, region, owner, balance, updated_at FROM flat ORDER BY id, region, updated_at DESC`,
	} {
		var err error
		p.worker.wait(sql, func() bool { // the snapshot may be under way: a topic comes with its first record
			_, err = p.fqgw.Exec(p.t.Context(), sql)
			return err == nil || !strings.Contains(err.Error(), "does not exist")
		})
		if err != nil {
			p.t.Fatalf("%s: %v", sql, err)
		}
	}
}

// run writes, with a trouble between any two whiles, and compares what is now after each.
func (p *watched) run() {
	troubles := []func(){
		func() {},
		func() { // killed while it writes
			p.worker.kill()
			p.write(p.seconds / 5)
			p.worker.start()
			p.connect()
		},
		func() { // the tables are read again while they are written
			p.exec(
				`INSERT INTO signals VALUES (gen_random_uuid(), 'execute-snapshot', '{"data-collections": ["public.orders", "public.accounts"], "type": "incremental"}')`,
			)
			p.write(p.seconds / 5)
		},
		func() {
			p.exec("ALTER TABLE orders ADD COLUMN coupon text, DROP COLUMN junk, ALTER qty TYPE bigint")
			p.coupons = true
		},
		func() { // killed, and another connector in its place, which reads the tables from the start
			p.worker.kill()
			p.worker.start()
			p.exec("SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '" + p.name + "_rows' AND active")
			p.worker.wait("the slot", func() bool {
				_, err := p.pg.Exec(p.t.Context(), "SELECT pg_drop_replication_slot($1)", p.name+"_rows")
				return err == nil
			})
			p.watch("again", p.config)
			p.watch("flat", p.flat())
		},
	}
	for i, trouble := range troubles {
		trouble()
		p.write(p.seconds / len(troubles))
		p.settle()
		p.checkNow(i)
	}
}

// write runs transactions for so many seconds.
func (p *watched) write(seconds int) {
	for until := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(until); {
		p.transaction()
		time.Sleep(time.Duration(p.rnd.IntN(20)) * time.Millisecond)
	}
}

// transaction is a few changes at once, or none of them.
func (p *watched) transaction() {
	statements := []string{"BEGIN"}
	for range 1 + p.rnd.IntN(4) {
		statements = append(statements, p.change())
	}
	end := "COMMIT"
	if p.rnd.IntN(10) == 0 {
		end = "ROLLBACK"
	}
	p.exec(append(statements, end)...)
}

func (p *watched) change() string {
	r := p.rnd
	id, when := 1+r.IntN(150), fmt.Sprintf("clock_timestamp() - interval '%d seconds'", r.IntN(100000))
	region := []string{"eu", "us", "it''s"}[r.IntN(3)]
	maybe := func(sql string) string {
		if r.IntN(4) == 0 {
			return "NULL"
		}
		return sql
	}
	text := func() string {
		return "'" + []string{"ann", "böb", "", `a "q" \ b`, "x\ny", "日本"}[r.IntN(6)] + "'"
	}
	switch r.IntN(12) {
	case 0, 1, 2, 3:
		columns, values := "", ""
		if p.coupons {
			columns, values = ", coupon", ", "+maybe(text())
		}
		return fmt.Sprintf(
			"INSERT INTO orders (id, customer, amount, rate, qty, paid, price, placed_at, local_at, at3, day, at, tags, nums, meta, ref, raw, big%s) "+
				"VALUES (%d, %s, %s, %s, %d, %v, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, repeat('x', %d)%s) ON CONFLICT DO NOTHING",
			columns,
			id,
			text(),
			maybe(fmt.Sprintf("%d.%02d", r.IntN(2000000)-1000000, r.IntN(100))),
			maybe(fmt.Sprintf("%d.%de-%d", r.IntN(100), r.Uint64(), r.IntN(9))),
			r.IntN(100),
			r.IntN(2) == 0,
			maybe(fmt.Sprint(r.NormFloat64()*1e6)),
			when,
			maybe("localtimestamp"),
			maybe("localtimestamp"),
			maybe(
				fmt.Sprintf("date '1950-01-01' + %d", r.IntN(50000)),
			),
			maybe("localtime"),
			maybe("ARRAY["+text()+", NULL, 'b c']"),
			maybe("'{1,NULL,-3}'"),
			maybe(
				fmt.Sprintf(`'{"k": [%d, 2.50], "t": "ü"}'`, r.IntN(9)),
			),
			maybe("gen_random_uuid()"),
			maybe("'\\x00ff61'"),
			r.IntN(2)*5000,
			values,
		)
	case 4, 5:
		return fmt.Sprintf("UPDATE orders SET amount = amount + 1, customer = %s, placed_at = %s WHERE id = %d", text(), when, id)
	case 6:
		return fmt.Sprintf("UPDATE orders SET qty = qty + 1 WHERE id %% 10 = %d", r.IntN(10))
	case 7:
		return fmt.Sprintf(
			"UPDATE orders SET id = %d WHERE id = %d AND NOT EXISTS (SELECT FROM orders WHERE id = %[1]d)",
			1000+r.IntN(50),
			id,
		)
	case 8:
		return fmt.Sprintf("DELETE FROM orders WHERE id %% 20 = %d", r.IntN(20))
	case 9:
		return fmt.Sprintf(
			"INSERT INTO accounts VALUES (%d, '%s', %s, %d.%04d, repeat('y', %d), %s) ON CONFLICT (id, region) DO UPDATE SET owner = excluded.owner, "+
				"balance = accounts.balance + 1, updated_at = excluded.updated_at",
			id%60,
			region,
			maybe(text()),
			r.IntN(1000),
			r.IntN(10000),
			r.IntN(2)*5000,
			when,
		)
	case 10:
		return fmt.Sprintf("UPDATE accounts SET balance = -balance WHERE id = %d", id%60) // the note stays
	}
	return fmt.Sprintf("DELETE FROM accounts WHERE id = %d AND region = '%s'", id%60, region)
}

func (p *watched) exec(statements ...string) {
	p.t.Helper()
	for _, sql := range statements {
		if _, err := p.pg.Exec(p.t.Context(), sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			p.t.Fatalf("%s: %v", sql, err)
		}
	}
}

// settle waits until all that was written is in Kafka, and then in fqgw.
func (p *watched) settle() {
	p.t.Helper()
	p.exec(
		fmt.Sprintf(
			"INSERT INTO accounts VALUES (%d, 'last', 'settled', 0, NULL, now()) ON CONFLICT (id, region) DO UPDATE SET balance = accounts.balance + 1, updated_at = now()",
			0,
		),
	)
	for _, source := range []string{"accounts", "flat"} {
		var want string
		if err := p.pg.QueryRow(p.t.Context(), "SELECT balance::text FROM accounts WHERE region = 'last'").Scan(&want); err != nil {
			p.t.Fatal(err)
		}
		p.worker.wait("the last change of "+source, func() bool {
			var got string
			err := p.fqgw.QueryRow(p.t.Context(), "SELECT balance::text FROM "+source+"_now WHERE id = 0 AND region = 'last'").Scan(&got)
			return err == nil && got == want
		})
	}
	if _, err := p.fqgw.Exec(p.t.Context(), "SELECT fqgw.sync()"); err != nil {
		p.t.Fatal(err)
	}
}

// checkNow compares what is now, online and by history.
func (p *watched) checkNow(phase int) {
	p.t.Helper()
	if letters := rowsOf(p.t, p.fqgw, "SELECT source, reason, column_name, payload FROM fqgw.dead_letters LIMIT 3"); len(letters) > 0 {
		p.t.Fatalf("phase %d: refused were %q", phase, letters)
	}
	for _, c := range compared {
		columns := c.columns
		if c.table == "orders" && !p.coupons {
			columns = strings.Replace(columns, ", coupon", ", NULL AS coupon", 1)
		}
		want := rowsOf(p.t, p.pg, texts(columns)+" FROM "+c.table+" ORDER BY "+c.key)
		p.same(fmt.Sprintf("phase %d, online", phase), want, rowsOf(p.t, p.fqgw, texts(c.columns)+" FROM "+c.table+"_now ORDER BY "+c.key))
		p.same(fmt.Sprintf("phase %d, by history", phase), want, rowsOf(p.t, p.fqgw, texts(c.columns)+" FROM "+c.table+" ORDER BY "+c.key))
	}
	for _, at := range []string{"", " AS OF now()"} {
		if !p.checkWindows(fmt.Sprintf("phase %d", phase), at, "accounts") && phase == 0 {
			p.t.Fatal("windows cannot be read before any trouble")
		}
	}
	const columns = "id, region, owner, balance, updated_at"
	want := rowsOf(p.t, p.pg, texts(columns)+" FROM accounts ORDER BY id, region")
	p.same(fmt.Sprintf("phase %d, flat", phase), want, rowsOf(p.t, p.fqgw, texts(columns)+" FROM flat_now ORDER BY id, region"))
}

// checkWindows compares what windows over accounts say at a time ("": now, online) with the
// rows of a query; false where they say that they cannot, as a killed connector has sent
// changes again, or a snapshot was taken again.
func (p *watched) checkWindows(what, at, rows string) bool {
	p.t.Helper()
	const got = "SELECT region, n::text, balance::text, mean::text FROM regions%s ORDER BY region"
	if _, err := p.fqgw.Exec(p.t.Context(), fmt.Sprintf(got, at)); err != nil {
		var e *pgconn.PgError
		if !errors.As(err, &e) || e.Code != "55000" || !strings.Contains(e.Message, "cannot tell which rows are there") {
			p.t.Fatalf("%s, windows: %v", what, err)
		}
		return false
	}
	want := rowsOf(p.t, p.pg, `SELECT region, count(*)::text, sum(balance)::text, (avg(balance) FILTER (WHERE owner > 'a'))::text
		FROM `+rows+` GROUP BY region ORDER BY region`)
	p.same(what+", windows"+at, want, rowsOf(p.t, p.fqgw, fmt.Sprintf(got, at)))
	return true
}

// texts selects columns as texts.
func texts(columns string) string {
	var out []string
	for _, c := range strings.Split(columns, ", ") {
		if name, ok := strings.CutPrefix(c, "NULL AS "); ok {
			out = append(out, "NULL::text AS "+name)
		} else if c == "rate" { // Debezium drops the zeros at the end of a numeric without a scale
			out = append(out, "trim_scale(rate)::text AS rate")
		} else {
			out = append(out, c+"::text")
		}
	}
	return "SELECT " + strings.Join(out, ", ")
}

func rowsOf(t *testing.T, conn *pgx.Conn, sql string, args ...any) []string {
	t.Helper()
	rows, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		fields := make([]*string, len(row.FieldDescriptions()))
		at := make([]any, len(fields))
		for i := range fields {
			at[i] = &fields[i]
		}
		err := row.Scan(at...)
		var b strings.Builder
		for _, f := range fields {
			if f == nil {
				b.WriteString("NULL|")
			} else if len(*f) > 100 {
				fmt.Fprintf(&b, "%.20q… of %d|", *f, len(*f))
			} else {
				fmt.Fprintf(&b, "%q|", *f)
			}
		}
		return b.String(), err
	})
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return out
}

// same fails with the rows that differ.
func (p *watched) same(what string, want, got []string) {
	p.t.Helper()
	if slices.Equal(want, got) {
		return
	}
	var b strings.Builder
	for _, row := range want {
		if !slices.Contains(got, row) {
			b.WriteString("\nPostgreSQL " + row)
		}
	}
	for _, row := range got {
		if !slices.Contains(want, row) {
			b.WriteString("\nfqgw       " + row)
		}
	}
	p.t.Fatalf("%s: %d rows, want %d%.6000s", what, len(got), len(want), b.String())
}
