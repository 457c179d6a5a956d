package iceberg

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

func tableOf(t testing.TB, l *Lake) *table.Table {
	t.Helper()
	tab, err := l.load(t.Context(), "lake.t")
	if err != nil {
		t.Fatal(err)
	}
	return tab
}

func pathOf(t testing.TB, f iceberg.DataFile) string {
	t.Helper()
	u, err := url.Parse(f.FilePath())
	if err != nil {
		t.Fatal(err)
	}
	return u.Path
}

const crashDir = "FQGW_TEST_CRASH_DIR"

// TestCrashChild is the process that TestCrash kills: it lands until then.
func TestCrashChild(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		t.Skip("only as a child of TestCrash")
	}
	l, err := Open(context.Background(), Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	l.keepAge = 0 // expiry is to be hit as well
	for first := true; ; first = false {
		s, err := l.Current(context.Background(), "lake.t")
		if err != nil {
			t.Fatal(err)
		}
		at := int(s.Landed.Of(0).Next)
		if first {
			fmt.Println("landing")
		}
		land(t, l, "lake.t", at, 1+at%3)
	}
}

// A process killed at any moment of a landing leaves a table whose rows are
// exactly those below its marks.
func TestCrash(t *testing.T) {
	dir := t.TempDir()
	create(t, open(t, Options{Dir: dir}), "lake.t")
	rounds := 10
	if testing.Short() {
		rounds = 3
	}
	orphans := 0
	for round := range rounds {
		child := exec.Command(os.Args[0], "-test.run=^TestCrashChild$")
		child.Env = append(os.Environ(), crashDir+"="+dir)
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		first, _ := bufio.NewReader(out).ReadString('\n')
		if strings.TrimSpace(first) != "landing" {
			t.Fatalf("the child says %q", first)
		}
		time.Sleep(time.Duration(rand.IntN(150_000)) * time.Microsecond)
		child.Process.Kill()
		child.Wait()

		l := open(t, Options{Dir: dir})
		s, err := l.Current(t.Context(), "lake.t")
		if err != nil {
			t.Fatal(err)
		}
		n := int(s.Landed.Of(0).Next)
		if got := values(t, l, fqgw.Scan{Table: "lake.t"}); !slices.Equal(got, upTo(0, n)) || s.Rows != int64(n) {
			t.Fatalf("round %d: marks at %d, %d rows counted, %d read", round, n, s.Rows, len(got))
		}
		tasks, err := tableOf(t, l).Scan().PlanFiles(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		orphans = len(files(t, dir, ".parquet")) - len(tasks)
		l.Close()
	}
	t.Logf("%d files without a table", orphans)
	if orphans > rounds {
		t.Errorf("%d orphans of %d kills", orphans, rounds)
	}
}

// With Sync, what iceberg-go writes by itself goes through our file system too.
func TestSync(t *testing.T) {
	for _, sync := range []bool{false, true} {
		l := open(t, Options{Sync: sync})
		create(t, l, "lake.t")
		land(t, l, "lake.t", 0, 1)
		fs, err := tableOf(t, l).FS(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := fs.(syncFS); ok != sync {
			t.Errorf("sync %v: the files go through %T", sync, fs)
		}
	}
}
