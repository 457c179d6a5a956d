package app

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const applyUsage = `usage: fqgw apply [flags] DIR|FILE…

Makes what is defined what the .sql files say, as one version of the catalog: all of
it or, after an error, nothing. The files may stand in any order, and say how things
are, not how to come there: what differs only in how it is written is left alone.
Shows what would be done and asks; without a terminal it needs --yes. --plan only
shows it, and exits with 2 when something would change.
`

// errChanges ends apply --plan where something would change.
var errChanges = errors.New("there are changes")

type applying struct {
	client
	plan, yes, prune, replace bool

	files []string
	texts []string
	out   io.Writer
	in    *os.File
}

// apply is the command. A mistake in its call is 1 too: 2 says that there are changes.
func apply(ctx context.Context, args []string, out, stderr io.Writer) error {
	err := applyFiles(ctx, args, out, stderr)
	var wrong usageError
	if errors.As(err, &wrong) {
		return wrong.error
	}
	return err
}

func applyFiles(ctx context.Context, args []string, out, stderr io.Writer) error {
	a := &applying{out: out, in: os.Stdin}
	fs := flag.NewFlagSet("apply", flag.ContinueOnError)
	a.flags(fs)
	fs.BoolVar(&a.plan, "plan", false, "only show what would be done: exit 2 when something would change")
	fs.BoolVar(&a.yes, "yes", false, "do not ask")
	fs.BoolVar(&a.prune, "prune", false, "drop what no file defines")
	fs.BoolVar(&a.replace, "replace", false, "lose the rows of tables that can only be made again, or are dropped")
	if err := parseFlags(fs, args, applyUsage, stderr); err != nil {
		return err
	}
	if fs.NArg() == 0 {
		return usageError{errors.New("it needs folders or files")}
	}
	var err error
	if a.files, err = sqlFiles(fs.Args()); err != nil {
		return err
	}
	if len(a.files) == 0 {
		return fmt.Errorf("there are no .sql files in %s", strings.Join(fs.Args(), ", "))
	}
	for _, f := range a.files {
		text, err := os.ReadFile(f)
		if err != nil {
			return err
		}
		if !utf8.Valid(text) {
			return fmt.Errorf("%s is not UTF-8", f)
		}
		a.texts = append(a.texts, string(text))
	}
	conn, err := a.connect(ctx, func(n *pgconn.Notice) { fmt.Fprintf(stderr, "  %s\n", n.Message) })
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return a.run(ctx, conn)
}

// change is a row of fqgw.plan().
type change struct {
	Action, Kind, Name, Why      string
	Rebuild                      bool
	Events, Loses                int64
	Statements                   []string
	Sequence                     []int
	Definition, Position         int // of the file, from 1, and of the character in it
	State, Message, Detail, Hint string
}

// readPlan asks the gateway what would be done.
func (a *applying) readPlan(ctx context.Context, conn pgx.Tx) ([]change, error) {
	rows, err := conn.Query(ctx, `SELECT action, COALESCE(kind, ''), COALESCE(name, ''), COALESCE(why, ''), rebuild, events, loses,
		statements, sequence,
		COALESCE(definition, 0), COALESCE(position, 0), COALESCE(sqlstate, ''), COALESCE(message, ''), COALESCE(detail, ''), COALESCE(hint, '')
		FROM fqgw.plan($1::text[], $2)`, a.texts, a.prune)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c change, err error) {
		err = row.Scan(&c.Action, &c.Kind, &c.Name, &c.Why, &c.Rebuild, &c.Events, &c.Loses, &c.Statements, &c.Sequence,
			&c.Definition, &c.Position, &c.State, &c.Message, &c.Detail, &c.Hint)
		return c, err
	})
}

func (a *applying) run(ctx context.Context, conn *pgx.Conn) error {
	// What the session's user has set must not change what the files mean.
	if _, err := conn.Exec(ctx, "RESET ALL; SET search_path = public"); err != nil {
		return err
	}
	var plan []change
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) (err error) {
		plan, err = a.readPlan(ctx, tx)
		return err
	})
	if err != nil {
		return err
	}
	if err := a.faults(plan); err != nil {
		return err
	}
	todo := a.show(plan)
	switch {
	case todo == 0:
		return nil
	case a.plan:
		return errChanges
	}
	if err := a.lost(plan); err != nil {
		return err
	}
	if err := a.confirm(ctx); err != nil {
		return err
	}
	return a.carryOut(ctx, conn, plan)
}

// faults are what is wrong with the files, all of it.
func (a *applying) faults(plan []change) error {
	var texts []string
	for _, c := range plan {
		if c.Action != "error" {
			continue
		}
		text := fmt.Sprintf("%s: %s (%s)", a.place(c.Definition, c.Position), c.Message, c.State)
		for _, more := range []string{c.Detail, c.Hint} {
			if more != "" {
				text += "\n    " + more
			}
		}
		texts = append(texts, text)
	}
	if texts == nil {
		return nil
	}
	return errors.New("nothing was done:\n  " + strings.Join(texts, "\n  "))
}

// place is file:line:column of a character.
func (a *applying) place(file, position int) string {
	if file < 1 || file > len(a.files) {
		return "?"
	}
	if position < 1 {
		return a.files[file-1]
	}
	line, column := 1, 1
	for _, r := range a.texts[file-1] {
		if position--; position == 0 {
			break
		}
		if column++; r == '\n' {
			line, column = line+1, 1
		}
	}
	return fmt.Sprintf("%s:%d:%d", a.files[file-1], line, column)
}

// marks are what stands before an object in the plan.
var marks = map[string]string{"create": "+", "change": "~", "replace": "-/+", "drop": "-", "rename": ">"}

// show prints the plan, and is how many objects change.
func (a *applying) show(plan []change) (todo int) {
	count := map[string]int{}
	var left []string
	for _, c := range plan {
		if c.Action == "keep" {
			left = append(left, c.Kind+" "+c.Name)
			continue
		}
		count[c.Action]++
		todo++
		line := fmt.Sprintf("  %-3s %s %s", marks[c.Action], c.Kind, c.Name)
		if c.Why != "" {
			line += ": " + c.Why
		}
		fmt.Fprintln(a.out, line)
		if c.Rebuild {
			fmt.Fprintf(a.out, "        is filled from %s\n", counted(c.Events, "event"))
		} else if c.Kind == "feature view" && c.Action == "change" {
			fmt.Fprintln(a.out, "        without a rebuild")
		}
		if c.Loses > 0 {
			fmt.Fprintf(a.out, "        LOSES %s\n", counted(c.Loses, "row"))
		}
	}
	for _, l := range left {
		fmt.Fprintf(a.out, "      %s is not in the files, left\n", l)
	}
	if todo == 0 {
		fmt.Fprintln(a.out, "No changes.")
		return 0
	}
	text := fmt.Sprintf("Plan: %d to create, %d to change, %d to drop", count["create"], count["change"]+count["rename"], count["drop"])
	if n := count["replace"]; n > 0 {
		text += fmt.Sprintf(", %d to drop and make again", n)
	}
	fmt.Fprintln(a.out, text+".")
	return todo
}

func counted(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// lost refuses to lose rows without leave.
func (a *applying) lost(plan []change) error {
	for _, c := range plan {
		if c.Loses > 0 && !a.replace {
			return fmt.Errorf("nothing was done: %s %s has %s, which would be lost\n  Keep them by COPY … TO, and apply with --replace",
				c.Kind, c.Name, counted(c.Loses, "row"))
		}
	}
	return nil
}

// confirm asks on a terminal.
func (a *applying) confirm(ctx context.Context) error {
	if a.yes {
		return nil
	}
	if info, err := a.in.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return errors.New("nothing was done: there is no terminal to ask on\n  Apply with --yes")
	}
	fmt.Fprint(a.out, "Apply? Only yes is taken for that: ")
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(a.in).ReadString('\n')
		answer <- strings.TrimSpace(line)
	}()
	select {
	case line := <-answer:
		if line == "yes" {
			return nil
		}
	case <-ctx.Done():
	}
	return errors.New("nothing was done")
}

// carryOut runs the plan in one transaction, if it is still what was shown.
func (a *applying) carryOut(ctx context.Context, conn *pgx.Conn, shown []change) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return err
	}
	defer tx.Rollback(context.WithoutCancel(ctx))
	plan, err := a.readPlan(ctx, tx)
	if err != nil {
		return err
	}
	if !same(plan, shown) {
		return errors.New("nothing was done: somebody has changed definitions meanwhile\n  Apply again")
	}
	type statement struct {
		number int
		sql    string
		of     *change
	}
	var all []statement
	for i := range plan {
		for j, sql := range plan[i].Statements {
			all = append(all, statement{plan[i].Sequence[j], sql, &plan[i]})
		}
	}
	slices.SortFunc(all, func(a, b statement) int { return cmp.Compare(a.number, b.number) })
	var later []statement
	for _, s := range all {
		if s.number == 0 {
			later = append(later, s)
			continue
		}
		if _, err := tx.Exec(ctx, s.sql); err != nil {
			return fmt.Errorf("nothing was done: %s: %s\n  in %s", a.place(s.of.Definition, s.of.Position), describeError(err),
				strings.ReplaceAll(s.sql, "\n", "\n    "))
		}
	}
	if err := tx.Commit(ctx); err != nil {
		if ctx.Err() != nil {
			return errors.New("stopped while it was carried out: all of it is defined, and fills go on, or nothing is: --plan tells")
		}
		return fmt.Errorf("it was not carried out: %s", describeError(err))
	}
	// The next version of a feature view is there when the transaction has ended.
	err = pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		for _, s := range later {
			if _, err := tx.Exec(ctx, s.sql); err != nil {
				return fmt.Errorf("%s: %s\n  in %s", a.place(s.of.Definition, s.of.Position), describeError(err), s.sql)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("all but defaults and comments of next versions is done: apply again: %w", err)
	}
	fmt.Fprintln(a.out, "Applied.")
	return nil
}

// same says whether two plans do the same, and lose the same rows; how many events
// there are may change.
func same(a, b []change) bool {
	return slices.EqualFunc(a, b, func(x, y change) bool {
		x.Events = y.Events
		return reflect.DeepEqual(x, y)
	})
}
