package window

import (
	"cmp"
	"math"
	"slices"

	"github.com/fqgw/fqgw"
)

// Question is a time T, and K: what is known at it.
type Question struct{ T, K int64 }

// Sweep answers many questions about the windows of one entity, and of one entity
// after the other. The times at which a window of a question begins or ends cut
// time into pieces. The events of a piece are counted once, into the leaf of a tree
// that it is; a window is a few nodes of the tree. Events come into the tree in the
// order in which they are known, and the questions are answered in that order, so
// that a node has what is known at K. The values are those of a state that has
// folded the same events, bit by bit: no accumulator depends on the order
// (SEMANTICS §3.4).
//
// n events and m questions cost time in n + m log m, where what a question asks for
// was known before, and in (n + m) log m at most. Not for concurrent use.
type Sweep struct {
	l       *Layout
	filters []int       // of Layout.filters
	accs    []shared    // the accumulators of all rings, once each
	windows []oneWindow // of all rings
	keyless bool

	questions []Question
	order     []int32 // of the questions by K
	cuts      []int64 // piece i has the events after cuts[i-1] and up to cuts[i]
	windowed  []piece // by question, by window
	first     []int32 // by piece: the first question in order that asks for it, -1: none
	next      []int32 // by piece: the first from it on that nobody was found to ask for
	late      []late
	byOrder   []int32 // where late events of a question in order begin in late
	tree      nodes   // 1 is the root, n and n+1 make n/2, the leaves are behind len(cuts)
	fresh     nodes   // what is new, before it is counted into the tree
	at        []int32 // the nodes of fresh in the tree
	sum       nodes   // a single one
	near      []int   // the windows, those that begin last first
	events    some
	spare     []Reading // not given out yet
}

// shared is an accumulator of every node.
type shared struct {
	kind   *kind
	arg    int // in Layout.args
	filter int // in Sweep.filters
	inner  int // in Layout.filters, as accSpec has it
}

// oneWindow is a window that ends at T, and what is read of it.
type oneWindow struct {
	hop, length int64
	slots       []oneSlot
}

type oneSlot struct {
	slot int // in Layout.slots
	of   oneRead
	less *oneRead // what is to be taken away from it; nil: nothing
}

type oneRead struct {
	acc    int // in Sweep.accs; -1: the row count of the filter alone
	filter int // in Sweep.filters
}

// piece is the pieces [from, to) of time.
type piece struct{ from, to int32 }

// late is events of one piece that nobody knows before the question at that place
// in the order.
type late struct {
	order, piece, part int32
	from, to           int
}

// NewSweep is a sweep for a layout of windows.
func (l *Layout) NewSweep() *Sweep {
	s := &Sweep{l: l, keyless: len(l.view.Keys) == 0}
	for i := range l.rings {
		r := &l.rings[i]
		filters := make([]int, len(r.filters))
		for k, f := range r.filters {
			if filters[k] = slices.Index(s.filters, f); filters[k] < 0 {
				filters[k] = len(s.filters)
				s.filters = append(s.filters, f)
			}
		}
		accs := make([]int, len(r.accs))
		for k, a := range r.accs {
			of := shared{a.kind, a.arg, filters[a.filter], a.inner}
			if accs[k] = slices.Index(s.accs, of); accs[k] < 0 {
				accs[k] = len(s.accs)
				s.accs = append(s.accs, of)
			}
		}
		base := len(s.windows)
		for _, length := range r.lengths {
			s.windows = append(s.windows, oneWindow{hop: r.hop, length: length})
		}
		for k := range l.slots {
			if l.slots[k].read < 0 || l.reads[l.slots[k].read].ring != i {
				continue
			}
			read := func(rd *readSpec) oneRead {
				of := oneRead{-1, filters[rd.filter]}
				if rd.acc >= 0 {
					of.acc = accs[rd.acc]
				}
				return of
			}
			rd := &l.reads[l.slots[k].read]
			slot := oneSlot{slot: k, of: read(rd)}
			if less := l.slots[k].less; less >= 0 {
				other := read(&l.reads[less])
				slot.less = &other
			}
			w := &s.windows[base+rd.span]
			w.slots = append(w.slots, slot)
		}
	}
	for _, n := range []*nodes{&s.tree, &s.fresh, &s.sum} {
		n.of = s
	}
	s.sum.grow(1)
	s.near = make([]int, len(s.windows))
	return s
}

// begins is the last time before the window at t; ok is false when there is none.
func (w *oneWindow) begins(t int64) (before int64, ok bool) {
	if w.hop == 0 || t < math.MinInt64+w.length {
		return 0, false
	}
	from := t - w.length
	back := from - fqgw.FloorDiv(from, w.hop)*w.hop
	if from <= math.MinInt64+back {
		return 0, false
	}
	return from - back - 1, true
}

// Answer answers each question with a reading of its own, which emit may keep;
// i is its index. events are those of the entity, in parts each of which is in the
// order of events, and no position comes twice. An error is emit's or that of
// Events.Place.
func (s *Sweep) Answer(events []*Events, questions []Question, emit func(i int, r *Reading) error) error {
	return s.each(events, questions, func(i int) error { return emit(i, s.read(i)) })
}

// each brings the tree to what each question knows, in the order of their K.
func (s *Sweep) each(events []*Events, questions []Question, answer func(i int) error) error {
	s.questions = questions
	s.cut()
	s.look()
	defer s.clear()
	for i, e := range events {
		if err := s.divide(int32(i), e); err != nil {
			return err
		}
	}
	s.build()
	s.sortLate()
	for at, q := range s.order {
		if err := s.learn(events, int32(at)); err != nil {
			return err
		}
		if err := answer(int(q)); err != nil {
			return err
		}
	}
	return nil
}

// cut finds the pieces of time, and which are those of each window.
func (s *Sweep) cut() {
	s.cuts = s.cuts[:0]
	for i := range s.questions {
		t := s.questions[i].T
		s.cuts = append(s.cuts, t)
		for w := range s.windows {
			if before, ok := s.windows[w].begins(t); ok {
				s.cuts = append(s.cuts, before)
			}
		}
	}
	slices.Sort(s.cuts)
	s.cuts = slices.Compact(s.cuts)
	s.order, s.windowed = s.order[:0], s.windowed[:0]
	for i := range s.questions {
		t := s.questions[i].T
		end, _ := slices.BinarySearch(s.cuts, t)
		for w := range s.windows {
			p := piece{0, int32(end) + 1}
			if before, ok := s.windows[w].begins(t); ok {
				from, _ := slices.BinarySearch(s.cuts[:end], before)
				p.from = int32(from) + 1
			}
			s.windowed = append(s.windowed, p)
		}
		s.order = append(s.order, int32(i))
	}
	slices.SortFunc(s.order, func(a, b int32) int { return cmp.Compare(s.questions[a].K, s.questions[b].K) })
}

// of are the windows of a question.
func (s *Sweep) of(question int32) []piece {
	n := len(s.windows)
	return s.windowed[int(question)*n : int(question+1)*n]
}

// look finds the first question that asks for each piece.
func (s *Sweep) look() {
	n := len(s.cuts)
	s.first, s.next = slices.Grow(s.first[:0], n)[:n], slices.Grow(s.next[:0], n+1)[:n+1]
	for i := range s.next {
		s.next[i] = int32(i)
	}
	for i := range s.first {
		s.first[i] = -1
	}
	for at, q := range s.order {
		all := piece{math.MaxInt32, 0}
		for _, p := range s.of(q) {
			all = piece{min(all.from, p.from), max(all.to, p.to)}
		}
		for i := s.free(all.from); i < all.to; i = s.free(i) {
			s.first[i], s.next[i] = int32(at), i+1
		}
	}
}

// free is the first piece from i on for which nobody was found.
func (s *Sweep) free(i int32) int32 {
	for s.next[i] != i {
		s.next[i] = s.next[s.next[i]]
		i = s.next[i]
	}
	return i
}

// gallop is the first index from i on whose time is more than t.
func gallop(times []int64, i int, t int64) int {
	step := 1
	for i+step <= len(times) && times[i+step-1] <= t {
		step <<= 1
	}
	low := i + step>>1
	high := min(i+step-1, len(times))
	for low < high {
		if m := int(uint(low+high) >> 1); times[m] <= t {
			low = m + 1
		} else {
			high = m
		}
	}
	return low
}

// divide counts the events into the leaves, those alone that are known to whoever
// asks for the piece first; of the others it says when they are.
func (s *Sweep) divide(part int32, e *Events) error {
	s.tree.grow(2 * len(s.cuts))
	n := int32(len(s.cuts))
	for i, p := 0, 0; i < len(e.Times); p++ {
		if p = gallop(s.cuts, p, e.Times[i]-1); e.Times[i] == math.MinInt64 {
			p = 0
		}
		if p == len(s.cuts) {
			break
		}
		to := gallop(e.Times, i, s.cuts[p])
		if s.first[p] >= 0 {
			if err := s.known(part, e, n, int32(p), i, to); err != nil {
				return err
			}
		}
		i = to
	}
	return nil
}

// known counts the events [i, to) of a piece, or puts them off.
func (s *Sweep) known(part int32, e *Events, n, p int32, i, to int) error {
	known := e.Known
	if known == nil {
		known = e.Times
	}
	first := s.first[p]
	for i < to {
		j := i
		for k := s.k(first); j < to && known[j] <= k; {
			j++
		}
		if j > i {
			if err := s.tree.add(n+p, e, i, j); err != nil {
				return err
			}
		}
		for i = j; i < to && known[i] > s.k(first); i = j {
			at := s.when(first, known[i])
			for j = i + 1; j < to && known[j] > s.k(at-1) && (int(at) == len(s.order) || known[j] <= s.k(at)); {
				j++
			}
			if int(at) < len(s.order) {
				s.late = append(s.late, late{at, p, part, i, j})
			}
		}
	}
	return nil
}

// k is the K of the question at that place in the order.
func (s *Sweep) k(at int32) int64 { return s.questions[s.order[at]].K }

// when is the first place behind at whose question knows what was known at that time.
func (s *Sweep) when(at int32, known int64) int32 {
	step := int32(1)
	for int(at+step) < len(s.order) && s.k(at+step) < known {
		step <<= 1
	}
	low, high := at+step>>1+1, min(at+step, int32(len(s.order)))
	for low < high {
		if m := (low + high) / 2; s.k(m) < known {
			low = m + 1
		} else {
			high = m
		}
	}
	return low
}

// build makes the inner nodes.
func (s *Sweep) build() {
	s.tree.grow(2 * len(s.cuts))
	for i := len(s.cuts) - 1; i > 0; i-- {
		s.tree.merge(i, &s.tree, 2*i)
		s.tree.merge(i, &s.tree, 2*i+1)
	}
}

// sortLate brings the late events into the order in which they are known.
func (s *Sweep) sortLate() {
	n := len(s.order) + 1
	s.byOrder = slices.Grow(s.byOrder[:0], n)[:n]
	slices.SortFunc(s.late, func(a, b late) int { return cmp.Or(cmp.Compare(a.order, b.order), cmp.Compare(a.piece, b.piece)) })
	at := 0
	for i := range s.byOrder {
		for at < len(s.late) && int(s.late[at].order) < i {
			at++
		}
		s.byOrder[i] = int32(at)
	}
}

// learn counts the events that the question at that place in the order is the first
// to know: into their leaves, and what is new together into the nodes above.
func (s *Sweep) learn(events []*Events, at int32) error {
	batch := s.late[s.byOrder[at]:s.byOrder[at+1]]
	s.at = s.at[:0]
	for i := range batch {
		b := &batch[i]
		leaf := int32(len(s.cuts)) + b.piece
		if n := len(s.at); n == 0 || s.at[n-1] != leaf {
			s.at = append(s.at, leaf)
			s.fresh.grow(n + 1)
		}
		if err := s.fresh.add(int32(len(s.at)-1), events[b.part], b.from, b.to); err != nil {
			return err
		}
	}
	used := len(s.at)
	for len(s.at) > 0 {
		n := 0
		for i, node := range s.at {
			s.tree.merge(int(node), &s.fresh, i)
			switch up := node / 2; {
			case up == 0:
			case n > 0 && s.at[n-1] == up:
				s.fresh.merge(n-1, &s.fresh, i)
			default:
				if s.at[n] = up; n != i {
					s.fresh.swap(n, i)
				}
				n++
			}
		}
		s.at = s.at[:n]
	}
	for i := range used {
		s.fresh.clear(i)
	}
	return nil
}

// read answers a question from the tree as it is.
func (s *Sweep) read(question int) *Reading {
	if len(s.spare) == 0 {
		const some = 64
		n := len(s.l.slots)
		s.spare = make([]Reading, some)
		slots, errors, times := make([]fqgw.Value, some*n), make([]bool, some*n), make([]int64, some*n)
		for i := range s.spare {
			r := &s.spare[i]
			from, to := i*n, (i+1)*n
			r.Slots, r.Errors, r.Times = slots[from:to:to], errors[from:to:to], times[from:to:to]
		}
	}
	r := &s.spare[0]
	s.spare = s.spare[1:]
	s.l.clear(r, math.MinInt64, s.questions[question].T)
	r.Exists = s.visit(question, func(o *oneSlot, rows rowCount, acc accumulator) {
		r.count(o.slot, &s.l.slots[o.slot], rows, acc)
	})
	return r
}

// visit sums up the windows of a question, and calls do for each slot with what is
// counted in its window: the rows that its filter passes and their accumulator, nil
// where they are counted alone. It says whether there is a row.
func (s *Sweep) visit(question int, do func(o *oneSlot, rows rowCount, acc accumulator)) (exists bool) {
	exists = s.keyless
	pieces := s.of(int32(question))
	for i := range s.near {
		s.near[i] = i
		for k := i; k > 0 && pieces[s.near[k]].from > pieces[s.near[k-1]].from; k-- {
			s.near[k], s.near[k-1] = s.near[k-1], s.near[k]
		}
	}
	to := pieces[s.near[0]].to
	n := int32(len(s.cuts))
	for _, w := range s.near {
		from := pieces[w].from
		for a, b := from+n, to+n; a < b; a, b = a/2, b/2 {
			if a&1 == 1 {
				s.sum.merge(0, &s.tree, int(a))
				a++
			}
			if b&1 == 1 {
				b--
				s.sum.merge(0, &s.tree, int(b))
			}
		}
		to = from
		exists = exists || s.l.anyRow(s.sum.rows)
		slots := s.windows[w].slots
		for i := range slots {
			rows, acc := s.summed(&slots[i].of)
			if slots[i].less != nil {
				var k *kind
				if acc != nil {
					k = s.accs[slots[i].of.acc].kind
				}
				less, other := s.summed(slots[i].less)
				rows, acc = net(k, rows, less, acc, other)
			}
			do(&slots[i], rows, acc)
		}
	}
	s.sum.clear(0)
	return exists
}

// summed is what is read of the window that is summed up.
func (s *Sweep) summed(of *oneRead) (rows rowCount, acc accumulator) {
	if of.acc >= 0 {
		acc = s.sum.accs[of.acc][0]
	}
	return s.sum.rows[of.filter], acc
}

// clear forgets the entity.
func (s *Sweep) clear() {
	for i := range 2 * len(s.cuts) {
		s.tree.clear(i)
	}
	s.late = s.late[:0]
}

// Bytes is about what answering so many questions by so many events takes at the most,
// beside the events (EventBytes): what a sweep took for one entity it uses for the
// next.
func (s *Sweep) Bytes(questions, events int) int64 {
	cuts := int64(questions) * int64(1+len(s.windows))
	node := int64(len(s.filters)) * countSize
	for i := range s.accs {
		node += accPlace + s.accs[i].kind.size
	}
	const each = 8 + 3*4 // of a cut
	n := cuts*each + int64(questions)*int64(16+8*len(s.windows)) + 3*cuts*node
	for i := range s.accs { // what the accumulators refer to, level by level of the tree; the leaves twice
		most := s.accs[i].kind.refers
		n += cuts * most(int64(events)/cuts+1)
		for level := cuts; level > 0; level /= 2 {
			n += level * most(int64(events)/level+1)
		}
	}
	return n
}
