package exec

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// The figures of the gate, fqgw.quality and fqgw.rejected, are counted from what there
// is whenever they are asked for: the history, which has what was accepted, and the dead
// letters. Nothing is kept beside them that could be lost or differ.

// asked is what a statement asks of the figures.
type asked struct {
	fields   []int
	source   string // "": all
	from, to int64  // known times that matter
	column   string // "": all
	whole    bool   // only the row for all columns
	columns  bool   // only rows of columns
	none     bool
}

// askedOf reads the conditions on columns source, hour and column_name by their names.
func askedOf(env *fqgw.Env, r *plan.SystemRelation, what plan.Sought) (asked, error) {
	a := asked{fields: what.Fields, from: math.MinInt64, to: math.MaxInt64}
	for _, b := range what.Where {
		name := r.Columns[b.Column].Name
		if b.Of == nil {
			a.whole = a.whole || name == "column_name"
			continue
		}
		v, err := b.Of.Eval(env, nil)
		if err != nil {
			return a, err
		}
		if v.IsNull() {
			a.none = true
			return a, nil
		}
		switch {
		case name == "hour":
			if v, err = expr.Coerce(v, b.Of.Type(), fqgw.Timestamptz, env); err != nil {
				return a, err
			}
			t := v.Int()
			if b.Op != "<" && b.Op != "<=" {
				a.from = max(a.from, t)
			}
			if b.Op != ">" && b.Op != ">=" && t < math.MaxInt64-hourMicros {
				a.to = min(a.to, t+hourMicros-1)
			}
		case b.Op == "=" && v.Kind() == fqgw.KindText && name == "source":
			a.none = a.none || a.source != "" && a.source != v.Str()
			a.source = v.Str()
		case b.Op == "=" && v.Kind() == fqgw.KindText && name == "column_name":
			a.column, a.columns = v.Str(), true
		}
	}
	return a, nil
}

// wants says whether a column of the relation is looked at.
func (a *asked) wants(r *plan.SystemRelation, names ...string) bool {
	return slices.ContainsFunc(a.fields, func(f int) bool { return slices.Contains(names, r.Columns[f].Name) })
}

// bounded says that only some hours are asked for.
func (a *asked) bounded() bool { return a.from != math.MinInt64 || a.to != math.MaxInt64 }

// sources are those that are asked for, by the text of their names, in their order.
func (a *asked) sources(c *fqgw.Catalog) (names []string, sources map[string]*fqgw.Source) {
	sources = map[string]*fqgw.Source{}
	for name, s := range c.Sources {
		if a.source == "" || a.source == name.String() {
			sources[name.String()] = s
		}
	}
	return slices.Sorted(maps.Keys(sources)), sources
}

// quality is a row for each source and hour, and one for each of its columns then.
func (e *Engine) quality(env *fqgw.Env, r *plan.SystemRelation, what plan.Sought, each func([]fqgw.Value) error) error {
	a, err := askedOf(env, r, what)
	if err != nil || a.none {
		return err
	}
	names, sources := a.sources(env.Session.Catalog())
	for _, name := range names {
		if err := e.qualityOf(env, r, &a, name, sources[name], each); err != nil {
			return err
		}
	}
	return nil
}

// refusals are how many records of an hour the gate refused, in all and by the column
// that they were refused for.
type refusals struct {
	all     int64
	columns map[string]int64
}

// qualityOf are the rows of one source, whose name is that.
func (e *Engine) qualityOf(env *fqgw.Env, r *plan.SystemRelation, a *asked, name string, s *fqgw.Source,
	each func([]fqgw.Value) error) error {
	var columns []fqgw.Column
	if !a.whole {
		for _, c := range s.Columns {
			if a.column == "" || a.column == c.Name {
				columns = append(columns, c)
			}
		}
	}
	counted := columns
	if !a.wants(r, "nulls", "null_share", "min", "max") {
		counted = nil
	}
	c, err := e.count(env, s, counted, a)
	if c == nil || err != nil {
		return err
	}
	defer c.close()
	refused := map[int64]*refusals{}
	err = e.o.Letters.Rejected(env.Ctx, name, a.from, a.to, func(n fqgw.Rejected) error {
		h := refused[n.Hour]
		if h == nil {
			h = &refusals{columns: map[string]int64{}}
			refused[n.Hour] = h
		}
		h.all += n.Records
		h.columns[n.Column] += n.Records
		return nil
	})
	if err != nil {
		return err
	}
	for _, hour := range c.both(slices.Collect(maps.Keys(refused))) {
		h, no := c.hours[hour], refused[hour]
		if h == nil {
			h = &hourCensus{columns: make([]columnCensus, len(counted))}
		}
		if no == nil {
			no = &refusals{}
		}
		row := func(column, nulls, nullShare, least, most fqgw.Value, refused int64) error {
			return each([]fqgw.Value{fqgw.TextValue(name), hourOf(hour), column, fqgw.IntValue(h.rows), nulls, nullShare, least, most,
				fqgw.IntValue(refused), share(refused, h.rows+no.all)})
		}
		if !a.columns {
			if err := row(fqgw.Null, fqgw.Null, fqgw.Null, fqgw.Null, fqgw.Null, no.all); err != nil {
				return err
			}
		}
		for i, column := range columns {
			var of columnCensus
			if counted != nil {
				of = h.columns[i]
			}
			err := row(fqgw.TextValue(column.Name), fqgw.IntValue(of.nulls), share(of.nulls, h.rows),
				shown(of.min, column.Type), shown(of.max, column.Type), no.columns[column.Name])
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// both are the hours of the census and others, in their order.
func (c *census) both(others []int64) []int64 {
	return slices.Compact(slices.Sorted(func(yield func(int64) bool) {
		for _, h := range append(others, slices.Collect(maps.Keys(c.hours))...) {
			if !yield(h) {
				return
			}
		}
	}))
}

// hourOf is the beginning of an hour as a value; NULL for rows without a known time.
func hourOf(hour int64) fqgw.Value {
	if hour == noHour {
		return fqgw.Null
	}
	return fqgw.TimestampValue(hour)
}

// share is how much of a whole a part is; NULL of nothing.
func share(part, whole int64) fqgw.Value {
	if whole == 0 {
		return fqgw.Null
	}
	return fqgw.FloatValue(float64(part) / float64(whole))
}

// shown is a value as text, times in UTC.
func shown(v fqgw.Value, t fqgw.Type) fqgw.Value {
	if v.IsNull() {
		return fqgw.Null
	}
	return fqgw.TextValue(expr.Text(v, t, &fqgw.Env{}))
}

// count reads a source's history for its figures: all that was known by now. It is to
// be closed; nil when the source was dropped meanwhile.
func (e *Engine) count(env *fqgw.Env, s *fqgw.Source, columns []fqgw.Column, a *asked) (*census, error) {
	if err := e.waitShown(env, s, min(a.to, env.Now), false); err != nil {
		return nil, err
	}
	known := fqgw.HiddenColumns[fqgw.HiddenKnownAt]
	if e.foreign(s) != nil {
		if known = s.Columns[s.EventTime]; s.Known == fqgw.KnownByColumn {
			known = s.Columns[s.KnownColumn]
		}
	}
	scan := fqgw.Scan{Table: s.History, Batch: e.batchBytes()}
	place := func(name string) int {
		if i := slices.Index(scan.Columns, name); i >= 0 {
			return i
		}
		scan.Columns = append(scan.Columns, name)
		return len(scan.Columns) - 1
	}
	places := make([]int, len(columns))
	for i, c := range columns {
		places[i] = place(c.Name)
	}
	at, op := place(known.Name), -1
	if s.Changelog() {
		op = place(fqgw.ColOperation)
	}
	if a.bounded() && known.Type.Kind() == fqgw.KindTimestamp {
		scan.Time, scan.From, scan.To = known.Name, a.from, a.to
	}
	c := newCensus(columns, known.Type, env.Memory)
	records, err := e.readPinned(env, s, scan)
	if err == nil {
		for b, failed := range cancellable(env, narrowed(records, len(scan.Columns))) {
			if failed != nil {
				err = failed
				break
			}
			arrays := make([]arrow.Array, len(columns))
			for i, p := range places {
				arrays[i] = b.Column(p)
			}
			var ops arrow.Array
			if op >= 0 {
				ops = b.Column(op)
			}
			err = c.add(arrays, b.Column(at), ops)
			if b.Release(); err != nil {
				break
			}
		}
	}
	if err == nil {
		return c, nil
	}
	c.close()
	if fqgw.HasCode(err, fqgw.CodeUndefinedTable) {
		return nil, nil
	}
	return nil, err
}

// rejected is a row for each source, hour and reason of dead letters.
func (e *Engine) rejected(env *fqgw.Env, r *plan.SystemRelation, what plan.Sought, each func([]fqgw.Value) error) error {
	a, err := askedOf(env, r, what)
	if err != nil || a.none {
		return err
	}
	type group struct {
		source         string
		hour           int64
		column, reason string
	}
	_, sources := a.sources(env.Session.Catalog())
	found, all := map[group]*fqgw.Rejected{}, map[group]int64{}
	held := int64(0)
	defer func() { env.Memory.Give(held) }()
	err = e.o.Letters.Rejected(env.Ctx, a.source, a.from, a.to, func(n fqgw.Rejected) error {
		of := group{n.Source, n.Hour, n.Column, reasonOf(n.Reason, sources[n.Source])}
		all[group{source: n.Source, hour: n.Hour}] += n.Records
		if found[of] == nil {
			size := int64(len(of.source) + len(of.column) + len(of.reason) + len(n.Reason) + 200)
			if err := env.Memory.Take(size); err != nil {
				return err
			}
			held += size
			found[of] = &fqgw.Rejected{Reason: n.Reason}
		}
		found[of].Records += n.Records
		found[of].Replayed += n.Replayed
		return nil
	})
	if err != nil {
		return err
	}
	accepted := map[string]*census{}
	defer func() {
		for _, c := range accepted {
			c.close()
		}
	}()
	if a.wants(r, "share") {
		for g := range all {
			if s := sources[g.source]; s != nil && accepted[g.source] == nil {
				if accepted[g.source], err = e.count(env, s, nil, &a); err != nil {
					return err
				}
				if accepted[g.source] == nil {
					delete(accepted, g.source)
				}
			}
		}
	}
	groups := slices.SortedFunc(maps.Keys(found), func(a, b group) int {
		return cmp.Or(strings.Compare(a.source, b.source), cmp.Compare(a.hour, b.hour), strings.Compare(a.reason, b.reason),
			strings.Compare(a.column, b.column))
	})
	for _, g := range groups {
		n, whole := found[g], all[group{source: g.source, hour: g.hour}]
		if c := accepted[g.source]; c != nil && c.hours[g.hour] != nil {
			whole += c.hours[g.hour].rows
		}
		err := each([]fqgw.Value{fqgw.TextValue(g.source), fqgw.TimestampValue(g.hour), fqgw.TextValue(g.reason), textOrNull(g.column),
			fqgw.IntValue(n.Records), share(n.Records, whole), fqgw.IntValue(n.Replayed), fqgw.TextValue(n.Reason)})
		if err != nil {
			return err
		}
	}
	return nil
}
