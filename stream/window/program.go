package window

import (
	"math"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// Program answers for what a query shows of a feature view: from the packed state
// of an entity, or a reading of its history, to the columns (SEMANTICS §4). It is
// compiled once, immutable and safe for concurrent use; what an answer needs
// besides is in the Answer. What nobody asked for is skipped in the packed state
// and not computed.
type Program struct {
	view     *fqgw.FeatureView
	whole    *Layout      // of the online store's states
	shown    *Layout      // of what is shown alone
	rings    []ringWanted // by whole.rings
	outputs  []output
	computed []int // the features whose read expression is more than a slot
	needs    []int // the slots that these name
	globals  []int // and of the global windows, with those that defaults name
}

// output is one column.
type output struct {
	kind     fqgw.OutputKind
	index    int // of the key or the feature
	slot     int // the slot that is the feature's value, -1 for another one
	global   int // the slot of the global windows that is it, -1 for another one
	computed int // the place of one that is neither in Program.computed
	instead  fqgw.Value
	feature  *fqgw.Feature // nil of what is none
}

// ringWanted says where the parts of a whole ring go: their index in the ring of
// what is shown, -1 for nowhere.
type ringWanted struct{ filters, accs []int }

// FeatureValue is the value of one feature for one entity, before its default.
type FeatureValue struct {
	Value  fqgw.Value
	Status fqgw.Status
	Time   int64 // event time of the newest contributing event, or NoTime
}

// NoTime stands where no event contributed.
const NoTime = math.MinInt64

// Answer is what a program says of one entity. It is used again for the next one;
// its zero value is ready. Not for concurrent use.
type Answer struct {
	// Key has the join keys. It is nil when one of them, or the time asked for, is
	// NULL: then every value is. (A view without keys has an empty key that is not
	// nil.)
	Key []fqgw.Value
	// Shown says that there is a row, or that the key is shown of one that is not known.
	Shown bool
	// Late says that the online store did not answer within the deadline: the
	// defaults stand in, with the status timeout.
	Late bool
	// Global is the reading of the view's global windows, nil where none is known; it is
	// kept by many, and put here before the answer is made. Stale says that it is not
	// what it must be by now: what is made of it has the status timeout.
	Global *Reading
	Stale  bool

	Reading
	in     reader
	shared bool           // the reading is not the answer's own
	values []FeatureValue // of the computed features
	row    []fqgw.Value
}

// own makes the reading one that may be written.
func (a *Answer) own() {
	if a.shared {
		a.Reading, a.shared = Reading{}, false
	}
}

// Forget lets go of what the answer refers to.
func (a *Answer) Forget() {
	a.own()
	a.Key, a.packed, a.in = nil, nil, reader{}
	clear(a.Slots)
	clear(a.values)
	clear(a.row)
}

// NewProgram compiles what is shown of v, the layout's view or a later version of it.
func NewProgram(l *Layout, v *fqgw.FeatureView, outputs []fqgw.Output) *Program {
	p := &Program{view: v, whole: l}
	var features []int
	for _, o := range outputs {
		out := output{kind: o.Kind, index: o.Index, slot: -1, global: -1}
		if o.Kind == fqgw.OutFeature || o.Kind == fqgw.OutStatus || o.Kind == fqgw.OutTime {
			f := &v.Features[o.Index]
			out.instead, out.feature = f.Default, f
			p.globals = append(p.globals, globalsOf(v, f)...)
			if !slices.Contains(features, o.Index) {
				features = append(features, o.Index)
			}
			if out.slot, out.global = slotOf(v, f); out.slot < 0 && out.global < 0 {
				if out.computed = slices.Index(p.computed, o.Index); out.computed < 0 {
					out.computed = len(p.computed)
					p.computed = append(p.computed, o.Index)
					p.needs = append(p.needs, f.Slots...)
				}
			}
		}
		p.outputs = append(p.outputs, out)
	}
	slices.Sort(p.needs)
	p.needs = slices.Compact(p.needs)
	slices.Sort(p.globals)
	p.globals = slices.Compact(p.globals)
	p.shown = l.Only(v, features)
	for i := range p.shown.rings {
		p.rings = append(p.rings, p.wanted(i))
	}
	return p
}

// slotOf is the slot that is a feature's value, or that of the global windows; -1 when it
// is another.
func slotOf(v *fqgw.FeatureView, f *fqgw.Feature) (own, global int) {
	c, ok := f.Read.(*expr.Column)
	if !ok || c.Level != 0 || c.Index < len(v.Keys) {
		return -1, -1
	}
	if n := c.Index - len(v.Keys) - len(v.Aggregates); n >= 0 && !v.Latest {
		return -1, n
	}
	return c.Index - len(v.Keys), -1
}

// Plain is the slot that output i is, and what stands for it where it is NULL, NULL for
// nothing; ok is false of another output than a feature that is a slot.
func (p *Program) Plain(i int) (slot int, instead fqgw.Value, ok bool) {
	o := &p.outputs[i]
	return o.slot, o.instead, o.kind == fqgw.OutFeature && o.slot >= 0 && o.feature.Instead == nil
}

// wanted finds what of a ring is shown: an aggregate has its filter and its
// accumulator in both layouts.
func (p *Program) wanted(ring int) ringWanted {
	all := &p.whole.rings[ring]
	w := ringWanted{nowhere(len(all.filters)), nowhere(len(all.accs))}
	for _, f := range p.whole.counted() { // its place is the same in both
		w.filters[f] = f
	}
	for i := range p.shown.slots {
		few, all := &p.shown.slots[i], &p.whole.slots[i]
		if few.read < 0 || p.shown.reads[few.read].ring != ring {
			continue
		}
		show := func(to, of int) {
			few, from := &p.shown.reads[to], &p.whole.reads[of]
			w.filters[from.filter] = few.filter
			if from.acc >= 0 {
				w.accs[from.acc] = few.acc
			}
		}
		if show(few.read, all.read); few.less >= 0 {
			show(few.less, all.less)
		}
	}
	return w
}

func nowhere(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = -1
	}
	return out
}

// Shown is the layout of what the program shows, for reading history by it.
func (p *Program) Shown() *Layout { return p.shown }

// Empty answers for a key that was never seen, and for none.
func (p *Program) Empty(a *Answer, t int64) {
	a.own()
	if p.view.Latest {
		p.shown.at(&a.Reading, math.MinInt64, t)
		return
	}
	p.shown.clear(&a.Reading, math.MinInt64, t)
	p.shown.finish(p.shown.begin(a.T), &a.Reading)
	p.compute(a)
}

// Of answers with a reading that was made by the layout of what is shown.
func (p *Program) Of(a *Answer, r *Reading) {
	a.Reading, a.shared = *r, true
	p.compute(a)
}

// Online answers for the packed state b of an entity at max(t, H); nil is an
// entity without events. XX001 when the bytes are damaged, as far as they are
// read. The answer refers to b until the next one.
func (p *Program) Online(a *Answer, b []byte, t int64) error {
	if len(b) == 0 {
		p.Empty(a, t)
		return nil
	}
	a.own()
	if p.whole.beats() { // it is read once a second, for everybody
		s, err := p.whole.Decode(b)
		if err == nil {
			a.Reading = p.whole.Read(s, t)
			p.compute(a)
		}
		return err
	}
	var err error
	if a.in, err = p.whole.open(b, codecVersion); err != nil {
		return err
	}
	in := &a.in
	h := in.Varint()
	something := false
	for range p.whole.ownMarks(in, h) {
		something = true
	}
	if p.view.Latest {
		p.whole.at(&a.Reading, h, t)
		if err := p.whole.answerLatest(&a.Reading, b, in, h, something); err != nil {
			return err
		}
		p.compute(a)
		return nil
	}
	p.shown.clear(&a.Reading, h, t)
	sum := p.shown.begin(a.T)
	for i := range p.whole.rings {
		something = p.unpackRing(in, i, h, &sum.rings[i]) || something
	}
	for held := range p.whole.heldInputs(in, h) {
		p.addHeld(sum, &held, a.T)
		something = true
	}
	if in.Bad() || in.Left() > 0 || !something {
		return p.whole.damaged()
	}
	p.shown.finish(sum, &a.Reading)
	p.compute(a)
	return nil
}

// unpackRing counts the tiles of a ring, as far as they are shown, and says
// whether there were any.
func (p *Program) unpackRing(in *reader, ring int, h int64, to *ringSums) (something bool) {
	spec, w := &p.whole.rings[ring], &p.rings[ring]
	if cap(to.whole) < len(spec.filters) {
		to.whole = make([]rowCount, len(spec.filters))
	}
	rows := to.whole[:len(spec.filters)]
	for index := range spec.indexes(in, h) {
		something = true
		clear(rows)
		spec.readRows(in, index, h, rows)
		s := to.at(index)
		for f := range rows {
			if k := w.filters[f]; k >= 0 {
				s.rows[k].merge(rows[f])
			}
		}
		for j := range spec.accs {
			c := &rows[spec.accs[j].filter]
			if c.n == 0 || in.Bad() {
				continue
			}
			if k := w.accs[j]; k >= 0 {
				s.accs[k].read(in, c.newest)
			} else {
				spec.accs[j].kind.skip(in)
			}
		}
	}
	return something
}

// addHeld counts an event that the state keeps singly, if it is visible at t.
func (p *Program) addHeld(s *sums, in *Input, t int64) {
	if in.VisibleAt() > t {
		return
	}
	for i := range p.whole.rings {
		spec, w := &p.whole.rings[i], &p.rings[i]
		to := s.rings[i].at(spec.tile(in.Time))
		for f, k := range w.filters {
			if k >= 0 && in.pass[spec.filters[f]] {
				to.rows[k].add(in.Time)
			}
		}
		for j, k := range w.accs {
			if acc := &spec.accs[j]; k >= 0 && in.pass[spec.filters[acc.filter]] {
				acc.add(to.accs[k], in)
			}
		}
	}
}

// definitionEnv is what read expressions see: a definition means UTC and no
// session, whoever reads it (SEMANTICS §2.4).
var definitionEnv fqgw.Env

// compute evaluates the read expressions that are more than a slot.
func (p *Program) compute(a *Answer) {
	a.values = a.values[:0]
	if len(p.computed) == 0 || a.Key == nil || p.view.Latest && !a.Exists {
		return
	}
	p.row(a)
	for _, i := range p.computed {
		f := &p.view.Features[i]
		out := FeatureValue{Time: NoTime}
		var err error
		out.Value, err = f.Read.Eval(&definitionEnv, a.row)
		bad := err != nil
		for _, s := range f.Slots {
			out.Time = max(out.Time, a.time(s))
			bad = bad || out.Value.IsNull() && a.failed(s)
		}
		if a.Global != nil {
			for _, s := range f.Globals {
				out.Time = max(out.Time, a.Global.time(s))
				bad = bad || out.Value.IsNull() && a.Global.failed(s)
			}
		}
		if err != nil {
			out.Value = fqgw.Null
		}
		out.Status = a.status(out.Value.IsNull(), bad)
		a.values = append(a.values, out)
	}
}

// status is that of a value for a known key.
func (a *Answer) status(null, bad bool) fqgw.Status {
	switch {
	case bad:
		return fqgw.StatusError
	case !a.Exists:
		return fqgw.StatusNotFound
	case null:
		return fqgw.StatusNull
	}
	return fqgw.StatusPresent
}

// feature is the value of an output's feature, with its default.
func (p *Program) feature(a *Answer, o *output) FeatureValue {
	out := FeatureValue{Status: fqgw.StatusNotFound, Time: NoTime}
	switch {
	case a.Late && (len(o.feature.Globals) == 0 || len(o.feature.Slots) > 0):
		out.Value, out.Status = p.instead(a, o), fqgw.StatusTimeout
		return out
	case a.Key == nil:
	case o.global >= 0:
		out = a.global(o.global)
	case a.Exists || !p.view.Latest:
		if o.slot < 0 {
			out = a.values[o.computed]
			break
		}
		out.Value, out.Time = a.slot(o.slot), a.time(o.slot)
		out.Status = a.status(out.Value.IsNull(), out.Value.IsNull() && a.failed(o.slot))
	case a.OutsideMaxAge:
		out.Status = fqgw.StatusOutsideMaxAge
	}
	late := a.Late || a.Stale && a.Key != nil && len(o.feature.Globals) > 0
	if out.Value.IsNull() {
		if v := p.instead(a, o); !v.IsNull() {
			out.Value, out.Status = v, fqgw.StatusDefault
			late = late || a.Stale && o.feature.Instead != nil
		}
	}
	if late {
		out.Status = fqgw.StatusTimeout
	}
	return out
}

// Value is column i, and the status of the feature behind it.
func (p *Program) Value(a *Answer, i int) (fqgw.Value, fqgw.Status) {
	o := &p.outputs[i]
	if o.kind == fqgw.OutKey {
		if !a.Shown {
			return fqgw.Null, fqgw.StatusNotFound
		}
		return a.Key[o.index], fqgw.StatusPresent
	}
	f := p.feature(a, o)
	switch o.kind {
	case fqgw.OutStatus:
		f.Value = fqgw.TextValue(f.Status.String())
	case fqgw.OutTime:
		f.Value = fqgw.Null
		if f.Time != NoTime {
			f.Value = fqgw.TimestampValue(f.Time)
		}
	}
	return f.Value, f.Status
}

// Write writes what Value gives.
func (p *Program) Write(w fqgw.RowWriter, a *Answer, i int) fqgw.Status {
	o := &p.outputs[i]
	if a.packed != nil && o.kind == fqgw.OutFeature && o.slot >= 0 && a.Key != nil && !a.Late {
		in := fqgw.Unpack(a.packed[a.at[o.slot]:])
		switch {
		case !in.IsNull():
			in.Write(w)
			return fqgw.StatusPresent
		case o.instead.IsNull():
			w.Null()
			return fqgw.StatusNull
		}
		w.Value(o.instead)
		return fqgw.StatusDefault
	}
	v, status := p.Value(a, i)
	w.Value(v)
	return status
}
