package decode

import (
	"slices"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode/internal/protobuf"
)

// protoPlan is how records of a message are read as a source's columns: first every
// wanted field is put in its place, the last one where it comes several times, and then
// each column is read from its place.
type protoPlan struct {
	root    *protoNode
	places  int
	targets []protoTarget
}

// protoNode is what is wanted of a message.
type protoNode struct {
	low   [64]*protoStep // by number; nil: passed over
	other map[int32]*protoStep
	there int // the place that says that there is one; -1: the record
}

// protoStep is what becomes of a field.
type protoStep struct {
	wire   protowire.Type
	packs  bool
	many   bool // all values are wanted, not the last: a list, a map, and a message, which is merged
	place  int  // -1: none
	inner  *protoNode
	keys   map[string]*protoStep // of a map: the values of its entries
	key    protobuf.Kind
	below  []int // every place of the field
	others []int // of the fields that it excludes
}

// protoTarget is a column, and what it is read from.
type protoTarget struct {
	at     int
	place  int
	parent int // the place of the message that it is in; -1: the record
	read   *protoRead
	absent fqgw.Value // of a field that is not in its message, and why it is none
	why    error
}

// protoWant is a column that lies in a message, at a path from there.
type protoWant struct {
	at   int
	path []string
}

// protoAt is the field at a path of a message, nil where there is none.
func protoAt(m *protobuf.Message, path []string) *protobuf.Field {
	i := m.Field(path[0])
	if i < 0 {
		return nil
	}
	f := &m.Fields[i]
	for path = path[1:]; len(path) > 0; path = path[1:] {
		switch {
		case f.Map:
			f = f.Value().One()
		case f.List || f.Message == nil:
			return nil
		default:
			return protoAt(f.Message, path)
		}
	}
	return f
}

// newProtoPlan is how records of a message are read; each column by the first of its
// paths that the message has. Messages may hold themselves, paths do not.
func newProtoPlan(m *protobuf.Message, paths [][][]string, columns []column) *protoPlan {
	p := &protoPlan{}
	var wants []protoWant
	for i := range paths {
		for _, path := range paths[i] {
			if protoAt(m, path) != nil {
				wants = append(wants, protoWant{i, path})
				break
			}
		}
	}
	p.root = p.node(m, wants, columns, -1)
	slices.SortFunc(p.targets, func(a, b protoTarget) int { return a.at - b.at })
	return p
}

func (p *protoPlan) newPlace() int {
	p.places++
	return p.places - 1
}

func (p *protoPlan) node(m *protobuf.Message, wants []protoWant, columns []column, there int) *protoNode {
	n := &protoNode{there: there, other: map[int32]*protoStep{}}
	oneofs := map[int][]*protoStep{}
	for i := range m.Fields {
		f := &m.Fields[i]
		var in []protoWant
		for _, w := range wants {
			if w.path[0] == f.Name {
				in = append(in, protoWant{w.at, w.path[1:]})
			}
		}
		if len(in) > 0 {
			n.set(f.Number, p.step(f, in, columns, there))
		}
		if f.Oneof >= 0 {
			oneofs[f.Oneof] = append(oneofs[f.Oneof], n.get(f.Number))
		}
	}
	for i := range m.Fields { // each takes back what was read of those that it excludes
		f := &m.Fields[i]
		if f.Oneof < 0 {
			continue
		}
		own := n.get(f.Number)
		var others []int
		for _, s := range oneofs[f.Oneof] {
			if s != nil && s != own {
				others = append(others, s.below...)
			}
		}
		if len(others) == 0 {
			continue
		}
		if own == nil {
			own = &protoStep{wire: f.Wire(), place: -1}
			n.set(f.Number, own)
		}
		own.others = others
	}
	return n
}

func (n *protoNode) get(number int32) *protoStep {
	if number >= 0 && int(number) < len(n.low) {
		return n.low[number]
	}
	return n.other[number]
}

func (n *protoNode) set(number int32, s *protoStep) {
	if int(number) < len(n.low) {
		n.low[number] = s
	} else {
		n.other[number] = s
	}
}

// step is what becomes of a field that is wanted, or something in it.
func (p *protoPlan) step(f *protobuf.Field, wants []protoWant, columns []column, parent int) *protoStep {
	s := &protoStep{wire: f.Wire(), packs: f.Packs(), place: -1, many: f.Many()}
	before := p.places
	var inner []protoWant
	keys := map[string][]protoWant{}
	for _, w := range wants {
		switch {
		case len(w.path) == 0:
			if s.place < 0 {
				s.place = p.newPlace()
			}
			p.targets = append(p.targets, newProtoTarget(f, w.at, &columns[w.at], s.place, parent))
		case f.Map:
			keys[w.path[0]] = append(keys[w.path[0]], protoWant{w.at, w.path[1:]})
		default:
			inner = append(inner, w)
		}
	}
	if len(inner) > 0 {
		s.inner = p.node(f.Message, inner, columns, p.newPlace())
	}
	if len(keys) > 0 {
		s.key, s.keys = f.Key().Kind, map[string]*protoStep{}
		value := f.Value().One()
		for key, wants := range keys {
			s.keys[key] = p.step(value, wants, columns, -1)
		}
	}
	for i := before; i < p.places; i++ {
		s.below = append(s.below, i)
	}
	return s
}

// newProtoTarget is a column that reads a field. What it is when the field is not there
// is always the same.
func newProtoTarget(f *protobuf.Field, at int, c *column, place, parent int) protoTarget {
	t := protoTarget{at: at, place: place, parent: parent, read: newProtoRead(f, c)}
	if f.Default != nil {
		var d protoRun
		t.absent, t.why = d.read(t.read, &protoPlace{set: true, v: *f.Default})
	}
	return t
}

// protoPlace is what came of a field: its last value, or all of them.
type protoPlace struct {
	set         bool
	v           protobuf.Value
	first, last int32 // of protoRun.items, from 1 on; 0: none
}

// protoItem is one of several values of a field, or a run of them.
type protoItem struct {
	v    protobuf.Value
	run  bool // packed
	next int32
}

// protoRun reads one record into a row.
type protoRun struct {
	avroValues
	places []protoPlace
	items  []protoItem
	fields []protoPlace // of the messages that are becoming documents
	deep   int          // how many those are
}

// wireOfRuns is how a run of packed values is on the wire.
const wireOfRuns = protowire.BytesType

// message puts what is wanted of a record into its places; false: it is no message.
func (d *protoRun) message(p *protoPlan, b []byte) bool {
	if cap(d.places) < p.places {
		d.places = make([]protoPlace, p.places)
	}
	d.places = d.places[:p.places]
	clear(d.places)
	d.items = d.items[:0]
	return d.node(p.root, b)
}

// protoField takes the next field off a message: the number, how it is on the wire, and
// its value; ok is false for bytes that are no field.
func protoField(b []byte) (number int32, wire protowire.Type, v protobuf.Value, rest []byte, ok bool) {
	tag := uint64(b[0])
	n := 1
	if tag >= 0x80 {
		if tag, n = protowire.ConsumeVarint(b); n < 0 {
			return 0, 0, v, nil, false
		}
	}
	b = b[n:]
	if tag>>3 < 1 || tag>>3 > uint64(protowire.MaxValidNumber) {
		return 0, 0, v, nil, false
	}
	number, wire = int32(tag>>3), protowire.Type(tag&7)
	v, n = protoValue(number, wire, b)
	if n < 0 {
		return 0, 0, v, nil, false
	}
	return number, wire, v, b[n:], true
}

// protoValue is the value in front of b and how many bytes it takes, negative for none.
func protoValue(number int32, wire protowire.Type, b []byte) (v protobuf.Value, n int) {
	switch wire {
	case protowire.VarintType:
		if len(b) > 0 && b[0] < 0x80 {
			v.N, n = uint64(b[0]), 1
		} else {
			v.N, n = protowire.ConsumeVarint(b)
		}
	case protowire.Fixed64Type:
		v.N, n = protowire.ConsumeFixed64(b)
	case protowire.Fixed32Type:
		var u uint32
		u, n = protowire.ConsumeFixed32(b)
		v.N = uint64(u)
	case protowire.BytesType:
		if len(b) > 0 && b[0] < 0x80 && int(b[0]) < len(b) {
			n = int(b[0]) + 1
			v.B = b[1:n:n]
		} else {
			v.B, n = protowire.ConsumeBytes(b)
		}
	case protowire.StartGroupType:
		v.B, n = protowire.ConsumeGroup(protowire.Number(number), b)
	default:
		n = -1
	}
	return v, n
}

func (d *protoRun) node(m *protoNode, b []byte) bool {
	for len(b) > 0 {
		number, wire, v, rest, ok := protoField(b)
		if !ok {
			return false
		}
		if b = rest; int(number) >= len(m.low) && len(m.other) == 0 {
			continue
		}
		if s := m.get(number); s != nil && !d.put(s, wire, v) {
			return false
		}
	}
	return true
}

// put notes a value of a field. One that is otherwise on the wire than its type is another
// field's, which is unknown.
func (d *protoRun) put(s *protoStep, wire protowire.Type, v protobuf.Value) bool {
	run := false
	if wire != s.wire {
		if run = s.packs && wire == wireOfRuns; !run {
			return true
		}
	}
	for _, i := range s.others {
		d.places[i] = protoPlace{}
	}
	if s.place >= 0 {
		d.add(&d.places[s.place], s.many, run, v)
	}
	if s.inner != nil {
		d.places[s.inner.there].set = true
		return d.node(s.inner, v.B)
	}
	return s.keys == nil || d.entry(s, v.B)
}

// add notes a value: the last one, or of many each.
func (d *protoRun) add(p *protoPlace, many, run bool, v protobuf.Value) {
	p.set = true
	if !many {
		p.v = v
		return
	}
	d.items = append(d.items, protoItem{v: v, run: run})
	at := int32(len(d.items))
	if p.last == 0 {
		p.first = at
	} else {
		d.items[p.last-1].next = at
	}
	p.last = at
}

// entry is one of a map; of a key that comes twice the last one holds.
func (d *protoRun) entry(s *protoStep, b []byte) bool {
	var key protobuf.Value
	keyWire := (&protobuf.Field{Kind: s.key}).Wire()
	for rest := b; len(rest) > 0; {
		number, wire, v, next, ok := protoField(rest)
		if !ok {
			return false
		}
		if rest = next; number == 1 && wire == keyWire {
			key = v
		}
	}
	d.scratch = appendProtoKey(d.scratch[:0], s.key, key)
	of := s.keys[string(d.scratch)]
	if of == nil {
		return true
	}
	for _, i := range of.below {
		d.places[i] = protoPlace{}
	}
	any := false
	for len(b) > 0 {
		number, wire, v, next, ok := protoField(b)
		if b = next; !ok {
			return false
		}
		if number == 2 && wire == of.wire {
			any = true
			if !d.put(of, wire, v) {
				return false
			}
		}
	}
	return any || d.put(of, of.wire, protobuf.Value{})
}

// appendProtoKey appends a key as text.
func appendProtoKey(dst []byte, k protobuf.Kind, key protobuf.Value) []byte {
	switch k {
	case protoreflect.StringKind:
		return append(dst, key.B...)
	case protoreflect.BoolKind:
		return strconv.AppendBool(dst, key.N != 0)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return strconv.AppendUint(dst, key.N, 10)
	}
	return strconv.AppendInt(dst, protobuf.Integer(k, key.N), 10)
}

// finish reads the columns. The error is that of the first one that could not be read.
func (d *protoRun) finish(p *protoPlan, row []fqgw.Value) error {
	var first error
	for i := range p.targets {
		t := &p.targets[i]
		place := &d.places[t.place]
		v, err := t.absent, t.why
		if place.set {
			v, err = d.read(t.read, place)
		} else if t.parent >= 0 && !d.places[t.parent].set {
			continue
		}
		if err != nil {
			if v = fqgw.Null; first == nil {
				e := *fqgw.AsError(err) // a default's is the same each time
				first = inColumn(shorten(&e), t.read.column.name)
			}
		}
		row[t.at] = v
	}
	return first
}
