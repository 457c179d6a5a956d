package sqltests

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/redis/go-redis/v9"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/cmd/fqgw/app"
	"github.com/fqgw/fqgw/connectors/registry"
)

// TestMain lets the test binary be fqgw itself, so that a real process can be
// killed.
func TestMain(m *testing.M) {
	if args := os.Getenv("FQGW_TEST_MAIN"); args != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := app.Main(ctx, strings.Split(args, "\x1f"), os.Stdout, os.Stderr)
		stop()
		os.Exit(code)
	}
	os.Exit(m.Run())
}

// process is an fqgw in a process of its own.
type process struct {
	cmd  *exec.Cmd
	addr string
	dead chan struct{}
}

// start runs fqgw serve on a directory, on free ports; fault is FQGW_FAULT.
func start(t *testing.T, dir, fault string, more ...string) (*process, error) {
	t.Helper()
	args := append([]string{"serve", "-data", dir, "-listen", "127.0.0.1:0", "-admin", "127.0.0.1:0", "-kafka-listen", "127.0.0.1:0",
		"-redis-listen", "127.0.0.1:0", "-log", "error"}, more...)
	p := &process{cmd: exec.Command(os.Args[0]), dead: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), "FQGW_TEST_MAIN="+strings.Join(args, "\x1f"), "FQGW_FAULT="+fault)
	p.cmd.Stderr = os.Stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := p.cmd.Start(); err != nil {
		return nil, err
	}
	addr := make(chan string, 1)
	go func() {
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if f := strings.Fields(lines.Text()); len(f) == 5 && f[0] == "psql" {
				addr <- f[2] + ":" + f[4]
			}
		}
		_ = p.cmd.Wait()
		close(p.dead)
	}()
	t.Cleanup(p.kill)
	select {
	case p.addr = <-addr:
		return p, nil
	case <-p.dead:
		return nil, fmt.Errorf("fqgw ended while starting: %v", p.cmd.ProcessState)
	case <-time.After(60 * time.Second):
		return nil, fmt.Errorf("fqgw did not start")
	}
}

func (p *process) kill() {
	_ = p.cmd.Process.Kill()
	<-p.dead
}

func (p *process) interrupt(t *testing.T) {
	t.Helper()
	begun := time.Now()
	_ = p.cmd.Process.Signal(os.Interrupt)
	select {
	case <-p.dead:
	case <-time.After(20 * time.Second):
		t.Fatal("ctrl-C did not stop fqgw")
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		t.Errorf("after ctrl-C fqgw exited with %d", code)
	}
	t.Logf("ctrl-C took %s", time.Since(begun).Round(time.Millisecond))
}

func (p *process) connect(ctx context.Context) (*pgx.Conn, error) {
	return pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=exec", p.addr))
}

// clicks is written by INSERT, whose rows go to any partition; the log of taps
// is the same in every run, and so are the states of the views over it.
var crashDefinitions = strings.Split(crashSource("clicks", "sums", "newest")+crashSource("taps", "tap_sums", "tap_newest")+crashChangelog, ";\n")

func crashSource(source, sums, newest string) string {
	return strings.NewReplacer("SRC", source, "SUMS", sums, "NEWEST", newest).Replace(`CREATE SOURCE SRC (seq int, user_id bigint, price double precision CHECK (price < 1000), ts timestamptz NOT NULL)
  WITH (connector = 'kafka', topic = 'SRC', format = 'json', event_time = 'ts', partitions = 3);
CREATE FEATURE VIEW SUMS AS SELECT user_id, count(*) OVER h AS n, sum(price) OVER h AS total, stddev_samp(price) OVER h AS sd, max(price) OVER d AS top
  FROM SRC WINDOW h AS (PARTITION BY user_id ORDER BY ts RANGE '1 hour' PRECEDING), d AS (PARTITION BY user_id ORDER BY ts RANGE '1 day' PRECEDING);
CREATE FEATURE VIEW NEWEST AS SELECT DISTINCT ON (user_id) user_id, price FROM SRC ORDER BY user_id, ts DESC;
`)
}

const (
	crashUsers = 40
	crashRows  = 500
	crashClock = "2024-01-01 12:00:00Z"
	partitions = 3
)

var crashTime = time.Date(2024, 1, 1, 12, 0, 0, 0, time.UTC)

// crashEvent is the seq-th event: the same in every run, no two at one time. A
// few are ahead of the clock.
func crashEvent(seq int) (user int, price float64, ts string) {
	r := rand.New(rand.NewPCG(7, uint64(seq)))
	t := crashTime.Add(-time.Duration(r.IntN(8000))*time.Second - time.Duration(seq)*time.Millisecond)
	user, price = r.IntN(crashUsers), float64(r.IntN(100000))/1000
	if seq%50 == 49 {
		t = crashTime.Add(time.Duration(seq) * time.Millisecond)
	}
	return user, price, t.Format(time.RFC3339Nano)
}

// answers are all users' features, online and AS OF, by user.
func answers(ctx context.Context, conn *pgx.Conn) (map[string]string, error) {
	out := map[string]string{}
	for name, at := range map[string]string{"online": "", "history": " AS OF fqgw.now()"} {
		rows, err := conn.Query(ctx, fmt.Sprintf(`SELECT k.id::text, f.n::text, f.total::text, f.sd::text, f.top::text, g.price::text
			FROM generate_series(0, %d) AS k(id) LEFT JOIN sums%s AS f ON f.user_id = k.id LEFT JOIN newest%s AS g ON g.user_id = k.id`, crashUsers-1, at, at))
		if err != nil {
			return nil, err
		}
		for rows.Next() {
			v := make([]*string, 6)
			if err := rows.Scan(&v[0], &v[1], &v[2], &v[3], &v[4], &v[5]); err != nil {
				return nil, err
			}
			var cells []string
			for _, c := range v[1:] {
				if c == nil {
					cells = append(cells, "NULL")
				} else {
					cells = append(cells, *c)
				}
			}
			out[name+" "+*v[0]] = strings.Join(cells, "|")
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// feed inserts the events that are not in yet, 20 a statement. A statement that
// was cut off may be in, in part: its rows lie in several partitions.
func feed(ctx context.Context, conn *pgx.Conn) error {
	if _, err := conn.Exec(ctx, "SELECT fqgw.sync()"); err != nil {
		return err
	}
	rows, err := conn.Query(ctx, "SELECT seq FROM clicks")
	if err != nil {
		return err
	}
	in, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return err
	}
	there := map[int32]bool{}
	for _, seq := range in {
		if there[seq] {
			return fmt.Errorf("event %d is in the history twice", seq)
		}
		there[seq] = true
	}
	var batch []string
	for seq := range crashRows {
		if !there[int32(seq)] {
			user, price, ts := crashEvent(seq)
			batch = append(batch, fmt.Sprintf("(%d, %d, %g, '%s')", seq, user, price, ts))
		}
		if len(batch) == 20 || seq == crashRows-1 && len(batch) > 0 {
			if _, err := conn.Exec(ctx, "INSERT INTO clicks VALUES "+strings.Join(batch, ", ")); err != nil {
				return err
			}
			batch = nil
		}
	}
	_, err = conn.Exec(ctx, "SELECT fqgw.sync()")
	return err
}

// tap produces the events that the log of taps does not have yet: event seq is in
// partition seq mod 3, and each partition's events are in order, so that the log
// is the same however often its writing was cut off.
func tap(ctx context.Context, conn *pgx.Conn) error {
	return produce(ctx, conn, "taps", func(seq int) fqgw.LogRecord {
		user, price, ts := crashEvent(seq)
		return fqgw.LogRecord{Timestamp: crashTime.UnixMicro(), Value: fmt.Appendf(nil, `{"seq":%d,"user_id":%d,"price":%g,"ts":"%s"}`, seq, user, price, ts)}
	})
}

// packed are the states of every entity of the views over taps, as they are in
// the online store. Every run holds the clock at one time, so that all are cut
// to the same horizon.
func packed(ctx context.Context, conn *pgx.Conn) (map[string]string, error) {
	var url string
	if err := conn.QueryRow(ctx, "SHOW fqgw.redis").Scan(&url); err != nil {
		return nil, err
	}
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, err
	}
	client := redis.NewClient(o)
	defer client.Close()
	out := map[string]string{}
	rows, err := conn.Query(ctx, "SELECT name FROM fqgw.feature_views WHERE name LIKE 'tap%'")
	if err != nil {
		return nil, err
	}
	views, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, err
	}
	for _, view := range views {
		number, err := stateNumber(ctx, conn, view) // another one for a definition that was tried again
		if err != nil {
			return nil, err
		}
		for it := client.Scan(ctx, 0, fmt.Sprintf("fq:*}:%d:*", number), 1000).Iterator(); it.Next(ctx); {
			state, err := client.Get(ctx, it.Val()).Result()
			if err != nil {
				return nil, err
			}
			unit, key, _ := strings.Cut(it.Val(), fmt.Sprintf("}:%d:", number))
			out[fmt.Sprintf("state of %s %s %x", view, unit, key)] = fmt.Sprintf("%x", state)
		}
	}
	return out, nil
}

// stateNumber is the number of a feature view's state version, as in the keys of
// the online store.
func stateNumber(ctx context.Context, conn *pgx.Conn, view string) (number int64, err error) {
	err = conn.QueryRow(ctx, "SELECT state_version FROM fqgw.feature_views WHERE name = $1", view).Scan(&number)
	return number, err
}

// crashFaults are the points at which fqgw dies; at "" it is killed at a random moment.
var crashFaults = []string{"mid-flush:3", "before-land:1", "after-land:1", "", "before-flush:5", "after-flush:2", "", "poll:4", "mid-flush:9", "after-land:2"}

// TestCrash kills fqgw at named points of the stream and at random moments,
// starts it again, and checks that the answers
// and the packed states those of an undisturbed run: nothing lost, nothing
// counted twice.
func TestCrash(t *testing.T) {
	rounds := 2
	if n, err := strconv.Atoi(os.Getenv("FQGW_TEST_CRASH_ROUNDS")); err == nil {
		rounds = n
	}
	ctx := t.Context()
	begun := time.Now()
	want := undisturbed(t, ctx)
	took := time.Since(begun)
	for round := range rounds {
		fault := crashFaults[round%len(crashFaults)]
		t.Run(fmt.Sprintf("%d %s", round, fault), func(t *testing.T) { crashRound(t, ctx, fault, want, took, crashRun{definitions: crashDefinitions}) })
	}
}

func undisturbed(t *testing.T, ctx context.Context) map[string]string {
	p, err := start(t, filepath.Join(t.TempDir(), "data"), "", "-clock", crashClock, "-clock-rate", "0")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := p.connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, sql := range crashDefinitions {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	if err := write(ctx, p); err != nil {
		t.Fatal(err)
	}
	want := settled(t, ctx, conn)
	if want["online 3"] == "" || want["online 3"] != want["history 3"] {
		t.Fatalf("the undisturbed run answers %q and %q", want["online 3"], want["history 3"])
	}
	_ = conn.Close(ctx)
	p.interrupt(t)
	return want
}

func settled(t *testing.T, ctx context.Context, conn *pgx.Conn) map[string]string {
	t.Helper()
	if _, err := conn.Exec(ctx, "SELECT fqgw.sync()"); err != nil {
		t.Fatal(err)
	}
	got, err := answers(ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	states, err := packed(ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	if len(states) < crashUsers {
		t.Fatalf("%d states are in the online store", len(states))
	}
	maps.Copy(got, states)
	maps.Copy(got, orderedAnswers(t, ctx, conn))
	return got
}

// crashRun says how a run that dies is done.
type crashRun struct {
	definitions []string
	options     []string                        // of the process
	beside      func(context.Context, *process) // goes on beside it; nil: nothing
	cold        int                             // so many entities at least shall be in the lake before the answers are looked at
}

func crashRound(t *testing.T, ctx context.Context, fault string, want map[string]string, took time.Duration, run crashRun) {
	dir := filepath.Join(t.TempDir(), "data")
	p, err := start(t, dir, fault, slices.Concat(run.options, []string{"-clock", crashClock, "-clock-rate", "0"})...)
	if err != nil {
		t.Fatal(err)
	}
	if fault == "" {
		cmd := p.cmd
		defer time.AfterFunc(rand.N(took), func() { _ = cmd.Process.Kill() }).Stop()
	}
	// The process that gives the answers is one that nothing kills: a death that
	// has not come when the work is done comes now.
	for restarts, dies := 0, true; ; restarts++ {
		end := disturb(ctx, p, run.beside)
		err := attempt(ctx, p, run.definitions)
		end()
		if err == nil && !dies {
			break
		}
		if restarts > 8 {
			t.Fatalf("fqgw does not come back: %v", err)
		}
		if err != nil && strings.Contains(err.Error(), "twice") {
			t.Fatal(err)
		}
		p.kill()
		fault = ""
		if restarts == 0 {
			fault = crashFaults[rand.IntN(len(crashFaults))] // it may die once more while it recovers
		}
		dies = fault != ""
		if p, err = start(t, dir, fault, run.options...); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := p.connect(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if run.cold > 0 {
		n := 0
		for range 2 { // the second counts what the first has sent away
			for _, sql := range []string{"VACUUM tap_sums", "SELECT fqgw.sync()"} {
				if _, err := conn.Exec(ctx, sql); err != nil {
					t.Fatal(err)
				}
			}
		}
		if err := conn.QueryRow(ctx, "SELECT sum(cold) FROM fqgw.tiers").Scan(&n); err != nil || n < run.cold {
			t.Fatalf("%d entities are in the lake, %v", n, err)
		}
		for _, view := range []string{"sums", "tap_sums", "tap_order_sums"} { // which brings them back
			if _, err := conn.Exec(ctx, fmt.Sprintf("SELECT f.n FROM generate_series(0, %d) AS k(id) LEFT JOIN %s AS f ON f.user_id = k.id", crashUsers-1, view)); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(100 * time.Millisecond) // reads do not wait for it
	}
	got := settled(t, ctx, conn)
	if !maps.Equal(got, want) {
		all := maps.Clone(want)
		maps.Copy(all, got)
		for _, k := range slices.Sorted(maps.Keys(all)) {
			if got[k] != want[k] {
				t.Errorf("%s: %s, undisturbed %s", k, got[k], want[k])
			}
		}
	}
	_ = conn.Close(ctx)
	p.interrupt(t)
}

// disturb has something done beside a run, until the end.
func disturb(ctx context.Context, p *process, beside func(context.Context, *process)) (end func()) {
	if beside == nil {
		return func() {}
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		beside(ctx, p)
	}()
	return func() {
		cancel()
		<-done
	}
}

// attempt goes on from what is there: definitions, then events.
func attempt(ctx context.Context, p *process, definitions []string) error {
	conn, err := p.connect(ctx)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	for _, sql := range definitions {
		if _, err := conn.Exec(ctx, sql); err != nil && !strings.Contains(err.Error(), "42P07") {
			return err
		}
	}
	return write(ctx, p)
}

// write feeds all sources at the same time, so that a crash hits each.
func write(ctx context.Context, p *process) error {
	each := func(f func(context.Context, *pgx.Conn) error) error {
		conn, err := p.connect(ctx)
		if err != nil {
			return err
		}
		defer conn.Close(ctx)
		return f(ctx, conn)
	}
	tapped, ordered := make(chan error, 1), make(chan error, 1)
	go func() { tapped <- each(tap) }()
	go func() { ordered <- each(order) }()
	return errors.Join(each(feed), <-tapped, <-ordered)
}

// TestCrashTransaction kills fqgw while a transaction is being written: it is
// all there afterwards, or nothing of it is.
func TestCrashTransaction(t *testing.T) {
	ctx := t.Context()
	for fault, want := range map[string]string{"commit-table:1": "1|0|missing", "commit-table:2": "1|0|missing", "before-commit:1": "1|0|missing", "": "2|1|1"} {
		t.Run(fault, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			p, err := start(t, dir, fault)
			if err != nil {
				t.Fatal(err)
			}
			conn, err := p.connect(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, sql := range []string{"CREATE TABLE a (x int)", "CREATE TABLE b (x int)", "INSERT INTO a VALUES (1)",
				"BEGIN", "INSERT INTO a VALUES (2)", "INSERT INTO b VALUES (2)", "CREATE TABLE c AS SELECT 1 AS x"} {
				if _, err := conn.Exec(ctx, sql); err != nil {
					t.Fatal(err)
				}
			}
			_, err = conn.Exec(ctx, "COMMIT")
			if died := err != nil; died != (fault != "") {
				t.Fatalf("COMMIT: %v", err)
			}
			p.kill()
			if p, err = start(t, dir, ""); err != nil {
				t.Fatal(err)
			}
			if conn, err = p.connect(ctx); err != nil {
				t.Fatal(err)
			}
			defer conn.Close(ctx)
			var a, b int
			if err := conn.QueryRow(ctx, "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM b)").Scan(&a, &b); err != nil {
				t.Fatal(err)
			}
			c := "missing"
			if err := conn.QueryRow(ctx, "SELECT count(*)::text FROM c").Scan(&c); err != nil && !strings.Contains(err.Error(), "42P01") {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%d|%d|%s", a, b, c); got != want {
				t.Errorf("a, b, c have %s rows, want %s", got, want)
			}
			// What was left behind is in nobody's way.
			if c == "missing" {
				if _, err := conn.Exec(ctx, "CREATE TABLE c (y text)"); err != nil {
					t.Error(err)
				}
			}
			if _, err := conn.Exec(ctx, "INSERT INTO b VALUES (3)"); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestLeftRecords starts on a registry in which a transaction left its notes and
// others have written since: nothing that was acknowledged goes.
func TestLeftRecords(t *testing.T) {
	ctx := t.Context()
	dir := filepath.Join(t.TempDir(), "data")
	run := func(f func(conn *pgx.Conn)) {
		t.Helper()
		err := app.WithApp(ctx, app.Throwaway(dir), nil, func(ctx context.Context, a *app.App) error {
			conn, err := pgx.Connect(ctx, fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable", a.Addr()))
			if err == nil {
				defer conn.Close(context.WithoutCancel(ctx))
				f(conn)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	exec := func(conn *pgx.Conn, statements ...string) {
		t.Helper()
		for _, sql := range statements {
			if _, err := conn.Exec(ctx, sql); err != nil {
				t.Fatalf("%s: %v", sql, err)
			}
		}
	}
	run(func(conn *pgx.Conn) {
		exec(conn, "CREATE TABLE a (x int)", "INSERT INTO a VALUES (1)", "INSERT INTO a VALUES (2)",
			"CREATE SOURCE s (k int, ts timestamptz NOT NULL) WITH (connector = 'kafka', topic = 's', format = 'json', event_time = 'ts')",
			"INSERT INTO s VALUES (1, now())", "SELECT fqgw.sync()")
	})
	r, err := registry.Open(ctx, filepath.Join(dir, "registry.db"))
	if err != nil {
		t.Fatal(err)
	}
	err = errors.Join(r.Put(ctx, "commit", `{"version":0,"defines":false,"tables":{"lake.a":4711,"lake.gone":4712}}`), r.Put(ctx, "making", "lake.s\nlake.never\n"), r.Close())
	if err != nil {
		t.Fatal(err)
	}
	run(func(conn *pgx.Conn) {
		var a, s int
		if err := conn.QueryRow(ctx, "SELECT (SELECT count(*) FROM a), (SELECT count(*) FROM s)").Scan(&a, &s); err != nil || a != 2 || s != 1 {
			t.Errorf("%d rows of 2, %d events of 1, %v", a, s, err)
		}
	})
}
