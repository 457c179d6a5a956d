package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fqgw/fqgw"
)

// ScriptResult is what became of one file.
type ScriptResult struct {
	File     string
	Protocol string
	Steps    int
	Failures []string // "file:line: what"
}

// Protocols are the ways in which a script is run.
var Protocols = []string{"simple", "extended"}

// RunScript runs one file against a throw-away embedded gateway over one
// protocol, "simple" or "extended". With rewrite the expected rows are replaced
// by what came; with compact the histories are compacted after each sync, which
// changes no answer.
func RunScript(ctx context.Context, file, protocol string, rewrite, compact bool) (res ScriptResult, err error) {
	return runScript(ctx, file, protocol, rewrite, compact, nil)
}

// runScript is RunScript over what the .sql files below definitions define.
func runScript(ctx context.Context, file, protocol string, rewrite, compact bool, definitions []string) (res ScriptResult, err error) {
	res = ScriptResult{File: file, Protocol: protocol}
	text, err := os.ReadFile(file)
	if err != nil {
		return res, err
	}
	steps, err := parseScript(file, string(text))
	if err != nil {
		return res, err
	}
	dir, err := os.MkdirTemp("", "fqgw-test-")
	if err != nil {
		return res, err
	}
	defer os.RemoveAll(dir)
	c := Throwaway(dir)
	explicit := map[string]bool{}
	if len(steps) > 0 && steps[0].verb == "clock" {
		c.Clock, c.ClockRate = strings.Join(steps[0].args, " "), 0
		explicit["clock"], explicit["clock_rate"] = true, true
		steps = steps[1:]
	}
	err = WithApp(ctx, c, explicit, func(ctx context.Context, a *App) error {
		r := &scriptRun{file: file, res: &res, app: a, compact: compact}
		if r.conn, err = r.connect(ctx, a.Addr(), protocol); err != nil {
			return err
		}
		defer r.conn.Close(context.WithoutCancel(ctx))
		if len(definitions) > 0 {
			if err := applyFiles(ctx, append([]string{"--yes", "--address", a.Addr()}, definitions...), io.Discard, io.Discard); err != nil {
				return err
			}
		}
		for i := range steps {
			r.run(ctx, &steps[i])
			res.Steps++
		}
		return ctx.Err()
	})
	if err == nil && rewrite {
		err = rewriteScript(file, string(text), steps)
	}
	return res, err
}

// Throwaway is a configuration of an embedded gateway on free ports.
func Throwaway(dir string) Config {
	c := defaults()
	c.Data, c.Log = dir, "warn"
	c.Listen, c.Admin, c.KafkaListen, c.RedisListen = "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0", "127.0.0.1:0"
	return c
}

// WithApp opens and runs an App around f; it has stopped when WithApp returns.
func WithApp(ctx context.Context, c Config, explicit map[string]bool, f func(context.Context, *App) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	a, err := Open(ctx, c, explicit, newLogger(c, os.Stderr))
	if err != nil {
		return err
	}
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- a.Run(ctx, func() { close(ready) }) }()
	select {
	case err := <-done:
		return err
	case <-ready:
	}
	err = f(ctx, a)
	cancel()
	return errors.Join(err, <-done, a.balance())
}

// balance is nil when everything that statements and sessions took of their memory
// was given back; they must be over.
func (a *App) balance() error {
	m := a.engine.Memory()
	if m.Lost() == 0 && m.Used() == 0 {
		return nil
	}
	return fmt.Errorf("statements did not give back %d bytes of their memory, and %d are still counted", m.Lost(), m.Used())
}

func connString(addr, protocol string) string {
	mode := "cache_statement"
	if protocol == "simple" {
		mode = "simple_protocol"
	}
	return fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=%s", addr, mode)
}

// scriptRun is one run of a file.
type scriptRun struct {
	file    string
	app     *App
	conn    *pgx.Conn
	res     *ScriptResult
	notices []string // of the last statement, query or both
	compact bool     // the histories after each sync
}

func (r *scriptRun) connect(ctx context.Context, addr, protocol string) (*pgx.Conn, error) {
	c, err := pgx.ParseConfig(connString(addr, protocol))
	if err != nil {
		return nil, err
	}
	c.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		r.notices = append(r.notices, strings.Join([]string{n.Message, n.Detail, n.Hint}, "\n"))
	}
	return pgx.ConnectConfig(ctx, c)
}

func (r *scriptRun) fail(s *step, format string, args ...any) {
	r.res.Failures = append(r.res.Failures, fmt.Sprintf("%s:%d (%s): %s", r.file, s.line, r.res.Protocol, fmt.Sprintf(format, args...)))
}

func (r *scriptRun) run(ctx context.Context, s *step) {
	if s.verb != "notice" {
		r.notices = nil
	}
	switch s.verb {
	case "notice":
		r.notice(s)
	case "produce":
		if err := r.produce(ctx, s); err != nil {
			r.fail(s, "%s", describeError(err))
		}
	case "file":
		if err := r.writeFile(s); err != nil {
			r.fail(s, "%s", describeError(err))
		}
	case "at":
		r.exec(ctx, s, fmt.Sprintf("SELECT fqgw.advance('%s'::timestamptz - fqgw.now())", strings.Join(s.args, " ")))
	case "sync":
		r.exec(ctx, s, "SELECT fqgw.sync()")
		if r.compact {
			r.exec(ctx, s, "VACUUM")
			r.notices = nil
		}
	case "statement":
		r.statement(ctx, s)
	case "query":
		if s.mode() == "error" {
			r.statement(ctx, s)
			return
		}
		got, err := r.query(ctx, s.sql)
		if err != nil {
			r.fail(s, "%s", describeError(err))
			return
		}
		r.compare(s, got)
	case "both":
		r.both(ctx, s)
	}
}

// writeFile puts a file where SQL reads files.
func (r *scriptRun) writeFile(s *step) error {
	if len(s.args) != 1 || !filepath.IsLocal(s.args[0]) {
		return errors.New("file needs a name below data/files")
	}
	path := filepath.Join(r.app.Data(), "files", s.args[0])
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(s.sql), 0o644)
}

func (r *scriptRun) exec(ctx context.Context, s *step, sql string) {
	if _, err := r.query(ctx, sql); err != nil {
		r.fail(s, "%s", describeError(err))
	}
}

func (r *scriptRun) statement(ctx context.Context, s *step) {
	_, err := r.query(ctx, s.sql)
	if len(s.args) == 0 || s.args[0] == "ok" {
		if err != nil {
			r.fail(s, "%s", describeError(err))
		}
		return
	}
	if len(s.args) < 2 {
		r.fail(s, "statement error needs a SQLSTATE")
		return
	}
	var pg *pgconn.PgError
	switch want, text := s.args[1], strings.Join(s.args[2:], " "); {
	case err == nil:
		r.fail(s, "expected an error %s, it succeeded", want)
	case !errors.As(err, &pg) || pg.Code != want:
		r.fail(s, "expected an error %s, got %s", want, describeError(err))
	case text != "":
		if ok, bad := matches(text, pg.Message, pg.Detail, pg.Hint); bad != nil {
			r.fail(s, "%v", bad)
		} else if !ok {
			r.fail(s, "%q does not match %s", text, describeError(err))
		}
	}
}

// matches says whether one of the texts matches the expression.
func matches(re string, texts ...string) (bool, error) {
	x, err := regexp.Compile(re)
	return err == nil && slices.ContainsFunc(texts, x.MatchString), err
}

// notice checks what the statement before was told.
func (r *scriptRun) notice(s *step) {
	want := strings.Join(s.args, " ")
	if want == "none" {
		if len(r.notices) > 0 {
			r.fail(s, "expected no notice, got %q", r.notices)
		}
		return
	}
	if ok, err := matches(want, r.notices...); err != nil {
		r.fail(s, "%v", err)
	} else if !ok {
		r.fail(s, "no notice matches %q, there were %q", want, r.notices)
	}
}

// produce sends raw records to a topic, past the gate of INSERT.
func (r *scriptRun) produce(ctx context.Context, s *step) error {
	if len(s.args) == 0 {
		return errors.New("produce needs a topic")
	}
	rec := fqgw.LogRecord{Timestamp: r.app.clock.Now()}
	for i := 1; i < len(s.args); i++ {
		var err error
		switch {
		case s.args[i] == "partition" && i+1 < len(s.args):
			var n int64
			i++
			n, err = strconv.ParseInt(s.args[i], 10, 32)
			rec.Partition = int32(n)
		case s.args[i] == "at":
			rec.Timestamp, err = clockTime(strings.Join(s.args[i+1:], " "))
			i = len(s.args)
		default:
			err = fmt.Errorf("unknown word %q behind produce", s.args[i])
		}
		if err != nil {
			return err
		}
	}
	var recs []fqgw.LogRecord
	for line := range strings.Lines(s.sql) {
		rec.Value = nil
		if line = strings.TrimSuffix(line, "\n"); line != "(empty)" {
			rec.Value = []byte(line)
		}
		recs = append(recs, rec)
	}
	return r.app.log.Produce(ctx, s.args[0], recs)
}

// both runs a query online, and again with every feature view AS OF the
// statement's own time, from history.
func (r *scriptRun) both(ctx context.Context, s *step) {
	now, err := r.query(ctx, "SELECT fqgw.now()")
	if err != nil {
		r.fail(s, "%s", describeError(err))
		return
	}
	online, err := r.query(ctx, s.sql)
	if err != nil {
		r.fail(s, "online: %s", describeError(err))
		return
	}
	r.exec(ctx, s, fmt.Sprintf("SET fqgw.as_of = '%s'", now[0]))
	offline, err := r.query(ctx, s.sql)
	r.exec(ctx, s, "RESET fqgw.as_of")
	if err != nil {
		r.fail(s, "AS OF: %s", describeError(err))
		return
	}
	if s.mode() == "sorted" {
		slices.Sort(online)
		slices.Sort(offline)
	}
	if !slices.Equal(online, offline) {
		r.fail(s, "online and AS OF differ\n  online: %s\n  AS OF:  %s", strings.Join(online, "\n          "), strings.Join(offline, "\n          "))
	}
	r.compare(s, online)
}

func (r *scriptRun) compare(s *step, got []string) {
	want := s.expected
	if s.mode() == "contains" {
		for _, line := range want {
			if !slices.ContainsFunc(got, func(g string) bool { return strings.TrimSpace(g) == strings.TrimSpace(line) }) {
				r.fail(s, "no row is %q\n  got:  %s", line, strings.Join(got, "\n        "))
			}
		}
		return
	}
	if s.mode() == "sorted" {
		got, want = slices.Sorted(slices.Values(got)), slices.Sorted(slices.Values(want))
	}
	if !slices.Equal(got, want) {
		r.fail(s, "rows differ\n  want: %s\n  got:  %s", strings.Join(want, "\n        "), strings.Join(got, "\n        "))
	}
	s.expected = got
}

// query runs SQL and returns its rows as text, columns joined by |, NULL as
// "NULL", an empty text as "(empty)".
func (r *scriptRun) query(ctx context.Context, sql string) ([]string, error) {
	if r.res.Protocol == "simple" {
		results, err := r.conn.PgConn().Exec(ctx, sql).ReadAll()
		if err != nil {
			return nil, err
		}
		var out []string
		for _, res := range results {
			if res.Err != nil {
				return nil, res.Err
			}
			for _, row := range res.Rows {
				out = append(out, joinRow(row))
			}
		}
		return out, nil
	}
	res := r.conn.PgConn().ExecParams(ctx, sql, nil, nil, nil, nil).Read()
	if res.Err != nil {
		return nil, res.Err
	}
	var out []string
	for _, row := range res.Rows {
		out = append(out, joinRow(row))
	}
	return out, nil
}

func joinRow(row [][]byte) string {
	cells := make([]string, len(row))
	for i, c := range row {
		switch {
		case c == nil:
			cells[i] = "NULL"
		case len(c) == 0:
			cells[i] = "(empty)"
		default:
			cells[i] = string(c)
		}
	}
	return strings.Join(cells, "|")
}

func describeError(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		s := fmt.Sprintf("%s: %s", pg.Code, pg.Message)
		if pg.Position > 0 {
			s += fmt.Sprintf(" (at %d)", pg.Position)
		}
		for _, more := range []string{pg.Detail, pg.Hint} {
			if more != "" {
				s += "; " + more
			}
		}
		return s
	}
	return err.Error()
}

const testUsage = `usage: fqgw test [--apply DIR]… [-rewrite] DIR|FILE…

Runs every *.test script below, over the simple and the extended protocol, each
against an embedded gateway of its own. --apply defines first what the .sql files
below DIR say, as fqgw apply does. -rewrite replaces the expected rows by
what came.
`

// test is the command: every *.test below the folders, over both protocols.
func test(ctx context.Context, args []string, out, stderr io.Writer) error {
	rewrite, takes := false, false
	var files, definitions []string
	for _, arg := range args {
		if takes {
			definitions, takes = append(definitions, arg), false
			continue
		}
		switch arg {
		case "-apply", "--apply":
			takes = true
			continue
		case "-rewrite", "--rewrite":
			rewrite = true
			continue
		case "-h", "-help", "--help":
			fmt.Fprint(out, testUsage)
			return nil
		}
		if strings.HasPrefix(arg, "-") {
			return usageError{fmt.Errorf("no flag %s; %s", arg, testUsage)}
		}
		err := filepath.WalkDir(arg, func(path string, d os.DirEntry, err error) error {
			if err == nil && !d.IsDir() && (strings.HasSuffix(path, ".test") || path == arg) {
				files = append(files, path)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if len(files) == 0 || takes {
		return usageError{fmt.Errorf("no *.test files; %s", testUsage)}
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	failed := 0
	for _, f := range files {
		for _, p := range Protocols {
			res, err := runScript(ctx, f, p, rewrite && p == Protocols[0], false, definitions)
			if err != nil {
				return fmt.Errorf("%s: %w", f, err)
			}
			word := "ok  "
			if len(res.Failures) > 0 {
				word = "FAIL"
				failed++
			}
			fmt.Fprintf(out, "%s %s (%s, %d steps)\n", word, f, p, res.Steps)
			for _, msg := range res.Failures {
				fmt.Fprintln(out, "  "+msg)
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d runs failed", failed, len(files)*len(Protocols))
	}
	return nil
}
