package exec

import "testing"

// The text in the registry outlives the process.
func TestLeftText(t *testing.T) {
	const golden = `{"version":1,"left":[{"oid":16385,"what":"view","name":"v","state":7},{"oid":16384,"what":"topic","name":"t","topic":"00ff"},{"oid":16384,"what":"history","name":"lake.s"}]}`
	list, err := parseLeft(golden)
	if err != nil || len(list) != 3 || list[0] != (leftover{OID: 16385, What: "view", Name: "v", State: 7}) {
		t.Fatal(list, err)
	}
	if text, err := leftText(list); err != nil || text != golden {
		t.Errorf("%s, %v", text, err)
	}
	if text, err := leftText(nil); text != "" || err != nil {
		t.Errorf("nothing: %q, %v", text, err)
	}
	for _, bad := range []string{"{", `{"version":2}`} {
		if _, err := parseLeft(bad); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}
