package fqgw

import (
	"os"
	"reflect"
	"strings"
	"testing"
)

// The text of an ALTER outlives the process.
func TestAlterationText(t *testing.T) {
	golden, err := os.ReadFile("testdata/alteration.golden")
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range []Alteration{
		{SQL: "ALTER SOURCE clicks ADD COLUMN \"Device\" text", From: Marks{{Epoch: 0, Next: 12}, {}, {Epoch: 2, Next: 1 << 40}}},
		{SQL: "ALTER TABLE labels DROP COLUMN x"},
	} {
		want := strings.Split(string(golden), "\n")[i]
		if got := a.Text(); got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		if got, err := ParseAlteration(want); err != nil || !reflect.DeepEqual(got, a) {
			t.Errorf("%s is read as %+v, %v", want, got, err)
		}
	}
	for _, bad := range []string{"", `{"version":2,"sql":"x"}`, "ALTER SOURCE"} {
		if _, err := ParseAlteration(bad); !HasCode(err, CodeDataCorrupted) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// A record is judged by the version that its position is of, and its row has the columns of now.
func TestGateVersions(t *testing.T) {
	one := &Source{Columns: []Column{{Name: "a"}, {Name: "b"}}}
	two := &Source{Columns: []Column{{Name: "a"}, {Name: "b"}, {Name: "c"}}}
	two.Follow(one, []int{0, 1, -1}, Marks{{Next: 10}, {Next: 3}})
	three := &Source{Columns: []Column{{Name: "b"}, {Name: "c"}}}
	three.Follow(two, []int{1, 2}, Marks{{Next: 20}, {Next: 3}, {Next: 5}})
	for _, c := range []struct {
		p    Position
		want int
	}{
		{Position{Offset: 0}, 1}, {Position{Offset: 9}, 1}, {Position{Offset: 10}, 2}, {Position{Offset: 19}, 2}, {Position{Offset: 20}, 3},
		{Position{Partition: 1, Offset: 2}, 1}, {Position{Partition: 1, Offset: 3}, 3}, // between the two nothing came
		{Position{Partition: 2, Offset: 4}, 2}, {Position{Partition: 2, Offset: 5}, 3}, // a partition that came after the first ALTER
		{Position{Partition: 3}, 3}, {Position{Epoch: 1}, 3}, // and after the second; a topic that was made again
	} {
		if got := three.GateOf(c.p); got != c.want {
			t.Errorf("%+v is judged by version %d, want %d", c.p, got, c.want)
		}
	}
	row := []Value{IntValue(1), IntValue(2), IntValue(3)}
	for n, want := range [][]Value{{IntValue(2), Null}, {IntValue(2), IntValue(3)}} {
		src, g := three.GateAt(n + 1)
		if got := g.Row(row[:len(src.Columns)]); !reflect.DeepEqual(got, want) {
			t.Errorf("a row of version %d is %v, want %v", n+1, got, want)
		}
	}
	if one.Since(0) != 1 || three.Since(0) != 1 || three.Since(1) != 2 {
		t.Errorf("columns came with the versions %d, %d and %d, want 1, 1 and 2", one.Since(0), three.Since(0), three.Since(1))
	}
	if src, g := three.GateAt(3); src != three || g != nil || three.GateVersion != 3 {
		t.Errorf("version 3 is %v", src)
	}
}
