package pit

import (
	"cmp"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// passingRows is how many events are counted together.
const passingRows = 4096

// Everywhere answers questions about a view without keys, in no order: i is the index.
// Every row of the source is its entity's, so that its events are not kept: they are
// counted while they pass, but for those that are known later than somebody asks for
// them. history has the Columns of the view, of the rows with event times from and to, in
// any order; it is read once for as many questions as memory has room for. A reading may
// be kept but not written. 53200 when late events do not fit.
func Everywhere(l *window.Layout, questions []window.Question, history func(from, to int64) fqgw.Records, memory *fqgw.Memory,
	emit func(i int, r *window.Reading) error) error {
	order := make([]int, len(questions))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(questions[a].T, questions[b].T) })
	sweep := l.NewSweep()
	for len(order) > 0 {
		n := len(order)
		const many = 1 << 40 // events
		need := sweep.Bytes(n, many)
		for err := memory.Take(need); err != nil; err = memory.Take(need) {
			if n <= fewest {
				return err
			}
			n /= 2
			need = sweep.Bytes(n, many)
		}
		asked := make([]window.Question, n)
		for k, i := range order[:n] {
			asked[k] = questions[i]
		}
		p := passing{cols: columnsOf(l.View()), layout: l, memory: memory, pass: sweep.Pass(asked)}
		from, to := Range(l.View(), asked[0].T, asked[n-1].T)
		err := p.read(history(from, to))
		if err == nil {
			of := order[:n]
			err = p.pass.Answer(func(k int, r *window.Reading) error { return emit(of[k], r) })
		} else {
			p.pass.End()
		}
		memory.Give(need + p.held)
		if err != nil {
			return err
		}
		order = order[n:]
	}
	return nil
}

// passing is one pass over a history.
type passing struct {
	cols   columns
	layout *window.Layout
	memory *fqgw.Memory
	pass   *window.Passing
	seen   positions
	held   int64 // of memory, for late events
}

func (p *passing) read(history fqgw.Records) error {
	row := make([]fqgw.Value, len(p.cols.of.Columns))
	for batch, err := range history {
		if err != nil {
			return err
		}
		if err = p.cols.bind(batch.Schema()); err == nil {
			for i := range int(batch.NumRows()) {
				for j, at := range p.cols.source {
					if row[j] = fqgw.Null; at >= 0 {
						row[j] = fqgw.ArrowValue(batch.Column(at), i, p.cols.of.Columns[j].Type)
					}
				}
				ev, ok, e := p.cols.event(batch, i, row)
				if e == nil && ok && (ev.Pos.IsNone() || p.seen.add(ev.Pos)) {
					e = p.count(&ev)
				}
				if err = e; err != nil {
					break
				}
			}
		}
		batch.Release()
		if err != nil {
			return err
		}
	}
	return p.settle()
}

func (p *passing) count(ev *fqgw.Event) error {
	keep, _ := p.layout.Reduce(p.pass.Next(), ev)
	if !keep || p.pass.Took() < passingRows {
		return nil
	}
	return p.settle()
}

// settle counts what came, and the memory of what is kept of it.
func (p *passing) settle() error {
	if err := p.pass.Count(); err != nil {
		return err
	}
	need := int64(p.pass.Kept)*p.layout.EventBytes() - p.held
	err := p.memory.Take(need)
	if err == nil {
		p.held += need
	}
	return err
}

// positions are a set of them, a bit each.
type positions struct {
	of   map[stretch]*[stretchOffsets / 64]uint64
	at   stretch // the one that was used last
	last *[stretchOffsets / 64]uint64
}

const stretchOffsets = 1 << 16

// stretch is the positions of a partition whose offsets have the same upper bits.
type stretch struct {
	epoch, partition, sub int32
	upper                 int64
}

// add says that a position was not there before.
func (s *positions) add(p fqgw.Position) bool {
	at := stretch{p.Epoch, p.Partition, p.Sub, p.Offset / stretchOffsets}
	if s.last == nil || at != s.at {
		if s.of == nil {
			s.of = map[stretch]*[stretchOffsets / 64]uint64{}
		}
		if s.at, s.last = at, s.of[at]; s.last == nil {
			s.last = new([stretchOffsets / 64]uint64)
			s.of[at] = s.last
		}
	}
	word, bit := &s.last[p.Offset%stretchOffsets/64], uint64(1)<<(p.Offset%64)
	was := *word & bit
	*word |= bit
	return was == 0
}
