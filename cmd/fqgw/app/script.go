package app

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// A script is a *.test file: directives with their statements, separated by
// blank lines. CONTRIBUTING.md describes the language.
//
//	clock TIME                the set clock's start; before anything else
//	at TIME                   move the clock forward to TIME
//	sync                      wait until all that was produced is applied and landed
//	statement ok              the statement below must succeed
//	statement error CODE [RE] it must fail with that SQLSTATE, its message matching
//	query                     its rows must be those below ----, columns joined by |
//	query sorted              the same, in any order
//	both                      as query, online and AS OF the same time: the rows must agree
type step struct {
	line     int
	verb     string
	args     []string
	sql      string
	expected []string
}

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
// by what came.
func RunScript(ctx context.Context, file, protocol string, rewrite bool) (res ScriptResult, err error) {
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
		r := &scriptRun{file: file, res: &res}
		if r.conn, err = pgx.Connect(ctx, connString(a.Addr(), protocol)); err != nil {
			return err
		}
		defer r.conn.Close(context.WithoutCancel(ctx))
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
	return errors.Join(err, <-done)
}

func connString(addr, protocol string) string {
	mode := "cache_statement"
	if protocol == "simple" {
		mode = "simple_protocol"
	}
	return fmt.Sprintf("postgres://test@%s/fqgw?sslmode=disable&default_query_exec_mode=%s", addr, mode)
}

func parseScript(file, text string) ([]step, error) {
	var steps []step
	sc := bufio.NewScanner(strings.NewReader(text))
	sc.Buffer(nil, 16<<20)
	for n := 1; sc.Scan(); n++ {
		line := strings.TrimSpace(sc.Text())
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		words := strings.Fields(line)
		s := step{line: n, verb: words[0], args: words[1:]}
		if !slices.Contains([]string{"clock", "at", "sync", "statement", "query", "both"}, s.verb) {
			return nil, fmt.Errorf("%s:%d: unknown directive %q", file, n, s.verb)
		}
		if s.verb != "clock" && s.verb != "at" && s.verb != "sync" {
			into := &s.sql
			var rows []string
			inRows := false
			for sc.Scan() {
				n++
				l := sc.Text()
				if strings.TrimSpace(l) == "" {
					break
				}
				if l == "----" {
					inRows = true
					continue
				}
				if inRows {
					rows = append(rows, l)
				} else {
					*into += l + "\n"
				}
			}
			s.expected = rows
		}
		steps = append(steps, s)
	}
	return steps, sc.Err()
}

type scriptRun struct {
	file string
	conn *pgx.Conn
	res  *ScriptResult
}

func (r *scriptRun) fail(s *step, format string, args ...any) {
	r.res.Failures = append(r.res.Failures, fmt.Sprintf("%s:%d (%s): %s", r.file, s.line, r.res.Protocol, fmt.Sprintf(format, args...)))
}

func (r *scriptRun) run(ctx context.Context, s *step) {
	switch s.verb {
	case "at":
		r.exec(ctx, s, fmt.Sprintf("SELECT fqgw.advance('%s'::timestamptz - fqgw.now())", strings.Join(s.args, " ")))
	case "sync":
		r.exec(ctx, s, "SELECT fqgw.sync()")
	case "statement":
		r.statement(ctx, s)
	case "query":
		if len(s.args) > 0 && s.args[0] == "error" {
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
		re, bad := regexp.Compile(text)
		if bad != nil {
			r.fail(s, "%v", bad)
		} else if !re.MatchString(pg.Message) {
			r.fail(s, "the message %q does not match %q", pg.Message, text)
		}
	}
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
	if len(s.args) > 0 && s.args[0] == "sorted" {
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
	if len(s.args) > 0 && s.args[0] == "sorted" {
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

// rewriteScript puts the rows that came in the place of those expected.
func rewriteScript(file, text string, steps []step) error {
	lines := strings.Split(text, "\n")
	var out []string
	at := 0
	for i := range steps {
		s := &steps[i]
		if s.verb != "query" && s.verb != "both" || len(s.args) > 0 && s.args[0] == "error" {
			continue
		}
		for at < len(lines) && !(at >= s.line && lines[at] == "----") && !(at >= s.line && strings.TrimSpace(lines[at]) == "") {
			out = append(out, lines[at])
			at++
		}
		out = append(out, "----")
		out = append(out, s.expected...)
		for at < len(lines) && strings.TrimSpace(lines[at]) != "" {
			at++
		}
	}
	out = append(out, lines[at:]...)
	return os.WriteFile(file, []byte(strings.Join(out, "\n")), 0o644)
}

const testUsage = `usage: fqgw test [-rewrite] DIR|FILE…

Runs every *.test script below, over the simple and the extended protocol, each
against an embedded gateway of its own. -rewrite replaces the expected rows by
what came.
`

// test is the command: every *.test below the folders, over both protocols.
func test(ctx context.Context, args []string, out, stderr io.Writer) error {
	rewrite := false
	var files []string
	for _, arg := range args {
		switch arg {
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
	if len(files) == 0 {
		return usageError{fmt.Errorf("no *.test files; %s", testUsage)}
	}
	slog.SetDefault(slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelWarn})))
	failed := 0
	for _, f := range files {
		for _, p := range Protocols {
			res, err := RunScript(ctx, f, p, rewrite && p == Protocols[0])
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
