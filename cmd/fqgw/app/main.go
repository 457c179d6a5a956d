package app

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner"
)

const usage = `fqgw, the feature query gateway: one definition, plain SQL, the same answer online and offline.

  fqgw demo      start everything embedded with the NYC flights example, print a tour, keep serving
  fqgw serve     serve the data directory
  fqgw test DIR  run *.test scripts against a throw-away embedded gateway
  fqgw apply DIR make what a gateway has defined what SQL files say: shows a plan, asks
  fqgw export    write what a gateway has defined as SQL files
  fqgw import-expectations SUITE.json
                 print a Great Expectations suite as constraints of a source
  fqgw config    print the configuration as it would be used
  fqgw version   print the version

fqgw COMMAND -h lists the flags. Every flag can be set as FQGW_NAME or in fqgw.yaml.
`

// Main runs the command line and returns the exit code: 0, 1 for a failure, 2
// for a mistake in the call.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	commands := map[string]func(context.Context, []string, io.Writer, io.Writer) error{
		"serve": serve, "demo": demo, "test": test, "export": export, "apply": apply, "config": config, "import-expectations": importExpectations,
		"version": printVersion, "--version": printVersion, "-version": printVersion,
	}
	run := commands[args[0]]
	switch {
	case args[0] == "help" || args[0] == "-h" || args[0] == "--help":
		fmt.Fprint(stdout, usage)
		return 0
	case run == nil:
		msg := fmt.Sprintf("fqgw: no command %q", args[0])
		if near := fqgw.Nearest(args[0], slices.Sorted(maps.Keys(commands))); near != "" {
			msg += fmt.Sprintf(" (did you mean %q?)", near)
		}
		fmt.Fprintf(stderr, "%s\n\n%s", msg, usage)
		return 2
	}
	err := run(ctx, args[1:], stdout, stderr)
	var wrong usageError
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintf(stderr, "fqgw %s: %v\n", args[0], err)
		return 2
	case errors.Is(err, errChanges):
		return 2
	}
	fmt.Fprintf(stderr, "fqgw %s: %v\n", args[0], explain(err))
	return 1
}

func printVersion(_ context.Context, _ []string, out, _ io.Writer) error {
	_, err := fmt.Fprintln(out, "fqgw "+planner.Version)
	return err
}

// explain adds an error's hint to its text.
func explain(err error) string {
	text := err.Error()
	var e *fqgw.Error
	if errors.As(err, &e) {
		for _, more := range []string{e.Detail, e.Hint} {
			if more != "" && !strings.Contains(text, more) {
				text += "\n  " + more
			}
		}
	}
	return text
}

func config(_ context.Context, args []string, out, stderr io.Writer) error {
	c, _, rest, err := loadConfig(args, os.Environ(), stderr)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", rest[0])}
	}
	return c.print(out)
}

func newLogger(c Config, w io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Log))
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: level}))
}

func serve(ctx context.Context, args []string, out, stderr io.Writer) error {
	c, explicit, rest, err := loadConfig(args, os.Environ(), stderr)
	if err != nil {
		return err
	}
	if len(rest) > 0 {
		return usageError{fmt.Errorf("unexpected argument %q", rest[0])}
	}
	a, err := Open(ctx, c, explicit, newLogger(c, stderr))
	if err != nil {
		return err
	}
	return a.Run(ctx, func() { a.banner(out) })
}

func (a *App) banner(w io.Writer) {
	host, port, _ := strings.Cut(a.Addr(), ":")
	fmt.Fprintf(w, "fqgw %s serves %s\n", planner.Version, a.config.Data)
	fmt.Fprintf(w, "  psql -h %s -p %s\n", host, port)
	fmt.Fprintf(w, "  admin  http://%s   kafka %s   redis %s\n", a.AdminAddr(), a.kafkaAddr, a.redisAddr)
	if rate, set := a.clock.IsSet(); set {
		fmt.Fprintf(w, "  the clock is set: %s, rate %g\n", time.UnixMicro(a.clock.Now()).UTC().Format("2006-01-02 15:04:05Z"), rate)
	}
	if a.config.Kafka == "embedded" && a.config.Online != "embedded" || a.config.Kafka != "embedded" {
		fmt.Fprintf(w, "  the lake is local: %s\n", a.config.Data)
	}
}
