package pit

import (
	"cmp"
	"errors"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
)

// RunColumns are the columns of the runs of a source: its own and the hidden ones.
func RunColumns(s *fqgw.Source) []fqgw.Column {
	return append(slices.Clone(s.Columns), fqgw.HiddenColumns...)
}

// Sort makes runs of the history of a source under the join keys in those columns: of
// every position the row that came first, rows below the covered positions left out.
// Each run has as many rows as fit into memory, and goes to write, in the columns of
// RunColumns. forget is called when it begins anew: what was written is not wanted.
// 53200 when a batch does not fit, 0A000 for a history that retracts.
func Sort(s *fqgw.Source, keys []int, history *fqgw.Sorted, memory *fqgw.Memory, write func(fqgw.Records) error, forget func()) error {
	err := sortRuns(s, keys, history, &fewSeen{}, memory, write)
	if err == errUnordered {
		forget()
		err = sortRuns(s, keys, history, &allSeen{memory: memory, seen: map[fqgw.Position]struct{}{}}, memory, write)
	}
	return err
}

// errUnordered says that the positions of a partition do not come in their order.
var errUnordered = errors.New("the positions of a partition do not come in their order")

// repeats says of a position whether it came before.
type repeats interface {
	again(p fqgw.Position) (bool, error)
	close()
}

// fewSeen remembers the last position of each partition, which suffices where they
// come in their order, as they were landed.
type fewSeen map[int32]fqgw.Position

func (f *fewSeen) again(p fqgw.Position) (bool, error) {
	last, ok := (*f)[p.Partition]
	c := p.Compare(last)
	if ok && c < 0 {
		return false, errUnordered
	}
	if *f == nil {
		*f = fewSeen{}
	}
	(*f)[p.Partition] = p
	return ok && c == 0, nil
}

func (f *fewSeen) close() {}

// allSeen remembers every position: of a history that another engine put into
// another order.
type allSeen struct {
	memory *fqgw.Memory
	seen   map[fqgw.Position]struct{}
	held   int64
}

const positionBytes = 64 // of a position in a map

func (a *allSeen) again(p fqgw.Position) (bool, error) {
	if _, ok := a.seen[p]; ok {
		return true, nil
	}
	if err := a.memory.Take(positionBytes); err != nil {
		return false, err
	}
	a.held += positionBytes
	a.seen[p] = struct{}{}
	return false, nil
}

func (a *allSeen) close() { a.memory.Give(a.held) }

func sortRuns(s *fqgw.Source, keys []int, history *fqgw.Sorted, seen repeats, memory *fqgw.Memory, write func(fqgw.Records) error) error {
	defer seen.close()
	all := make([]bool, len(s.Columns))
	for i := range all {
		all[i] = true
	}
	c := &sorting{cols: columns{of: s, needed: all, versions: s.Changelog()}, keys: keys, covered: history.Covered, seen: seen, memory: memory, entities: map[string]uint32{}}
	defer c.clear()
	for batch, err := range history.Fresh {
		if err != nil {
			return err
		}
		need := fqgw.RecordBytes(batch) + rowBytes*batch.NumRows()
		err = memory.Take(need)
		if err != nil && len(c.batches) > 0 {
			if err = c.write(write); err == nil {
				err = memory.Take(need)
			}
		}
		if err == nil {
			c.held += need
			err = c.add(batch)
		}
		batch.Release()
		if err != nil {
			return err
		}
	}
	return c.write(write)
}

// sorting is rows that are to become a run.
type sorting struct {
	cols     columns
	keys     []int
	covered  fqgw.Marks
	seen     repeats
	memory   *fqgw.Memory
	held     int64
	batches  []arrow.RecordBatch
	entities map[string]uint32 // by key: the number by which rows know it
	names    []string          // of the numbers

	picks       []pick
	entity      []uint32
	time, known []int64
	pos         []fqgw.Position
}

// rowBytes is what a row takes beside its batch, while it is sorted and gathered.
const rowBytes = 8 + 4 + 16 + 24 + 8 + 64

func (c *sorting) add(b arrow.RecordBatch) error {
	if err := c.cols.bind(b.Schema()); err != nil {
		return err
	}
	b.Retain()
	c.batches = append(c.batches, b)
	types := c.cols.of.Columns
	row, parts := make([]fqgw.Value, len(types)), make([]fqgw.Value, len(c.keys))
	times := []int{c.cols.of.EventTime}
	if c.cols.of.Known == fqgw.KnownByColumn {
		times = append(times, c.cols.of.KnownColumn)
	}
	var key []byte
	for i := range int(b.NumRows()) {
		ok := true
		for k, at := range c.keys {
			parts[k] = fqgw.ArrowView(b.Column(c.cols.source[at]), i, types[at].Type)
		}
		if key, ok = fqgw.AppendKeyBytes(key[:0], parts); !ok {
			continue
		}
		for _, at := range times {
			row[at] = fqgw.ArrowView(b.Column(c.cols.source[at]), i, types[at].Type)
		}
		ev, ok, err := c.cols.event(b, i, row)
		if err != nil {
			return err
		}
		if !ok || !ev.Pos.IsNone() && c.covered.Covers(ev.Pos) {
			continue
		}
		if !ev.Pos.IsNone() {
			if again, err := c.seen.again(ev.Pos); again || err != nil {
				if err != nil {
					return err
				}
				continue
			}
		}
		n, ok := c.entities[string(key)]
		if !ok {
			n = uint32(len(c.names))
			c.names = append(c.names, string(key))
			c.entities[c.names[n]] = n
		}
		c.picks = append(c.picks, pick{int32(len(c.batches) - 1), int32(i)})
		c.entity = append(c.entity, n)
		c.time, c.known, c.pos = append(c.time, ev.Time), append(c.known, ev.Known), append(c.pos, ev.Pos)
	}
	return nil
}

// write sorts what there is, hands it on and forgets it.
func (c *sorting) write(to func(fqgw.Records) error) error {
	defer c.clear()
	if len(c.picks) == 0 {
		return nil
	}
	order := c.sort()
	return to(func(yield func(arrow.RecordBatch, error) bool) {
		for from := 0; from < len(order); from += gatherRows {
			b, err := c.gather(order[from:min(from+gatherRows, len(order))])
			if !yield(b, err) || err != nil {
				return
			}
		}
	})
}

// gatherRows is how many rows a batch of sorted ones has.
const gatherRows = 1 << 15

func (c *sorting) sort() []uint32 {
	byKey := make([]uint32, len(c.names))
	for i := range byKey {
		byKey[i] = uint32(i)
	}
	slices.SortFunc(byKey, func(a, b uint32) int { return cmp.Compare(c.names[a], c.names[b]) })
	rank := make([]uint32, len(byKey))
	for r, i := range byKey {
		rank[i] = uint32(r)
	}
	for i, e := range c.entity {
		c.entity[i] = rank[e]
	}
	order, spare := make([]uint32, len(c.picks)), make([]uint32, len(c.picks))
	for i := range order {
		order[i] = uint32(i)
	}
	order, spare = radix(c.time, order, spare)
	order, _ = radix(c.entity, order, spare)
	for i := 0; i < len(order); {
		j := i + 1
		for j < len(order) && c.entity[order[j]] == c.entity[order[i]] && c.time[order[j]] == c.time[order[i]] {
			j++
		}
		if j-i > 1 {
			slices.SortStableFunc(order[i:j], c.compare)
		}
		i = j
	}
	return order
}

// compare is the order of events of one entity and time.
func (c *sorting) compare(a, b uint32) int {
	if d := cmp.Or(cmp.Compare(c.known[a], c.known[b]), c.pos[a].Compare(c.pos[b])); d != 0 || !c.pos[a].IsNone() {
		return d
	}
	return cmp.Compare(c.tie(a), c.tie(b))
}

// tie is the canonical bytes of a row without a position.
func (c *sorting) tie(i uint32) string {
	row := make([]fqgw.Value, len(c.cols.of.Columns))
	for j, col := range c.cols.of.Columns {
		row[j] = fqgw.ArrowView(c.batches[c.picks[i].batch].Column(c.cols.source[j]), int(c.picks[i].row), col.Type)
	}
	return string(fqgw.AppendPackedRow(nil, row))
}

func (c *sorting) gather(order []uint32) (arrow.RecordBatch, error) {
	cols := RunColumns(c.cols.of)
	picks := make([]pick, len(order))
	for i, o := range order {
		picks[i] = c.picks[o]
	}
	out := make([]arrow.Array, len(cols))
	defer func() {
		for _, a := range out {
			if a != nil {
				a.Release()
			}
		}
	}()
	from := make([]arrow.Array, len(c.batches))
	hidden := len(cols) - len(fqgw.HiddenColumns)
	for i, col := range cols {
		if i == hidden+fqgw.HiddenKnownAt {
			b := array.NewTimestampBuilder(memory.DefaultAllocator, fqgw.ArrowType(col.Type).(*arrow.TimestampType))
			for _, o := range order {
				b.Append(arrow.Timestamp(c.known[o]))
			}
			out[i] = b.NewArray()
			b.Release()
			continue
		}
		at := 0
		if i < hidden {
			at = c.cols.source[i]
		} else {
			at = c.cols.hidden[i-hidden]
		}
		for n, b := range c.batches {
			if from[n] = nil; at >= 0 {
				from[n] = b.Column(at)
			}
		}
		var err error
		if at < 0 {
			out[i] = array.MakeArrayOfNull(memory.DefaultAllocator, fqgw.ArrowType(col.Type), len(order))
		} else if out[i], err = gather(from, picks, col.Type); err != nil {
			return nil, err
		}
	}
	return array.NewRecordBatch(fqgw.ArrowSchema(optional(cols)), out, int64(len(order))), nil
}

// optional are the columns without NOT NULL, which is the gate's.
func optional(cols []fqgw.Column) []fqgw.Column {
	for i := range cols {
		cols[i].NotNull = false
	}
	return cols
}

func (c *sorting) clear() {
	for _, b := range c.batches {
		b.Release()
	}
	c.memory.Give(c.held)
	c.held = 0
	clear(c.entities)
	c.batches, c.names, c.picks, c.entity, c.time, c.known, c.pos = nil, nil, c.picks[:0], c.entity[:0], c.time[:0], c.known[:0], c.pos[:0]
}
