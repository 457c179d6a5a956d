package pit

import (
	"math"
	"sort"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// reader reads the rows of a run for one view, entity after entity in the order of
// their keys, and the columns of a row only when it is wanted.
type reader struct {
	run    fqgw.Run
	of     *fqgw.Source
	needed []int // the columns of the source that the view needs
	at     int   // the entity it stands at

	group  int // whose times are here
	passed int // before which groups were passed
	times  []int64
	known  []int64

	loaded int // the group whose columns are here
	cols   []arrow.Array
	hidden []arrow.Array // those of the position, and of a changelog the operation
	row    []fqgw.Value
}

// hiddenPlaces is how many of the hidden columns are the position; the operation is the
// next one.
const hiddenPlaces = 4

func readersOf(v *fqgw.FeatureView, runs []fqgw.Run) []*reader {
	var out []*reader
	for _, run := range runs {
		r := &reader{run: run, of: v.Source, group: -1, loaded: -1, row: make([]fqgw.Value, len(v.Source.Columns))}
		for i, needed := range window.Needs(v) {
			if needed {
				r.needed = append(r.needed, i)
			}
		}
		r.cols, r.hidden = make([]arrow.Array, len(r.needed)), make([]arrow.Array, hiddenPlaces)
		if v.Source.Changelog() {
			r.hidden = make([]arrow.Array, hiddenPlaces+1)
		}
		out = append(out, r)
	}
	return out
}

// rows are those of an entity; the keys do not go back from call to call.
func (r *reader) rows(key fqgw.EntityKey) (from, to int) {
	var found bool
	if r.at, found = r.run.Entities().Find(key, r.at); !found {
		return 0, 0
	}
	return r.run.Entities().Rows(r.at)
}

func (r *reader) moment(row int) (time, known int64) {
	if g := row / fqgw.RunGroup; g != r.group {
		if r.passed <= r.group && r.group < g {
			r.run.Passed(r.group)
			r.passed = r.group + 1 // once, however the rows of an entity in two groups go
		}
		r.group, r.times, r.known = g, r.run.Times(g), r.run.Known(g)
	}
	i := row % fqgw.RunGroup
	if r.known == nil {
		return r.times[i], r.times[i]
	}
	return r.times[i], r.known[i]
}

// after is the first of the rows [from, to) of an entity whose time is more than t.
// Where it is near from it is found in few steps.
func (r *reader) after(from, to int, t int64) int {
	late := func(row int) bool { time, _ := r.moment(row); return time > t }
	step := 1
	for from+step <= to && !late(from+step-1) {
		step <<= 1
	}
	low := from + step>>1
	return low + sort.Search(min(from+step, to)-low, func(i int) bool { return late(low + i) })
}

// event is a row with the columns that the view needs; valid until the next call.
func (r *reader) event(row int) (ev fqgw.Event, err error) {
	if g := row / fqgw.RunGroup; g != r.loaded {
		r.release()
		for i, c := range r.needed {
			if r.cols[i], err = r.run.Column(g, r.of.Columns[c].Name); err != nil {
				return ev, err
			}
		}
		for i := range r.hidden {
			if r.hidden[i], err = r.run.Column(g, fqgw.HiddenColumns[i].Name); err != nil {
				return ev, err
			}
		}
		r.loaded = g
	}
	i := row % fqgw.RunGroup
	for n, c := range r.needed {
		r.row[c] = fqgw.ArrowValue(r.cols[n], i, r.of.Columns[c].Type)
	}
	h, err := fqgw.ReadHidden(func(n int) fqgw.Value {
		if n >= len(r.hidden) {
			return fqgw.Null
		}
		return fqgw.ArrowView(r.hidden[n], i, fqgw.HiddenColumns[n].Type)
	})
	ev = fqgw.Event{Pos: h.Pos, Op: h.Op, Row: r.row}
	ev.Time, ev.Known = r.moment(row)
	return ev, err
}

func (r *reader) release() {
	for i, a := range r.cols {
		if a != nil {
			a.Release()
			r.cols[i] = nil
		}
	}
	for i, a := range r.hidden {
		if a != nil {
			a.Release()
			r.hidden[i] = nil
		}
	}
	r.loaded = -1
}

func (c *collector) release() {
	for _, r := range c.runs {
		r.release()
		r.at = 0
	}
	if c.sweeps != nil {
		for _, l := range c.sweeps.loaded {
			l.release()
		}
	}
}

// answerRuns answers an entity of a latest-row view from the runs and from its
// events; of others it adds the rows of the runs to the events. done is false when
// the events are to be asked still. The entities come in the order of their keys.
func (c *collector) answerRuns(e *entity, probes []Probe, emit func(i int, r *window.Reading) error) (done bool, err error) {
	v := c.layout.View()
	if v.Latest && (v.Where == nil || window.Versions(v)) {
		return true, c.answerLatest(e, probes, emit)
	}
	var in window.Input
	for _, r := range c.runs {
		from, to := r.rows(e.key)
		if from == to {
			continue
		}
		if e.from > math.MinInt64 {
			from = r.after(from, to, e.from-1)
		}
		for row := from; row < to; row++ {
			time, known := r.moment(row)
			if time > e.to {
				break
			}
			if known > e.known {
				continue
			}
			ev, err := r.event(row)
			if err != nil {
				return false, err
			}
			if keep, _ := c.layout.Reduce(&in, &ev); keep {
				if err := c.push(e, &in, true); err != nil {
					return false, err
				}
				if !c.part.has(e.key) { // it was left for later
					return false, nil
				}
			}
		}
	}
	return false, nil
}

// answerLatest answers each probe with the last visible row, of each run and of the
// fresh events; columns are read of that row alone.
func (c *collector) answerLatest(e *entity, probes []Probe, emit func(i int, r *window.Reading) error) error {
	l := c.layout
	order := sortedByTime(e.probes, probes)
	asked := make([]window.Question, len(order))
	for i, q := range order {
		asked[i] = c.asked(&probes[q])
	}
	type found struct{ run, row int }
	best := make([][]found, len(order)) // candidates of equal moments
	for n, r := range c.runs {
		from, to := r.rows(e.key)
		if from == to {
			continue
		}
		rows, ok, err := c.lastRows(r, e, from, to, asked)
		if err != nil || !ok {
			return err
		}
		for i, row := range rows {
			if row < from {
				continue
			}
			time, known := r.moment(row)
			if len(best[i]) > 0 {
				t, k := c.runs[best[i][0].run].moment(best[i][0].row)
				if time < t || time == t && known < k {
					continue
				}
				if time > t || known > k {
					best[i] = best[i][:0]
				}
			}
			best[i] = append(best[i], found{n, row})
		}
	}
	events := e.ordered(l)
	fresh := lastEvents(events, asked)
	var reduced, other window.Input
	for i, q := range order {
		p := &probes[q]
		var in *window.Input
		consider := func(next *window.Input) {
			if in == nil || in.Compare(next) < 0 {
				in = next
			}
		}
		for n, f := range best[i] {
			ev, err := c.runs[f.run].event(f.row)
			if err != nil {
				return err
			}
			into := &reduced
			if n > 0 {
				into = &window.Input{}
			}
			l.Reduce(into, &ev)
			consider(into)
		}
		if row := fresh[i]; row >= 0 {
			other = l.Unpack(e.events[events[row].at:events[row].end])
			consider(&other)
		}
		r := l.Row(in, p.T)
		if err := emit(q, &r); err != nil {
			return err
		}
	}
	c.free(e)
	return nil
}
