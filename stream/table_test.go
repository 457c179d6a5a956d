package stream

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// others is a table that others write, in memory: each snapshot adds rows to the one
// before, or replaces them.
type others struct {
	mu        sync.Mutex
	columns   []fqgw.Column
	snapshots []state
	broken    error         // of reading rows
	slow      time.Duration // between batches, so that states are written before the last
}

type state struct {
	rows  [][]fqgw.Value
	added int // of them, behind the others; -1: they are not those of before
}

func (o *others) write(appends bool, rows ...[]fqgw.Value) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !appends || len(o.snapshots) == 0 {
		o.snapshots = append(o.snapshots, state{rows, -1})
		return
	}
	before := o.snapshots[len(o.snapshots)-1].rows
	o.snapshots = append(o.snapshots, state{slices.Concat(before, rows), len(rows)})
}

func (o *others) Columns(context.Context, *fqgw.Source) ([]fqgw.Column, error) { return o.columns, nil }
func (o *others) Tables(context.Context, string) ([]string, error)             { return nil, nil }

func (o *others) Current(context.Context, *fqgw.Source) (fqgw.Snapshot, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return fqgw.Snapshot{ID: int64(len(o.snapshots))}, nil
}

func (o *others) Added(_ context.Context, _ *fqgw.Source, from, to int64) (fqgw.Records, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n := 0
	for _, s := range o.snapshots[from:to] {
		if s.added < 0 {
			return nil, false, nil
		}
		n += s.added
	}
	all := o.snapshots[to-1].rows
	return o.records(all[len(all)-n:]), true, nil
}

func (o *others) Scan(_ context.Context, _ *fqgw.Source, sc fqgw.Scan) (*arrow.Schema, fqgw.Records, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return fqgw.ArrowSchema(o.columns), o.records(o.snapshots[sc.Snapshot-1].rows), nil
}

func (o *others) records(rows [][]fqgw.Value) fqgw.Records {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for part := range slices.Chunk(rows, 7) {
			b := array.NewRecordBuilder(memory.DefaultAllocator, fqgw.ArrowSchema(o.columns))
			for _, r := range part {
				for c, f := range b.Fields() {
					if err := fqgw.AppendValue(f, r[c], o.columns[c].Type); err != nil {
						yield(nil, err)
						return
					}
				}
			}
			rec := b.NewRecordBatch()
			b.Release()
			if !yield(rec, nil) {
				return
			}
			time.Sleep(o.slow)
		}
		o.mu.Lock()
		err := o.broken
		o.mu.Unlock()
		if err != nil {
			yield(nil, err)
		}
	}
}

func tableSource() *fqgw.Source {
	s := testSource()
	s.Connector, s.Topic, s.History, s.Known, s.Checks = "files", "", "", fqgw.KnownByEventTime, nil
	s.Columns = slices.Clone(s.Columns)
	s.Columns[3].NotNull = false
	return s
}

// anyRow is a row as of a clock: in time, late, ahead, without a key.
func anyRow(r *rand.Rand, now int64) []fqgw.Value {
	at := now - r.Int64N(90*sec) + r.Int64N(20*sec)
	k, n := fqgw.TextValue(fmt.Sprintf("k%d", r.IntN(9))), fqgw.IntValue(r.Int64N(40))
	switch r.IntN(20) {
	case 0:
		k = fqgw.Null
	case 1:
		n = fqgw.Null
	case 2:
		at -= r.Int64N(7200 * sec)
	case 3:
		return []fqgw.Value{fqgw.Null, k, fqgw.FloatValue(1), n}
	}
	return []fqgw.Value{fqgw.TimestampValue(at), k, fqgw.FloatValue(r.NormFloat64() * 1e3), n}
}

// readings are what a reader of now sees of every entity of a view.
func (w *world) readings(t *testing.T, v *fqgw.FeatureView, now int64) map[string]string {
	t.Helper()
	l, err := window.NewLayout(v)
	if err != nil {
		t.Fatal(err)
	}
	w.online.mu.Lock()
	defer w.online.mu.Unlock()
	out := map[string]string{}
	for shard := range w.online.shards {
		for key, b := range w.online.states[fqgw.Unit{State: v.State, Shard: shard}] {
			s, err := l.Decode(b)
			if err != nil {
				t.Fatal(err)
			}
			if r := l.Read(s, now); r.Exists {
				out[string(key)] = fmt.Sprint(r.Slots, r.Times)
			}
		}
	}
	return out
}

// TestTableModel: whatever is appended and rewritten, and whatever happens to
// processes and the store meanwhile, after a sync the views are what a first filling
// of the newest snapshot makes of it.
func TestTableModel(t *testing.T) {
	rounds := 25
	if testing.Short() {
		rounds = 5
	}
	for seed := range uint64(rounds) {
		r := rand.New(rand.NewPCG(seed, 1))
		clock := fqgw.SetClock(t0, 0)
		w := newWorld(1, 4, clock)
		src := tableSource()
		views := testViews(src)
		data := &others{columns: src.Columns}
		tune := func(o *Options) { o.Foreign = map[string]fqgw.Foreign{"files": data} }
		start := func() *process {
			p := w.start(tune)
			p.rows = 5 // in a batch
			if err := p.AddSource(t.Context(), src); err != nil {
				t.Fatal(err)
			}
			for _, v := range views {
				if err := p.AddView(t.Context(), v, nil); err != nil && !p.plug.dead.Load() {
					t.Fatal(seed, err)
				}
			}
			return p
		}
		p := start()
		what := ""
		for range 12 {
			var rows [][]fqgw.Value
			for range r.IntN(60) {
				rows = append(rows, anyRow(r, clock.Now()))
			}
			appends := r.IntN(4) > 0
			data.write(appends, rows...)
			what += fmt.Sprintf(" write(%t, %d)", appends, len(rows))
			switch r.IntN(5) {
			case 0: // it dies in the middle of writing
				f := &fault{point: []string{"before-flush", "mid-flush", "after-flush"}[r.IntN(3)], struck: make(chan struct{})}
				f.left.Store(1 + r.Int64N(12))
				p.plug.fault.Store(f)
				data.slow = 4 * time.Millisecond
				ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
				_ = p.Sync(ctx)
				cancel()
				p.kill()
				what += " die at " + f.point
				data.slow = 0
				p = start()
			case 1:
				p.kill()
				what += " kill"
				if r.IntN(2) == 0 {
					w.online.lose()
					what += " and lose"
				}
				p = start()
			case 2:
				if r.IntN(2) == 0 {
					p.sync(t)
				}
				w.online.lose()
				what += " lose"
			}
			clock.Advance(r.Int64N(30) * sec)
			for range 8 { // a lost store is noticed unit by unit
				p.sync(t)
			}
			fresh := newWorld(1, 4, clock)
			q := fresh.start(tune)
			if err := q.AddSource(t.Context(), src); err != nil {
				t.Fatal(err)
			}
			for _, v := range views {
				if err := q.AddView(t.Context(), v, nil); err != nil {
					t.Fatal(err)
				}
				got, want := w.readings(t, v, clock.Now()), fresh.readings(t, v, clock.Now())
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("seed %d,%s: view %s has %v, want %v", seed, what, v.Name, got, want)
				}
			}
			q.kill()
		}
		p.kill()
	}
}

// TestTableBroken: rows that cannot be read to their end touch no state, and the next
// try works.
func TestTableBroken(t *testing.T) {
	clock := fqgw.SetClock(t0, 0)
	w := newWorld(1, 4, clock)
	src := tableSource()
	v := testViews(src)[0]
	data := &others{columns: src.Columns, slow: 20 * time.Millisecond}
	row := []fqgw.Value{fqgw.TimestampValue(t0), fqgw.TextValue("a"), fqgw.FloatValue(1), fqgw.IntValue(30)}
	data.write(true, row)
	p := begin(t, w, src, []*fqgw.FeatureView{v}, func(o *Options) { o.Foreign = map[string]fqgw.Foreign{"files": data} })
	p.rows = 1
	for i, appends := range []bool{true, false} {
		data.write(appends, row, row)
		data.broken = errors.New("a file is gone")
		if err := p.Sync(t.Context()); err == nil {
			t.Error("the sync saw nothing")
		}
		if got := w.count(t, v, "a"); got != int64(1+2*i) {
			t.Errorf("appends %t: %d", appends, got)
		}
		if _, filling := p.Filling(v); filling || len(p.Notices("s")) == 0 {
			t.Errorf("appends %t: filling %t, notices %q", appends, filling, p.Notices("s"))
		}
		data.broken = nil
		p.sync(t)
		if got := w.count(t, v, "a"); got != int64(3-i) || len(p.Notices("s")) != 0 {
			t.Errorf("appends %t: %d, %q", appends, got, p.Notices("s"))
		}
	}
}
