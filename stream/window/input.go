package window

import (
	"cmp"
	"slices"

	"github.com/fqgw/fqgw"
)

// Input is an event reduced to what the state needs: it has passed WHERE, its
// filters and arguments are evaluated.
type Input struct {
	Time  int64 // event time
	Known int64 // known time
	Pos   fqgw.Position
	gone  bool         // of a changelog: the row is taken back, or a version is no row of the table
	tie   string       // rows without a position: the canonical bytes of the row
	pass  []bool       // by Layout.filters
	args  []fqgw.Value // by Layout.args; NULL where no filter needs it
}

// Pack appends an event's bytes, for keeping many of them in memory: they are
// for Unpack and Place of the same layout, and do not outlive the process.
func (l *Layout) Pack(dst []byte, in *Input) []byte { return l.appendHeld(dst, in, 0) }

// Unpack is the event that was packed; it keeps nothing of b.
func (l *Layout) Unpack(b []byte) Input { return l.input(&reader{fqgw.Unpack(b)}, 0) }

// PackPlace is Pack of an event of which its position alone matters.
func PackPlace(dst []byte, pos fqgw.Position) []byte {
	return appendMoment(dst, &Input{Pos: pos}, 0)
}

// Place is the times and the position of what Pack or PackPlace wrote.
func Place(b []byte) (time, known int64, pos fqgw.Position) {
	var in Input
	(&reader{fqgw.Unpack(b)}).moment(&in, 0)
	return in.Time, in.Known, in.Pos
}

// VisibleAt is the least T at which a reader with K = T sees the event.
func (in *Input) VisibleAt() int64 { return max(in.Time, in.Known) }

// compare is the order of events (SEMANTICS §1).
func (in *Input) compare(o *Input) int {
	return cmp.Or(cmp.Compare(in.Time, o.Time), cmp.Compare(in.Known, o.Known), in.Pos.Compare(o.Pos), cmp.Compare(in.tie, o.tie))
}

// clone is a copy that shares nothing that Reduce writes.
func (in *Input) clone() Input {
	c := *in
	c.pass, c.args = slices.Clone(in.pass), slices.Clone(in.args)
	return c
}

// rowEnv is what row expressions see: UTC, ISO dates, no clock, no session.
var rowEnv fqgw.Env

// Input reduces an event; keep is false when WHERE is not true for it (a version of a
// row is kept all the same). Row
// expressions that raise give NULL and are counted (SEMANTICS §2.4).
func (l *Layout) Input(ev *fqgw.Event) (in Input, keep bool, evalErrors int) {
	keep, evalErrors = l.Reduce(&in, ev)
	return in, keep, evalErrors
}

// Reduce is Input into a value whose buffers are used again.
func (l *Layout) Reduce(in *Input, ev *fqgw.Event) (keep bool, evalErrors int) {
	eval := func(e fqgw.Expr) fqgw.Value {
		v, err := e.Eval(&rowEnv, ev.Row)
		if err != nil {
			evalErrors++
			return fqgw.Null
		}
		return v
	}
	versions := l.versions()
	in.gone = ev.Op.Retracts()
	if l.view.Where != nil && !(versions && in.gone) && !eval(l.view.Where).True() {
		if !versions {
			return false, evalErrors
		}
		in.gone = true
	}
	in.Time, in.Known, in.Pos, in.tie = ev.Time, ev.Known, ev.Pos, ""
	if versions {
		in.Time = ev.Known
	}
	if ev.Pos.IsNone() {
		in.tie = string(fqgw.AppendPackedRow(nil, ev.Row))
	}
	in.pass = append(in.pass[:0], true)
	for _, f := range l.filters[1:] {
		in.pass = append(in.pass, f.side.passes(in.gone) && (f.expr == nil || eval(f.expr).True()))
	}
	in.args = in.args[:0]
	for i := range l.args {
		v := fqgw.Null
		if slices.ContainsFunc(l.args[i].filters, func(f int) bool { return in.pass[f] }) {
			v = eval(l.args[i].expr)
		}
		in.args = append(in.args, v)
	}
	return true, evalErrors
}
