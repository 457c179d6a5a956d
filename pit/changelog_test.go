package pit

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// changelogView is a view of the rows of a random changelog.
func changelogView(rnd *rand.Rand) *fqgw.FeatureView {
	s := newSource()
	s.PrimaryKey = [][]int{{colUser}, {colUser, colSite}, {colSite, colUser}}[rnd.IntN(3)]
	v := &fqgw.FeatureView{Name: "v", Source: s, Latest: true, Row: []fqgw.Expr{sourceCol(s, colFloat), sourceCol(s, colText)}}
	for _, c := range slices.Sorted(slices.Values(s.PrimaryKey)) {
		v.Keys = append(v.Keys, fqgw.KeyColumn{Name: s.Columns[c].Name, Column: c, Type: s.Columns[c].Type})
	}
	if rnd.IntN(2) == 0 {
		v.Where = op(op(number(10), "/", sourceCol(s, colInt)), ">", number(0))
	}
	return v
}

// randomChanges are the changes of a table, in no order: of each primary key in one
// partition, each known no earlier than those before it there, whenever the rows happened;
// some are delivered twice with other bytes.
func randomChanges(rnd *rand.Rand, v *fqgw.FeatureView, base int64) []raw {
	var out []raw
	next, floor := [2][3]int64{}, [3]int64{base, base, base}
	n := rnd.IntN(150)
	for i := range n {
		row := make([]fqgw.Value, colUnused+1)
		row[colUser], row[colSite] = fqgw.IntValue(rnd.Int64N(3)), fqgw.TextValue([]string{"x", "y", ""}[rnd.IntN(3)])
		partition := int32(row[colUser].Int())
		if len(v.Keys) == 2 {
			partition = (partition + int32(len(row[colSite].Str()))) % 3
		}
		epoch := int32(0)
		if i > n*2/3 {
			epoch = 1
		}
		floor[partition] = max(floor[partition], base+rnd.Int64N(5400)*int64(i+1)/int64(n)*second)
		at := base + rnd.Int64N(5400)*second // the row's own time says nothing
		pos := fqgw.Position{Epoch: epoch, Partition: partition, Offset: next[epoch][partition]}
		next[epoch][partition]++
		add := func(op fqgw.Operation, row []fqgw.Value) {
			out = append(out, raw{time: at, known: floor[partition], pos: pos, op: op, row: row})
			pos.Sub++
		}
		version := func() []fqgw.Value {
			row := slices.Clone(row)
			row[colTime], row[colInt] = fqgw.TimestampValue(at), orNull(rnd, fqgw.IntValue(rnd.Int64N(9)-4))
			row[colFloat], row[colText] = fqgw.FloatValue(float64(i)), orNull(rnd, fqgw.TextValue(fmt.Sprint("t", rnd.IntN(20))))
			return row
		}
		switch rnd.IntN(6) {
		case 0:
			add(fqgw.Delete, version())
		case 1:
			if rnd.IntN(2) == 0 {
				row[colTime] = fqgw.TimestampValue(at)
			}
			add(fqgw.DeleteKey, row)
		case 2, 3:
			add(fqgw.UpdateBefore, version())
			add(fqgw.UpdateAfter, version())
		default:
			add([]fqgw.Operation{fqgw.Insert, fqgw.Upsert, fqgw.SnapshotRow}[rnd.IntN(3)], version())
		}
	}
	rnd.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// TestVersionsAgainstNaive: the rows of a changelog as of random times, from runs and from
// what is in none.
func TestVersionsAgainstNaive(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 8))
	rounds, present, absent := 1500, 0, 0
	if testing.Short() {
		rounds = 300
	}
	for round := range rounds {
		v := changelogView(rnd)
		l := newLayout(t, v)
		base := []int64{0, -30 * minute, 1_362_700_000 * second}[rnd.IntN(3)]
		history := randomChanges(rnd, v, base)
		var probes []Probe
		var keys [][]fqgw.Value
		for range 1 + rnd.IntN(25) {
			key := make([]fqgw.Value, len(v.Keys))
			for i, k := range v.Keys {
				if key[i] = fqgw.IntValue(rnd.Int64N(4)); k.Column == colSite {
					key[i] = fqgw.TextValue([]string{"x", "y", ""}[rnd.IntN(3)])
				}
			}
			p := Probe{OK: true, T: base + (rnd.Int64N(6000)-600)*second}
			if len(history) > 0 && rnd.IntN(3) == 0 {
				p.T = history[rnd.IntN(len(history))].known
			}
			if p.K = p.T; rnd.IntN(3) == 0 {
				p.K = base + rnd.Int64N(6000)*second
			}
			p.Key, _ = fqgw.EncodeKey(key...)
			probes, keys = append(probes, p), append(keys, key)
		}
		check := func(i int, r *window.Reading) error {
			slots, exists, times := naiveVersion(v, history, keys[i], probes[i].K)
			if r.Exists != exists || r.OutsideMaxAge {
				t.Fatalf("round %d: %v known at %d: row %t too old %t, want %t", round, keys[i], probes[i].K, r.Exists, r.OutsideMaxAge, exists)
			}
			if exists {
				present++
			} else {
				absent++
			}
			for j, want := range slots {
				if show(r.Slots[j]) != want || r.Times[j] != times[j] {
					t.Fatalf("round %d: %v known at %d is %s at %d, want %s at %d", round, keys[i], probes[i].K, show(r.Slots[j]), r.Times[j], want, times[j])
				}
			}
			return nil
		}
		runs, left := randomRuns(t, rnd, v, history)
		for _, h := range []*fqgw.Sorted{{Fresh: records(t, v.Source, Columns(v), history)}, {Runs: runs, Fresh: records(t, v.Source, Columns(v), left)}} {
			if err := Join(l, probes, h, nil, check); err != nil {
				t.Fatal(err)
			}
		}
		k, seen := probes[0].K, 0
		err := All(l, probes[0].T, k, records(t, v.Source, Columns(v), history), nil, func(key fqgw.EntityKey, r *window.Reading) error {
			parts, err := fqgw.DecodeKey(key)
			if slots, exists, _ := naiveVersion(v, history, parts, k); !exists || show(r.Slots[0]) != slots[0] {
				t.Fatalf("round %d: all: %v is %s", round, parts, show(r.Slots[0]))
			}
			seen++
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		want := map[fqgw.EntityKey]bool{}
		for _, r := range history {
			key, _ := l.Key(r.row)
			parts, _ := fqgw.DecodeKey(key)
			if _, exists, _ := naiveVersion(v, history, parts, k); exists {
				want[key] = true
			}
		}
		if seen != len(want) {
			t.Fatalf("round %d: all rows are %d, want %d", round, seen, len(want))
		}
	}
	if present < rounds || absent < rounds {
		t.Errorf("%d rows were there and %d not: the test says little", present, absent)
	}
}

// TestVersionsRebuild: the state of a row, or of one that is gone, is made again from
// history, and reads as history does.
func TestVersionsRebuild(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 9))
	made, gone := 0, 0
	for round := range 500 {
		v := changelogView(rnd)
		v.Row = append(v.Row, op(sourceCol(v.Source, colText), "||", sourceCol(v.Source, colText)), sourceCol(v.Source, colText), sourceCol(v.Source, colText), sourceCol(v.Source, colText))
		l := newLayout(t, v)
		history, h := randomChanges(rnd, v, 0), rnd.Int64N(5400)*second
		states := map[fqgw.EntityKey]*window.State{}
		for _, r := range history {
			ev := fqgw.Event{Time: r.time, Known: r.known, Pos: r.pos, Op: r.op, Row: r.row}
			key, _ := l.Key(r.row)
			if states[key] == nil {
				states[key] = l.New()
				l.Advance(states[key], h)
			}
			if in, keep, _ := l.Input(&ev); keep {
				l.Load(states[key], &in)
			}
		}
		runs, left := randomRuns(t, rnd, v, history)
		for key, s := range states {
			parts, _ := fqgw.DecodeKey(key)
			at := h + rnd.Int64N(1000)*second
			packed := l.Encode(nil, s)
			back, err := l.Decode(packed)
			if err != nil {
				t.Fatal(err)
			}
			slots, exists, _ := naiveVersion(v, history, parts, at)
			if r := l.Read(back, at); r.Exists != exists || exists && show(r.Slots[1]) != slots[1] {
				t.Fatalf("round %d: %v at %d is %t, want %t", round, parts, at, r.Exists, exists)
			}
			b, err := l.Stub(packed)
			if err != nil {
				t.Fatal(err)
			}
			if gone += map[bool]int{true: 1}[!exists]; b == nil {
				continue
			}
			stub, err := l.OpenStub(b)
			if err != nil {
				t.Fatal(err)
			}
			got, err := Rebuild(l, []Cold{{key, stub}}, &fqgw.Sorted{Runs: runs, Fresh: records(t, v.Source, Columns(v), left)}, 0)
			if made++; err != nil || !bytes.Equal(got[0], packed) {
				t.Fatalf("round %d: %v became %x, was %x: %v", round, parts, got[0], packed, err)
			}
		}
	}
	if made < 300 || gone < 300 {
		t.Errorf("%d states were made again, %d rows were gone: the test says little", made, gone)
	}
}
