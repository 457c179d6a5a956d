package stream

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// TestAheadBudget: events ahead of their time are kept singly within a budget of
// bytes. Past it the partition stands, for applying and landing alike, with a
// status; a sync() that can never end says why, a read of history does not wait.
func TestAheadBudget(t *testing.T) {
	w, p, src, views := setup(t, fqgw.SetClock(t0, 0), func(o *Options) { o.Memory = within(8 * 1000 * 2200) }) // four views
	early := make([]fqgw.LogRecord, 1600)
	for i := range early {
		early[i] = record("a", 200, 0)
	}
	w.produce(t, append(early[:900:900], record("b", -1, 0))...)
	p.sync(t)
	if w.count(t, views[0], "b") != 1 || w.rows() != 901 {
		t.Errorf("within the budget: %d of b, %d rows", w.count(t, views[0], "b"), w.rows())
	}
	w.produce(t, append(early[900:], record("b", -1, 0))...)
	eventually(t, "the partition stands", func() bool { return strings.Contains(p.Status()[0].Paused, "fill their 2200000 bytes") })
	err := p.Sync(t.Context())
	if code(err) != fqgw.CodeNotInState || !strings.Contains(err.Error(), "stands at offset") || !strings.Contains(fqgw.AsError(err).Hint, "advance") {
		t.Errorf("sync: %v", err)
	}
	said := ""
	if err := p.WaitKnown(t.Context(), "s", t0, func(text string) { said = text }); err != nil || !strings.Contains(said, "what comes is not seen") {
		t.Errorf("a read of history: %v, said %q", err, said)
	}
	eventually(t, "the same is applied and landed", func() bool {
		st := p.Status()[0]
		return st.Applied == st.Landed && st.Landed == int64(w.rows())
	})
	if rows := w.rows(); rows < 950 || rows > 1200 || w.count(t, views[0], "b") != 1 {
		t.Errorf("%d rows landed, %d of b", rows, w.count(t, views[0], "b"))
	}
	// A restart begins its account anew, and still counts every event once.
	ses := p.current(t)
	ses.fail(&fenced{"a test"})
	<-ses.over
	if _, err := w.clock.Advance(201 * sec); err != nil {
		t.Fatal(err)
	}
	p.sync(t)
	if n := w.count(t, views[0], "a"); n != 1600 {
		t.Errorf("counted %d", n)
	}
	if p.ahead.room(p.budget.ahead, w.clock.Now()); p.budget.ahead.Used() != 0 || len(p.ahead.charges) != 0 {
		t.Errorf("%d bytes are left in the account", p.budget.ahead.Used())
	}
	p.stop()
	(&model{t: t, w: w, src: src, views: views, added: len(views)}).check()
}

// bomb is a condition on n that panics on 666: CASE WHEN n = 666 THEN nothing at
// all ELSE true END.
func bomb() fqgw.Expr {
	return &expr.CaseExpr{Whens: []expr.When{{Cond: op(column(3, fqgw.Int8), "=", number(666))}}, Else: &expr.Const{Val: fqgw.BoolValue(true), Typ: fqgw.Bool}}
}

// TestPanickingRecord: a record that makes a panic, wherever that is, stops its
// partition and nothing else, and says so.
func TestPanickingRecord(t *testing.T) {
	for _, where := range []string{"gate", "fold"} {
		t.Run(where, func(t *testing.T) {
			w := newWorld(2, 4, fqgw.SetClock(t0, 0))
			src := testSource()
			views := testViews(src)
			if where == "gate" {
				src.Checks = append(src.Checks, fqgw.Check{Name: "bomb", Expr: bomb()})
			} else {
				views[0].Where = bomb()
			}
			var log lockedBuffer
			p := begin(t, w, src, views, func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			to := func(partition int32, n int64) fqgw.LogRecord {
				r := record(fmt.Sprint("k", partition), 0, 0)
				r.Partition, r.Value = partition, bytes.Replace(r.Value, []byte("30"), fmt.Append(nil, n), 1)
				return r
			}
			w.produce(t, to(0, 1), to(1, 1))
			p.sync(t)
			w.produce(t, to(0, 2), to(0, 666), to(0, 3), to(1, 2), to(1, 3))
			eventually(t, "the partition stands", func() bool { return strings.Contains(p.Status()[0].Paused, "nil pointer") })
			eventually(t, "the other goes on", func() bool { return w.count(t, views[0], "k1") == 3 })
			eventually(t, "the status says how far they are", func() bool {
				st := p.Status()
				return st[0].Applied == 2 && st[1].Applied == 3 && st[1].Paused == ""
			})
			if err := p.Sync(t.Context()); code(err) != fqgw.CodeNotInState || !strings.Contains(err.Error(), "stands at offset 2") {
				t.Errorf("sync: %v", err)
			}
			if err := p.WaitKnown(t.Context(), "s", t0, nil); err != nil {
				t.Errorf("a read of history: %v", err)
			}
			if n := w.count(t, views[0], "k0"); n != 2 {
				t.Errorf("counted %d, want 2", n)
			}
			if !strings.Contains(log.String(), "offset=2") || !strings.Contains(log.String(), "CaseExpr).Eval") {
				t.Errorf("the log does not show where: %s", log.String())
			}
		})
	}
}

// TestPanicAnywhere: a panic of any of the stream's goroutines is the end of a
// session, not of the process, and nothing is lost or counted twice.
func TestPanicAnywhere(t *testing.T) {
	for _, point := range []string{"poll", "before-bury", "before-flush", "mid-flush", "after-flush", "before-land", "after-land"} {
		t.Run(point, func(t *testing.T) {
			var once atomic.Bool
			w, p, src, views := setup(t, fqgw.SetClock(t0, 0), func(o *Options) {
				o.Fault = func(at string) {
					if at == point && once.CompareAndSwap(true, false) {
						panic("at " + at)
					}
				}
			})
			w.produce(t, record("a", -1, -1))
			p.sync(t)
			once.Store(true)
			w.produce(t, record("a", -1, -1), fqgw.LogRecord{Timestamp: t0, Value: []byte("refused")}, record("b", -1, -1))
			p.sync(t)
			eventually(t, "it panics", func() bool { return !once.Load() })
			p.sync(t)
			if a, b := w.count(t, views[0], "a"), w.count(t, views[0], "b"); a != 2 || b != 1 {
				t.Errorf("counted %d and %d", a, b)
			}
			p.stop()
			(&model{t: t, w: w, src: src, views: views, added: len(views)}).check()
		})
	}
}

// TestPanickingFill: a view that cannot be filled is an error of its maker.
func TestPanickingFill(t *testing.T) {
	w, p, src, _ := setup(t, fqgw.SetClock(t0, 0), nil)
	r := record("a", -1, -1)
	r.Value = bytes.Replace(r.Value, []byte("30"), []byte("666"), 1)
	w.produce(t, r)
	p.sync(t)
	bad := testViews(src)[0]
	bad.Name, bad.State, bad.Where = "bad", 99, bomb()
	if err := p.AddView(t.Context(), bad, nil); code(err) != fqgw.CodeInternal || !strings.Contains(err.Error(), "cannot be filled") {
		t.Errorf("%v", err)
	}
	w.produce(t, record("b", -1, -1))
	p.sync(t)
}

// misread is a history whose rows lack columns.
type misread struct{ history }

func (h misread) Scan(context.Context, fqgw.Scan) (*arrow.Schema, fqgw.Records, error) {
	schema := fqgw.ArrowSchema([]fqgw.Column{{Name: "ts", Type: fqgw.Int8}})
	return schema, func(yield func(arrow.RecordBatch, error) bool) {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		defer b.Release()
		b.Field(0).(*array.Int64Builder).Append(t0)
		yield(b.NewRecordBatch(), nil)
	}, nil
}

// TestPanickingReader: what reads for a new view gives back all that it took when it
// panics.
func TestPanickingReader(t *testing.T) {
	for _, what := range []string{"history", "log"} {
		t.Run(what, func(t *testing.T) {
			var once atomic.Bool
			w, p, src, _ := setup(t, fqgw.SetClock(t0, 0), func(o *Options) {
				o.History = misread{o.History.(history)}
				o.Fault = func(at string) {
					if at == "poll" && once.CompareAndSwap(true, false) {
						panic("at " + at)
					}
				}
			})
			w.produce(t, record("a", -1, -1))
			if what == "history" {
				p.sync(t)
			} else {
				p.far = 1
				eventually(t, "it is applied", func() bool { return p.Status()[0].Applied+p.Status()[1].Applied == 1 })
				once.Store(true)
			}
			late := testViews(src)[0]
			late.Name, late.State = "late", 99
			if err := p.AddView(t.Context(), late, nil); code(err) != fqgw.CodeInternal {
				t.Errorf("%v", err)
			}
			if n := p.budget.feeds.Load(); n != 1 {
				t.Errorf("%d feeds are at work", n)
			}
			p.stop()
			if used := p.budget.batches.Used(); used != 0 {
				t.Errorf("%d bytes of batches are not given back", used)
			}
		})
	}
}

// TestAheadOfOthers: what is not ahead of the clock and takes more than its share does
// not stop a partition for those that are.
func TestAheadOfOthers(t *testing.T) {
	p := &Pipeline{}
	p.budget.divide(within(LeastMemory))
	s := &source{p: p}
	s.define(testSource())
	p.budget.landing.Force(LeastMemory)
	mem := p.budget.ahead
	n := 0
	for p.ahead.admit(s, make([]fqgw.Event, 1), t0, 100_000, 1) {
		n++
	}
	if used := mem.Used(); n < 15 || used > mem.Limit() || used+110_000 < mem.Limit() {
		t.Errorf("%d records take %d of %d bytes", n, used, mem.Limit())
	}
	if p.ahead.room(mem, t0-1) || !p.ahead.room(mem, t0) {
		t.Error("there is room before the clock comes, or none then")
	}
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
