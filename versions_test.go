package fqgw

import (
	"strings"
	"testing"
)

func TestVersionName(t *testing.T) {
	for name, want := range map[string]string{
		"v":                           "v_v12",
		strings.Repeat("a", 59):       strings.Repeat("a", 59) + "_v12",
		strings.Repeat("a", 60):       strings.Repeat("a", 59) + "_v12",
		strings.Repeat("é", 31):       strings.Repeat("é", 29) + "_v12", // 62 bytes
		"a" + strings.Repeat("é", 29): "a" + strings.Repeat("é", 29) + "_v12",
	} {
		if got := VersionName(Public(name), 12); got != Public(want) {
			t.Errorf("version 12 of %s is called %s, want %s", name, got, want)
		}
	}
}

// Versions are found by the view that they are of; what shares a state is kept as long
// as any of them says.
func TestVersions(t *testing.T) {
	cat := (*Catalog)(nil).Clone()
	add := func(v FeatureView) *FeatureView {
		cat.Features[v.Qualified()] = &v
		return &v
	}
	first := add(FeatureView{OID: 1, Name: "v_v1", Of: "v", Version: 1, State: 5, Retain: 10})
	cur := add(FeatureView{OID: 2, Name: "v", Version: 2, State: 5, Retain: 20, Given: 4})
	later := add(FeatureView{OID: 3, Name: "v_v3", Of: "v", Version: 3, State: 6, Offline: true})
	next := add(FeatureView{OID: 5, Name: "v_v4", Of: "v", Version: 4, State: 7, Next: true})
	add(FeatureView{OID: 4, Schema: "s", Name: "v_v9", Of: "v", Version: 9, State: 8})
	if got := cat.VersionsOf(first); len(got) != 4 || got[0] != first || got[1] != cur || got[2] != later || got[3] != next {
		t.Errorf("the versions of v are %v", got)
	}
	if n := cat.NextVersion(later); n != 5 {
		t.Errorf("the next version is %d, want 5", n)
	}
	for v, want := range map[*FeatureView]string{first: "superseded", cur: "current", later: "ready", next: "building"} {
		if got := v.Standing(cat); got != want {
			t.Errorf("%s is %s, want %s", v.Name, got, want)
		}
	}
	if k := cat.Keeper(5); k.OID != 2 || k.Retain != 20 {
		t.Errorf("state 5 is kept by %s for %d, want v for 20", k.Name, k.Retain)
	}
	first.Retain = 0 // for ever
	if k := cat.Keeper(5); k.OID != 2 || k.Retain != 0 || cur.Retain != 20 {
		t.Errorf("state 5 is kept by %s for %d, want v for ever", k.Name, k.Retain)
	}
	if k := cat.Keeper(6); k != nil {
		t.Errorf("state 6 is kept by %s, which is not kept online", k.Name)
	}
}
