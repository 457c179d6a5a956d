package relational

import (
	"context"
	"encoding/binary"
	"io"
	"math"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// keyed is a row with its sort keys, evaluated once.
type keyed struct {
	keys, row []fqgw.Value
}

// bytes is about what it takes in memory; shared says that the keys are the row.
func (k *keyed) bytes(shared bool) int64 {
	if shared {
		return fqgw.RowBytes(k.row)
	}
	return fqgw.RowBytes(k.row) + fqgw.RowBytes(k.keys)
}

// keys are the sort keys of a row; it ends with the statement's context.
func (in *instance) keys(by []plan.SortKey, row []fqgw.Value) ([]fqgw.Value, error) {
	return in.appendKeys(make([]fqgw.Value, 0, len(by)), by, row)
}

func (in *instance) appendKeys(dst []fqgw.Value, by []plan.SortKey, row []fqgw.Value) ([]fqgw.Value, error) {
	if err := in.tick(); err != nil {
		return nil, err
	}
	for _, k := range by {
		v, err := k.Expr.Eval(&in.env, row)
		if err != nil {
			return nil, err
		}
		dst = append(dst, v)
	}
	return dst, nil
}

// compareKeys orders two rows by their keys; two NULLs are equal.
func compareKeys(by []plan.SortKey, a, b []fqgw.Value) int {
	for i := range by {
		an, bn := a[i].IsNull(), b[i].IsNull()
		if an || bn {
			if an && bn {
				continue
			}
			if an == by[i].NullsFirst {
				return -1
			}
			return 1
		}
		if c := fqgw.Compare(a[i], b[i]); c != 0 {
			if by[i].Desc {
				return -c
			}
			return c
		}
	}
	return 0
}

// sorted is rows to be sorted: their keys, and an order of them.
type sorted struct {
	by    []plan.SortKey
	keys  [][]fqgw.Value // of each row
	order []ordinal
}

// ordinal is a row's number, with the beginning of its first key: where two differ
// in it, they are ordered as the keys are.
type ordinal struct {
	head uint64
	row  int32
}

// ordinalBytes is what sorting takes for a row beside it and its keys.
const ordinalBytes = 16

func (s *sorted) compare(a, b ordinal) int {
	switch {
	case a.head < b.head:
		return -1
	case a.head > b.head:
		return 1
	}
	if c := compareKeys(s.by, s.keys[a.row], s.keys[b.row]); c != 0 {
		return c
	}
	return int(a.row) - int(b.row)
}

// sort orders the rows, those with equal keys as they are numbered. It ends with ctx.
func (s *sorted) sort(ctx context.Context) error {
	s.order = slices.Grow(s.order[:0], len(s.keys))
	kind := s.by[0].Expr.Type().Kind()
	for i, k := range s.keys {
		head, ok := headOf(k[0], kind, &s.by[0])
		if !ok { // then nothing is known of any
			kind = fqgw.KindNull
			for j := range s.order {
				s.order[j].head = 0
			}
		}
		s.order = append(s.order, ordinal{head, int32(i)})
	}
	n := 0
	var stopped error
	slices.SortFunc(s.order, func(a, b ordinal) int {
		if n++; n&0xfff == 0 && stopped == nil {
			stopped = ctx.Err()
		}
		if stopped != nil {
			return 0
		}
		return s.compare(a, b)
	})
	return stopped
}

// headOf is a number by which values of a kind are ordered, equal ones excepted;
// the same for all where it has none. ok is false for a value of another kind.
func headOf(v fqgw.Value, kind fqgw.Kind, by *plan.SortKey) (head uint64, ok bool) {
	switch {
	case kind == fqgw.KindNull:
		return 0, true
	case v.IsNull() && by.NullsFirst:
		return 0, true
	case v.IsNull():
		return math.MaxUint64, true
	case v.Kind() != kind:
		return 0, false
	}
	switch kind {
	case fqgw.KindInt, fqgw.KindDate, fqgw.KindTime, fqgw.KindTimestamp:
		head = uint64(v.Int()) ^ 1<<63
	case fqgw.KindFloat:
		switch f := v.Float(); {
		case f != f:
			head = math.MaxUint64
		case f < 0:
			head = ^math.Float64bits(f)
		case f == 0: // -0 too
			head = 1 << 63
		default:
			head = math.Float64bits(f) | 1<<63
		}
	case fqgw.KindText, fqgw.KindBytes, fqgw.KindUUID:
		var b [8]byte
		copy(b[:], v.Str())
		head = binary.BigEndian.Uint64(b[:])
	}
	if by.Desc {
		head = ^head
	}
	return head, true
}

// bound is how many rows of a sort are wanted: those of a LIMIT above it.
type bound struct {
	limit, offset *count
	ties          bool // and those equal to the last of them
}

// unbounded is more rows than a sort can have.
const unbounded = math.MaxInt32

func (b *bound) rows(in *instance) (int, error) {
	if b == nil {
		return unbounded, nil
	}
	limit, err := b.limit.value(in)
	if err != nil {
		return 0, err
	}
	offset, err := b.offset.value(in)
	if err != nil || limit == 0 || max(limit, offset) >= unbounded/2 {
		return int(min(limit, unbounded)), err
	}
	return int(limit + offset), nil
}

// sort gives the rows in order, equal ones as they came; of a bound number only
// the first.
func (in *instance) sort(input fqgw.Rows, by []plan.SortKey, b *bound) (fqgw.Rows, error) {
	wanted, err := b.rows(in)
	if err != nil {
		return nil, err
	}
	if wanted == 0 {
		return &listRows{}, input.Close()
	}
	t := &topRows{in: in, sorted: sorted{by: by}, wanted: wanted, ties: b != nil && b.ties, full: unbounded, column: adjoining(by)}
	if wanted < unbounded {
		t.full = wanted + max(wanted, topSpare)
	}
	for {
		row, err := input.Next()
		if err == io.EOF {
			break
		}
		if err == nil {
			err = t.add(row)
		}
		if err != nil {
			return nil, err
		}
	}
	if err := input.Close(); err != nil {
		return nil, err
	}
	if err := t.sort(in.env.Ctx); err != nil {
		return nil, err
	}
	t.order = t.order[:min(t.last(), len(t.order))]
	return &orderedRows{t.rows, t.order}, nil
}

// topRows is the first rows of an order, as far as they came. There are up to
// twice as many as are wanted; then what is beyond goes, and the last that stays is
// the one that others must be before.
type topRows struct {
	sorted
	in     *instance
	wanted int
	ties   bool
	full   int // so many rows are too many
	column int // the first of the rows' columns that are the keys; -1: they are apart
	rows   [][]fqgw.Value
	bar    []fqgw.Value // the keys of the last that is wanted; nil: there are not as many yet
	next   []fqgw.Value
	own    slab
	spare  [][]fqgw.Value // of rows that went
}

// topSpare is how many rows beyond those that are wanted are kept at least.
const topSpare = 64

// adjoining is the first of the columns that the keys are, one behind the other; -1
// where they are not.
func adjoining(by []plan.SortKey) int {
	first := -1
	for i, k := range by {
		c, ok := k.Expr.(*expr.Column)
		if !ok || c.Level != 0 || i > 0 && c.Index != first+i {
			return -1
		}
		if i == 0 {
			first = c.Index
		}
	}
	return first
}

func (t *topRows) add(row []fqgw.Value) (err error) {
	if t.column >= 0 {
		t.next, err = row[t.column:t.column+len(t.by)], t.in.tick()
	} else {
		t.next, err = t.in.appendKeys(t.next[:0], t.by, row)
	}
	if err != nil {
		return err
	}
	if t.bar != nil {
		if c := compareKeys(t.by, t.next, t.bar); c > 0 || c == 0 && !t.ties {
			return nil
		}
	}
	if err := t.in.run.takeBytes(&t.in.account, t.bytes(row, t.next)); err != nil {
		return err
	}
	kept := t.copy(row)
	t.rows = append(t.rows, kept)
	if t.column >= 0 {
		t.keys = append(t.keys, kept[t.column:t.column+len(t.by)])
	} else {
		t.keys = append(t.keys, t.copy(t.next))
	}
	if len(t.rows) < t.full {
		return nil
	}
	return t.cut()
}

func (t *topRows) bytes(row, keys []fqgw.Value) int64 {
	n := fqgw.RowBytes(row) + ordinalBytes
	if t.column < 0 {
		n += fqgw.RowBytes(keys)
	}
	return n
}

// copy is a row's own copy: many are allocated at once where none goes.
func (t *topRows) copy(row []fqgw.Value) []fqgw.Value {
	if n := len(t.spare); n > 0 && cap(t.spare[n-1]) == len(row) {
		out := t.spare[n-1][:len(row)]
		t.spare = t.spare[:n-1]
		copy(out, row)
		return out
	}
	if t.full < unbounded {
		return append(make([]fqgw.Value, 0, len(row)), row...)
	}
	return t.own.copy(row)
}

// last is where the wanted rows of the order end.
func (t *topRows) last() int {
	n := t.wanted
	for t.ties && n < len(t.order) && n > 0 && compareKeys(t.by, t.keys[t.order[n-1].row], t.keys[t.order[n].row]) == 0 {
		n++
	}
	return n
}

// cut lets the rows go that are not wanted any more.
func (t *topRows) cut() error {
	if err := t.sort(t.in.env.Ctx); err != nil {
		return err
	}
	n := t.last()
	var gone int64
	for _, o := range t.order[n:] {
		gone += t.bytes(t.rows[o.row], t.keys[o.row])
		t.spare = append(t.spare, t.rows[o.row])
		if t.column < 0 {
			t.spare = append(t.spare, t.keys[o.row])
		}
	}
	t.in.run.memory.Give(gone)
	t.in.account.held -= gone
	rows, keys := make([][]fqgw.Value, n, t.full), make([][]fqgw.Value, n, t.full)
	for i, o := range t.order[:n] {
		rows[i], keys[i] = t.rows[o.row], t.keys[o.row]
	}
	t.rows, t.keys, t.bar = rows, keys, keys[t.wanted-1]
	t.full = n + max(n, topSpare)
	return nil
}

// orderedRows is rows in an order.
type orderedRows struct {
	rows  [][]fqgw.Value
	order []ordinal
}

func (o *orderedRows) Next() ([]fqgw.Value, error) {
	if len(o.order) == 0 {
		return nil, io.EOF
	}
	row := o.rows[o.order[0].row]
	o.order = o.order[1:]
	return row, nil
}

func (o *orderedRows) Close() error { o.rows, o.order = nil, nil; return nil }

// sortKeyed sorts by the keys, equal ones as they are, and ends with ctx.
func sortKeyed(ctx context.Context, list []keyed, by []plan.SortKey) error {
	if len(by) == 0 || len(list) < 2 {
		return nil
	}
	s := sorted{by: by, keys: make([][]fqgw.Value, len(list))}
	for i := range list {
		s.keys[i] = list[i].keys
	}
	if err := s.sort(ctx); err != nil {
		return err
	}
	old := slices.Clone(list)
	for i, o := range s.order {
		list[i] = old[o.row]
	}
	return nil
}
