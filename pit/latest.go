package pit

import (
	"math"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// Latest is what a latest-row view shows to the probes of a spine: of each the place of
// its row in the runs. Nothing of the row is read before a column is asked for.
type Latest struct {
	layout *window.Layout
	spine  *Spine
	runs   []grouped
	at     []rowAt          // by the place in spine.order
	others []window.Reading // of the probes that were answered otherwise
	tally  [FoundKinds]int
}

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
// latest row.
func LooksUp(v *fqgw.FeatureView) bool { return v.Latest && v.Where == nil && len(v.Keys) > 0 }

// Find answers for the probes of a spine. memory is that of Join, which answers the
// probes that may see a row outside of the runs, or have many rows before them that
// were not known yet.
func Find(l *window.Layout, s *Spine, history *fqgw.Sorted, memory *fqgw.Memory) (*Latest, error) {
	m := &Latest{layout: l, spine: s, at: make([]rowAt, len(s.order))}
	for i := range m.at {
		m.at[i] = nowhere
	}
	if history.Pieces != nil {
		if done, err := m.inPieces(history, memory); done || err != nil {
			m.count()
			return m, err
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
	m.count()
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
			i := s.order[n]
			out[n] = s.t[i] >= fresh[e].time && s.known(i) >= fresh[e].known
		}
		from = to
	}
	return out, err
}

// search looks for the rows of the probes that are not left to Join, backwards from
// their times in each run. Where that is far it is left too.
func (m *Latest) search(c *collector, left []bool) error {
	s, maxAge := m.spine, m.layout.View().MaxAge > 0
	for run, r := range c.runs {
		from := uint32(0)
		for _, to := range s.entities {
			low, high := r.rows(s.key(s.order[from]))
			if low == high {
				from = to
				continue
			}
			times := r.timesOf(low, high)
			at := low
			for n := from; n < to; n++ {
				i := s.order[n]
				t := s.t[i]
				if times != nil {
					at = low + behindTime(times, at-low, t)
				} else {
					at = r.after(at, high, t)
				}
				if at == low || left[n] {
					continue
				}
				row, k := at-1, s.known(i)
				if r.known != nil || k < t {
					var far bool
					if row, far = r.seen(row, low, k); far || row < low {
						left[n] = far
						continue
					}
				}
				if m.at[n] >= 0 {
					if err := m.take(c, n, inRun(run, row)); err != nil {
						return err
					}
					continue
				}
				m.at[n] = inRun(run, row)
			}
			from = to
		}
	}
	for n := 0; maxAge && n < len(m.at); n++ {
		if at := m.at[n]; at >= 0 {
			time, _ := c.runs[at>>32].moment(int(uint32(at)))
			if m.layout.TooOld(time, s.t[s.order[n]]) {
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

// take makes a row the answer if it comes behind the one that is there.
func (m *Latest) take(c *collector, n uint32, at rowAt) error {
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
			probes, place = append(probes, m.spine.probe(m.spine.order[n])), append(place, n)
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

func (m *Latest) count() {
	m.tally[NoEntity] = m.spine.Len() - len(m.at)
	for _, at := range m.at {
		switch at {
		case nowhere:
			m.tally[NotFound]++
		case outside:
			m.tally[OutsideMaxAge]++
		default:
			m.tally[Row]++
		}
	}
}

// Count is how many probes have what.
func (m *Latest) Count(f Found) int { return m.tally[f] }

// Bytes is about what the answer takes in memory.
func (m *Latest) Bytes() int64 {
	return 8*int64(cap(m.at)) + int64(len(m.others))*int64(200+64*len(m.layout.View().Row))
}

// freshRows are the rows outside of the runs, of those that belong to an entity and
// have a time.
func freshRows(v *fqgw.FeatureView, history *fqgw.Sorted, do func(key []byte, time, known int64)) error {
	s := v.Source
	cols := columns{of: s, needed: needs(v)}
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
