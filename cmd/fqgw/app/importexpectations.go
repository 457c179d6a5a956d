package app

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/fqgw/fqgw/cmd/fqgw/app/suite"
	"github.com/fqgw/fqgw/planner/expr"
)

const importUsage = `usage: fqgw import-expectations [flags] SUITE.json

Prints the expectations of a Great Expectations suite (of 0.18 or 1.x) that are about
one row as constraints of a source, to the standard output; what cannot be said so, and
why, to the standard error.
`

// importExpectations is the command.
func importExpectations(_ context.Context, args []string, out, stderr io.Writer) error {
	fs := flag.NewFlagSet("import-expectations", flag.ContinueOnError)
	source := fs.String("source", "", "name of the source; without it: the suite's")
	columns := fs.Bool("columns", false, "print what stands between the parentheses of CREATE SOURCE, not ALTER SOURCE")
	strict := fs.Bool("strict", false, "fail if something cannot be said")
	if err := parseFlags(fs, args, importUsage, stderr); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return usageError{fmt.Errorf("one file is wanted, not %d", fs.NArg())}
	}
	file, err := os.ReadFile(fs.Arg(0))
	if err != nil {
		return err
	}
	parts := strings.Split(*source, ".")
	s, err := suite.Read(file, parts[len(parts)-1])
	if err != nil {
		return fmt.Errorf("%s: %w", fs.Arg(0), err)
	}
	if *source == "" {
		if parts = []string{s.Name}; s.Name == "" {
			return usageError{fmt.Errorf("the suite has no name: say --source")}
		}
		if s, err = suite.Read(file, s.Name); err != nil {
			return err
		}
	}
	for i := range parts {
		parts[i] = expr.QuoteIdent(parts[i])
	}
	if *columns {
		fmt.Fprintln(out, strings.Join(s.Elements(), ",\n"))
	} else {
		for _, text := range s.Statements(strings.Join(parts, ".")) {
			fmt.Fprintln(out, text)
		}
		for _, t := range s.Types {
			fmt.Fprintf(out, "-- CREATE SOURCE declares %s as %s\n", expr.QuoteIdent(t.Column), t.Type)
		}
	}
	for _, u := range s.Unsaid {
		of := ""
		if u.Column != "" {
			of = fmt.Sprintf(" of column %q", u.Column)
		}
		fmt.Fprintf(stderr, "not said: %s%s: %s\n", u.Expectation, of, u.Reason)
	}
	if n := len(s.Unsaid); *strict && n > 0 {
		return fmt.Errorf("%d expectations cannot be said", n)
	}
	return nil
}
