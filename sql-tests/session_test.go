package sqltests

import (
	"bufio"
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

// sessionTranscript has PostgreSQL's answers to a fixed set of sequences:
// written ones, and random ones that once found something. With
// FQGW_TEST_POSTGRES and -rewrite it is recorded again.
const sessionTranscript = "testdata/session.txt"

// exchange is a sequence and its answers, turn by turn.
type exchange struct {
	title   string
	turns   []turn
	answers []string
}

// TestSessionTranscript replays what PostgreSQL answered.
func TestSessionTranscript(t *testing.T) {
	list, err := readTranscript()
	if err != nil || len(list) < 20 {
		t.Fatalf("%d sequences, %v", len(list), err)
	}
	withSessionServer(t, func(a string) {
		if pg := os.Getenv("FQGW_TEST_POSTGRES"); *rewrite && pg != "" {
			for i := range list {
				if list[i].answers, err = runSequence(postgresTalk(t, pg), list[i].turns, ""); err != nil {
					t.Fatal(err)
				}
			}
			writeTranscript(t, list)
		}
		for _, x := range list {
			got, err := runSequence(fqgwTalk(a), x.turns, "")
			if err != nil {
				t.Fatalf("%s: %v", x.title, err)
			}
			if !slices.Equal(got, x.answers) {
				t.Errorf("%s", show(x.title, x.turns, got, x.answers))
			}
		}
	})
}

// TestSessionReal runs random sequences against this gateway and a real
// PostgreSQL (FQGW_TEST_POSTGRES, its URL): FQGW_TEST_SESSIONS sequences (200)
// from FQGW_TEST_SEED on (1). A difference is shrunk before it is shown.
func TestSessionReal(t *testing.T) {
	pg := os.Getenv("FQGW_TEST_POSTGRES")
	if pg == "" {
		t.Skip("set FQGW_TEST_POSTGRES to the URL of a PostgreSQL 15")
	}
	n, seed := number("FQGW_TEST_SESSIONS", 200), number("FQGW_TEST_SEED", 1)
	withSessionServer(t, func(a string) {
		const workers = 4
		t.Run("sequences", func(t *testing.T) {
			for w := range workers {
				t.Run(strconv.Itoa(w), func(t *testing.T) {
					t.Parallel()
					names := string(rune('1' + w))
					failed := 0
					for i := seed + w; i < seed+n && failed < 5; i += workers {
						turns := newSequences(uint64(i), names).sequence()
						got, want, err := both(a, postgresTalk(t, pg), turns, names)
						if err != nil {
							t.Errorf("seed %d: %v", i, err)
							failed++
						} else if !slices.Equal(got, want) {
							failed++
							turns, got, want = shrink(a, postgresTalk(t, pg), turns, names, got, want)
							t.Errorf("%s", show(fmt.Sprintf("seed %d", i), turns, got, want))
						}
					}
				})
			}
		})
	})
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

func withSessionServer(t *testing.T, f func(addr string)) {
	t.Helper()
	err := app.WithApp(t.Context(), app.Throwaway(t.TempDir()), nil, func(_ context.Context, a *app.App) error {
		f(a.Addr())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// opener opens a connection to one of the servers.
type opener func() (*talk, error)

func fqgwTalk(addr string) opener {
	return func() (*talk, error) { return dialTalk(addr, "test", "fqgw") }
}

func postgresTalk(t *testing.T, address string) opener {
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return func() (*talk, error) { return dialTalk(u.Host, u.User.Username(), strings.TrimPrefix(u.Path, "/")) }
}

// runSequence runs a sequence in a session of its own and gives the answers of
// its turns, then what another session sees of the tables, which it drops.
func runSequence(open opener, turns []turn, names string) ([]string, error) {
	c, err := open()
	if err != nil {
		return nil, err
	}
	defer func() { c.net.Close() }()
	var out []string
	for _, t := range turns {
		words, err := c.do(t)
		if err != nil {
			return out, fmt.Errorf("%s: %w", strings.Join(t, " / "), err)
		}
		out = append(out, strings.Join(plain(words), " "))
		if words[len(words)-1] == "closed" {
			c.net.Close()
			if err := c.open(); err != nil {
				return out, err
			}
		}
	}
	c.close()
	if c, err = open(); err != nil {
		return out, err
	}
	defer c.close()
	for _, name := range []string{"t", "l", "m"} {
		words, err := c.do(turn{"Query SELECT a FROM " + name + names + " ORDER BY a"})
		if err != nil {
			return out, err
		}
		out = append(out, strings.Join(words, " "))
		if !strings.HasPrefix(words[0], "ERROR") {
			if _, err := c.do(turn{"Query DROP TABLE " + name + names}); err != nil {
				return out, err
			}
		}
	}
	return out, nil
}

// plain leaves out a RowDescription that an error follows: which of the two
// servers had computed a row before it sent one is their own.
func plain(words []string) []string {
	var out []string
	for i, w := range words {
		if strings.HasPrefix(w, "Columns(") && i+1 < len(words) && strings.HasPrefix(words[i+1], "ERROR") {
			continue
		}
		out = append(out, w)
	}
	return out
}

func both(fqgw string, pg opener, turns []turn, names string) (got, want []string, err error) {
	if want, err = runSequence(pg, turns, names); err != nil {
		return nil, nil, fmt.Errorf("PostgreSQL: %w", err)
	}
	got, err = runSequence(fqgwTalk(fqgw), turns, names)
	return got, want, err
}

// shrink leaves out turns, messages and statements while the two still differ.
func shrink(fqgw string, pg opener, turns []turn, names string, got, want []string) ([]turn, []string, []string) {
	until := time.Now().Add(time.Minute)
	for again := true; again; {
		again = false
		for _, smaller := range shorter(turns) {
			g, w, err := both(fqgw, pg, smaller, names)
			if time.Now().After(until) {
				return turns, got, want
			}
			if err == nil && !slices.Equal(g, w) {
				turns, got, want, again = smaller, g, w, true
				break
			}
		}
	}
	return turns, got, want
}

// shorter are the sequences with one thing less.
func shorter(turns []turn) [][]turn {
	var out [][]turn
	with := func(i int, t turn) {
		s := slices.Clone(turns)
		if s[i] = t; t == nil {
			s = slices.Delete(s, i, i+1)
		}
		out = append(out, s)
	}
	for i := range slices.Backward(turns[1:]) { // the first one makes sessions alike
		with(i+1, nil)
	}
	for i, t := range turns {
		if stmts := strings.Split(strings.TrimPrefix(t[0], "Query "), "; "); strings.HasPrefix(t[0], "Query ") && len(stmts) > 1 {
			for j := range stmts {
				with(i, append(turn{"Query " + strings.Join(slices.Delete(slices.Clone(stmts), j, j+1), "; ")}, t[1:]...))
			}
			continue
		}
		for j := range len(t) - 1 {
			// The unnamed portal of a Query can be seen in PostgreSQL while its block is
			// aborted: a Bind stays as long as there is an Execute.
			if !strings.HasPrefix(t[j], "Query") && !strings.HasPrefix(t[j], "Bind - ") {
				with(i, slices.Delete(slices.Clone(t), j, j+1))
			}
		}
	}
	return out
}

func show(title string, turns []turn, got, want []string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", title)
	for i := range max(len(got), len(want)) {
		if i < len(turns) {
			for _, line := range turns[i] {
				fmt.Fprintf(&b, "> %s\n", line)
			}
		}
		g, w := "nothing", "nothing"
		if i < len(got) {
			g = got[i]
		}
		if i < len(want) {
			w = want[i]
		}
		if fmt.Fprintf(&b, "< %s\n", w); g != w {
			fmt.Fprintf(&b, "! %s\n", g)
		}
	}
	return b.String()
}

// readTranscript reads sequences: a title behind #, a turn of lines behind >,
// its answers behind <; the last answers are of the session that looks afterwards.
func readTranscript() ([]exchange, error) {
	f, err := os.Open(sessionTranscript)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var out []exchange
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	open := false
	for sc.Scan() {
		kind, rest, _ := strings.Cut(sc.Text(), " ")
		if kind == "#" {
			out, open = append(out, exchange{title: rest}), false
			continue
		}
		if kind == "" {
			continue
		}
		x := &out[len(out)-1]
		switch {
		case kind == "<":
			x.answers, open = append(x.answers, rest), false
		case open:
			last := len(x.turns) - 1
			x.turns[last] = append(x.turns[last], rest)
		default:
			x.turns, open = append(x.turns, turn{rest}), true
		}
	}
	return out, sc.Err()
}

func writeTranscript(t *testing.T, list []exchange) {
	t.Helper()
	var b strings.Builder
	for _, x := range list {
		fmt.Fprintf(&b, "# %s\n", strings.TrimSuffix(show(x.title, x.turns, x.answers, x.answers), "\n")+"\n")
	}
	if err := os.WriteFile(sessionTranscript, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
