package stream

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// hostile is a pipeline with a small budget, whose accounts are watched.
type hostile struct {
	t     *testing.T
	w     *world
	p     *process
	src   *fqgw.Source
	views []*fqgw.FeatureView
	limit int64

	mu   sync.Mutex
	most map[string]int64 // by share, and "all": the most that was in use
}

// besiege starts a pipeline with views that keep the records' texts, or with those
// that are given.
func besiege(t *testing.T, limit int64, views func(*fqgw.Source) []*fqgw.FeatureView) *hostile {
	h := &hostile{t: t, w: newWorld(2, 16, fqgw.SetClock(t0, 0)), src: testSource(), limit: limit, most: map[string]int64{}}
	h.src.Columns = append(h.src.Columns, fqgw.Column{Name: "pad", Type: fqgw.Text})
	h.views = textViews(h.src)
	if views != nil {
		h.views = views(h.src)
	}
	all := within(limit)
	h.p = begin(t, h.w, h.src, h.views, func(o *Options) { o.Memory = all })
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	go func() {
		for ctx.Err() == nil {
			h.mu.Lock()
			for _, s := range append(h.p.Memory(), Account{"all", all.Used(), limit}) {
				h.most[s.Name] = max(h.most[s.Name], s.Used)
			}
			h.mu.Unlock()
			time.Sleep(100 * time.Microsecond)
		}
	}()
	return h
}

func pad() fqgw.Expr { return &expr.Column{Index: 4, Typ: fqgw.Text, Name: "pad"} }

func textViews(s *fqgw.Source) []*fqgw.FeatureView {
	key := []fqgw.KeyColumn{{Name: "k", Column: 1, Type: fqgw.Text}}
	return []*fqgw.FeatureView{
		{Name: "windows", State: 1, Source: s, Keys: key, Windows: []fqgw.Window{{Name: "w", Length: 60 * sec, Hop: sec}},
			Aggregates: []fqgw.Aggregate{{Func: "count", Star: true, Type: fqgw.Int8}, {Func: "max", Args: []fqgw.Expr{pad()}, Type: fqgw.Text}}},
		{Name: "latest", State: 2, Source: s, Keys: key, Latest: true, Row: []fqgw.Expr{column(3, fqgw.Int8), pad()}},
	}
}

// padded is a record with a text of so many bytes, an event time and a known time in
// seconds after t0.
func padded(k string, at, known int64, bytes int) fqgw.LogRecord {
	return fqgw.LogRecord{Partition: -1, Key: []byte(k), Timestamp: t0 + known*sec,
		Value: fmt.Appendf(nil, `{"ts":%d,"k":%q,"v":1,"n":30,"pad":"%s%s"}`, t0+at*sec, k, k, strings.Repeat("x", bytes))}
}

// settle waits until all is applied and landed, and compares it with what a
// pipeline without a budget gives: a plain fold of the log.
func (h *hostile) settle() {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), 2*time.Minute)
	defer cancel()
	if err := h.p.Sync(ctx); err != nil {
		h.t.Fatalf("sync: %v; %+v", err, h.p.Status())
	}
	if s := h.p.Status(); s[0].Paused != "" || s[1].Paused != "" {
		h.t.Errorf("still paused: %q, %q", s[0].Paused, s[1].Paused)
	}
	if batches := h.p.budget.batches.Used(); batches > h.p.budget.fetchBytes()+borrowed {
		h.t.Errorf("%d bytes of batches are not given back", batches)
	}
	h.p.stop()
	(&model{t: h.t, w: h.w, src: h.src, views: h.views, added: len(h.views)}).check()
	for _, s := range h.p.Memory() {
		if s.Used != 0 && s.Name != "ahead" {
			h.t.Errorf("%s: %d bytes are left in the account", s.Name, s.Used)
		}
	}
}

// borrowed is what accounts may have of their wholes beyond what they use.
const borrowed = 64 << 10

// within says that nothing took more than its limit and what every owner must have
// beside it to go on, which is more bytes at most.
func (h *hostile) within(more int64) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.t.Logf("at most %v", h.most)
	limits := map[string]int64{"all": h.limit}
	for _, s := range h.p.Memory() {
		limits[s.Name] = s.Limit
	}
	for name, most := range maps.All(h.most) {
		if most > limits[name]+more {
			h.t.Errorf("%s: %d bytes of %d were in use", name, most, limits[name])
		}
	}
}

// stands waits until the source stands for want of memory, and sees to it that it
// takes no more then.
func (h *hostile) stands(why ...string) {
	h.t.Helper()
	eventually(h.t, "the source stands", func() bool {
		text := h.p.Status()[0].Paused
		for _, w := range append(why, "fill their", "stream_memory") {
			if !strings.Contains(text, w) {
				return false
			}
		}
		return true
	})
	before := h.p.Metrics().Events
	time.Sleep(50 * time.Millisecond)
	if after := h.p.Metrics().Events; after != before {
		h.t.Errorf("it stands, and still takes records: %d after %d", after, before)
	}
}

// pour produces n records of so many bytes, of keys of their own.
func (h *hostile) pour(n, bytes int) {
	var recs []fqgw.LogRecord
	for i := range n {
		if recs = append(recs, padded(fmt.Sprint("k", i), -1, -1, bytes)); len(recs) == 500 {
			h.w.produce(h.t, recs...)
			recs = nil
		}
	}
	h.w.produce(h.t, recs...)
}

// TestBudgetOfManyKeys: far more entities than there is memory for, each with a text.
func TestBudgetOfManyKeys(t *testing.T) {
	h := besiege(t, 16<<20, nil)
	h.pour(20_000, 1024)
	h.settle()
	h.within(512 << 10)
}

// TestBudgetOfLargeRecords: two records fill the share of batches.
func TestBudgetOfLargeRecords(t *testing.T) {
	h := besiege(t, 16<<20, nil)
	h.pour(60, 1<<20)
	h.settle()
	h.within(3 << 20)
}

// TestBudgetOfEventsAhead: events far ahead of the clock fill their share; the
// partitions stand, and go on when the clock comes.
func TestBudgetOfEventsAhead(t *testing.T) {
	h := besiege(t, 16<<20, nil)
	const n = 4000
	for i := range n {
		h.w.produce(t, padded(fmt.Sprint("k", i), 200, 0, 1024))
	}
	eventually(t, "the partitions stand", func() bool {
		s := h.p.Status()
		return strings.Contains(s[0].Paused, "ahead of their time fill") && strings.Contains(s[1].Paused, "ahead of their time fill")
	})
	if taken := h.p.Metrics().Events; taken < 200 || taken > n/2 {
		t.Errorf("%d of %d events were taken", taken, n)
	}
	if _, err := h.w.clock.Advance(300 * sec); err != nil {
		t.Fatal(err)
	}
	h.settle()
	h.within(512 << 10)
}

// wideView has 600 features over 300 windows.
func wideView(s *fqgw.Source) []*fqgw.FeatureView {
	v := &fqgw.FeatureView{Name: "wide", State: 1, Source: s, Keys: []fqgw.KeyColumn{{Name: "k", Column: 1, Type: fqgw.Text}}}
	for i := range 300 {
		v.Windows = append(v.Windows, fqgw.Window{Name: fmt.Sprint("w", i), Length: int64(600+i) * sec, Hop: int64(1+i) * sec})
		v.Aggregates = append(v.Aggregates, fqgw.Aggregate{Func: "max", Args: []fqgw.Expr{pad()}, Window: i, Type: fqgw.Text},
			fqgw.Aggregate{Func: "approx_count_distinct", Args: []fqgw.Expr{column(3, fqgw.Int8)}, Window: i, Type: fqgw.Int8})
	}
	return []*fqgw.FeatureView{v}
}

// TestBudgetOfWideStates: a batch of narrow events touches states that would take
// many times the budget at once.
func TestBudgetOfWideStates(t *testing.T) {
	const keys, rounds = 600, 3
	h := besiege(t, 16<<20, wideView)
	for round := range int64(rounds) {
		var recs []fqgw.LogRecord
		for i := range keys {
			recs = append(recs, padded(fmt.Sprint("k", i), -1-100*round, -1, 30))
		}
		h.w.produce(t, recs...)
	}
	h.settle()
	h.within(2 << 20)
	var written int64
	for _, states := range h.w.online.states {
		for _, b := range states {
			written += int64(len(b))
		}
	}
	if written < h.limit {
		t.Errorf("the states take %d bytes, less than the budget", written)
	}
}

// TestBudgetOfOneState: each state is larger than all that there is for states; they
// are folded one by one.
func TestBudgetOfOneState(t *testing.T) {
	h := besiege(t, 64<<10, wideView)
	for i := range int64(20) {
		h.w.produce(t, padded(fmt.Sprint("k", i%4), -1-10*i, -1, 30))
	}
	h.settle()
	h.within(2 * 256 << 10) // one for each folder, and as it is written
}

// TestBudgetWhileTheLakeIsAway: rows wait for their commit up to their share, then
// the source stands, with both reasons, and goes on when the lake is back.
func TestBudgetWhileTheLakeIsAway(t *testing.T) {
	h := besiege(t, 16<<20, nil)
	h.p.plug.lakeOff.Store(true)
	h.pour(20_000, 1024)
	h.stands("landing: the lake is away")
	h.p.plug.lakeOff.Store(false)
	h.settle()
	h.within(512 << 10)
}

// TestBudgetWhileTheStoreIsAway: states wait for their flush up to their share.
func TestBudgetWhileTheStoreIsAway(t *testing.T) {
	for _, name := range []string{"all of it", "one server", "hangs"} {
		t.Run(name, func(t *testing.T) {
			h := besiege(t, 16<<20, nil)
			off := map[string]func(bool){"all of it": h.p.plug.away.Store, "one server": h.p.plug.sick.Store, "hangs": h.p.plug.hangs.Store}[name]
			off(true)
			h.pour(20_000, 1024)
			h.stands("online store")
			off(false)
			h.settle()
			h.within(512 << 10)
		})
	}
}

// TestBudgetOfAFilling: a view is filled from a history that is larger than the budget.
func TestBudgetOfAFilling(t *testing.T) {
	h := besiege(t, 16<<20, func(*fqgw.Source) []*fqgw.FeatureView { return nil })
	h.pour(10_000, 1024)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := h.p.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	h.w.log.mu.Lock()
	for p := range h.w.log.first { // the log does not have them any more
		h.w.log.first[p] = int64(len(h.w.log.parts[p]))
	}
	h.w.log.mu.Unlock()
	h.views = textViews(h.src)
	for _, v := range h.views {
		if err := h.p.AddView(ctx, v, nil); err != nil {
			t.Fatal(err)
		}
	}
	h.settle()
	h.within(1 << 20)
}
