package pit

import (
	"cmp"
	"math"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// sweeps answers the entities of a windowed view, one after the other: all probes of
// an entity in one sweep over its events, whose columns are read where they lie.
type sweeps struct {
	sweep     *window.Sweep
	held      int64 // of memory, for the sweep
	args      []window.Arg
	plain     bool // the events of runs need no evaluation
	questions []window.Question
	of        [][]int // the probes of each question, in order
	order     []int
	parts     []*window.Events
	ordered   bool // the order of events matters
	loaded    map[*reader]*loaded
	kept      []arrow.Array // what parts refer to
}

// fewest is how many questions are answered by a sweep at least, and most at most:
// an entity with more of them has its events counted again.
const fewest, most = 64, 1 << 14

// newSweeps is for the entities of one part.
func newSweeps(l *window.Layout) *sweeps {
	w := &sweeps{sweep: l.NewSweep(), ordered: l.Ordered(), loaded: map[*reader]*loaded{}}
	w.args, w.plain = l.Plain()
	if w.ordered && l.View().Source.Positions() != fqgw.TopicOffsets {
		w.plain = false // rows tie by all their bytes
	}
	return w
}

// answerWindows answers an entity of a windowed view, unless it was left for later.
func (c *collector) answerWindows(e *entity, probes []Probe, emit func(i int, r *window.Reading) error) error {
	if c.sweeps == nil {
		c.sweeps = newSweeps(c.layout)
	}
	w, taken := c.sweeps, int64(0)
	defer func() {
		c.memory.Give(taken)
		c.held -= taken
		w.forget()
	}()
	take := func(n int64) (bool, error) {
		if err := c.take(n); err != nil {
			return false, err
		}
		taken += n
		return c.part.has(e.key), nil
	}
	for _, r := range c.runs {
		if ok, err := c.rowsOf(r, e, take); err != nil || !ok {
			return err
		}
	}
	if e.n > 0 {
		w.parts = append(w.parts, e.unpack(c.layout))
	}
	w.ask(c, e.probes, probes)
	events := 0
	for _, p := range w.parts {
		events += len(p.Times)
	}
	chunk, err := c.room(min(len(w.questions), max(events/64, fewest), most), events)
	if err != nil || !c.part.has(e.key) {
		return err
	}
	for from := 0; from < len(w.questions); from += chunk {
		if err := c.sweep(from, min(from+chunk, len(w.questions)), emit); err != nil {
			return err
		}
	}
	c.free(e)
	return nil
}

// sweep answers the questions [from, to) of an entity.
func (c *collector) sweep(from, to int, emit func(i int, r *window.Reading) error) error {
	w := c.sweeps
	asked := w.questions[from:to]
	if c.columns != nil {
		return w.sweep.Fill(w.parts, asked, c.columns, func(i int) []int {
			for _, p := range w.of[from+i] {
				c.filled[p] = true
			}
			return w.of[from+i]
		})
	}
	return w.sweep.Answer(w.parts, asked, func(i int, r *window.Reading) error {
		for n, p := range w.of[from+i] {
			shared := r
			if n > 0 {
				shared = &window.Reading{}
				*shared = *r
			}
			if err := emit(p, shared); err != nil {
				return err
			}
		}
		return nil
	})
}

// forget lets go of an entity's events.
func (w *sweeps) forget() {
	for i, a := range w.kept {
		a.Release()
		w.kept[i] = nil
	}
	clear(w.parts)
	w.kept, w.parts = w.kept[:0], w.parts[:0]
}

// rowsOf adds the rows of an entity in a run to the parts, as far as a probe may see
// them.
func (c *collector) rowsOf(r *reader, e *entity, take func(n int64) (bool, error)) (ok bool, err error) {
	from, to := r.rows(e.key)
	if from < to && e.from > math.MinInt64 {
		from = r.after(from, to, e.from-1)
	}
	if from < to {
		to = r.after(from, to, e.to)
	}
	if from == to {
		return true, nil
	}
	if c.sweeps.plain {
		return c.view(r, from, to, take)
	}
	return c.evaluate(r, e, from, to, take)
}

// room takes memory for a sweep of so many questions, fewer where there is none.
func (c *collector) room(questions, events int) (chunk int, err error) {
	if c.sweeps == nil {
		c.sweeps = newSweeps(c.layout)
	}
	w := c.sweeps
	for {
		need := w.sweep.Bytes(questions, events) - w.held
		if need <= 0 {
			return questions, nil
		}
		if questions <= fewest {
			if err = c.take(need); err == nil {
				w.held += need
			}
			return questions, err
		}
		if c.memory.Take(need) == nil {
			c.held += need
			w.held += need
			return questions, nil
		}
		questions /= 2
	}
}

// ask makes questions of an entity's probes, in the order of their times; equal ones
// are asked once.
func (w *sweeps) ask(c *collector, of []int, probes []Probe) {
	w.questions, w.of = w.questions[:0], w.of[:0]
	order := append(w.order[:0], of...)
	w.order = order
	slices.SortFunc(order, func(a, b int) int {
		p, q := c.asked(&probes[a]), c.asked(&probes[b])
		return cmp.Or(cmp.Compare(p.T, q.T), cmp.Compare(p.K, q.K))
	})
	for n, i := range order {
		q := c.asked(&probes[i])
		if n > 0 && q == w.questions[len(w.questions)-1] {
			last := len(w.of) - 1
			w.of[last] = order[n-len(w.of[last]) : n+1]
			continue
		}
		w.questions, w.of = append(w.questions, q), append(w.of, order[n:n+1])
	}
}

// view has the rows [from, to) of an entity in a run as events, without evaluating
// anything; numbers are not copied.
func (c *collector) view(r *reader, from, to int, take func(n int64) (bool, error)) (ok bool, err error) {
	w := c.sweeps
	for from < to {
		n := from / fqgw.RunGroup
		low, high := from%fqgw.RunGroup, min(to-n*fqgw.RunGroup, fqgw.RunGroup)
		from += high - low
		cols, err := w.load(r, n)
		if err != nil {
			return false, err
		}
		for _, a := range cols {
			a.Retain()
		}
		w.kept = append(w.kept, cols...)
		if ok, err := take(window.PlainBytes * int64(high-low)); err != nil || !ok {
			return false, err
		}
		e := &window.Events{Times: r.run.Times(n)[low:high], Args: make([]window.Column, len(w.args))}
		if known := r.run.Known(n); known != nil {
			e.Known = known[low:high]
		}
		for i, arg := range w.args {
			if ok, err := take(columnBytes(cols[i], high-low)); err != nil || !ok {
				return false, err
			}
			e.Args[i] = columnOf(cols[i], low, high, arg.Type)
		}
		if hidden := slices.Clone(cols[len(w.args):]); len(hidden) > 0 {
			e.Place = func(i int) (fqgw.Position, error) { return positionOf(hidden, low+i) }
		}
		w.parts = append(w.parts, e)
	}
	return true, nil
}

// load is the columns of a group of a run that the arguments are, and where the order
// of events matters those of the position. They are kept until the next group.
func (w *sweeps) load(r *reader, n int) ([]arrow.Array, error) {
	l := w.loaded[r]
	if l == nil {
		l = &loaded{group: -1}
		w.loaded[r] = l
	}
	if l.group == n {
		return l.cols, nil
	}
	l.release()
	names := make([]string, 0, len(w.args)+positionColumns)
	for _, a := range w.args {
		names = append(names, r.of.Columns[a.Column].Name)
	}
	if w.ordered {
		for _, c := range fqgw.HiddenColumns[:positionColumns] {
			names = append(names, c.Name)
		}
	}
	for _, name := range names {
		a, err := r.run.Column(n, name)
		if err != nil {
			return nil, err
		}
		l.cols = append(l.cols, a)
	}
	l.group = n
	return l.cols, nil
}

// loaded is columns of one group of a run.
type loaded struct {
	group int
	cols  []arrow.Array
}

func (l *loaded) release() {
	for i, a := range l.cols {
		a.Release()
		l.cols[i] = nil
	}
	l.cols, l.group = l.cols[:0], -1
}

// positionColumns is how many of the hidden columns are the position.
const positionColumns = 4

// positionOf is the position of a row, by the columns of it.
func positionOf(cols []arrow.Array, i int) (fqgw.Position, error) {
	h, err := fqgw.ReadHidden(func(n int) fqgw.Value {
		if n >= len(cols) {
			return fqgw.Null
		}
		return fqgw.ArrowView(cols[n], i, fqgw.HiddenColumns[n].Type)
	})
	return h.Pos, err
}

// columnOf is the values [low, high) of an array as an argument. Numbers of 64 bits lie
// where they are.
func columnOf(a arrow.Array, low, high int, t fqgw.Type) (c window.Column) {
	if a.NullN() > 0 {
		c.Null = make([]bool, high-low)
		for i := range c.Null {
			c.Null[i] = a.IsNull(low + i)
		}
	}
	switch a := a.(type) {
	case *array.Int64:
		if t.Kind() == fqgw.KindInt {
			c.Ints = a.Int64Values()[low:high]
			return c
		}
	case *array.Int32:
		if t.Kind() == fqgw.KindInt {
			c.Ints = make([]int64, high-low)
			for i, v := range a.Int32Values()[low:high] {
				c.Ints[i] = int64(v)
			}
			return c
		}
	case *array.Float64:
		if t == fqgw.Float8 {
			c.Floats = a.Float64Values()[low:high]
			return c
		}
	}
	values := make([]fqgw.Value, high-low)
	for i := range values {
		values[i] = fqgw.ArrowValue(a, low+i, t)
	}
	switch t.Kind() {
	case fqgw.KindInt:
		c.Ints = make([]int64, len(values))
		for i, v := range values {
			c.Ints[i] = v.Int()
		}
	case fqgw.KindFloat:
		c.Floats = make([]float64, len(values))
		for i, v := range values {
			c.Floats[i] = v.Float()
		}
	default:
		c.Values = values
	}
	return c
}

// columnBytes is what columnOf takes for n values, texts left out.
func columnBytes(a arrow.Array, n int) int64 {
	size := int64(0)
	if a.NullN() > 0 {
		size = 1
	}
	switch a.(type) {
	case *array.Int64, *array.Float64:
	case *array.Int32:
		size += 8
	default:
		size += valueBytes
	}
	return size * int64(n)
}

// valueBytes is the size of a value.
const valueBytes = 48

// evaluate has the rows [from, to) of an entity in a run as events.
func (c *collector) evaluate(r *reader, e *entity, from, to int, take func(n int64) (bool, error)) (ok bool, err error) {
	if ok, err = take(c.layout.EventBytes() * int64(to-from)); err != nil || !ok {
		return false, err
	}
	events := &window.Events{}
	var in window.Input
	for row := from; row < to; row++ {
		if _, known := r.moment(row); known > e.known {
			continue
		}
		ev, err := r.event(row)
		if err != nil {
			return false, err
		}
		if keep, _ := c.layout.Reduce(&in, &ev); keep {
			c.layout.Add(events, &in)
		}
	}
	c.sweeps.parts = append(c.sweeps.parts, events)
	return true, nil
}

// unpack has the events of an entity that are in no run.
func (e *entity) unpack(l *window.Layout) *window.Events {
	events := &window.Events{}
	for _, p := range e.ordered(l) {
		in := l.Unpack(e.events[p.at:p.end])
		l.Add(events, &in)
	}
	return events
}
