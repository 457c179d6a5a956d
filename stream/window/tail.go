package window

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/fqgw/fqgw"
)

// MaxRows is how many events a window of ROWS, or last_n, keeps at the most.
const MaxRows = 1024

// kept is an event of which one value is kept.
type kept struct {
	time, known int64
	pos         fqgw.Position
	tie         string
	out         bool // FILTER is not true of it: it has its place among the last n, and no value
	v           fqgw.Value
}

func keep(at *Input, v fqgw.Value) kept {
	return kept{time: at.Time, known: at.Known, pos: at.Pos, tie: at.tie, v: v}
}

// at is its place in the order of events.
func (k *kept) at() Input { return Input{Time: k.time, Known: k.known, Pos: k.pos, tie: k.tie} }

// compare is the order of events.
func (k *kept) compare(o *kept) int {
	switch {
	case k.time != o.time:
		return cmp.Compare(k.time, o.time)
	case k.known != o.known:
		return cmp.Compare(k.known, o.known)
	}
	return cmp.Or(k.pos.Compare(o.pos), cmp.Compare(k.tie, o.tie))
}

// tail is the last n events, in the order of events. The union of two tails has the last n
// of all: it does not depend on the order in which they come.
type tail struct {
	n      int
	events []kept
	room   []kept // where they lie; nil: they fill their own
}

// kindTail is a kind of tails of n events.
func kindTail[T any, P interface {
	*T
	accumulator
	length(n int)
}](name string, n int, skip func(*reader)) *kind {
	k := kindOfEach[T, P](fmt.Sprintf(name, n), skip, func(p P) { p.length(n) })
	return k.inOrder().referring(func(events int64) int64 { return min(events, int64(n)) * keptSize })
}

func (t *tail) length(n int) { t.n = n }

// offer takes an event, if it is among the last n.
func (t *tail) offer(k kept) {
	i := len(t.events) // new events mostly come last
	for i > 0 && t.events[i-1].compare(&k) > 0 {
		i--
	}
	if len(t.events) < t.n {
		t.events = slices.Insert(t.events, i, k)
		return
	}
	switch {
	case i == 0: // it is too old
	case i == t.n && t.n > 16:
		t.push(k)
	default: // the oldest goes
		copy(t.events, t.events[1:i])
		t.events[i-1] = k
	}
}

// push puts an event behind the others, the oldest of which goes. They move on through
// their room, and back to its beginning when they are at its end.
func (t *tail) push(k kept) {
	if len(t.events) < cap(t.events) {
		t.events[0] = kept{}
		t.events = append(t.events[1:], k)
		return
	}
	if t.room == nil {
		t.room = make([]kept, t.n+t.n/4)
	}
	copy(t.room, t.events[1:])
	clear(t.room[t.n:])
	t.room[t.n-1] = k
	t.events = t.room[:t.n]
}

// join takes the events of another tail.
func (t *tail) join(events []kept) {
	switch n := len(t.events); {
	case len(events) == 0:
	case n == 0:
		t.events, t.room = slices.Clone(events[max(0, len(events)-t.n):]), nil
	case t.events[n-1].compare(&events[0]) <= 0: // all of them come later
		drop := max(0, n+len(events)-t.n)
		if drop >= n {
			t.events, t.room = slices.Clone(events[drop-n:]), nil
			break
		}
		t.events, t.room = append(slices.Delete(t.events, 0, drop), events...), nil
	case n == t.n && events[len(events)-1].compare(&t.events[0]) <= 0: // all of them are too old
	default:
		all := make([]kept, min(t.n, n+len(events)))
		mine, others := t.events, events
		for i := len(all) - 1; i >= 0; i-- {
			from := &mine
			if len(mine) == 0 || len(others) > 0 && others[len(others)-1].compare(&mine[len(mine)-1]) > 0 {
				from = &others
			}
			last := len(*from) - 1
			all[i], *from = (*from)[last], (*from)[:last]
		}
		t.events, t.room = all, nil
	}
}

// pack appends how many events there are, then each, the last one first: its place, its
// time relative to that of the one before; with filtered whether FILTER is true of it;
// its value, where it has one.
func (t *tail) pack(dst []byte, newest int64, filtered bool) []byte {
	dst = appendUvarint(dst, uint64(len(t.events)))
	for i := len(t.events) - 1; i >= 0; i-- {
		k := &t.events[i]
		at := k.at()
		dst = appendMoment(dst, &at, newest)
		newest = k.time
		switch {
		case filtered && k.out:
			dst = append(dst, 0)
			continue
		case filtered:
			dst = append(dst, 1)
		}
		dst = fqgw.AppendPacked(dst, k.v)
	}
	return dst
}

// unpack takes the events that pack wrote.
func (t *tail) unpack(r *reader, newest int64, filtered bool) {
	n := r.Length()
	if n == 0 || n > t.n {
		r.Fail()
		return
	}
	events := make([]kept, n)
	for i := n - 1; i >= 0 && !r.Bad(); i-- {
		var at Input
		r.moment(&at, newest)
		k := keep(&at, fqgw.Null)
		newest = k.time
		if filtered {
			flag := r.Byte()
			if k.out = flag == 0; flag > 1 {
				r.Fail()
			}
		}
		if !k.out {
			k.v = r.Value()
		}
		if events[i] = k; i < n-1 && !inOrder(&k, &events[i+1]) {
			r.Fail()
		}
	}
	switch {
	case r.Bad():
	case len(t.events) == 0:
		t.events, t.room = events, nil
	default:
		t.join(events)
	}
}

// inOrder says whether a stands before b as pack writes them: events of one place have
// no position and are the same row.
func inOrder(a, b *kept) bool {
	c := a.compare(b)
	return c < 0 || c == 0 && a.out == b.out && bytes.Equal(fqgw.AppendPacked(nil, a.v), fqgw.AppendPacked(nil, b.v))
}

func skipTail(filtered bool) func(r *reader) {
	return func(r *reader) {
		for n := r.Length(); n > 0 && !r.Bad(); n-- {
			if r.skipMoment(); !filtered || r.Byte() == 1 {
				r.Skip()
			}
		}
	}
}

// bytes is about what the events take in memory.
func (t *tail) bytes() int64 {
	n := int64(max(cap(t.events), cap(t.room))) * keptSize
	for i := range t.events {
		n += int64(len(t.events[i].tie)) + t.events[i].v.Bytes() - valueSize
	}
	return n
}

// newestN serves last_n and array_agg: the values of the last n events, NULLs too.
type newestN struct{ tail }

func kindNewest(n int) *kind { return kindTail[newestN]("last %d", n, skipTail(false)) }

func (l *newestN) add(in *Input, v fqgw.Value)            { l.offer(keep(in, v)) }
func (l *newestN) merge(o accumulator)                    { l.join(o.(*newestN).events) }
func (l *newestN) append(dst []byte, newest int64) []byte { return l.pack(dst, newest, false) }
func (l *newestN) read(r *reader, newest int64)           { l.unpack(r, newest, false) }
func (l *newestN) result(s *slotSpec) (fqgw.Value, bool) {
	return l.array(s)
}

// array is the values, NULL where there is none.
func (t *tail) array(s *slotSpec) (fqgw.Value, bool) {
	items := make([]fqgw.Value, 0, len(t.events))
	for i := range t.events {
		if k := &t.events[i]; !k.out {
			items = append(items, k.v)
		}
	}
	if len(items) == 0 {
		return fqgw.Null, true
	}
	return fqgw.ArrayOf(s.typ.Elem(), items...), true
}

// frame is a window of ROWS n PRECEDING: the last n events that have passed WHERE, with
// the argument of an aggregate of those that its FILTER is true of. The aggregate is
// computed when it is read.
type frame struct{ tail }

// kindFrame is the kind of frames of n events, some of which a FILTER leaves out.
func kindFrame(n int, filtered bool) *kind {
	if filtered {
		return kindTail[filteredFrame]("rows %d filtered", n, skipTail(true))
	}
	return kindTail[frame]("rows %d", n, skipTail(false))
}

func (f *frame) add(in *Input, v fqgw.Value)            { f.offer(keep(in, v)) }
func (f *frame) merge(o accumulator)                    { f.join(o.(*frame).events) }
func (f *frame) append(dst []byte, newest int64) []byte { return f.pack(dst, newest, false) }
func (f *frame) read(r *reader, newest int64)           { f.unpack(r, newest, false) }

func (f *frame) result(s *slotSpec) (fqgw.Value, bool) {
	if s.fn == "array_agg" {
		return f.array(s)
	}
	acc := s.of.make(1)[0]
	for i := range f.events {
		if k := &f.events[i]; !k.out {
			at := k.at()
			acc.add(&at, k.v)
		}
	}
	return acc.result(s)
}

// newest is the time of the last event that counts; NoTime: none does.
func (f *frame) newest() int64 {
	for i := len(f.events) - 1; i >= 0; i-- {
		if k := &f.events[i]; !k.out {
			return k.time
		}
	}
	return NoTime
}

// filteredFrame is a frame of an aggregate with FILTER.
type filteredFrame struct{ frame }

func (f *filteredFrame) merge(o accumulator)                    { f.join(o.(*filteredFrame).events) }
func (f *filteredFrame) append(dst []byte, newest int64) []byte { return f.pack(dst, newest, true) }
func (f *filteredFrame) read(r *reader, newest int64)           { f.unpack(r, newest, true) }

// pass gives an event that FILTER is not true of its place.
func (f *filteredFrame) pass(in *Input) {
	k := keep(in, fqgw.Null)
	k.out = true
	f.offer(k)
}

// framed is an accumulator of a window of ROWS.
type framed interface{ newest() int64 }

func (l *newestN) addSome(s *some) error       { return l.takeLast(s, false) }
func (f *frame) addSome(s *some) error         { return f.takeLast(s, false) }
func (f *filteredFrame) addSome(s *some) error { return f.takeLast(s, true) }

// takeLast takes the last of some events.
func (t *tail) takeLast(s *some, filtered bool) error {
	var last []kept
	for i := s.to - 1; i >= s.from && len(last) < t.n; i-- {
		if !s.passes(i) {
			continue
		}
		at, err := s.moment(i)
		if err != nil {
			return err
		}
		k := keep(&at, fqgw.Null)
		if k.out = filtered && !s.inner[i]; !k.out {
			k.v = s.col.value(i)
		}
		last = append(last, k)
	}
	slices.Reverse(last)
	t.join(last)
	return nil
}
