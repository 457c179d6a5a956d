package window

import "slices"

// Passing are events that pass by a sweep once, for the one entity of a view without
// keys: they are all that its source has, and are not kept. Not for concurrent use.
type Passing struct {
	s       *Sweep
	inputs  []Input // of the batch; they are used again
	n       int
	order   []int32
	batch   Events
	late    []*Events // what is not known yet to whoever asks for it first
	Kept    int       // events of those
	pending int       // entries of Sweep.late that belong to them
}

// Pass begins a sweep over events that pass by. The questions stay the caller's.
func (s *Sweep) Pass(questions []Question) *Passing {
	s.questions = questions
	s.cut()
	s.look()
	s.tree.grow(2 * len(s.cuts))
	return &Passing{s: s}
}

// Next is where the next event of the batch is to be put, by Layout.Reduce; Took says
// that it was, else it is given again.
func (p *Passing) Next() *Input {
	if p.n == len(p.inputs) {
		p.inputs = append(p.inputs, Input{})
	}
	return &p.inputs[p.n]
}

// Took counts the event that Next has the place of, and says how many there are.
func (p *Passing) Took() int {
	p.n++
	return p.n
}

// Count counts the events of the batch, whose positions came never before, and forgets
// those that are known to whoever asks for them.
func (p *Passing) Count() error {
	if p.n == 0 {
		return nil
	}
	l := p.s.l
	p.order = slices.Grow(p.order[:0], p.n)[:p.n]
	for i := range p.order {
		p.order[i] = int32(i)
	}
	slices.SortFunc(p.order, func(a, b int32) int { return p.inputs[a].compare(&p.inputs[b]) })
	p.batch.reset()
	for _, i := range p.order {
		l.Add(&p.batch, &p.inputs[i])
	}
	p.n = 0
	if err := p.s.divide(int32(len(p.late)), &p.batch); err != nil {
		return err
	}
	if p.pending == len(p.s.late) {
		return nil
	}
	kept := &Events{}
	for i := p.pending; i < len(p.s.late); i++ {
		part := &p.s.late[i]
		from := len(kept.Times)
		kept.take(&p.batch, part.from, part.to)
		part.from, part.to = from, len(kept.Times)
	}
	p.pending, p.late, p.Kept = len(p.s.late), append(p.late, kept), p.Kept+len(kept.Times)
	return nil
}

// Answer answers each question, as Sweep.Answer does, and ends the sweep.
func (p *Passing) Answer(emit func(i int, r *Reading) error) error {
	s := p.s
	defer s.clear()
	s.build()
	s.sortLate()
	for at, q := range s.order {
		if err := s.learn(p.late, int32(at)); err != nil {
			return err
		}
		if err := emit(int(q), s.read(int(q))); err != nil {
			return err
		}
	}
	return nil
}

// End ends the sweep without answers, where there was an error.
func (p *Passing) End() { p.s.clear() }

// reset makes events that were added none, for others.
func (e *Events) reset() {
	e.Times, e.Known, e.moved = e.Times[:0], e.Known[:0], e.moved[:0]
	for i := range e.Args {
		c := &e.Args[i]
		c.Ints, c.Floats, c.Values, c.Null = c.Ints[:0], c.Floats[:0], c.Values[:0], c.Null[:0]
	}
	for f := range e.pass {
		e.pass[f] = e.pass[f][:0]
	}
}

// take adds the events [from, to) of others, all of which were added.
func (e *Events) take(of *Events, from, to int) {
	e.Times, e.Known = append(e.Times, of.Times[from:to]...), append(e.Known, of.Known[from:to]...)
	if e.Args == nil {
		e.Args = make([]Column, len(of.Args))
	}
	for i := range of.Args {
		a, b := &e.Args[i], &of.Args[i]
		switch {
		case len(b.Ints) > 0:
			a.Ints = append(a.Ints, b.Ints[from:to]...)
		case len(b.Floats) > 0:
			a.Floats = append(a.Floats, b.Floats[from:to]...)
		default:
			a.Values = append(a.Values, b.Values[from:to]...)
		}
		if len(b.Null) > 0 {
			a.Null = append(a.Null, b.Null[from:to]...)
		}
	}
	if of.pass != nil && e.pass == nil {
		e.pass = make([][]bool, len(of.pass))
	}
	for f := range e.pass {
		if f > 0 {
			e.pass[f] = append(e.pass[f], of.pass[f][from:to]...)
		}
	}
	if len(of.moved) > 0 {
		e.moved = append(e.moved, of.moved[from:to]...)
	}
}
