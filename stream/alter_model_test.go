package stream

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode"
	"github.com/fqgw/fqgw/stream/quality"
)

// version is a gate version as the reference knows it.
type version struct {
	src  *fqgw.Source
	from fqgw.Marks // of the first: none
}

// law is what the reference judges a record by.
type law struct {
	decode.Decoder
	*quality.Gate
	src *fqgw.Source
}

// laws are those of all versions, by the naive reading of SEMANTICS §3.6.
func (m *model) laws() (of func(fqgw.Position) *law) {
	if m.decoder == nil {
		m.decoder = decode.New
	}
	versions := m.versions
	if versions == nil {
		versions = []version{{src: m.src}}
	}
	var all []*law
	for _, v := range versions {
		d, err := m.decoder(v.src)
		if err != nil {
			m.t.Fatal(err)
		}
		all = append(all, &law{d, quality.New(v.src), v.src})
	}
	return func(p fqgw.Position) *law {
		for i := len(versions) - 1; i > 0; i-- {
			var from fqgw.Mark
			if int(p.Partition) < len(versions[i].from) {
				from = versions[i].from[p.Partition]
			}
			if p.Epoch > from.Epoch || p.Epoch == from.Epoch && p.Offset >= from.Next {
				return all[i]
			}
		}
		return all[0]
	}
}

// now is a row of the version as one of the columns of now, which are known by their names:
// none comes twice.
func (l *law) now(row []fqgw.Value, src *fqgw.Source) []fqgw.Value {
	out := make([]fqgw.Value, len(src.Columns))
	for i, c := range src.Columns {
		if at := l.src.ColumnIndex(c.Name); at >= 0 {
			out[i] = row[at]
		}
	}
	return out
}

// alter makes another gate version, at any moment and with a crash at any: before the
// registry has it, after, or while the stream takes it up.
func (m *model) alter() {
	if m.versions == nil {
		m.versions = []version{{src: m.src}}
	}
	for _, z := range m.zombies { // another process would judge by the version that it knows
		z.kill()
	}
	m.zombies = nil
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	m.produce(m.r.IntN(60))
	from, release, err := m.p.Hold(ctx, "s")
	if err != nil {
		m.t.Fatalf("hold: %v", err)
	}
	m.produce(m.r.IntN(60)) // which nobody judges before it is decided
	if m.r.IntN(5) == 0 {   // and it is not
		release()
		return
	}
	next, places := m.another()
	next.Follow(m.src, places, from)
	columns := slices.Concat(next.Own(), fqgw.HiddenColumns)
	step := fqgw.SchemaStep{Mark: fmt.Sprint("1 1 ", next.GateVersion), Columns: columns, Was: make([]string, len(columns))}
	for i := range columns {
		if i >= len(places) {
			step.Was[i] = columns[i].Name
		} else if places[i] >= 0 {
			step.Was[i] = m.src.Columns[places[i]].Name
		}
	}
	next.Steps = append(slices.Clone(m.src.Steps), step)
	m.src, m.versions = next, append(m.versions, version{next, from})
	for i := range m.views {
		v := *m.views[i]
		v.Source = next
		m.views[i] = &v
	}
	m.altered++
	if m.r.IntN(4) == 0 { // the registry has it, and the process is gone
		m.p.plug.dead.Store(true)
		release()
		m.p.kill()
		m.boot()
		return
	}
	ctx, ends := context.WithCancel(ctx)
	defer ends()
	if m.r.IntN(2) == 0 {
		f := m.arm(faultPoints, false)
		go func() {
			select {
			case <-f.struck:
				ends()
			case <-ctx.Done():
			}
		}()
	}
	late, err := m.p.Redefine(ctx, next, m.views, release)
	m.p.plug.fault.Store(nil)
	switch {
	case m.p.plug.dead.Load():
		m.p.kill()
		m.boot()
	case late || err != nil:
		m.t.Fatalf("redefine: late %v, %v; %+v", late, err, m.p.Status())
	}
}

// another is the source by another definition, with the places of its columns.
func (m *model) another() (*fqgw.Source, []int) {
	next := *m.src
	next.Earlier, next.Columns = nil, slices.Clone(m.src.Columns)
	var places []int
	for i := range next.Columns {
		places = append(places, i)
	}
	n := len(next.Columns)
	switch k := m.r.IntN(4); {
	case k == 0 && !m.src.Changelog():
		next.Columns = append(next.Columns, fqgw.Column{Name: fmt.Sprint("x", next.GateVersion), Type: fqgw.Float8, Field: "v", NotNull: m.r.IntN(2) == 0})
		places = append(places, -1)
	case k == 1 && n > 4:
		next.Columns, places = next.Columns[:n-1], places[:n-1]
	case k == 2:
		next.MaxFuture = m.r.Int64N(600) * sec
	default:
		next.Checks = []fqgw.Check{{Name: "s_n_check", Expr: above(column(3, fqgw.Int8), m.r.Int64N(30)-5), SQL: "n"}}
	}
	return &next, places
}

// TestModelOfGateVersions: gate versions at any moment, crashes at any: each record is what the
// version of its position makes of it, wherever it is read and how often. A gate that
// always is the newest one does not pass.
func TestModelOfGateVersions(t *testing.T) {
	seeds := 100
	if testing.Short() {
		seeds = 25
	}
	var altered, wrong atomic.Int64
	t.Run("seed", func(t *testing.T) {
		for seed := range seeds {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				altered.Add(int64(runModel(t, uint64(seed), func(m *model) { m.alters = true }).altered))
			})
			t.Run(fmt.Sprint("newest ", seed), func(t *testing.T) {
				t.Parallel()
				runModel(t, uint64(seed), func(m *model) {
					m.alters, m.newest = true, true
					m.errorf = func(string, ...any) { wrong.Add(1) }
				})
			})
		}
	})
	if n := int64(seeds); !t.Failed() && (altered.Load() < n || wrong.Load() < n/4) {
		t.Errorf("%d alterations, and %d differences by a gate that always is the newest: the test says little", altered.Load(), wrong.Load())
	}
}

// TestGateVersionsReadAgain: records that were judged and written nowhere, or online alone,
// are judged again as they were.
func TestGateVersionsReadAgain(t *testing.T) {
	w := newWorld(1, 4, fqgw.SetClock(t0, 0))
	src := testSource()
	m := &model{t: t, r: rand.New(rand.NewPCG(1, 1)), w: w, src: src, views: testViews(src), decoder: decode.New}
	m.boot()
	m.p.plug.flaky.Store(false)
	m.addView()
	m.sync()
	m.p.plug.lakeOff.Store(true) // from here on nothing is landed
	w.produce(t, record("a", -2, -1), record("a", -2, -1))
	deadline := time.Now().Add(10 * time.Second)
	for m.views[0].Name == "windows" && w.count(t, m.views[0], "a") != 2 {
		if time.Now().After(deadline) {
			t.Fatal("nothing is applied")
		}
		time.Sleep(time.Millisecond)
	}
	from, release, err := m.p.Hold(t.Context(), "s")
	if err != nil || from.Of(0).Next != 2 {
		t.Fatalf("held at %v, %v", from, err)
	}
	m.p.plug.dead.Store(true)
	release()
	m.p.kill()
	next := *src
	next.Checks = []fqgw.Check{{Name: "s_n_check", Expr: above(column(3, fqgw.Int8), 30), SQL: "n > 30"}} // n is 30
	next.Follow(src, []int{0, 1, 2, 3}, from)
	m.versions = []version{{src: src}, {&next, from}}
	m.src = &next
	for i := range m.views {
		m.views[i].Source = &next
	}
	w.online.lose()
	m.boot()
	w.produce(t, record("a", -2, -1))
	m.sync()
	if n := w.count(t, m.views[0], "a"); n != 2 {
		t.Errorf("counted %d, want 2", n)
	}
	if waiting, _ := w.letters(); waiting != 1 || len(w.history.rows) != 2 {
		t.Errorf("%d dead letters, %d rows; want 1 and 2", waiting, len(w.history.rows))
	}
	m.p.stop()
	m.check()
}
