package pit

import (
	"cmp"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/bitutil"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// Latest is what a latest-row view shows to the probes of a spine: of each the place of
// its row in the runs. Nothing of the row is read before a column is asked for.
type Latest struct {
	layout *window.Layout
	spine  *Spine
	runs   []grouped
	at     []rowAt          // by the place in spine.order, nil once all are found
	others []window.Reading // of the probes that were answered otherwise
	tally  [FoundKinds]int

	hits    [][]hit // by run, in the order of their rows
	asides  []hit   // rows of others
	present []byte  // a bit for each probe that has a row
}

// hit is a row for a probe.
type hit struct{ probe, row uint32 }

// rowAt is the place of a row: a run above and a row below, or one of the others.
type rowAt int64

const (
	nowhere rowAt = -1 - iota
	outside       // it is older than max_age
	aside         // and less: the reading aside - at of others
)

func inRun(run, row int) rowAt { return rowAt(run)<<32 | rowAt(row) }

// Found says what there is for a probe.
type Found int

// NotFound is of a probe without a visible row, OutsideMaxAge of one whose row is too
// old, NoEntity of one that names nobody.
const (
	Row Found = iota
	NotFound
	OutsideMaxAge
	NoEntity
	FoundKinds
)

// LooksUp says whether Find can answer for a view: its features are columns of its
// latest row, which every event is.
func LooksUp(v *fqgw.FeatureView) bool {
	return v.Latest && v.Where == nil && len(v.Keys) > 0 && !v.Source.Changelog()
}

// Find answers for the probes of a spine. memory is that of Join, which answers the
// probes that may see a row outside of the runs, or have many rows before them that
// were not known yet.
func Find(l *window.Layout, s *Spine, history *fqgw.Sorted, memory *fqgw.Memory) (*Latest, error) {
	m := &Latest{layout: l, spine: s, at: make([]rowAt, len(s.order))}
	for i := range m.at {
		m.at[i] = nowhere
	}
	if history.Pieces != nil {
		if done, err := m.inPieces(history, memory); err != nil {
			return nil, err
		} else if done {
			m.settle()
			return m, nil
		}
	}
	for _, r := range history.Runs {
		m.runs = append(m.runs, r)
	}
	left, err := m.unsorted(history)
	if err != nil {
		return nil, err
	}
	c := collector{layout: l, runs: readersOf(l.View(), history.Runs)}
	defer c.release()
	if err := m.search(&c, left); err != nil {
		return nil, err
	}
	if err := m.join(left, history, memory); err != nil {
		return nil, err
	}
	m.settle()
	return m, nil
}

// unsorted are the places in the spine's order of the probes that may see a fresh row.
func (m *Latest) unsorted(history *fqgw.Sorted) ([]bool, error) {
	out := make([]bool, len(m.at))
	if len(m.at) == 0 {
		return out, nil
	}
	s := m.spine
	// Of each entity the least time, and the least known time, of its fresh rows: made
	// with the first of them, as there is none where all is in runs.
	type least struct{ time, known int64 }
	var fresh []least
	var entities map[fqgw.EntityKey]uint32
	from := uint32(0)
	err := freshRows(m.layout.View(), history, func(key []byte, time, known int64) {
		if fresh == nil {
			fresh, entities = make([]least, len(s.entities)), make(map[fqgw.EntityKey]uint32, len(s.entities))
			for e, to := range s.entities {
				entities[s.key(s.order[from])] = uint32(e)
				fresh[e] = least{math.MaxInt64, math.MaxInt64}
				from = to
			}
		}
		if e, ok := entities[fqgw.EntityKey(key)]; ok {
			fresh[e] = least{min(fresh[e].time, time), min(fresh[e].known, known)}
		}
	})
	if fresh == nil {
		return out, err
	}
	from = 0
	for e, to := range s.entities {
		for n := from; n < to; n++ {
			out[n] = s.t[n] >= fresh[e].time && s.known(int(n)) >= fresh[e].known
		}
		from = to
	}
	return out, err
}

// search looks for the rows of the probes that are not left to Join, backwards from
// their times in each run. Where that is far it is left too.
func (m *Latest) search(c *collector, left []bool) error {
	s, one := m.spine, len(c.runs) == 1
	for run, r := range c.runs {
		from := 0
		for _, to := range s.entities {
			low, high := r.rows(s.key(s.order[from]))
			if low == high {
				from = int(to)
				continue
			}
			times := r.timesOf(low, high)
			at := low
			for n := from; n < int(to); n++ {
				t := s.t[n]
				if times != nil {
					at = low + behindTime(times, at-low, t)
				} else {
					at = r.after(at, high, t)
				}
				if at == low || left[n] {
					continue
				}
				row := at - 1
				if r.known != nil || s.k != nil {
					var far bool
					if row, far = r.seen(row, low, s.known(n)); far || row < low {
						left[n] = far
						continue
					}
				}
				switch {
				case m.at[n] >= 0:
					if err := m.take(c, n, inRun(run, row)); err != nil {
						return err
					}
				case one && m.layout.TooOld(r.time(row, low, times), t):
					m.at[n] = outside
				default:
					m.at[n] = inRun(run, row)
				}
			}
			from = int(to)
		}
	}
	if m.layout.View().MaxAge == 0 || one {
		return nil
	}
	for _, r := range c.runs {
		r.passed = 0
	}
	for n, at := range m.at {
		if at >= 0 {
			if time, _ := c.runs[at>>32].moment(int(uint32(at))); m.layout.TooOld(time, s.t[n]) {
				m.at[n] = outside
			}
		}
	}
	return nil
}

// behindTime is how many of ascending times are not more than t, those before at among
// them. Where that is near at it is found in few steps.
func behindTime(times []int64, at int, t int64) int {
	step := 1
	for at+step <= len(times) && times[at+step-1] <= t {
		step <<= 1
	}
	low, high := at+step>>1, min(at+step, len(times))
	if step == 1 {
		low = at
	}
	for low < high {
		if m := int(uint(low+high) >> 1); times[m] <= t {
			low = m + 1
		} else {
			high = m
		}
	}
	return low
}

// seen is the last of the rows from low to row that was known by k, before low where
// none was; far says that it is too far back to look for.
func (r *reader) seen(row, low int, k int64) (found int, far bool) {
	for looked := 0; row >= low; row-- {
		if _, known := r.moment(row); known <= k {
			break
		}
		if looked++; looked == farBack {
			return row, true
		}
	}
	return row, false
}

// timesOf are the times of the rows [low, high), nil where they are of several groups.
func (r *reader) timesOf(low, high int) []int64 {
	r.moment(low)
	first := low % fqgw.RunGroup
	if first+high-low > len(r.times) {
		return nil
	}
	return r.times[first : first+high-low]
}

// time is that of a row; times are those from low on where they are there.
func (r *reader) time(row, low int, times []int64) int64 {
	if times != nil {
		return times[row-low]
	}
	t, _ := r.moment(row)
	return t
}

// take makes a row the answer if it comes behind the one that is there.
func (m *Latest) take(c *collector, n int, at rowAt) error {
	if m.at[n] >= 0 {
		behind, err := c.behind(at, m.at[n])
		if !behind || err != nil {
			return err
		}
	}
	m.at[n] = at
	return nil
}

// behind says whether row a comes behind row b of the same entity in the order of events.
func (c *collector) behind(a, b rowAt) (bool, error) {
	at, ak := c.runs[a>>32].moment(int(uint32(a)))
	bt, bk := c.runs[b>>32].moment(int(uint32(b)))
	if at != bt || ak != bk {
		return at > bt || at == bt && ak > bk, nil
	}
	var in [2]window.Input
	for i, row := range []rowAt{a, b} {
		ev, err := c.runs[row>>32].event(int(uint32(row)))
		if err != nil {
			return false, err
		}
		c.layout.Reduce(&in[i], &ev)
	}
	return in[1].Compare(&in[0]) < 0, nil
}

// join lets Join answer for what is left.
func (m *Latest) join(left []bool, history *fqgw.Sorted, memory *fqgw.Memory) error {
	var probes []Probe
	var place []int
	for n, l := range left {
		if l {
			probes, place = append(probes, m.spine.probe(n)), append(place, n)
		}
	}
	if len(probes) == 0 {
		return nil
	}
	return Join(m.layout, probes, history, memory, func(i int, r *window.Reading) error {
		switch n := place[i]; {
		case r.OutsideMaxAge:
			m.at[n] = outside
		case !r.Exists:
			m.at[n] = nowhere
		default:
			m.at[n] = aside - rowAt(len(m.others))
			m.others = append(m.others, *r)
		}
		return nil
	})
}

// settle turns what was found for each place of the spine to the rows of each run, in
// the order in which they lie there.
func (m *Latest) settle() {
	m.tally[NoEntity] = m.spine.Len() - len(m.at)
	m.present = make([]byte, bitutil.BytesForBits(int64(m.spine.Len())))
	counts := make([]int, len(m.runs))
	for _, at := range m.at {
		switch {
		case at == nowhere:
			m.tally[NotFound]++
		case at == outside:
			m.tally[OutsideMaxAge]++
		default:
			m.tally[Row]++
			if at >= 0 {
				counts[at>>32]++
			}
		}
	}
	m.hits = make([][]hit, len(m.runs))
	for run, n := range counts {
		m.hits[run] = make([]hit, 0, n)
	}
	for n, at := range m.at {
		i := m.spine.order[n]
		switch {
		case at >= 0:
			m.hits[at>>32] = append(m.hits[at>>32], hit{i, uint32(at)})
		case at <= aside:
			m.asides = append(m.asides, hit{i, uint32(aside - at)})
		default:
			continue
		}
		m.present[i>>3] |= 1 << (i & 7)
	}
	m.at = nil
	byRow := func(a, b hit) int { return cmp.Compare(a.row, b.row) }
	for _, hits := range m.hits {
		// Of an entity the rows may go back where each probe has a known time of its own.
		if !slices.IsSortedFunc(hits, byRow) {
			slices.SortFunc(hits, byRow)
		}
	}
}

// Count is how many probes have what.
func (m *Latest) Count(f Found) int { return m.tally[f] }

// Bytes is about what the answer takes in memory.
func (m *Latest) Bytes() int64 {
	return 8*int64(m.tally[Row]) + int64(len(m.present)) + int64(len(m.others))*int64(200+64*len(m.layout.View().Row))
}

// freshRows are the rows outside of the runs, of those that belong to an entity and
// have a time.
func freshRows(v *fqgw.FeatureView, history *fqgw.Sorted, do func(key []byte, time, known int64)) error {
	s := v.Source
	cols := columnsOf(v)
	row, parts := make([]fqgw.Value, len(s.Columns)), make([]fqgw.Value, len(v.Keys))
	var key []byte
	one := func(b arrow.RecordBatch) error {
		if err := cols.bind(b.Schema()); err != nil {
			return err
		}
		at := func(c, i int) fqgw.Value { return fqgw.ArrowView(b.Column(cols.source[c]), i, s.Columns[c].Type) }
		for i := range int(b.NumRows()) {
			for k := range parts {
				parts[k] = at(v.Keys[k].Column, i)
			}
			ok := true
			if key, ok = fqgw.AppendKeyBytes(key[:0], parts); !ok {
				continue
			}
			row[s.EventTime] = at(s.EventTime, i)
			if s.Known == fqgw.KnownByColumn {
				row[s.KnownColumn] = at(s.KnownColumn, i)
			}
			ev, ok, err := cols.event(b, i, row)
			if err != nil {
				return err
			}
			if ok && (ev.Pos.IsNone() || !history.Covered.Covers(ev.Pos)) {
				do(key, ev.Time, ev.Known)
			}
		}
		return nil
	}
	for b, err := range history.Fresh {
		if err != nil {
			return err
		}
		err = one(b)
		b.Release()
		if err != nil {
			return err
		}
	}
	return nil
}
