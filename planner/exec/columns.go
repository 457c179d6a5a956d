package exec

import (
	"iter"
	"slices"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/pit"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/stream/window"
)

// Joins of a spine with views AS OF its times go by columns, from the spine's scan to
// the file that is written, where each shows columns of latest rows or windows as they
// are: all of them in one pass over the spine, which is sorted once for each set of join
// keys.

// columnJoin is a join whose outputs are columns of the source, or slots of windows.
type columnJoin struct {
	*lookup
	keys    []int // of the join keys: the columns of the row so far
	at      moment
	known   moment // as at where there is no KNOWN AT
	sources []columnOf
}

// moment is a time: a column of the row so far, or the same for all rows.
type moment struct {
	column int // -1: expr
	expr   fqgw.Expr
}

// columnOf is an output: a slot of the view, of a latest row a column of the source, or
// join key key.
type columnOf struct {
	column  fqgw.Column
	slot    int
	key     int        // -1: it is a slot
	instead fqgw.Value // of NULL in a slot: its default
}

// columnJoinOf is a lookup by columns, nil where it does not go so.
func columnJoinOf(l *lookup) *columnJoin {
	v := l.view
	if l.input == nil || l.at == nil || !pit.LooksUp(v) && (v.Latest || len(v.Keys) == 0) || len(l.tuples) != 1 {
		return nil
	}
	if l.globals != nil || l.on != nil && expr.HasSubquery(l.on) {
		return nil
	}
	j := &columnJoin{lookup: l}
	for i, x := range l.tuples[0] {
		c, ok := x.(*expr.Column)
		if !ok || c.Level != 0 || !sameKey(x.Type(), l.types[i]) {
			return nil
		}
		j.keys = append(j.keys, c.Index)
	}
	var ok bool
	if j.at, ok = momentOf(l.at); !ok {
		return nil
	}
	j.known = j.at
	if l.known != nil {
		if j.known, ok = momentOf(l.known); !ok {
			return nil
		}
	}
	for i, o := range l.outputs {
		c := columnOf{key: -1}
		switch o.Kind {
		case fqgw.OutKey:
			c.key = o.Index
			c.column = fqgw.Column{Type: l.tuples[0][o.Index].Type()}
		case fqgw.OutFeature:
			if c.slot, c.instead, ok = l.program.Plain(i); !ok {
				return nil
			}
			if !v.Latest {
				c.column.Type = v.Aggregates[c.slot].Type
				break
			}
			x, ok := v.Row[c.slot].(*expr.Column)
			if !ok || x.Level != 0 || x.Type() != v.Source.Columns[x.Index].Type {
				return nil
			}
			c.column = v.Source.Columns[x.Index]
		default:
			return nil
		}
		j.sources = append(j.sources, c)
	}
	return j
}

// follows says whether a join goes in one pass with those below it: they have no further
// condition, and it is not asked for what may be a default of theirs.
func (j *columnJoin) follows(below []*columnJoin) bool {
	at := len(j.input.Columns())
	for _, b := range slices.Backward(below) {
		at -= len(b.sources)
		if b.on != nil {
			return false
		}
		for _, c := range append([]int{j.at.column, j.known.column}, j.keys...) {
			if c >= at && c < at+len(b.sources) && !b.sources[c-at].instead.IsNull() {
				return false
			}
		}
	}
	return true
}

// sameKey says whether a value of type of is a key of type key as it is.
func sameKey(of, key fqgw.Type) bool {
	return of.Kind() == key.Kind() && (of.Kind() == fqgw.KindText || of.OID == key.OID)
}

func momentOf(x fqgw.Expr) (moment, bool) {
	if c, ok := x.(*expr.Column); ok {
		return moment{column: c.Index}, c.Level == 0 && x.Type() == fqgw.Timestamptz
	}
	constant := len(expr.Columns(x)) == 0 && !expr.HasSubquery(x) && !expr.Volatile(x)
	return moment{column: -1, expr: x}, constant
}

// same says that two times are those of the same rows.
func (m moment) same(o moment) bool {
	return m.column == o.column && (m.column >= 0 || m.expr == o.expr)
}

// columnRows are the rows of joins by columns.
type columnRows struct {
	e     *Engine
	env   *fqgw.Env
	joins []*columnJoin // the innermost first
	types []fqgw.Type   // of all columns
	shape

	input   fqgw.Rows // the spine
	next    func() (arrow.RecordBatch, error, bool)
	stop    func()
	limit   chunk
	most    int   // rows of a chunk, whatever memory there is
	fixed   int64 // of limit.each, without the values that have no fixed width
	held    int64
	more    bool // there may be more of the spine
	left    arrow.RecordBatch
	arrays  []arrow.Array          // of the chunk, those of cells
	made    map[int]*window.Filled // by column: values of windows that are no array yet
	cells   []cells                // of the chunk, by column: those that are used
	exists  []bool                 // of the chunk: the join that was made last has a row
	dropped []bool                 // of the chunk: an inner join has no row; nil: none so far
	gone    int                    // how many are dropped
	batches bool                   // the rows are taken in batches
	row     int
	end     int
	doubles bool   // numerics of windows are double precision
	ended   func() // with the rows; nil: nothing
}

const (
	// columnRowsMost is how many rows of a spine are joined at once, where their memory
	// allows it: a column of history is passed over once for them. Where values have no
	// fixed width, columnRowsFirst show how much memory they take in a row, and a chunk has
	// at most columnRowsMore times as many rows as the one before.
	columnRowsMost  = 1 << 19
	columnRowsFirst = 1 << 8
	columnRowsMore  = 16
)

// fixedWidth is how many bytes a value of a type takes in a column; false where that is
// as it comes.
func fixedWidth(t fqgw.Type) (bytes int64, ok bool) {
	w, ok := fqgw.ArrowType(t).(arrow.FixedWidthDataType)
	if !ok {
		return 0, false
	}
	return int64(w.BitWidth()+7) / 8, true
}

// byColumns runs joins over a spine that has batches.
func (e *Engine) byColumns(env *fqgw.Env, joins []*columnJoin, shown []int, input fqgw.Rows, batches fqgw.Records, memory *fqgw.Memory) *columnRows {
	r := &columnRows{e: e, env: env, joins: joins, input: input, more: true, made: map[int]*window.Filled{}}
	for _, c := range joins[0].input.Columns() {
		r.types = append(r.types, c.Type)
	}
	const probe = 100 // with a spine, and a value being made
	r.limit, r.most = chunk{each: probe, memory: memory}, columnRowsMost
	first, varying := columnRowsFirst, false
	for _, j := range joins {
		for _, c := range j.sources {
			r.types = append(r.types, c.column.Type)
			w, fixed := fixedWidth(c.column.Type)
			r.limit.each += w + 1
			varying = varying || !fixed
		}
	}
	r.shape = shapeOf(joins, shown, len(r.types))
	r.cells = make([]cells, len(r.types))
	for _, j := range joins {
		if e.inPieces(j.view) {
			r.most, first = piecesRows, piecesRowsFirst
		}
		if !j.view.Latest { // its probes, and a value of each slot
			r.limit.each += probe + j.program.Shown().ColumnBytes()
		}
	}
	if r.limit.rows = r.most; varying {
		r.limit.rows = first
	}
	r.fixed = r.limit.each
	r.next, r.stop = iter.Pull2(batches)
	return r
}

// chunk is the next chunk of the spine, joined; io.EOF when there is none.
func (r *columnRows) chunk() error {
	r.forget()
	cols, n, err := r.spine()
	if err != nil {
		return err
	}
	defer func() {
		for _, a := range cols {
			if a != nil {
				a.Release()
			}
		}
	}()
	var spines []spineOf
	varying := int64(0)
	clear(r.made)
	for _, j := range r.joins {
		for _, c := range append([]int{j.at.column, j.known.column}, j.keys...) {
			if c >= 0 {
				if err := r.asArray(cols, c); err != nil {
					return err
				}
			}
		}
		s, err := r.sorted(j, cols, n, &spines)
		if err != nil {
			return err
		}
		var found []arrow.Array
		err = r.e.readingHistory(r.env, j.view.Source, func() (err error) {
			for _, a := range found { // of a try before
				a.Release()
			}
			found = nil
			return r.join(j, cols, s, &found)
		})
		cols = append(cols, found...)
		if err != nil {
			return err
		}
		size, err := r.count(j, found)
		if err != nil {
			return err
		}
		varying += size
		if !j.left {
			r.drop(n)
		}
	}
	r.limit.rows, r.limit.each = r.most, r.fixed+varying/int64(n)
	if varying > 0 {
		r.limit.rows = min(r.most, columnRowsMore*n)
	}
	for _, c := range r.used {
		if cols[c] == nil && !r.batches {
			r.cells[c] = cells{typ: r.types[c], made: r.made[c], instead: r.instead[c]}
			continue
		}
		if err := r.asArray(cols, c); err != nil {
			return err
		}
		cols[c].Retain()
		r.arrays, r.cells[c] = append(r.arrays, cols[c]), cellsOf(cols[c], r.types[c], r.instead[c])
	}
	r.row, r.end = 0, n
	return nil
}

// count takes the memory of the outputs of a join whose values have no fixed width.
func (r *columnRows) count(j *columnJoin, found []arrow.Array) (size int64, err error) {
	const made = 2 // as they were found, and in the order of the spine
	for i, c := range j.sources {
		if _, fixed := fixedWidth(c.column.Type); !fixed && found[i] != nil {
			size += made * int64(found[i].Data().SizeInBytes())
		}
	}
	if err := r.limit.memory.Take(size); err != nil {
		return 0, err
	}
	r.held += size
	return size, nil
}

// drop drops the rows of the chunk that have none in the join that was made last.
func (r *columnRows) drop(n int) {
	if r.dropped == nil {
		r.dropped = make([]bool, n)
	}
	for i := range n {
		if !r.exists[i] && !r.dropped[i] {
			r.dropped[i] = true
			r.gone++
		}
	}
}

// asArray makes sure that a column is an array.
func (r *columnRows) asArray(cols []arrow.Array, c int) (err error) {
	if cols[c] == nil {
		cols[c], err = pit.Array(r.made[c])
		delete(r.made, c)
	}
	return err
}

// join adds the outputs of a join to out, so far as it gets.
func (r *columnRows) join(j *columnJoin, cols []arrow.Array, s *pit.Spine, out *[]arrow.Array) (err error) {
	e, env, v := r.e, r.env, j.view
	minT, maxT, maxK, asked := s.Span()
	history := &fqgw.Sorted{}
	if asked {
		e.noticeFuture(env, maxT)
		if err := e.waitView(env, v, maxK); err != nil {
			return err
		}
		if history, err = e.sortedHistory(env, v, minT, maxT); err != nil {
			return err
		}
		defer history.Close()
	}
	late := unknown{by: maxK}
	if asked {
		history.Fresh = late.watch(history.Fresh)
	}
	events := eventMemory(r.limit.memory)
	defer events.Close()
	show := r.rows
	if !v.Latest {
		show = r.windows
	}
	var told tally
	found, err := show(j, cols, s, history, events, &told, out)
	if err != nil {
		return err
	}
	if asked && !found {
		from, to := pit.Range(v, minT, maxT)
		late.runs(history.Runs, from, to)
		late.notice(env, v)
	}
	e.served.add(true, &told)
	e.joined[1].Add(uint64(s.Len()))
	return nil
}

// rows are the outputs of a join with latest rows; found says that there was one.
func (r *columnRows) rows(j *columnJoin, cols []arrow.Array, s *pit.Spine, history *fqgw.Sorted, events *fqgw.Memory,
	told *tally, out *[]arrow.Array) (found bool, err error) {
	rows, err := pit.Find(j.program.Shown(), s, history, events)
	if err != nil {
		return false, err
	}
	if !j.left {
		r.exists = rows.Exists()
	}
	for _, c := range j.sources {
		var a arrow.Array
		if c.key >= 0 {
			a, err = rows.Only(cols[j.keys[c.key]])
		} else if a, err = rows.Column(offHeap{}, c.column, c.slot); err == nil {
			j.tell(told, &c, rows, a, r.gone)
		}
		if err != nil {
			return false, err
		}
		*out = append(*out, a)
	}
	return rows.Count(pit.Row)+rows.Count(pit.OutsideMaxAge) > 0, nil
}

// tell counts the statuses of the values of a latest row's column; gone are the probes
// of rows that were dropped before.
func (j *columnJoin) tell(told *tally, c *columnOf, rows *pit.Latest, a arrow.Array, gone int) {
	nulls, missed, old := uint64(a.NullN()), uint64(rows.Count(pit.NotFound)+rows.Count(pit.NoEntity)), uint64(rows.Count(pit.OutsideMaxAge))
	told[fqgw.StatusPresent] += uint64(a.Len()) - nulls
	switch {
	case !j.left: // where there is no row there is nothing to be shown
		told[fqgw.StatusNotFound] += missed + old - uint64(gone)
		nulls -= missed + old
	case c.instead.IsNull():
		told[fqgw.StatusNotFound] += missed - uint64(gone)
		told[fqgw.StatusOutsideMaxAge] += old
		nulls -= missed + old
	default:
		nulls -= uint64(gone)
	}
	if c.instead.IsNull() {
		told[fqgw.StatusNull] += nulls
	} else {
		told[fqgw.StatusDefault] += nulls
	}
}

// windows are the outputs of a join with windows.
func (r *columnRows) windows(j *columnJoin, cols []arrow.Array, s *pit.Spine, history *fqgw.Sorted, events *fqgw.Memory,
	told *tally, out *[]arrow.Array) (found bool, err error) {
	answers, err := pit.Windows(j.program.Shown(), s, history, events, r.doubles)
	if err != nil {
		return false, err
	}
	r.exists = answers.Exists
	for _, c := range j.sources {
		var a arrow.Array
		if c.key >= 0 {
			a, err = pit.Only(cols[j.keys[c.key]], answers.Exists)
		} else {
			r.made[len(cols)+len(*out)] = &answers.Slots[c.slot]
			instead := !c.instead.IsNull()
			for status, n := range answers.Statuses(c.slot, instead, j.left) {
				told[status] += n
			}
			if instead && j.left {
				told[fqgw.StatusDefault] -= uint64(r.gone)
			} else {
				told[fqgw.StatusNotFound] -= uint64(r.gone)
			}
		}
		if err != nil {
			return false, err
		}
		*out = append(*out, a)
	}
	return slices.Contains(answers.Exists, true), nil
}
