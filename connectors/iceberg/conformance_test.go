package iceberg

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

// place is a kind of catalog with a kind of store behind it.
type place struct {
	name    string
	options func(t testing.TB) Options // of one more lake on the same tables
}

// places are those that need no server: the embedded catalog on files of this machine,
// and the doubles. Others are named by the environment (.ci/run).
func places(t testing.TB) (out []place) {
	add := func(name string, options func(t testing.TB) Options) { out = append(out, place{name, options}) }
	local := t.TempDir()
	add("embedded", func(testing.TB) Options { return Options{Dir: local} })
	synced := filepath.Join(t.TempDir(), "a folder with spaces")
	add("embedded, synced", func(testing.TB) Options { return Options{Dir: synced, Sync: true} })
	b := newBucket(t)
	s3 := S3{Endpoint: b.url, AccessKey: "a", SecretKey: "b"}
	far := t.TempDir()
	add("SQLite, files in S3", func(testing.TB) Options {
		return Options{Dir: far, Catalog: Catalog{Warehouse: "s3://warehouse/w", S3: s3}}
	})
	r := newRestServer(t, newBucket(t), nil)
	r.vend(
		map[string]string{
			"s3.endpoint":          r.bucketURL,
			"s3.access-key-id":     "vended",
			"s3.secret-access-key": "b",
			"client.region":        "us-east-1",
		},
	)
	add("REST, vended", func(t testing.TB) Options { return Options{Dir: t.TempDir(), Catalog: Catalog{URI: r.url}} })
	return out
}

// realPlaces are on the servers that the environment names.
func realPlaces(t testing.TB) (out []place) {
	s3 := S3{Endpoint: os.Getenv("FQGW_TEST_S3"), AccessKey: "fqgw", SecretKey: "fqgw-secret"}
	postgres := os.Getenv("FQGW_TEST_POSTGRES")
	if s3.Endpoint == "" || postgres == "" || os.Getenv("FQGW_TEST_LAKE_REST") == "" || os.Getenv("FQGW_TEST_LAKE_VENDING") == "" {
		t.Skip("FQGW_TEST_S3, FQGW_TEST_POSTGRES, FQGW_TEST_LAKE_REST or FQGW_TEST_LAKE_VENDING is not set")
	}
	local, run := t.TempDir(), fmt.Sprint(time.Now().UnixNano())
	add := func(name string, c Catalog) {
		out = append(out, place{name, func(t testing.TB) Options { return Options{Dir: local, Catalog: c} }})
	}
	add("PostgreSQL, files here", Catalog{URI: postgres, Name: "here" + run})
	add("PostgreSQL, files in S3", Catalog{URI: postgres, Name: "s3" + run, Warehouse: "s3://warehouse/" + run, S3: s3})
	add("REST, files in S3", Catalog{URI: os.Getenv("FQGW_TEST_LAKE_REST"), S3: s3})
	add("REST, vended", Catalog{URI: os.Getenv("FQGW_TEST_LAKE_VENDING")})
	return out
}

// emptied is a lake without the tables of an earlier test.
func emptied(t testing.TB, o Options) *Lake {
	l := open(t, o)
	for _, namespace := range []string{"lake", "sorted"} {
		for id, err := range l.catalog.ListTables(t.Context(), table.Identifier{namespace}) {
			if isMissing(err) {
				break
			}
			if err == nil {
				err = l.catalog.DropTable(t.Context(), id)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	return l
}

func TestConformance(t *testing.T)     { conformance(t, places(t)) }
func TestConformanceReal(t *testing.T) { conformance(t, realPlaces(t)) }

func conformance(t *testing.T, places []place) {
	for _, p := range places {
		t.Run(p.name, func(t *testing.T) { storetest.History(t, emptied(t, p.options(t))) })
		if p.name == "embedded, synced" {
			continue // the rest is the same as without
		}
		t.Run(p.name+"/sorted", func(t *testing.T) { storetest.Sorted(t, emptied(t, p.options(t))) })
		t.Run(p.name+"/race", func(t *testing.T) {
			storetest.HistoryRace(t, []fqgw.History{emptied(t, p.options(t)), open(t, p.options(t)), open(t, p.options(t))}, false)
		})
	}
}
