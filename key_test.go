package fqgw_test

import (
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
)

var keyTuples = [][]fqgw.Value{
	{fqgw.IntValue(1), fqgw.IntValue(23)}, {fqgw.IntValue(12), fqgw.IntValue(3)},
	{fqgw.TextValue("a"), fqgw.TextValue("bc")}, {fqgw.TextValue("ab"), fqgw.TextValue("c")}, {fqgw.TextValue("")},
	{fqgw.TextValue(strings.Repeat("x", 200))}, {fqgw.TextValue("JFK"), fqgw.TextValue("zoë")}, {fqgw.TextValue("jfk ")},
	{fqgw.BytesValue("a")}, {fqgw.BytesValue("\x00\xff")}, {fqgw.BoolValue(true)}, {fqgw.BoolValue(false)},
	{fqgw.IntValue(math.MinInt64)}, {fqgw.IntValue(-1)}, {fqgw.IntValue(0)}, {fqgw.IntValue(math.MaxInt64)},
	{fqgw.DateValue(0)}, {fqgw.TimestampValue(0)}, {fqgw.TimestampValue(-1)}, {fqgw.UUIDValue([16]byte{1, 2, 3})},
}

// TestEntityKey pins the encoding and the shards: they are the keys of the
// online store and outlive every process.
func TestEntityKey(t *testing.T) {
	var got strings.Builder
	seen := map[fqgw.EntityKey]int{}
	for i, tuple := range keyTuples {
		k, ok := fqgw.EncodeKey(tuple...)
		if !ok {
			t.Fatalf("tuple %d has no key", i)
		}
		if j, twice := seen[k]; twice {
			t.Errorf("tuples %d and %d meet", j, i)
		}
		seen[k] = i
		fmt.Fprintf(&got, "%x %d %d\n", string(k), k.Shard(64), k.Shard(1024))
		back, err := fqgw.DecodeKey(k)
		if err != nil || len(back) != len(tuple) {
			t.Fatalf("tuple %d comes back as %v, %v", i, back, err)
		}
		for c := range back {
			if back[c].Kind() != tuple[c].Kind() || fqgw.Compare(back[c], tuple[c]) != 0 {
				t.Errorf("tuple %d column %d comes back as %v", i, c, back[c])
			}
		}
	}
	want, err := os.ReadFile("testdata/entity_key.golden")
	if err != nil || got.String() != string(want) {
		t.Errorf("the encoding changed (%v):\n%s", err, got.String())
	}
	if _, ok := fqgw.EncodeKey(fqgw.IntValue(1), fqgw.Null); ok {
		t.Error("a NULL part has a key")
	}
}

func FuzzDecodeKey(f *testing.F) {
	for _, tuple := range keyTuples {
		k, _ := fqgw.EncodeKey(tuple...)
		f.Add(string(k))
	}
	f.Fuzz(func(t *testing.T, s string) {
		parts, err := fqgw.DecodeKey(fqgw.EntityKey(s))
		if err != nil {
			return
		}
		if again, _ := fqgw.EncodeKey(parts...); len(again) != len(s) {
			t.Skip() // longer forms of a length decode too; they are never written
		}
	})
}

// The default hop is the largest step of at most a sixtieth (SEMANTICS §3.1).
func TestDefaultHop(t *testing.T) {
	const s, m, h, d = 1_000_000, 60_000_000, 3_600_000_000, 86_400_000_000
	for length, want := range map[int64]int64{s: s, m: s, 5 * m: 5 * s, 10 * m: 10 * s, h: m, 3 * h: m, 6 * h: 5 * m, 15 * h: 15 * m, d: 15 * m, 7 * d: h, 15 * d: 6 * h, 30 * d: 6 * h, 60 * d: d, 365 * d: d} {
		if got := fqgw.DefaultHop(length); got != want {
			t.Errorf("the hop of %d s is %d s, not %d s", length/s, got/s, want/s)
		}
	}
}

// Floor is the mathematical floor, before 1970 too.
func TestFloor(t *testing.T) {
	for _, c := range [][3]int64{{7, 5, 5}, {5, 5, 5}, {0, 5, 0}, {-1, 5, -5}, {-5, 5, -5}, {-6, 5, -10}} {
		if got := fqgw.Floor(c[0], c[1]); got != c[2] {
			t.Errorf("floor(%d, %d) is %d, not %d", c[0], c[1], got, c[2])
		}
	}
}
