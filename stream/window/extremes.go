package window

import (
	"bytes"
	"math"

	"github.com/fqgw/fqgw"
)

// extreme keeps the least or greatest value in PostgreSQL's order. Values that
// are equal there but not in their bytes (1.0 and 1.00, a month and 30 days)
// go by their bytes, so that the choice does not depend on the order.
type extreme struct{ v fqgw.Value }

func (e *extreme) offer(v fqgw.Value, sign int) {
	if v.IsNull() {
		return
	}
	if v.Kind() == fqgw.KindFloat {
		if e.v.Kind() == fqgw.KindFloat && e.short(v.Float(), sign) {
			return
		}
		v = plainFloat(v)
	}
	if !e.v.IsNull() {
		c := fqgw.Compare(v, e.v) * sign
		if k := v.Kind(); c == 0 && (k == fqgw.KindNumeric || k == fqgw.KindInterval || k == fqgw.KindArray) {
			c = bytes.Compare(fqgw.AppendPacked(nil, v), fqgw.AppendPacked(nil, e.v))
		}
		if c <= 0 {
			return
		}
	}
	e.v = v
}

// short offers a double to one that is kept already, if neither is NaN and it
// is not a zero: by far the commonest.
func (e *extreme) short(f float64, sign int) bool {
	kept := e.v.Float()
	if f == 0 || math.IsNaN(f) || math.IsNaN(kept) {
		return false
	}
	if sign > 0 && f > kept || sign < 0 && f < kept {
		e.v = fqgw.FloatValue(f)
	}
	return true
}

// plainFloat makes -0 +0.
func plainFloat(v fqgw.Value) fqgw.Value { return fqgw.FloatValue(v.Float() + 0) }

// readOffer offers a packed value, which offer has taken once before: no -0.
func (e *extreme) readOffer(r *reader, sign int) {
	if e.v.Kind() == fqgw.KindFloat {
		if f, ok := r.Float(); ok && e.short(f, sign) {
			r.SkipFloat()
			return
		}
	}
	v := r.Value()
	if v.Kind() == fqgw.KindFloat && v.Float() == 0 && math.Signbit(v.Float()) {
		r.Fail()
	}
	e.offer(v, sign)
}

func (e *extreme) append(dst []byte, _ int64) []byte   { return fqgw.AppendPacked(dst, e.v) }
func (e *extreme) result(*slotSpec) (fqgw.Value, bool) { return e.v, true }

type minimum struct{ extreme }

func (m *minimum) add(_ *Input, v fqgw.Value) { m.offer(v, -1) }
func (m *minimum) merge(o accumulator)        { m.offer(o.(*minimum).v, -1) }
func (m *minimum) read(r *reader, _ int64)    { m.readOffer(r, -1) }

type maximum struct{ extreme }

func (m *maximum) add(_ *Input, v fqgw.Value) { m.offer(v, 1) }
func (m *maximum) merge(o accumulator)        { m.offer(o.(*maximum).v, 1) }
func (m *maximum) read(r *reader, _ int64)    { m.readOffer(r, 1) }

// edge keeps the value, NULL included, of the event that is first or last in
// the order of events.
type edge struct {
	has bool
	at  Input // times and position alone
	v   fqgw.Value
}

func (e *edge) offer(at *Input, v fqgw.Value, sign int) {
	if !e.has || at.compare(&e.at)*sign > 0 {
		*e = edge{true, Input{Time: at.Time, Known: at.Known, Pos: at.Pos, tie: at.tie}, v}
	}
}

func (e *edge) join(o *edge, sign int) {
	if o.has {
		e.offer(&o.at, o.v, sign)
	}
}

func (e *edge) append(dst []byte, newest int64) []byte {
	return fqgw.AppendPacked(appendMoment(dst, &e.at, newest), e.v)
}

func (e *edge) readOffer(r *reader, newest int64, sign int) {
	var at Input
	r.moment(&at, newest)
	e.offer(&at, r.Value(), sign)
}

func (e *edge) result(*slotSpec) (fqgw.Value, bool) { return e.v, true }

type first struct{ edge }

func (f *first) add(in *Input, v fqgw.Value)  { f.offer(in, v, -1) }
func (f *first) merge(o accumulator)          { f.join(&o.(*first).edge, -1) }
func (f *first) read(r *reader, newest int64) { f.readOffer(r, newest, -1) }

type last struct{ edge }

func (l *last) add(in *Input, v fqgw.Value)  { l.offer(in, v, 1) }
func (l *last) merge(o accumulator)          { l.join(&o.(*last).edge, 1) }
func (l *last) read(r *reader, newest int64) { l.readOffer(r, newest, 1) }
