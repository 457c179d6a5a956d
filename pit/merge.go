package pit

import (
	"bytes"
	"cmp"
	"container/heap"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/fqgw/fqgw"
)

// Merge is the rows of several runs of a source as those of one. The runs have no
// position in common; of rows without one each stays. Of each run the columns of a
// group are counted in memory, whether they fit or not: who merges fewer needs less.
func Merge(s *fqgw.Source, runs []fqgw.Run, memory *fqgw.Memory) fqgw.Records {
	return func(yield func(arrow.RecordBatch, error) bool) {
		m := &merging{cols: optional(RunColumns(s)), memory: memory}
		defer m.release()
		for i, r := range runs {
			h := &head{run: r, order: i, entity: -1, group: -1, timed: -1, cols: make([]arrow.Array, len(m.cols))}
			m.all = append(m.all, h)
			if h.nextEntity() {
				m.heads = append(m.heads, h)
			}
		}
		heap.Init(m)
		for len(m.heads) > 0 && m.err == nil {
			b, err := m.batch()
			if b == nil && err == nil {
				return
			}
			if !yield(b, err) || err != nil {
				return
			}
		}
		if m.err != nil {
			yield(nil, m.err)
		}
	}
}

// head is where a merge stands in a run.
type head struct {
	run     fqgw.Run
	order   int // among the runs
	entity  int
	row, to int // the next row, and the end of the entity's
	group   int // whose columns are loaded, and whose times
	timed   int
	times   []int64
	known   []int64
	cols    []arrow.Array
	held    int64 // bytes that are counted for cols
}

func (h *head) nextEntity() bool {
	h.entity++
	if h.entity >= h.run.Entities().Len() {
		return false
	}
	h.row, h.to = h.run.Entities().Rows(h.entity)
	h.load()
	return true
}

// load reads the times of the group of the next row.
func (h *head) load() {
	if g := h.row / fqgw.RunGroup; g != h.timed {
		h.timed, h.times, h.known = g, h.run.Times(g), h.run.Known(g)
	}
}

func (h *head) moment() (time, known int64) {
	i := h.row % fqgw.RunGroup
	if h.known == nil {
		return h.times[i], h.times[i]
	}
	return h.times[i], h.known[i]
}

// merging is a heap of heads by their next rows.
type merging struct {
	cols   []fqgw.Column
	memory *fqgw.Memory
	heads  []*head
	all    []*head
	err    error
}

func (m *merging) Len() int      { return len(m.heads) }
func (m *merging) Swap(i, j int) { m.heads[i], m.heads[j] = m.heads[j], m.heads[i] }
func (m *merging) Push(x any)    { m.heads = append(m.heads, x.(*head)) }
func (m *merging) Pop() any {
	last := m.heads[len(m.heads)-1]
	m.heads = m.heads[:len(m.heads)-1]
	return last
}

func (m *merging) Less(i, j int) bool {
	a, b := m.heads[i], m.heads[j]
	if c := bytes.Compare(a.run.Entities().Key(a.entity), b.run.Entities().Key(b.entity)); c != 0 {
		return c < 0
	}
	at, ak := a.moment()
	bt, bk := b.moment()
	if c := cmp.Or(cmp.Compare(at, bt), cmp.Compare(ak, bk)); c != 0 {
		return c < 0
	}
	c, err := m.byPosition(a, b)
	if err != nil && m.err == nil {
		m.err = err
	}
	return cmp.Or(c, cmp.Compare(a.order, b.order)) < 0
}

// byPosition compares rows of one entity and of equal times.
func (m *merging) byPosition(a, b *head) (int, error) {
	var pos [2]fqgw.Position
	for i, h := range []*head{a, b} {
		if err := m.open(h); err != nil {
			return 0, err
		}
		hidden, err := fqgw.ReadHidden(func(n int) fqgw.Value {
			return fqgw.ArrowView(h.cols[len(m.cols)-len(fqgw.HiddenColumns)+n], h.row%fqgw.RunGroup, fqgw.HiddenColumns[n].Type)
		})
		if err != nil {
			return 0, err
		}
		pos[i] = hidden.Pos
	}
	if c := pos[0].Compare(pos[1]); c != 0 || !pos[0].IsNone() {
		return c, nil
	}
	var ties [2][]byte
	for i, h := range []*head{a, b} {
		var row []fqgw.Value
		for c := range len(m.cols) - len(fqgw.HiddenColumns) {
			row = append(row, fqgw.ArrowView(h.cols[c], h.row%fqgw.RunGroup, m.cols[c].Type))
		}
		ties[i] = fqgw.AppendPackedRow(nil, row)
	}
	return bytes.Compare(ties[0], ties[1]), nil
}

// open loads the columns of the group of the head's row.
func (m *merging) open(h *head) error {
	g := h.row / fqgw.RunGroup
	if g == h.group {
		return nil
	}
	m.close(h)
	for i, c := range m.cols {
		var err error
		if h.cols[i], err = h.run.Column(g, c.Name); err != nil {
			return err
		}
		h.held += int64(h.cols[i].Data().SizeInBytes())
	}
	if m.memory != nil {
		m.memory.Force(h.held)
	}
	h.group = g
	return nil
}

func (m *merging) close(h *head) {
	for i, a := range h.cols {
		if a != nil {
			a.Release()
			h.cols[i] = nil
		}
	}
	if h.group >= 0 {
		m.memory.Give(h.held)
	}
	h.group, h.held = -1, 0
}

func (m *merging) release() {
	for _, h := range m.all {
		m.close(h)
	}
}

// batch is the next rows: so many as lie in the groups that are loaded.
func (m *merging) batch() (arrow.RecordBatch, error) {
	var picks []pick
	settled := true // the first head is where it belongs
	for len(m.heads) > 0 && len(picks) < gatherRows && settled && m.err == nil {
		h := m.heads[0]
		if err := m.open(h); err != nil {
			return nil, err
		}
		picks = append(picks, pick{int32(h.order), int32(h.row % fqgw.RunGroup)})
		if h.row++; h.row < h.to {
			h.load()
		} else if !h.nextEntity() {
			heap.Pop(m)
			continue
		}
		if settled = h.row/fqgw.RunGroup == h.group; settled {
			heap.Fix(m, 0)
		}
	}
	if m.err != nil || len(picks) == 0 {
		return nil, m.err
	}
	out := make([]arrow.Array, len(m.cols))
	defer func() {
		for _, a := range out {
			if a != nil {
				a.Release()
			}
		}
	}()
	from := make([]arrow.Array, len(m.all))
	for i, c := range m.cols {
		for n, h := range m.all {
			from[n] = h.cols[i]
		}
		var err error
		if out[i], err = gather(from, picks, c.Type); err != nil {
			return nil, err
		}
	}
	if !settled { // its columns were needed until now
		heap.Fix(m, 0)
	}
	return array.NewRecordBatch(fqgw.ArrowSchema(m.cols), out, int64(len(picks))), nil
}
