package pit

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// TestRebuild: the states of random views after random parts of a history are made again
// from all of it, whatever part of it is in runs; a history that lost a row gives none.
func TestRebuild(t *testing.T) {
	rnd := rand.New(rand.NewPCG(31, 32))
	rounds, made, lost := 1500, 0, 0
	if testing.Short() {
		rounds = 300
	}
	for round := range rounds {
		v := randomView(rnd)
		l := newLayout(t, v)
		base := []int64{0, -30 * minute, 1_362_700_000 * second}[rnd.IntN(3)]
		var history []raw
		seen := map[fqgw.Position]bool{}
		for _, r := range randomHistory(rnd, base) { // a pipeline lands each position once
			if !seen[r.pos] {
				history = append(history, r)
			}
			seen[r.pos] = true
		}
		// Of each partition the state has what is below a position.
		var had [3]fqgw.Position
		for p := range had {
			had[p] = fqgw.Position{Epoch: rnd.Int32N(3), Partition: int32(p), Offset: rnd.Int64N(40)}
		}
		h := base + rnd.Int64N(5400)*second
		states := map[fqgw.EntityKey]*window.State{}
		for _, r := range history {
			ev := fqgw.Event{Time: r.time, Known: r.known, Pos: r.pos, Row: r.row}
			key, ok := l.Key(r.row)
			if !ok || r.pos.Compare(had[r.pos.Partition]) >= 0 {
				continue
			}
			if states[key] == nil {
				states[key] = l.New()
				l.Advance(states[key], h)
			}
			if in, keep, _ := l.Input(&ev); keep {
				l.Load(states[key], &in)
			}
		}
		var cold []Cold
		var want [][]byte
		for key, s := range states {
			packed := l.Encode(nil, s)
			if len(packed) == 0 {
				continue
			}
			b, err := l.Stub(packed)
			if err != nil {
				t.Fatal(err)
			}
			if b == nil {
				continue
			}
			stub, err := l.OpenStub(b)
			if err != nil {
				t.Fatal(err)
			}
			cold, want = append(cold, Cold{key, stub}), append(want, packed)
		}
		if len(cold) == 0 {
			continue
		}
		rebuilt := func(history []raw) [][]byte {
			runs, left := []fqgw.Run(nil), history
			if rnd.IntN(3) > 0 {
				runs, left = randomRuns(t, rnd, v, history)
			}
			got, err := Rebuild(l, cold, &fqgw.Sorted{Runs: runs, Fresh: records(t, v.Source, Columns(v), left)}, 0)
			if err != nil {
				t.Fatal(err)
			}
			return got
		}
		for i, b := range rebuilt(history) {
			if made++; !bytes.Equal(b, want[i]) {
				t.Fatalf("round %d: %s became\n%x, was\n%x", round, cold[i].Key, b, want[i])
			}
		}
		gone := rnd.IntN(len(history))
		for i, b := range rebuilt(append(history[:gone:gone], history[gone+1:]...)) {
			if b == nil {
				lost++
			} else if !bytes.Equal(b, want[i]) {
				t.Fatalf("round %d: without a row %s became another state", round, cold[i].Key)
			}
		}
	}
	if made < rounds/4 || lost < rounds/60 {
		t.Errorf("%d states were made again, and %d not for a row that was lost: the test says little", made, lost)
	}
}

// TestRebuildTooDear: an entity of many events is left out.
func TestRebuildTooDear(t *testing.T) {
	s := newSource()
	v := &fqgw.FeatureView{Name: "v", Source: s, Keys: []fqgw.KeyColumn{{Name: "user_id", Column: colUser, Type: fqgw.Int8}},
		Windows:    []fqgw.Window{{Name: "all"}},
		Aggregates: []fqgw.Aggregate{{Func: "approx_count_distinct", Args: []fqgw.Expr{sourceCol(s, colText)}, Type: fqgw.Int8}}}
	l := newLayout(t, v)
	st := l.New()
	l.Advance(st, 1000*second)
	var rows []raw
	for i := range int64(100) {
		r := raw{time: i * second, known: i * second, pos: fqgw.Position{Offset: i}, row: make([]fqgw.Value, colUnused+1)}
		r.row[colUser], r.row[colTime], r.row[colText] = fqgw.IntValue(1), fqgw.TimestampValue(r.time), fqgw.TextValue(string(rune('a'+i)))
		rows = append(rows, r)
		ev := fqgw.Event{Time: r.time, Known: r.known, Pos: r.pos, Row: r.row}
		in, _, _ := l.Input(&ev)
		l.Load(st, &in)
	}
	packed := l.Encode(nil, st)
	b, err := l.Stub(packed)
	if err != nil || b == nil {
		t.Fatal("no stub", err)
	}
	stub, err := l.OpenStub(b)
	if err != nil {
		t.Fatal(err)
	}
	key, _ := fqgw.EncodeKey(fqgw.IntValue(1))
	var all []string
	for _, c := range RunColumns(s) {
		all = append(all, c.Name)
	}
	run := newMemoryRun(t, s, []int{colUser}, records(t, s, all, rows))
	for most, want := range map[int][]byte{0: packed, 100: packed, 99: nil} {
		for _, h := range []*fqgw.Sorted{
			{Runs: []fqgw.Run{run}, Fresh: records(t, s, Columns(v), nil)},
			{Fresh: records(t, s, Columns(v), rows)},
		} {
			got, err := Rebuild(l, []Cold{{key, stub}}, h, most)
			if err != nil || !bytes.Equal(got[0], want) {
				t.Errorf("at most %d rows: %x, %v", most, got[0], err)
			}
		}
	}
}
