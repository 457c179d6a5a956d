package decode

import "bytes"

// shape is the sequence of keys of a record. Producers write the records of one kind with
// the same keys in the same order, so that one which is known is read by comparing what is
// between its values, and by scanning the values alone.
type shape struct {
	steps []step
	tail  []byte // behind the last value
}

// step is a value, or the begin of an object whose members are steps of their own.
type step struct {
	literal []byte // what comes before it
	places  []int  // of the values that are wanted
	depth   int
	same    []byte // all that the value may be, where it is always the same
	open    bool   // of an object: places have its kind alone
	closed  bool   // it has something in it that is wanted where it is an object, which it was not
}

// read finds the wanted values of a record of this shape; false if it has another, or
// is no JSON.
func (h *shape) read(b []byte, places []span) bool {
	s := scanner{b: b}
	for i := range h.steps {
		t := &h.steps[i]
		if !bytes.HasPrefix(b[s.i:], t.literal) {
			return false
		}
		s.i += len(t.literal)
		v := span{from: s.i, to: s.i, kind: object}
		switch ok := true; {
		case t.open:
		case t.same != nil:
			if !bytes.HasPrefix(b[s.i:], t.same) {
				return false
			}
			s.i += len(t.same)
			v.to = s.i
		default:
			if v, ok = s.value(t.depth); !ok || t.closed && v.kind == object {
				return false
			}
		}
		for _, p := range t.places {
			places[p] = v
		}
	}
	return string(b[s.i:]) == string(h.tail)
}

// shapeOf is the shape of a record that scanner.fields has accepted; nil where one cannot
// be known by its keys: a wanted field comes twice, or an object is itself wanted by one of
// the first values places, with something in it. The value at the place same is always the same.
func shapeOf(b []byte, want []field, values, same int) *shape {
	l := learner{scanner: scanner{b: b}, values: values, same: same, seen: map[*field]bool{}}
	if !l.object(want, 1) {
		return nil
	}
	l.shape.tail = bytes.Clone(b[l.from:])
	return &l.shape
}

type learner struct {
	scanner
	shape  shape
	from   int // where the literal begins that is not yet a step's
	values int
	same   int
	seen   map[*field]bool
}

func (l *learner) step(t step, from, to int) {
	t.literal = bytes.Clone(l.b[l.from:from])
	l.shape.steps = append(l.shape.steps, t)
	l.from = to
}

func (l *learner) object(want []field, depth int) bool {
	l.take('{')
	if l.take('}') {
		return true
	}
	next := 0
	for more := true; more; more = l.take(',') {
		l.take('"')
		key, _ := l.text()
		l.take(':')
		l.space()
		from := l.i
		f := l.match(want, key, &next)
		if f != nil {
			if l.seen[f] {
				return false
			}
			l.seen[f] = true
		}
		switch {
		case f == nil:
			l.value(depth)
			l.step(step{depth: depth}, from, l.i)
		case len(f.inner) == 0 && len(f.columns) == 1 && f.columns[0] == l.same && l.b[from] == object:
			l.value(depth)
			l.step(step{places: f.columns, same: bytes.Clone(l.b[from:l.i])}, from, l.i)
		case len(f.inner) == 0 || l.b[from] != object:
			l.value(depth)
			l.step(step{places: f.columns, depth: depth, closed: len(f.inner) > 0}, from, l.i)
		default:
			for _, c := range f.columns {
				if c < l.values {
					return false
				}
			}
			l.step(step{places: f.columns, open: true}, from, from)
			if !l.object(f.inner, depth+1) {
				return false
			}
		}
	}
	return l.take('}')
}

// shapes are those met lately, the last one first.
type shapes struct {
	known   []*shape
	hits    int
	learned int
}

const mostShapes = 4

// read is scanner.fields by a known shape; false where there is none.
func (h *shapes) read(b []byte, places []span) bool {
	if h == nil {
		return false
	}
	for i, s := range h.known {
		if s.read(b, places) {
			copy(h.known[1:i+1], h.known[:i])
			h.known[0] = s
			h.hits++
			return true
		}
		clear(places)
	}
	return false
}

// learn notes the shape of a record that was read without one. It costs more than to read
// it, and so it is done for a few, and then for one of sixteen.
func (h *shapes) learn(b []byte, want []field, values, same int) {
	if h == nil || h.learned > 8+h.hits/16 {
		return
	}
	h.learned++
	if s := shapeOf(b, want, values, same); s != nil {
		h.known = append([]*shape{s}, h.known[:min(len(h.known), mostShapes-1)]...)
	}
}
