package iceberg

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/compute"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
)

// part writes the rows of one partition.
type part interface {
	write(b arrow.RecordBatch) error // the caller keeps it
	spill() error                    // what of its open file is in memory
	end() error                      // of the open file; another may follow
}

const (
	// splitBytes is how much of all parts is in memory together: of more, the part that
	// has most is written. openParts have an open file at most: of more, the one that
	// was not written to for the longest time ends its.
	splitBytes = 2 * rowGroupBytes
	openParts  = 64
)

// mostParts is how many there may be: each is a file at least. Tests make it small.
var mostParts = 10_000

// split puts rows into parts. The same batches make the same parts, written to in the
// same order.
type split struct {
	name func(b arrow.RecordBatch, row int) string // of a row's part
	make func(name string, b arrow.RecordBatch, row int) part
	rest func() part // for the rows of all parts that are too many; nil: they are refused

	parts  map[string]*openPart
	others *openPart   // of rest
	order  []*openPart // as they came
	bytes  int64       // of the rows that wait
	open   int
	turn   int
}

type openPart struct {
	part
	waiting []arrow.RecordBatch
	bytes   int64 // of them
	open    bool
	last    int // the turn in which it was written to
}

// write adds a batch; the caller keeps it.
func (s *split) write(b arrow.RecordBatch) error {
	rows, names := map[string][]int64{}, []string{}
	for i := range int(b.NumRows()) {
		name := s.name(b, i)
		if rows[name] == nil {
			names = append(names, name)
		}
		rows[name] = append(rows[name], int64(i))
	}
	for _, name := range names {
		p, err := s.of(name, b, int(rows[name][0]))
		if err != nil {
			return err
		}
		some, err := taken(b, rows[name])
		if err != nil {
			return err
		}
		s.wait(p, some)
	}
	for s.bytes > splitBytes {
		most := s.order[0]
		for _, p := range s.order {
			if p.bytes > most.bytes {
				most = p
			}
		}
		if err := s.lighten(most); err != nil {
			return err
		}
	}
	return nil
}

// lighten writes what waits for a part but for one row: then what is in memory of its
// file can be written too, for more is to come, and no row group is left without rows.
func (s *split) lighten(p *openPart) error {
	last := p.waiting[len(p.waiting)-1]
	if n := last.NumRows(); n > 1 || len(p.waiting) > 1 {
		kept, err := taken(last, []int64{n - 1})
		if err != nil {
			return err
		}
		p.waiting[len(p.waiting)-1] = last.NewSlice(0, n-1)
		last.Release()
		if err := s.flush(p); err != nil {
			kept.Release()
			return err
		}
		s.wait(p, kept)
		return p.spill()
	}
	return s.finish(p)
}

// wait takes a batch over, for a part.
func (s *split) wait(p *openPart, b arrow.RecordBatch) {
	n := int64(256) // of itself
	for _, c := range b.Columns() {
		n += 256 + int64(c.Data().SizeInBytes())
	}
	p.waiting = append(p.waiting, b)
	p.bytes += n
	s.bytes += n
}

// of is the part of a row.
func (s *split) of(name string, b arrow.RecordBatch, row int) (*openPart, error) {
	if p := s.parts[name]; p != nil {
		return p, nil
	}
	if s.parts == nil {
		s.parts = map[string]*openPart{}
	}
	p := &openPart{}
	switch {
	case len(s.order) < mostParts:
		p.part = s.make(name, b, row)
	case s.others != nil:
		return s.others, nil
	case s.rest != nil:
		p.part = s.rest()
		s.others = p
	default:
		return nil, fqgw.Errorf(fqgw.CodeLimitExceeded, "the rows would lie in more than %d parts", mostParts).
			WithHint("Divide the files by columns of fewer values.")
	}
	if p != s.others {
		s.parts[name] = p
	}
	s.order = append(s.order, p)
	return p, nil
}

// flush writes what waits for a part.
func (s *split) flush(p *openPart) error {
	if !p.open && s.open == openParts {
		var oldest *openPart
		for _, o := range s.order {
			if o.open && (oldest == nil || o.last < oldest.last) {
				oldest = o
			}
		}
		if err := s.finish(oldest); err != nil {
			return err
		}
	}
	if !p.open {
		p.open = true
		s.open++
	}
	s.turn++
	p.last = s.turn
	for _, b := range p.waiting {
		if b.NumRows() == 0 {
			continue
		}
		if err := p.write(b); err != nil {
			return err
		}
	}
	s.drop(p)
	return nil
}

// finish writes what waits for a part, and ends its file.
func (s *split) finish(p *openPart) error {
	if len(p.waiting) > 0 {
		if err := s.flush(p); err != nil {
			return err
		}
	}
	if p.open {
		p.open = false
		s.open--
	}
	return p.end()
}

// drop forgets what waits for a part.
func (s *split) drop(p *openPart) {
	for _, b := range p.waiting {
		b.Release()
	}
	s.bytes -= p.bytes
	p.waiting, p.bytes = nil, 0
}

// end writes what waits, and ends all files.
func (s *split) end() error {
	for _, p := range s.order {
		if err := s.finish(p); err != nil {
			return err
		}
	}
	return nil
}

// release forgets all that waits.
func (s *split) release() {
	for _, p := range s.order {
		s.drop(p)
	}
}

// taken are some rows of a batch, in their order: copied, or the whole batch. The caller
// releases them.
func taken(b arrow.RecordBatch, rows []int64) (arrow.RecordBatch, error) {
	n := int64(len(rows))
	if n == b.NumRows() {
		b.Retain()
		return b, nil
	}
	at := array.NewInt64Builder(memory.DefaultAllocator)
	defer at.Release()
	at.AppendValues(rows, nil)
	indices := at.NewArray()
	defer indices.Release()
	cols := make([]arrow.Array, b.NumCols())
	defer func() {
		for _, c := range cols {
			if c != nil {
				c.Release()
			}
		}
	}()
	for i, c := range b.Columns() {
		var err error
		if cols[i], err = compute.TakeArray(context.Background(), c, indices); err != nil {
			return nil, fail(err)
		}
	}
	return array.NewRecordBatch(b.Schema(), cols, n), nil
}
