package define

import (
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// TestGlobalWindows: windows without PARTITION BY are apart from those of the entities,
// and a trailing argument of COALESCE with nothing else is a default.
func TestGlobalWindows(t *testing.T) {
	cat := catalog(t)
	bound := func(list, windows string) *fqgw.FeatureView {
		t.Helper()
		st, err := script(cat, "CREATE FEATURE VIEW v WITH (hop.a = '2 minutes') AS SELECT "+list+" FROM clicks WINDOW "+windows)
		if err != nil {
			t.Fatal(err)
		}
		return st.(*plan.CreateFeatureView).View
	}
	const w, a = "w AS (PARTITION BY user_id ORDER BY ts RANGE '1 hour' PRECEDING)", "a AS (ORDER BY ts RANGE '1 day' PRECEDING)"
	v := bound(`user_id, COALESCE(avg(price) OVER w, avg(price) OVER a) AS one, avg(price) OVER w / avg(price) OVER a AS two,
		COALESCE(sum(qty) OVER w, sum(qty) OVER (ORDER BY ts), 7) AS three, COALESCE(avg(price) OVER a, sum(price) OVER w, 1) AS four`, a+", "+w)
	if len(v.Windows) != 1 || len(v.Global.Windows) != 2 || v.Global.Windows[0].Hop != 120*1_000_000 || len(v.Aggregates) != 3 || len(v.Global.Aggregates) != 2 {
		t.Fatalf("%+v", v)
	}
	for i, want := range []struct{ read, instead string }{
		{"_fq_slot_0", "_fq_slot_global_0"}, {"(_fq_slot_0 / _fq_slot_global_0)", ""},
		{"_fq_slot_1", "COALESCE(_fq_slot_global_1, '7'::bigint)"}, {"COALESCE(_fq_slot_global_0, _fq_slot_2)", ""},
	} {
		f := &v.Features[i]
		instead := ""
		if f.Instead != nil {
			instead = f.Instead.String()
		}
		if f.Read.String() != want.read || instead != want.instead || f.Default.IsNull() != (i != 3) {
			t.Errorf("%s is read as %s, instead %s, default %v", f.Name, f.Read, instead, f.Default)
		}
	}
	if f := &v.Features[1]; len(f.Slots) != 1 || len(f.Globals) != 1 || f.Globals[0] != 0 {
		t.Errorf("%v %v", f.Slots, f.Globals)
	}
	parts := v.Parts()
	if len(parts) != 2 || parts[0] != v || len(parts[1].Keys) != 0 || len(parts[1].Windows) != 2 {
		t.Errorf("%+v", parts)
	}
	alone := bound("count(*) OVER a AS n", a)
	if parts := alone.Parts(); len(parts) != 1 || len(parts[0].Aggregates) != 1 || len(alone.Aggregates) != 0 || alone.Features[0].Globals[0] != 0 {
		t.Errorf("%+v", alone)
	}
}
