package planner

import (
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/define"
)

// TestSchemas reads relations of another schema than public: nothing that is
// stored, and nothing of the catalog, knows of public alone.
func TestSchemas(t *testing.T) {
	both := []string{"analytics", "public"}
	cat, err := define.Load(fqgw.Definitions{Version: 1, Objects: []fqgw.Object{
		{OID: 16384, Kind: "schema", Name: "analytics"},
		{OID: 16385, Kind: "view", Schema: "public", Name: "one", SQL: "CREATE VIEW one AS SELECT 2 AS x"},
		{OID: 16386, Kind: "view", Schema: "analytics", Name: "one", SQL: "CREATE VIEW one AS SELECT 1 AS x", Path: both},
		{OID: 16387, Kind: "view", Schema: "analytics", Name: "two", SQL: "CREATE VIEW two AS SELECT x FROM one", Path: both},
		{OID: 16388, Kind: "source", Schema: "analytics", Name: "taps", SQL: "CREATE SOURCE taps (id int, at timestamptz) WITH (event_time = 'at')", Path: both},
		{OID: 16389, Kind: "feature view", Schema: "analytics", Name: "counts", State: 1, Path: both,
			SQL: "CREATE FEATURE VIEW counts AS SELECT id, count(*) OVER w AS n FROM taps WINDOW w AS (PARTITION BY id ORDER BY at RANGE '1 day' PRECEDING)"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	if s := cat.Sources[fqgw.QualifiedName{Schema: "analytics", Name: "taps"}]; s == nil || s.History != "lake.analytics.taps" || s.Topic != "analytics.taps" {
		t.Errorf("the source is %+v", s)
	}
	clientOf(t, cat).steps(t,
		"SELECT x FROM one", "(2); I",
		"SELECT x FROM analytics.one", "(1); I",
		"SELECT x FROM two", "42P01; I",
		"SELECT two.x, analytics.two.x FROM analytics.two", "(1,1); I",
		"SELECT 'analytics.two'::regclass, 'one'::regclass", "(analytics.two,one); I",
		"SELECT feature_view, feature FROM fqgw.features", "(analytics.counts,n); I",
		"SELECT nspname FROM pg_namespace n JOIN pg_type t ON t.typnamespace = n.oid WHERE typname = 'counts'", "(analytics); I",
		"SELECT table_schema, table_name FROM information_schema.tables WHERE table_name = 'one' ORDER BY 1", "(analytics,one); (public,one); I",
		"SELECT pg_table_is_visible(16386), 'analytics'::regnamespace::oid", "(f,16384); I",
		"SET search_path = analytics, public", "SET; I",
		"SELECT x FROM one", "(1); I",
		"SELECT x FROM public.one", "(2); I",
		"SELECT 'two'::regclass, 'public.one'::regclass, pg_table_is_visible(16385)", "(two,public.one,f); I",
		"SELECT current_schemas(false)", "({analytics,public}); I",
	)
}
