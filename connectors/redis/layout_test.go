package redis

import (
	"fmt"
	"os"
	"testing"

	"github.com/fqgw/fqgw"
)

// TestLayout pins the keys and the positions' bytes: they outlive the process.
func TestLayout(t *testing.T) {
	k, _ := fqgw.EncodeKey(fqgw.TextValue("JFK"), fqgw.IntValue(12))
	u := fqgw.Unit{State: 42, Shard: 7}
	marks := marksHeader + string(appendMark(appendMark(nil, fqgw.Mark{Generation: 1, Epoch: 2, Next: 3}), fqgw.Mark{Generation: 1 << 40, Epoch: 1, Next: 1 << 50}))
	got := fmt.Sprintf("state %q\nmarks %q\nshards %q\nvalue %x\n", stateKey(unitPrefix(u), k), marksKey(unitPrefix(u)), shardsKey, marks)
	want, err := os.ReadFile("testdata/layout.golden")
	if err != nil || got != string(want) {
		t.Errorf("the layout changed (%v):\n%swant\n%s", err, got, want)
	}
	back, err := appendMarks(nil, []byte(marks))
	if err != nil || len(back) != 2 || back[1] != (fqgw.Mark{Generation: 1 << 40, Epoch: 1, Next: 1 << 50}) {
		t.Errorf("decoded %v, %v", back, err)
	}
	version := "42"
	if e, marks, ok := keyOf(stateKey(unitPrefix(u), k), version); !ok || marks || e != k {
		t.Errorf("entity %q, %v, %v", e, marks, ok)
	}
	if _, marks, ok := keyOf(marksKey(unitPrefix(u)), version); !ok || !marks {
		t.Errorf("marks %v, %v", marks, ok)
	}
	// What the glob of SCAN finds, but is another's.
	stranger, _ := fqgw.EncodeKey(fqgw.TextValue("}:" + version + ":x"))
	for _, other := range []string{stateKey(unitPrefix(fqgw.Unit{State: 2}), stranger), "fq:{7}:" + version + "1:x", "fq:{x}:" + version + ":x", shardsKey, "fq:{7}:" + version} {
		if e, _, ok := keyOf(other, version); ok {
			t.Errorf("%q is taken for the entity %q", other, e)
		}
	}
}

// TestIsPositions: the positions of a unit are told from states, of entities whose keys
// look like them too.
func TestIsPositions(t *testing.T) {
	u := fqgw.Unit{State: 12, Shard: 3}
	for key, want := range map[string]bool{marksKey(unitPrefix(u)): true, stateKey(unitPrefix(u), "!"): false, stateKey(unitPrefix(u), "}:12!"): false,
		shardsKey: false, ownerKey: false, "fq:{3}:12": false, "fq:{3}:x!": false, "x{3}:12!": false} {
		if IsPositions(key) != want {
			t.Errorf("%q: %v", key, !want)
		}
	}
}
