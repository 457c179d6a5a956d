// Package window computes the features of a view: it is the only place where an
// aggregate of a feature is computed, for the stream, the backfill and the
// point-in-time join alike (SEMANTICS §3).
//
// A Layout says what the state of one entity under one state version looks
// like; a State is that state in memory; Encode and Decode pack it for the
// online store; Read answers at a time T. Everything here is pure: no I/O, no
// clock, no goroutines.
package window

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// Layout is the shape of the states of one state version. It is immutable and
// safe for concurrent use.
type Layout struct {
	view    *fqgw.FeatureView
	filters []filter // the distinct FILTERs; [0] is nil: every row
	args    []arg    // the distinct arguments; in a latest-row view the slots
	rings   []ringSpec
	reads   []readSpec
	slots   []slotSpec
	kinds   []*kind   // those that are made for a parameter
	growth  int64     // by grows
	hash    uint32    // of everything that the state's bytes depend on, by describe
	sums    sync.Pool // of *sums
}

// filter is a condition on rows, and on changes of them.
type filter struct {
	expr fqgw.Expr // nil: every row
	side side
	code string // of both
}

// arg is a row expression whose value the state needs, for the rows that pass
// one of the filters.
type arg struct {
	expr    fqgw.Expr
	code    string // its encoding
	filters []int
}

// ringSpec describes the tiles that the windows of one hop share. A lifetime
// window is a ring of a single tile.
type ringSpec struct {
	hop     int64   // microseconds; 0: lifetime
	length  int64   // of the longest window
	lengths []int64 // of the windows, the longest first
	filters []int   // Layout.filters that are counted apart; [0] is 0
	accs    []accSpec
	reads   []int // Layout.reads that are answered from this ring
	size    int64 // bytes in memory of the accumulators of one tile
	lists   []int // the accs that are listing
}

// accSpec is one accumulator in each tile of a ring.
type accSpec struct {
	kind   *kind
	arg    int // in Layout.args
	filter int // in ringSpec.filters
	inner  int // in Layout.filters: of a window of ROWS the aggregate's own FILTER; 0: none
}

// add counts an event that has passed the filter.
func (a *accSpec) add(acc accumulator, in *Input) {
	if a.inner > 0 && !in.pass[a.inner] {
		acc.(*filteredFrame).pass(in)
		return
	}
	acc.add(in, in.args[a.arg])
}

// readSpec is an accumulator merged over one window.
type readSpec struct {
	ring   int
	length int64
	span   int // in ringSpec.lengths
	acc    int // in ringSpec.accs; -1: the row count of the filter alone
	filter int // in ringSpec.filters
}

// slotSpec is how a slot comes from a read.
type slotSpec struct {
	read     int // -1: nobody asks for it
	less     int // the read that is to be taken away from it; -1: none
	fn       string
	typ      fqgw.Type
	quantile float64 // approx_percentile
	k        int     // top_k
	halfLife int64   // decayed_sum, microseconds
	of       *kind   // of a window of ROWS: what computes the aggregate over its events
}

// NewLayout makes the layout of a bound feature view. Errors are those of
// ResultType and of expr.Encode; a view that define has accepted gives none.
func NewLayout(v *fqgw.FeatureView) (*Layout, error) {
	l := &Layout{view: v, filters: []filter{{}}}
	if v.Latest {
		if err := l.row(); err != nil {
			return nil, err
		}
	} else if err := l.windows(func(int) bool { return true }); err != nil {
		return nil, err
	}
	text, err := l.describe()
	if err != nil {
		return nil, err
	}
	l.growth = l.grows()
	sum := sha256.Sum256(text)
	l.hash = binary.BigEndian.Uint32(sum[:])
	return l, nil
}

// Only is a layout that computes what some features of v need and gives NULL for
// the other slots; what is said of whether there is a row stays. Its states are
// not those of the online store. v is the layout's view or a later version of it.
func (l *Layout) Only(v *fqgw.FeatureView, features []int) *Layout {
	return l.Just(func(slot int) bool {
		return slices.ContainsFunc(features, func(f int) bool { return slices.Contains(v.Features[f].Slots, slot) })
	})
}

// Just is a layout that computes the slots that are wanted, as Only does.
func (l *Layout) Just(wanted func(slot int) bool) *Layout {
	if l.view.Latest {
		return l
	}
	n := &Layout{view: l.view, filters: []filter{{}}, hash: ^l.hash}
	if err := n.windows(wanted); err != nil {
		return l // it made l's slots
	}
	return n
}

// windows makes the rings of a windowed view, with the slots that are wanted.
func (l *Layout) windows(wanted func(slot int) bool) error {
	if l.retracts() {
		l.filters = append(l.filters, added, taken)
	}
	for _, w := range l.view.Windows {
		r := &l.rings[l.ring(w.Hop)]
		r.length = max(r.length, w.Length)
	}
	for i := range l.view.Aggregates {
		if !wanted(i) {
			l.slots = append(l.slots, slotSpec{read: -1, less: -1})
			continue
		}
		if err := l.slot(&l.view.Aggregates[i]); err != nil {
			return err
		}
	}
	l.span()
	return nil
}

// View is the feature view of the layout.
func (l *Layout) View() *fqgw.FeatureView { return l.view }

// Key is the entity of a row over the source's columns; ok is false when a part
// of the key is NULL.
func (l *Layout) Key(row []fqgw.Value) (key fqgw.EntityKey, ok bool) {
	var buf [4]fqgw.Value
	parts := buf[:0]
	for i := range l.view.Keys {
		parts = append(parts, row[l.view.Keys[i].Column])
	}
	return fqgw.EncodeKey(parts...)
}

// ring is the index of the ring of a hop, made if need be.
func (l *Layout) ring(hop int64) int {
	i := slices.IndexFunc(l.rings, func(r ringSpec) bool { return r.hop == hop })
	if i < 0 {
		i = len(l.rings)
		l.rings = append(l.rings, ringSpec{hop: hop, filters: l.counted()})
	}
	return i
}

// slot adds an aggregate, sharing whatever an earlier one already needs.
func (l *Layout) slot(a *fqgw.Aggregate) error {
	var types []fqgw.Type
	for _, e := range a.Args {
		types = append(types, e.Type())
	}
	_, typ, err := ResultType(a.Func, types, a.Params, a.Star)
	if err != nil {
		return err
	}
	s := slotSpec{less: -1, fn: canonicalName(a.Func), typ: typ}
	if l.view.Windows[a.Window].Rows > 0 {
		s.of = kindOf(a.Func, argType(a), a.Params, l.view.Windows[a.Window])
	}
	sides := []side{0}
	if l.retracts() {
		sides = []side{sideAdded, sideTaken}
	}
	for n, of := range sides {
		to := &s.read
		if n == 1 {
			to = &s.less
		}
		if *to, err = l.read(a, of); err != nil {
			return err
		}
	}
	if len(a.Params) > 0 {
		s.quantile, _ = number(a.Params[0])
		s.k, s.halfLife = int(a.Params[0].Int()), halfLife(a.Params[0])
	}
	l.slots = append(l.slots, s)
	return nil
}

// read is the index of what is read for an aggregate, of the changes of one side.
func (l *Layout) read(a *fqgw.Aggregate, of side) (int, error) {
	w := l.view.Windows[a.Window]
	rd := readSpec{ring: l.ring(w.Hop), length: w.Length, acc: -1}
	r := &l.rings[rd.ring]

	f, err := l.filter(a.Filter, of)
	if err != nil {
		return 0, err
	}
	spec := accSpec{kind: kindOf(a.Func, argType(a), a.Params, w)}
	if w.Rows > 0 { // the frame has every row, whatever FILTER says
		spec.kind, spec.inner = kindFrame(w.Rows, f > 0), f
	} else if rd.filter = slices.Index(r.filters, f); rd.filter < 0 {
		rd.filter = len(r.filters)
		r.filters = append(r.filters, f)
	}
	if !a.Star || w.Rows > 0 {
		spec.kind, spec.filter = l.shared(spec.kind), rd.filter
		arg := always
		if !a.Star {
			arg = a.Args[0]
		}
		if spec.arg, err = l.arg(arg, f); err != nil {
			return 0, err
		}
		if rd.acc = slices.Index(r.accs, spec); rd.acc < 0 {
			rd.acc = len(r.accs)
			r.accs = append(r.accs, spec)
			r.size += accPlace + spec.kind.size
			if _, is := spec.kind.make(1)[0].(listing); is {
				r.lists = append(r.lists, rd.acc)
			}
		}
	}
	n := slices.Index(l.reads, rd)
	if n < 0 {
		n = len(l.reads)
		l.reads = append(l.reads, rd)
		r.reads = append(r.reads, n)
	}
	return n, nil
}

// always is the argument of count(*), where it has one.
var always fqgw.Expr = &expr.Const{Val: fqgw.BoolValue(true), Typ: fqgw.Bool}

// argType is the type of an aggregate's argument.
func argType(a *fqgw.Aggregate) fqgw.Type {
	if a.Star {
		return fqgw.Bool
	}
	return a.Args[0].Type()
}

// shared is the layout's kind of that name: equal kinds are one.
func (l *Layout) shared(k *kind) *kind {
	if i := slices.IndexFunc(l.kinds, func(o *kind) bool { return o.name == k.name }); i >= 0 {
		return l.kinds[i]
	}
	l.kinds = append(l.kinds, k)
	return k
}

// span gives every ring the lengths of its windows, and every read its place among them.
func (l *Layout) span() {
	for i := range l.rings {
		r := &l.rings[i]
		r.lengths = []int64{r.length}
		for _, n := range r.reads {
			r.lengths = append(r.lengths, l.reads[n].length)
		}
		slices.SortFunc(r.lengths, func(a, b int64) int { return cmp.Compare(b, a) })
		r.lengths = slices.Compact(r.lengths)
		for _, n := range r.reads {
			l.reads[n].span = slices.Index(r.lengths, l.reads[n].length)
		}
	}
}

// filter is the index of a filter; filters that are one tree share it.
func (l *Layout) filter(e fqgw.Expr, of side) (int, error) {
	code := of.code()
	if e != nil {
		tree, err := l.encoded(e)
		if err != nil {
			return 0, err
		}
		code += tree
	}
	i := slices.IndexFunc(l.filters, func(f filter) bool { return f.code == code })
	if i < 0 {
		i = len(l.filters)
		l.filters = append(l.filters, filter{e, of, code})
	}
	return i, nil
}

// arg is the index of an argument that a filter lets through.
func (l *Layout) arg(e fqgw.Expr, filter int) (int, error) {
	code, err := l.encoded(e)
	i := slices.IndexFunc(l.args, func(a arg) bool { return a.code == code })
	if i < 0 {
		i = len(l.args)
		l.args = append(l.args, arg{expr: e, code: code})
	}
	if !slices.Contains(l.args[i].filters, filter) {
		l.args[i].filters = append(l.args[i].filters, filter)
	}
	return i, err
}

// encoded is the encoding of an expression over the source's columns, each by its number:
// a state outlives that columns before one of them go.
func (l *Layout) encoded(e fqgw.Expr) (string, error) {
	if src := l.view.Source; src != nil && slices.ContainsFunc(src.Columns, func(c fqgw.Column) bool { return c.Number > 0 }) {
		e = expr.Rewrite(e, func(e fqgw.Expr) fqgw.Expr {
			c, ok := e.(*expr.Column)
			if !ok || c.Level != 0 || src.ColumnNumber(c.Index) == c.Index {
				return e
			}
			at := *c
			at.Index = src.ColumnNumber(c.Index)
			return &at
		})
	}
	b, err := expr.Encode(nil, e)
	return string(b), err
}

// describe names everything that the bytes of a state depend on, expressions by
// their encoding: how they print may change from release to release.
func (l *Layout) describe() ([]byte, error) {
	var b bytes.Buffer
	where, err := l.encoded(l.view.Where)
	fmt.Fprintf(&b, "latest=%t max_age=%d where=%x\n", l.view.Latest, l.view.MaxAge, where)
	if l.beats() {
		fmt.Fprintf(&b, "beat=%d\n", beat)
	}
	for _, f := range l.filters {
		fmt.Fprintf(&b, "filter %x\n", f.code)
	}
	for _, a := range l.args {
		fmt.Fprintf(&b, "arg %x\n", a.code)
	}
	for _, r := range l.rings {
		fmt.Fprintf(&b, "ring hop=%d length=%d filters=%v\n", r.hop, r.length, r.filters)
		for _, a := range r.accs {
			fmt.Fprintf(&b, "acc %s arg=%d filter=%d\n", a.kind.name, a.arg, a.filter)
			if a.inner > 0 {
				fmt.Fprintf(&b, "inner %d\n", a.inner)
			}
		}
	}
	return b.Bytes(), err
}

// tile is the index of the tile of a time.
func (r *ringSpec) tile(t int64) int64 {
	if r.hop == 0 {
		return 0
	}
	return fqgw.FloorDiv(t, r.hop)
}

// low is the index of the oldest tile inside a window of that length at t.
func (r *ringSpec) low(t, length int64) int64 {
	if r.hop == 0 {
		return 0
	}
	return fqgw.FloorDiv(before(t, length), r.hop)
}

// reaches says whether an event of that time can count at t or later.
func (r *ringSpec) reaches(time, t int64) bool { return r.tile(time) >= r.low(t, r.length) }

// before is t - d for d >= 0, at the least the beginning of time.
func before(t, d int64) int64 {
	if t < math.MinInt64+d {
		return math.MinInt64
	}
	return t - d
}
