package expr

import (
	"bufio"
	"flag"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
)

// The files of answers are what PostgreSQL 15 answers: an expression, then type
// and text of its value ("\N" is NULL), or "!" with SQLSTATE and message, apart
// by tabs. Lines that begin with "#" are remarks. To ask a server again:
//
//	go test ./planner/expr -run TestPostgres -ask 'host=127.0.0.1 port=15871 user=postgres'
var ask15 = flag.String("ask", "", "conninfo of a PostgreSQL 15 that answers the files in testdata anew")

var answersFiles = []string{"testdata/postgres.tsv", "testdata/postgres-generated.tsv"}

// The session of the answers.
func answersEnv(t testing.TB) *fqgw.Env {
	loc, err := Zone("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	return &fqgw.Env{Zone: loc, Now: time.Date(2013, 1, 5, 12, 0, 0, 0, time.UTC).UnixMicro()}
}

const askSQL = `
CREATE FUNCTION pg_temp.ev(e text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text; code text; msg text;
BEGIN
  EXECUTE 'SELECT pg_typeof(x)::text || chr(9) || CASE WHEN num_nulls(x) = 1 THEN ''\N'' ELSE replace(replace(replace(format(''%s'', x), ''\'', ''\\''), chr(9), ''\t''), chr(10), ''\n'') END FROM (SELECT ' || e || ' AS x) s' INTO r;
  RETURN r;
EXCEPTION WHEN OTHERS THEN
  GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, msg = MESSAGE_TEXT;
  RETURN '!' || code || chr(9) || msg;
END $$;
`

// askPostgres rewrites the answers of the file.
func askPostgres(t *testing.T, conn, file string) {
	lines := readLines(t, file)
	var script strings.Builder
	script.WriteString("SET TimeZone='America/New_York'; SET client_min_messages=error;\n" + askSQL)
	for _, l := range lines {
		if e, _, _ := strings.Cut(l, "\t"); l != "" && l[0] != '#' {
			script.WriteString("SELECT pg_temp.ev(" + quoteSQL(e) + ");\n")
		}
	}
	cmd := exec.Command("psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", conn)
	cmd.Stdin = strings.NewReader(script.String())
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	var b strings.Builder
	for _, l := range lines {
		if l == "" || l[0] == '#' {
			b.WriteString(l + "\n")
			continue
		}
		e, _, _ := strings.Cut(l, "\t")
		b.WriteString(e + "\t" + answers[0] + "\n")
		answers = answers[1:]
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readLines(t testing.TB, file string) (out []string) {
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		out = append(out, s.Text())
	}
	return out
}

// answer is what we say, in the form of the file.
func answer(e string, env *fqgw.Env) string {
	x, err := bindSQL(e)
	if err == nil {
		if x.Type() == fqgw.Unknown {
			x, err = Cast(x, fqgw.Text, Implicit)
		}
	}
	var v value
	if err == nil {
		v, err = x.Eval(env, nil)
	}
	if err != nil {
		if fe, ok := err.(*fqgw.Error); ok {
			return "!" + string(fe.Code) + "\t" + fe.Message
		}
		return "!?\t" + err.Error()
	}
	text := `\N`
	if !v.IsNull() {
		text = strings.NewReplacer(`\`, `\\`, "\t", `\t`, "\n", `\n`).Replace(Text(v, x.Type(), env))
	}
	return typeName(x.Type()) + "\t" + text
}

func TestPostgres(t *testing.T) {
	env := answersEnv(t)
	n := 0
	for _, file := range answersFiles {
		if *ask15 != "" {
			askPostgres(t, *ask15, file)
		}
		for i, l := range readLines(t, file) {
			if l == "" || l[0] == '#' {
				continue
			}
			e, want, _ := strings.Cut(l, "\t")
			n++
			if got := answer(e, env); got != want && !closeFloats(e, got, want) {
				t.Errorf("%s:%d: %s\n  PostgreSQL: %s\n  we:         %s", file, i+1, e, want, got)
			}
		}
	}
	if n < 5000 {
		t.Errorf("only %d expressions", n)
	}
}

// closeFloats: the C library's trigonometry and ours may differ in the last bit.
func closeFloats(e, got, want string) bool {
	name, _, _ := strings.Cut(strings.TrimPrefix(e, "||/ "), "(")
	if !strings.Contains(" sin cos tan acos asin atan cbrt 27 sinh cosh tanh atanh exp ln power ", " "+name+" ") {
		return false
	}
	var a, b float64
	_, err1 := fmt.Sscanf(got, "double precision\t%g", &a)
	_, err2 := fmt.Sscanf(want, "double precision\t%g", &b)
	return err1 == nil && err2 == nil && math.Abs(a-b) <= math.Abs(b)*0x1p-51
}

// TestString: what String prints binds to an equal tree, of equal value.
func TestString(t *testing.T) {
	env := answersEnv(t)
	for _, file := range answersFiles {
		for i, l := range readLines(t, file) {
			if l == "" || l[0] == '#' {
				continue
			}
			sql, _, _ := strings.Cut(l, "\t")
			if e, err := bindSQL(sql); err == nil && e.Type() != fqgw.Unknown {
				if problem := printAndRead(e, env); problem != "" {
					t.Errorf("%s:%d: %s: %s", file, i+1, sql, problem)
				}
			}
		}
	}
}

// printAndRead says how e differs from what its String binds to; "" when it does not.
func printAndRead(e fqgw.Expr, env *fqgw.Env) string {
	printed := e.String()
	again, err := bindSQL(printed)
	if err != nil {
		return fmt.Sprintf("printed as %s: %v", printed, err)
	}
	if s := again.String(); s != printed || again.Type() != e.Type() {
		return fmt.Sprintf("printed as %s (%s), then as %s (%s)", printed, e.Type(), s, again.Type())
	}
	v, err1 := e.Eval(env, nil)
	w, err2 := again.Eval(env, nil)
	if (err1 == nil) != (err2 == nil) || err1 == nil && Text(v, e.Type(), env) != Text(w, e.Type(), env) {
		return fmt.Sprintf("gives %v (%v), printed as %s it gives %v (%v)", v, err1, printed, w, err2)
	}
	return ""
}
