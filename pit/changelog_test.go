package pit

import (
	"bytes"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
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

// changingTable are the changes of a table over time, as the log has them: with each its
// row before. The primary key is colUnused.
func changingTable(rnd *rand.Rand, base int64) []raw {
	var out []raw
	var next, floor [3]int64
	table := map[string][]fqgw.Value{}
	n := rnd.IntN(200)
	for i := range n {
		id := fmt.Sprint("p", rnd.IntN(8))
		partition := int32(id[1]) % 3
		floor[partition] = max(floor[partition], base+rnd.Int64N(5400)*int64(i+1)/int64(n)*second)
		pos := fqgw.Position{Partition: partition, Offset: next[partition]}
		next[partition]++
		add := func(op fqgw.Operation, row []fqgw.Value) {
			out = append(out, raw{time: row[colTime].Int(), known: floor[partition], pos: pos, op: op, row: row})
			pos.Sub++
		}
		was := table[id]
		if was != nil && rnd.IntN(3) == 0 {
			add(fqgw.Delete, was)
			delete(table, id)
			continue
		}
		row := make([]fqgw.Value, colUnused+1)
		row[colUnused], row[colUser], row[colSite] = fqgw.TextValue(id), fqgw.IntValue(rnd.Int64N(3)), fqgw.TextValue([]string{"x", "y", ""}[rnd.IntN(3)])
		row[colTime] = fqgw.TimestampValue(base + rnd.Int64N(3600)/10*10*second)
		row[colInt] = orNull(rnd, fqgw.IntValue(rnd.Int64N(9)-4))
		row[colFloat] = orNull(rnd, fqgw.FloatValue([]float64{float64(rnd.IntN(100)), 1e100, rnd.NormFloat64() * 1e-200, math.NaN(), math.Inf(1), math.Inf(-1)}[rnd.IntN(6)]))
		row[colNumeric] = orNull(rnd, fqgw.NumericValue(fqgw.NewDecimal(big.NewInt(rnd.Int64N(10_000)-5000), rnd.Int32N(5))))
		row[colText], row[colBool] = orNull(rnd, fqgw.TextValue(fmt.Sprint("t", rnd.IntN(20)))), orNull(rnd, fqgw.BoolValue(rnd.IntN(2) == 0))
		if was != nil {
			if rnd.IntN(3) == 0 { // most of it stays
				row[colUser], row[colTime], row[colSite] = was[colUser], was[colTime], was[colSite]
			}
			add(fqgw.UpdateBefore, was)
			add(fqgw.UpdateAfter, row)
		} else {
			add([]fqgw.Operation{fqgw.Insert, fqgw.SnapshotRow}[rnd.IntN(2)], row)
		}
		table[id] = row
	}
	rnd.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// windowsOfTable is a view of windows over a changelog.
func windowsOfTable(rnd *rand.Rand) *fqgw.FeatureView {
	for {
		v := randomView(rnd)
		v.Source.PrimaryKey = []int{colUnused}
		if v.Latest || slices.ContainsFunc(v.Aggregates, func(a fqgw.Aggregate) bool {
			return v.Windows[a.Window].Rows > 0 || !a.Star && !window.Invertible(a.Func, a.Args[0].Type(), a.Params)
		}) {
			continue
		}
		return v
	}
}

// TestTableWindowsAgainstNaive: windows over the rows of a changelog are those over the
// table that it is: from history, and from states that folded the changes in any order.
func TestTableWindowsAgainstNaive(t *testing.T) {
	rnd := rand.New(rand.NewPCG(8, 10))
	rounds, present, shrunk := 1500, 0, 0
	if testing.Short() {
		rounds = 300
	}
	for round := range rounds {
		v := windowsOfTable(rnd)
		l := newLayout(t, v)
		base := []int64{0, -30 * minute, 1_362_700_000 * second}[rnd.IntN(3)]
		history := changingTable(rnd, base)
		var probes []Probe
		var keys [][]fqgw.Value
		var names []byte
		var ends []uint32
		times, known := []int64{}, []int64{}
		for range 1 + rnd.IntN(25) {
			key := []fqgw.Value{fqgw.IntValue(rnd.Int64N(4)), fqgw.TextValue([]string{"x", "y", ""}[rnd.IntN(3)])}[:len(v.Keys)]
			p := Probe{OK: true, T: base + (rnd.Int64N(6000)-600)*second}
			if p.K = p.T; rnd.IntN(3) == 0 {
				p.K = base + rnd.Int64N(6000)*second
			}
			p.Key, _ = fqgw.EncodeKey(key...)
			names, _ = fqgw.AppendKeyBytes(names, key)
			probes, keys, ends, times, known = append(probes, p), append(keys, key), append(ends, uint32(len(names))), append(times, p.T), append(known, p.K)
		}
		agrees := func(what string, i int, exists bool, slot func(j int) (fqgw.Value, bool)) {
			slots, want, _, _ := naive(v, history, keys[i], probes[i].T, probes[i].K)
			if exists != want {
				t.Fatalf("round %d: %s: %v at %d known at %d: row %t, want %t", round, what, keys[i], probes[i].T, probes[i].K, exists, want)
			}
			if exists {
				present++
			}
			for j := range slots {
				if got, failed := slot(j); failed || !agree(&v.Aggregates[j], got, slots[j]) {
					t.Fatalf("round %d: %s: %s%v of %v at %d known at %d is %s, want %s", round, what, v.Aggregates[j].Func, v.Aggregates[j].Args, keys[i], probes[i].T, probes[i].K, show(got), slots[j])
				}
			}
		}
		fresh := &fqgw.Sorted{Fresh: records(t, v.Source, Columns(v), history)}
		err := Join(l, probes, fresh, nil, func(i int, r *window.Reading) error {
			agrees("a reading", i, r.Exists, func(j int) (fqgw.Value, bool) {
				if r.Times[j] != window.NoTime {
					t.Fatalf("round %d: a feature time of rows that may have gone", round)
				}
				return r.Slots[j], r.Errors[j]
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		cols, err := Windows(l, NewSpine(names, ends, times, known), fresh, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		for i := range probes {
			agrees("a column", i, cols.Exists[i], func(j int) (fqgw.Value, bool) {
				f := &cols.Slots[j]
				return f.Value(i), f.Failed != nil && f.Failed[i]
			})
		}
		states := map[fqgw.EntityKey]*window.State{}
		h := base + rnd.Int64N(5400)*second
		for _, r := range history { // in any order
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
		outputs := make([]fqgw.Output, len(v.Aggregates))
		for j := range v.Aggregates {
			v.Features = append(v.Features, fqgw.Feature{Type: v.Aggregates[j].Type, Slots: []int{j},
				Read: &expr.Column{Index: len(v.Keys) + j, Typ: v.Aggregates[j].Type}})
			outputs[j] = fqgw.Output{Kind: fqgw.OutFeature, Index: j}
		}
		p := window.NewProgram(l, v, outputs)
		few := window.NewProgram(l, v, outputs[:1])
		for i := range probes {
			if probes[i].T < h {
				continue
			}
			probes[i].K = probes[i].T
			s := states[probes[i].Key]
			if s == nil {
				continue
			}
			a := window.Answer{Key: keys[i]}
			if err := p.Online(&a, l.Encode(nil, s), probes[i].T); err != nil {
				t.Fatal(err)
			}
			agrees("a state", i, a.Exists, func(j int) (fqgw.Value, bool) {
				got, status := p.Value(&a, j)
				return got, status == fqgw.StatusError
			})
			got, _ := p.Value(&a, 0)
			b := window.Answer{Key: keys[i]}
			if err := few.Online(&b, l.Encode(nil, s), probes[i].T); err != nil {
				t.Fatal(err)
			}
			if one, _ := few.Value(&b, 0); a.Exists != b.Exists || show(one) != show(got) {
				t.Fatalf("round %d: one feature is %s, of all it is %s", round, show(one), show(got))
			}
			if !a.Exists {
				shrunk++
			}
		}
	}
	if present < rounds || shrunk < rounds/4 {
		t.Errorf("%d windows had rows, %d had lost them: the test says little", present, shrunk)
	}
}
