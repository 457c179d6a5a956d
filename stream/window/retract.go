package window

import "github.com/fqgw/fqgw"

// Windows over a changelog are over the rows of its table (SEMANTICS §8): each change
// adds the row after it and takes the row before it back, each at its own event time,
// for its own entity, where it passes WHERE and FILTER.
//
// What was taken back is counted like what was added, by accumulators of its own, and
// taken away when a window is read: a state only ever grows by what it has counted, like
// any other, so that its bytes do not depend on the order in which changes come; and
// what is taken away is exact, so that nothing is left of a row that came and went.

// side is which changes of rows a filter is about.
type side byte

const (
	sideAdded side = '+' // rows after a change
	sideTaken side = '-' // rows before it
)

func (s side) code() string {
	if s == 0 {
		return ""
	}
	return string(s)
}

// passes says whether a change is of that side.
func (s side) passes(gone bool) bool {
	return s == 0 || (s == sideTaken) == gone
}

// The filters that such a layout has first, behind the one that every change passes.
var added, taken = filter{side: sideAdded, code: "+"}, filter{side: sideTaken, code: "-"}

// Their places among the filters of each ring.
const (
	rowsAdded = 1
	rowsTaken = 2
)

// retracts says that the layout is one of windows over a changelog.
func (l *Layout) retracts() bool { return !l.view.Latest && l.view.Source.Changelog() }

// counted are the filters whose rows each ring counts.
func (l *Layout) counted() []int {
	if l.retracts() {
		return []int{0, rowsAdded, rowsTaken}
	}
	return []int{0}
}

// owing says that more rows were taken away than had come: of what was there before the
// changes began. Then nothing of the window can be told.
func (c rowCount) owing() bool { return int64(c.n) < 0 }

// anyRow says whether a window has a row, by its counts.
func (l *Layout) anyRow(rows []rowCount) bool {
	if l.retracts() {
		return rows[rowsAdded].n != rows[rowsTaken].n
	}
	return rows[0].n > 0
}

// invertible is an accumulator that what another one has counted can be taken away from:
// what is left is what it would have been without.
type invertible interface {
	accumulator
	subtract(o accumulator)
}

// Invertible says whether an aggregate can follow rows that change: what it counted can
// be taken back.
func Invertible(fn string, arg fqgw.Type, params []fqgw.Value) bool {
	_, ok := kindOf(fn, arg, params, fqgw.Window{}).make(1)[0].(invertible)
	return ok
}

// net is what is left of rows and their accumulator, nil for none, when others are
// taken away. Which of them was the newest is not known.
func net(k *kind, rows, less rowCount, acc, other accumulator) (rowCount, accumulator) {
	rows = rowCount{n: rows.n - less.n, newest: NoTime}
	if acc == nil {
		return rows, nil
	}
	left := k.make(1)[0]
	left.merge(acc)
	left.(invertible).subtract(other)
	return rows, left
}

func (c *counter) subtract(o accumulator) { c.n -= o.(*counter).n }

func (b *bools) subtract(o accumulator) {
	b.trues -= o.(*bools).trues
	b.falses -= o.(*bools).falses
}

func (s *intSum) subtract(o accumulator) {
	p := o.(*intSum)
	s.n -= p.n
	s.sum.add(int128{^p.sum.hi, ^p.sum.lo})
	s.sum.add(int128{0, 1})
}

func (m *intMoments) subtract(o accumulator) {
	p := o.(*intMoments)
	m.n -= p.n
	m.sum.subtract(&p.sum)
	m.squares.subtract(&p.squares)
}

func (s *specials) subtract(o specials) {
	s.nan -= o.nan
	s.pos -= o.pos
	s.neg -= o.neg
}

func (s *floatSum) subtract(o accumulator) { s.subtractSum(o.(*floatSum)) }

func (s *floatSum) subtractSum(o *floatSum) {
	s.n -= o.n
	s.special.subtract(o.special)
	s.sum.subtract(&o.sum)
}

func (m *floatMoments) subtract(o accumulator) {
	p := o.(*floatMoments)
	m.subtractSum(&p.floatSum)
	m.squares.subtract(&p.squares)
}

func (s *numericSum) subtract(o accumulator) { s.subtractSum(o.(*numericSum)) }

func (m *numericMoments) subtract(o accumulator) { m.subtractSum(&o.(*numericMoments).numericSum) }

// subtractSum leaves no scale of which there is no value: a result has the greatest
// display scale of those that are there.
func (s *numericSum) subtractSum(o *numericSum) {
	s.n -= o.n
	s.special.subtract(o.special)
	for i := range o.scales {
		from := &o.scales[i]
		to := s.at(from.scale)
		to.n -= from.n
		to.sum.Sub(&to.sum, &from.sum)
		to.squares.Sub(&to.squares, &from.squares)
	}
	kept := s.scales[:0]
	for i := range s.scales {
		if at := &s.scales[i]; at.n != 0 || at.sum.Sign() != 0 {
			kept = append(kept, *at)
		}
	}
	s.scales = kept
}

// subtract takes a number away.
func (x *exact) subtract(o *exact) {
	var minus exact
	minus.merge(o)
	minus.negate()
	x.merge(&minus)
}
