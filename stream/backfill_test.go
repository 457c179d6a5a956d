package stream

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
)

// TestSnapshotExpiresDuringFill: the first pass over the history may last longer
// than its snapshot.
func TestSnapshotExpiresDuringFill(t *testing.T) {
	w, p, _, _ := setup(t, fqgw.SetClock(t0, 0), nil)
	w.produce(t, record("a", -1, -1), record("a", -7200, -1))
	p.sync(t)
	w.history.mu.Lock()
	w.history.expires = true
	w.history.mu.Unlock()
	v := *testViews(testSource())[0]
	v.State = 55
	if err := p.AddView(t.Context(), &v, nil); err != nil {
		t.Fatal(err)
	}
	if n := w.count(t, &v, "a"); n != 1 {
		t.Errorf("counted %d, want 1", n)
	}
}

// TestRowsOfOtherPrograms: rows that another program wrote into the history have no
// offset, and no known time where it is the event's. They count as they do AS OF.
func TestRowsOfOtherPrograms(t *testing.T) {
	for name, landed := range map[string]bool{"before anything was landed": false, "after": true} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(1, 2, fqgw.SetClock(t0, 0))
			src := testSource()
			p := begin(t, w, src, nil, func(o *Options) { o.LandEvery = time.Hour })
			if landed {
				w.produce(t, record("a", -1, -1))
				p.sync(t)
			}
			row := func(at, known fqgw.Value) []fqgw.Value {
				return []fqgw.Value{at, fqgw.TextValue("a"), fqgw.FloatValue(1), fqgw.IntValue(30), fqgw.Null, fqgw.Null, fqgw.Null, fqgw.Null, fqgw.Null, known}
			}
			w.history.mu.Lock()
			w.history.rows = append(w.history.rows, row(fqgw.TimestampValue(t0-2*sec), fqgw.Null), row(fqgw.TimestampValue(t0-3*sec), fqgw.TimestampValue(t0-sec)),
				row(fqgw.TimestampValue(t0-3*sec), fqgw.TimestampValue(t0+sec)), row(fqgw.Null, fqgw.Null))
			w.history.mu.Unlock()
			v := testViews(src)[0]
			if err := p.AddView(t.Context(), v, nil); err != nil {
				t.Fatal(err)
			}
			want := int64(2)
			if landed {
				want++
			}
			if n := w.count(t, v, "a"); n != want {
				t.Errorf("counted %d, want %d", n, want)
			}
			if _, err := w.clock.Advance(sec); err != nil {
				t.Fatal(err)
			}
			w.produce(t, record("a", 0, 0))
			p.sync(t)
			if n := w.count(t, v, "a"); n != want+2 {
				t.Errorf("later: counted %d, want %d", n, want+2)
			}
		})
	}
}

// TestHistoryWithRetractions: a source is append-only so far; a history that says
// otherwise is not folded as if it were.
func TestHistoryWithRetractions(t *testing.T) {
	w := newWorld(1, 2, fqgw.SetClock(t0, 0))
	src := testSource()
	p := begin(t, w, src, nil, nil)
	w.produce(t, record("a", -1, -1))
	p.sync(t)
	w.history.mu.Lock()
	w.history.rows[0][len(src.Columns)+4] = fqgw.TextValue(fqgw.UpdateBefore.String())
	w.history.mu.Unlock()
	if err := p.AddView(t.Context(), testViews(src)[0], nil); fqgw.AsError(err).Code != fqgw.CodeFeatureNotSupported {
		t.Errorf("filled from a history with retractions: %v", err)
	}
}

// TestFillWritesOnce: a view that nobody reads yet is written when its history is
// folded, each state once, however often a live one is flushed meanwhile; and of the
// history it reads what it needs.
func TestFillWritesOnce(t *testing.T) {
	w := newWorld(2, 4, fqgw.SetClock(t0, 0))
	seen := &scans{}
	p := begin(t, w, testSource(), nil, func(o *Options) {
		o.FlushEvery = time.Nanosecond
		o.History = scanned{o.History, seen}
	})
	p.rows = 1
	for i := range 300 {
		w.produce(t, record([]string{"a", "b", "c"}[i%3], int64(i-600), int64(i-600)))
	}
	p.sync(t)
	before := p.metrics.flushKeys.Load()
	view := testViews(testSource())[2] // by n, of WHERE n and avg(v)
	seen.columns = nil
	if err := p.AddView(t.Context(), view, nil); err != nil {
		t.Fatal(err)
	}
	if n := p.metrics.flushKeys.Load() - before; n != 1 {
		t.Errorf("the state of one entity was written %d times", n)
	}
	for _, columns := range seen.columns {
		if slices.Contains(columns, "k") || !slices.Contains(columns, "v") {
			t.Errorf("the fill read %q", columns)
		}
	}
	if len(seen.columns) == 0 {
		t.Error("the fill read nothing")
	}
}

// scanned notes which columns are read of a history.
type scanned struct {
	fqgw.History
	*scans
}

type scans struct{ columns [][]string }

func (s scanned) Scan(ctx context.Context, sc fqgw.Scan) (*arrow.Schema, fqgw.Records, error) {
	s.columns = append(s.columns, sc.Columns)
	return s.History.Scan(ctx, sc)
}
