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
	u := fqgw.Unit{View: "origin {delays}:é", State: 42, Shard: 7}
	marks := marksHeader + string(appendMark(appendMark(nil, fqgw.Mark{Generation: 1, Epoch: 2, Next: 3}), fqgw.Mark{Generation: 1 << 40, Epoch: 1, Next: 1 << 50}))
	got := fmt.Sprintf("state %q\nmarks %q\nshards %q\nvalue %x\n", stateKey(u, k), marksKey(u), shardsKey, marks)
	want, err := os.ReadFile("testdata/layout.golden")
	if err != nil || got != string(want) {
		t.Errorf("the layout changed (%v):\n%swant\n%s", err, got, want)
	}
	back, err := decodeMarks(marks)
	if err != nil || len(back) != 2 || back[1] != (fqgw.Mark{Generation: 1 << 40, Epoch: 1, Next: 1 << 50}) {
		t.Errorf("decoded %v, %v", back, err)
	}
	if e, ok := entityOf(stateKey(u, k)); !ok || e != k {
		t.Errorf("entity %q, %v", e, ok)
	}
}
