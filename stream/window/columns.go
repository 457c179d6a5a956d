package window

import "github.com/fqgw/fqgw"

// Columns are answers about the windows of many entities, slot by slot: what their
// readings would say.
type Columns struct {
	Exists []bool   // there is a row
	Slots  []Filled // by Layout's slots; those that nobody asked for are empty
}

// Filled are the values of a slot. Of Ints, Floats, Shorts and Values one is there.
type Filled struct {
	Type   fqgw.Type
	Ints   []int64             // of integers
	Floats []float64           // of double precision
	Shorts []fqgw.ShortDecimal // of numerics, but for those in Long
	Long   map[int]fqgw.Value  // by place; nil: none is
	Values []fqgw.Value
	Null   []bool
	Failed []bool // NULL because the result left its type; nil: none is
}

// NewColumns is room for the answers to n questions, which are those of a NULL key.
// With doubles numerics become double precision.
func (l *Layout) NewColumns(n int, doubles bool) *Columns {
	c := &Columns{Exists: make([]bool, n), Slots: make([]Filled, len(l.slots))}
	for i := range l.slots {
		if l.slots[i].read < 0 {
			continue
		}
		f := &c.Slots[i]
		f.Null = make([]bool, n)
		for k := range f.Null {
			f.Null[k] = true
		}
		f.Type = l.slots[i].typ
		if doubles && f.Type == fqgw.Numeric {
			f.Type = fqgw.Float8
		}
		switch {
		case f.Type.Kind() == fqgw.KindInt:
			f.Ints = make([]int64, n)
		case f.Type == fqgw.Float8:
			f.Floats = make([]float64, n)
		case f.Type.Kind() == fqgw.KindNumeric:
			f.Shorts = make([]fqgw.ShortDecimal, n)
		default:
			f.Values = make([]fqgw.Value, n)
		}
	}
	return c
}

// Statuses counts the statuses that the values of a slot have. With instead each NULL
// has a default, with all where there is no row too.
func (c *Columns) Statuses(slot int, instead, all bool) (counts [fqgw.StatusTimeout + 1]uint64) {
	f := &c.Slots[slot]
	for i, exists := range c.Exists {
		status := fqgw.StatusPresent
		switch {
		case instead && f.Null[i] && (exists || all):
			status = fqgw.StatusDefault
		case f.Failed != nil && f.Failed[i]:
			status = fqgw.StatusError
		case !exists:
			status = fqgw.StatusNotFound
		case f.Null[i]:
			status = fqgw.StatusNull
		}
		counts[status]++
	}
	return counts
}

// ColumnBytes is about what the answer to a question takes in columns.
func (l *Layout) ColumnBytes() int64 { return 1 + int64(len(l.slots))*(valueSize+1) + l.ListBytes() }

// ListBytes is about what the lists among the results of an answer take at the most: they
// are longer than other values, and known to be.
func (l *Layout) ListBytes() (n int64) {
	if l.view.Latest {
		return 0
	}
	for i := range l.slots {
		if l.slots[i].read >= 0 {
			n += valueSize * listLength(&l.view.Aggregates[i], l.view.Windows[l.view.Aggregates[i].Window])
		}
	}
	return n
}

// listLength is how many elements the result of an aggregate can have, about how many
// where it does not say; 0 of another result.
func listLength(a *fqgw.Aggregate, w fqgw.Window) int64 {
	switch {
	case !a.Type.IsArray():
		return 0
	case a.Func == "array_agg":
		return int64(w.Rows)
	case a.Func == "histogram":
		return int64(len(a.Params[0].List().Items) + 1)
	case len(a.Params) > 0: // last_n, top_k
		return a.Params[0].Int()
	}
	const some = 256
	return some
}

// Fill is Answer into columns: the answer to question i goes to the places of it, which
// are one at the least. Places are filled once.
func (s *Sweep) Fill(events []*Events, questions []Question, to *Columns, places func(i int) []int) error {
	return s.each(events, questions, func(i int) error {
		at := places(i)
		first := at[0]
		to.Exists[first] = s.visit(i, func(o *oneSlot, rows rowCount, acc accumulator) {
			to.Slots[o.slot].fill(first, &s.l.slots[o.slot], questions[i].T, rows, acc)
		})
		for _, place := range at[1:] {
			to.copy(place, first)
		}
		return nil
	})
}

// doubling is an accumulator whose numeric result is had as a double without making it.
type doubling interface {
	double(slot *slotSpec) (f float64, null, ok bool)
}

// shorting is an accumulator whose numeric result is had without a big number, where
// ok says so.
type shorting interface {
	short(slot *slotSpec) (d fqgw.ShortDecimal, ok bool)
}

// fill puts the result at t to a place.
func (f *Filled) fill(at int, slot *slotSpec, t int64, rows rowCount, acc accumulator) {
	if rows.owing() {
		f.Null[at] = true
		f.fail(at)
		return
	}
	if acc == nil {
		f.Ints[at], f.Null[at] = int64(rows.n), false
		return
	}
	if d, is := acc.(doubling); is && f.Floats != nil {
		x, null, ok := d.double(slot)
		if f.Floats[at], f.Null[at] = x, null; !ok {
			f.fail(at)
		}
		return
	}
	if x, is := acc.(shorting); is && f.Shorts != nil {
		if d, ok := x.short(slot); ok {
			f.Shorts[at], f.Null[at] = d, false
			return
		}
	}
	v, ok := resultAt(acc, slot, t)
	if f.Null[at] = v.IsNull(); !ok {
		f.fail(at)
	}
	switch {
	case v.IsNull():
	case f.Ints != nil:
		f.Ints[at] = v.Int()
	case f.Shorts != nil:
		f.put(at, v)
	case f.Values != nil:
		f.Values[at] = v
	case v.Kind() == fqgw.KindNumeric:
		f.Floats[at] = v.Numeric().Float()
	default:
		f.Floats[at] = v.Float()
	}
}

// put puts a numeric that is not NULL at a place.
func (f *Filled) put(at int, v fqgw.Value) {
	var ok bool
	if f.Shorts[at], ok = v.Numeric().Short(); ok {
		return
	}
	if f.Long == nil {
		f.Long = map[int]fqgw.Value{}
	}
	f.Long[at] = v
}

// Short is the numeric at a place, ok where it is short and not NULL.
func (f *Filled) Short(at int) (d fqgw.ShortDecimal, ok bool) {
	if f.Shorts == nil || f.Null[at] {
		return d, false
	}
	if f.Long != nil {
		if _, long := f.Long[at]; long {
			return d, false
		}
	}
	return f.Shorts[at], true
}

// Value is the value at a place.
func (f *Filled) Value(at int) fqgw.Value {
	switch {
	case f.Null[at]:
		return fqgw.Null
	case f.Ints != nil:
		return fqgw.IntValue(f.Ints[at])
	case f.Floats != nil:
		return fqgw.FloatValue(f.Floats[at])
	case f.Shorts != nil:
		if d, ok := f.Short(at); ok {
			return fqgw.NumericValue(d.Decimal())
		}
		return f.Long[at]
	}
	return f.Values[at]
}

func (f *Filled) fail(at int) {
	if f.Failed == nil {
		f.Failed = make([]bool, len(f.Null))
	}
	f.Failed[at] = true
}

// copy fills a place as another is.
func (c *Columns) copy(to, from int) {
	c.Exists[to] = c.Exists[from]
	for i := range c.Slots {
		f := &c.Slots[i]
		if f.Null == nil {
			continue
		}
		if f.Null[to] = f.Null[from]; f.Failed != nil && f.Failed[from] {
			f.fail(to)
		}
		switch {
		case f.Ints != nil:
			f.Ints[to] = f.Ints[from]
		case f.Floats != nil:
			f.Floats[to] = f.Floats[from]
		case f.Shorts != nil:
			f.Shorts[to] = f.Shorts[from]
			if v, long := f.Long[from]; long {
				f.Long[to] = v
			}
		default:
			f.Values[to] = f.Values[from]
		}
	}
}
