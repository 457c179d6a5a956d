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

// testdata/postgres.tsv is what PostgreSQL 15 answers: an expression, then type
// and text of its value ("\N" is NULL), or "!" with SQLSTATE and message, apart
// by tabs. Lines that begin with "#" are remarks. To ask a server again:
//
//	go test ./planner/expr -run TestPostgres -ask 'host=127.0.0.1 port=15871 user=postgres'
var ask15 = flag.String("ask", "", "conninfo of a PostgreSQL 15 that answers testdata/postgres.tsv anew")

var answersFile = "testdata/postgres.tsv"

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
func askPostgres(t *testing.T, conn string) {
	lines := readLines(t)
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
	if err := os.WriteFile(answersFile, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

func readLines(t testing.TB) (out []string) {
	f, err := os.Open(answersFile)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for s := bufio.NewScanner(f); s.Scan(); {
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
	if *ask15 != "" {
		askPostgres(t, *ask15)
	}
	env := answersEnv(t)
	n, wrong := 0, 0
	for i, l := range readLines(t) {
		if l == "" || l[0] == '#' {
			continue
		}
		e, want, _ := strings.Cut(l, "\t")
		n++
		if got := answer(e, env); got != want && !closeFloats(e, got, want) {
			wrong++
			t.Errorf("line %d: %s\n  PostgreSQL: %s\n  we:         %s", i+1, e, want, got)
		}
	}
	if n < 500 {
		t.Errorf("only %d expressions", n)
	}
	if wrong > 0 {
		t.Log(fmt.Sprintf("%d of %d differ", wrong, n))
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
	for i, l := range readLines(t) {
		if l == "" || l[0] == '#' {
			continue
		}
		sql, _, _ := strings.Cut(l, "\t")
		e, err := bindSQL(sql)
		if err != nil || e.Type() == fqgw.Unknown {
			continue
		}
		printed := e.String()
		again, err := bindSQL(printed)
		if err != nil {
			t.Errorf("line %d: %s printed as %s: %v", i+1, sql, printed, err)
			continue
		}
		if s := again.String(); s != printed || again.Type() != e.Type() {
			t.Errorf("line %d: %s printed as %s (%s), then as %s (%s)", i+1, sql, printed, e.Type(), s, again.Type())
		}
		v, err1 := e.Eval(env, nil)
		w, err2 := again.Eval(env, nil)
		if (err1 == nil) != (err2 == nil) || err1 == nil && !Volatile(e) && Text(v, e.Type(), env) != Text(w, e.Type(), env) {
			t.Errorf("line %d: %s gives %v (%v), printed as %s it gives %v (%v)", i+1, sql, v, err1, printed, w, err2)
		}
	}
}
