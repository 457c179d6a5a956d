package pit

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/stream/window"
)

const (
	colUser = iota
	colSite
	colTime
	colInt
	colFloat
	colNumeric
	colText
	colBool
	colUnused
	colVector // not of the source: an array of the prices
)

func newSource() *fqgw.Source {
	return &fqgw.Source{Name: "events", Connector: "kafka", EventTime: colTime, Columns: []fqgw.Column{
		{Name: "user_id", Type: fqgw.Int8}, {Name: "site", Type: fqgw.Text}, {Name: "ts", Type: fqgw.Timestamptz}, {Name: "amount", Type: fqgw.Int4},
		{Name: "price", Type: fqgw.Float8}, {Name: "cost", Type: fqgw.Numeric}, {Name: "kind", Type: fqgw.Text}, {Name: "ok", Type: fqgw.Bool},
		{Name: "unused", Type: fqgw.Text}}}
}

func sourceCol(s *fqgw.Source, i int) fqgw.Expr {
	if i == colVector {
		price := sourceCol(s, colFloat)
		e, err := expr.ArrayOf([]fqgw.Expr{price, op(price, "+", number(1))}, fqgw.Float8)
		if err != nil {
			panic(err)
		}
		return e
	}
	return &expr.Column{Index: i, Typ: s.Columns[i].Type, Name: s.Columns[i].Name}
}

func op(left fqgw.Expr, name string, right fqgw.Expr) fqgw.Expr {
	e, err := expr.Op(name, left, right)
	if err != nil {
		panic(err)
	}
	return e
}

func number(n int64) fqgw.Expr { return &expr.Const{Val: fqgw.IntValue(n), Typ: fqgw.Int4} }

const (
	second = int64(1_000_000)
	minute = 60 * second
	hour   = 60 * minute
)

// records turns rows into batches of a few rows with the columns that are asked
// for; text travels as a dictionary now and then.
func records(t *testing.T, s *fqgw.Source, names []string, rows []raw) fqgw.Records {
	t.Helper()
	var cols []fqgw.Column
	for _, n := range names {
		if i := s.ColumnIndex(n); i >= 0 {
			cols = append(cols, s.Columns[i])
		} else {
			i := slices.IndexFunc(fqgw.HiddenColumns, func(c fqgw.Column) bool { return c.Name == n })
			cols = append(cols, fqgw.HiddenColumns[i])
		}
	}
	schema := fqgw.ArrowSchema(cols)
	var batches []arrow.RecordBatch
	for at := 0; at < len(rows); at += 17 {
		b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
		for _, r := range rows[at:min(at+17, len(rows))] {
			for i, c := range cols {
				v := map[string]fqgw.Value{fqgw.ColEpoch: fqgw.IntValue(int64(r.pos.Epoch)), fqgw.ColPartition: fqgw.IntValue(int64(r.pos.Partition)),
					fqgw.ColOffset: fqgw.IntValue(r.pos.Offset), fqgw.ColSub: fqgw.IntValue(int64(r.pos.Sub)),
					fqgw.ColOperation: fqgw.TextValue(r.op.String()), fqgw.ColKnownAt: fqgw.TimestampValue(r.known)}[c.Name]
				if j := s.ColumnIndex(c.Name); j >= 0 {
					v = r.row[j]
				} else if r.pos.IsNone() && c.Name != fqgw.ColKnownAt {
					v = fqgw.Null
				}
				if err := fqgw.AppendValue(b.Field(i), v, c.Type); err != nil {
					t.Fatal(err)
				}
			}
		}
		batches = append(batches, b.NewRecordBatch())
	}
	return func(yield func(arrow.RecordBatch, error) bool) {
		for _, b := range batches {
			b.Retain()
			if !yield(b, nil) {
				return
			}
		}
	}
}

func newLayout(t testing.TB, v *fqgw.FeatureView) *window.Layout {
	t.Helper()
	l, err := window.NewLayout(v)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// TestJoinAgainstNaive compares random views over random histories at random
// probes with the reference, value by value.
func TestJoinAgainstNaive(t *testing.T) {
	rnd := rand.New(rand.NewPCG(21, 22))
	rounds, values, present, parted := 1500, 0, 0, 0
	if testing.Short() {
		rounds = 300
	}
	for round := range rounds {
		v := randomView(rnd)
		l := newLayout(t, v)
		base := []int64{0, -30 * minute, -9 * hour, 1_362_700_000 * second}[rnd.IntN(4)]
		history := randomHistory(rnd, base)
		var probes []Probe
		var keys [][]fqgw.Value
		constantK := base + rnd.Int64N(5400)*second
		for range 1 + rnd.IntN(25) {
			key := []fqgw.Value{fqgw.IntValue(rnd.Int64N(4)), fqgw.TextValue([]string{"x", "y", ""}[rnd.IntN(3)])}[:len(v.Keys)]
			p := Probe{OK: true, T: base + (rnd.Int64N(5400)-600)*second}
			if len(history) > 0 && rnd.IntN(3) == 0 {
				p.T = history[rnd.IntN(len(history))].time // at an event
			}
			p.Key, _ = fqgw.EncodeKey(key...)
			switch p.K = p.T; rnd.IntN(3) * (round % 3) {
			case 1, 4:
				p.K = constantK
			case 2:
				p.K = base + rnd.Int64N(5400)*second
			}
			probes, keys = append(probes, p), append(keys, key)
		}
		answered := make([]int, len(probes))
		var runs []fqgw.Run
		left := history
		if rnd.IntN(3) > 0 {
			runs, left = randomRuns(t, rnd, v, history)
		}
		passes, past := 0, records(t, v.Source, Columns(v), left)
		answer := func(i int, r *window.Reading) error {
			answered[i]++
			p := probes[i]
			slots, exists, tooOld, times := naive(v, history, keys[i], p.T, p.K)
			if r.T != p.T || r.Exists != exists || r.OutsideMaxAge != tooOld {
				t.Fatalf("round %d: at %d known at %d: row %t too old %t, want %t %t", round, p.T, p.K, r.Exists, r.OutsideMaxAge, exists, tooOld)
			}
			for j, want := range slots {
				a := &fqgw.Aggregate{Func: "row"}
				if !v.Latest {
					a = &v.Aggregates[j]
				}
				if r.Errors[j] || !agree(a, r.Slots[j], want) {
					t.Fatalf("round %d: %s%v at %d known at %d is %s, want %s", round, a.Func, a.Args, p.T, p.K, show(r.Slots[j]), want)
				}
				if r.Times[j] != times[j] {
					t.Fatalf("round %d: %s: newest time %d, want %d", round, a.Func, r.Times[j], times[j])
				}
				if values++; want != "NULL" && want != "0" {
					present++
				}
			}
			return nil
		}
		err := tight(round, func(m *fqgw.Memory) error {
			clear(answered)
			passes = 0
			return Join(l, probes, &fqgw.Sorted{Runs: runs, Fresh: again(past, &passes)}, m, answer)
		})
		if err != nil {
			t.Fatal(err)
		}
		parted += passes - 1
		for i, n := range answered {
			if n != 1 {
				t.Fatalf("round %d: probe %d was answered %d times", round, i, n)
			}
		}
	}
	if parted < rounds/50 {
		t.Errorf("history was read again only %d times for want of memory", parted)
	}
	if present < values/4 {
		t.Errorf("only %d of %d values say anything", present, values)
	}
}

// TestAllAgainstNaive: the rows of a view AS OF t are exactly its entities.
func TestAllAgainstNaive(t *testing.T) {
	rnd := rand.New(rand.NewPCG(23, 24))
	parted := 0
	for round := range 200 {
		v := randomView(rnd)
		l := newLayout(t, v)
		history := randomHistory(rnd, 0)
		at := rnd.Int64N(5400) * second
		k := at + []int64{0, hour, -10 * minute}[rnd.IntN(3)]
		want := map[string]string{}
		for _, r := range history {
			key := make([]fqgw.Value, len(v.Keys))
			for i := range key {
				key[i] = r.row[v.Keys[i].Column]
			}
			if enc, ok := fqgw.EncodeKey(key...); ok {
				if slots, exists, _, _ := naive(v, history, key, at, k); exists {
					want[string(enc)] = strings.Join(slots, " ")
				}
			}
		}
		got := map[string]bool{}
		passes, past := 0, records(t, v.Source, Columns(v), history)
		answer := func(key fqgw.EntityKey, r *window.Reading) error {
			if got[string(key)] {
				t.Fatalf("%s twice", key)
			}
			got[string(key)] = true
			slots := strings.Fields(want[string(key)] + " ")
			for j := range r.Slots {
				if v.Latest || len(slots) != len(r.Slots) || r.Errors[j] {
					continue // the join's test compares those
				}
				if !agree(&v.Aggregates[j], r.Slots[j], slots[j]) {
					t.Fatalf("round %d: %s: %s, want %s", round, key, show(r.Slots[j]), slots[j])
				}
			}
			return nil
		}
		err := tight(round, func(m *fqgw.Memory) error {
			clear(got)
			passes = 0
			return All(l, at, k, again(past, &passes), m, answer)
		})
		if err != nil {
			t.Fatal(err)
		}
		parted += passes - 1
		for key := range want {
			if !got[key] {
				t.Fatalf("round %d: %s is missing", round, fqgw.EntityKey(key))
			}
		}
		if len(got) != len(want) {
			t.Fatalf("round %d: %d rows, want %d", round, len(got), len(want))
		}
	}
	if parted < 20 {
		t.Errorf("history was read again only %d times for want of memory", parted)
	}
}

// tight runs a join with as little memory as it goes on with, in every other
// round; in the others without a limit.
func tight(round int, join func(m *fqgw.Memory) error) error {
	if round%2 == 0 {
		return join(nil)
	}
	for limit := int64(1 << 10); ; limit += limit / 4 {
		m := fqgw.NewMemory("the join", "", limit)
		err := join(m)
		if m.Fits(limit) != nil {
			return fmt.Errorf("memory was not given back")
		}
		if err == nil || fqgw.AsError(err).Code != fqgw.CodeOutOfMemory {
			return err
		}
	}
}

// again is records that may be read several times; it counts the times.
func again(in fqgw.Records, passes *int) fqgw.Records {
	return func(yield func(arrow.RecordBatch, error) bool) {
		*passes++
		for b, err := range in {
			if err == nil {
				b.Retain()
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// TestOneEntityTooLarge: what cannot be parted is 53200, and soon.
func TestOneEntityTooLarge(t *testing.T) {
	s := newSource()
	v := &fqgw.FeatureView{Source: s, Keys: []fqgw.KeyColumn{{Name: "user_id", Column: colUser, Type: fqgw.Int8}}, Windows: []fqgw.Window{{Length: hour, Hop: minute}},
		Aggregates: []fqgw.Aggregate{{Func: "count", Star: true, Type: fqgw.Int8}}}
	var rows []raw
	for i := range 2000 {
		r := raw{time: hour, known: hour, pos: fqgw.Position{Offset: int64(i)}, row: make([]fqgw.Value, colUnused+1)}
		r.row[colUser], r.row[colTime] = fqgw.IntValue(int64(max(i-1000, 0)/100)), fqgw.TimestampValue(hour)
		rows = append(rows, r)
	}
	var probes []Probe
	for i := range 10 {
		key, _ := fqgw.EncodeKey(fqgw.IntValue(int64(i)))
		probes = append(probes, Probe{OK: true, Key: key, T: hour, K: hour})
	}
	passes := 0
	room := fqgw.NewMemory("the join", "", 12<<10)
	err := Join(newLayout(t, v), probes, &fqgw.Sorted{Fresh: again(records(t, s, Columns(v), rows), &passes)}, room, func(int, *window.Reading) error { return nil })
	if fqgw.AsError(err).Code != fqgw.CodeOutOfMemory || passes > 12 {
		t.Errorf("%d passes, %v", passes, err)
	}
}

// TestRange: no row outside it changes an answer, and rows at its ends do.
func TestRange(t *testing.T) {
	rnd := rand.New(rand.NewPCG(25, 26))
	for range 200 {
		v := randomView(rnd)
		history := randomHistory(rnd, -30*minute)
		lo := rnd.Int64N(3600)*second - 20*minute
		hi := lo + rnd.Int64N(600)*second
		from, to := Range(v, lo, hi)
		some := slices.DeleteFunc(slices.Clone(history), func(r raw) bool { return r.time < from || r.time > to })
		for _, at := range []int64{lo, hi} {
			for _, user := range []int64{0, 1} {
				key := []fqgw.Value{fqgw.IntValue(user), fqgw.TextValue("x")}
				a, _, _, _ := naive(v, history, key, at, at)
				b, _, _, _ := naive(v, some, key, at, at)
				if fmt.Sprint(a) != fmt.Sprint(b) {
					t.Fatalf("at %d: %v of all rows, %v of those in [%d, %d]", at, a, b, from, to)
				}
			}
		}
	}
	v := &fqgw.FeatureView{Source: newSource(), Keys: make([]fqgw.KeyColumn, 1), Windows: []fqgw.Window{{Length: hour, Hop: minute}}}
	if from, to := Range(v, 90*minute+30*second, 2*hour); from != 30*minute || to != 2*hour {
		t.Errorf("range %d to %d", from, to)
	}
	if from, _ := Range(v, math.MinInt64, 0); from != math.MinInt64 {
		t.Errorf("from %d", from)
	}
}

func TestColumns(t *testing.T) {
	s := newSource()
	v := &fqgw.FeatureView{Source: s, Keys: []fqgw.KeyColumn{{Column: colUser}}, Windows: []fqgw.Window{{}},
		Aggregates: []fqgw.Aggregate{{Func: "sum", Args: []fqgw.Expr{sourceCol(s, colFloat)}, Filter: sourceCol(s, colBool)}}}
	want := "[user_id ts price ok _fq_epoch _fq_partition _fq_offset _fq_sub _fq_operation _fq_known_at]"
	if got := fmt.Sprint(Columns(v)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// A column whose name stands in that of another, or in a text, is not read for that.
	s = &fqgw.Source{Connector: "kafka", EventTime: 1, Columns: []fqgw.Column{{Name: "k", Type: fqgw.Text}, {Name: "at", Type: fqgw.Timestamptz},
		{Name: "price", Type: fqgw.Float8}, {Name: "price_net", Type: fqgw.Float8}, {Name: "kind", Type: fqgw.Text}, {Name: "view", Type: fqgw.Text}, {Name: "s", Type: fqgw.Text}}}
	v = &fqgw.FeatureView{Source: s, Keys: []fqgw.KeyColumn{{Column: 0}}, Windows: []fqgw.Window{{}},
		Where:      op(sourceCol(s, 4), "=", &expr.Const{Val: fqgw.TextValue("view s"), Typ: fqgw.Text}),
		Aggregates: []fqgw.Aggregate{{Func: "sum", Args: []fqgw.Expr{sourceCol(s, 3)}}}}
	want = "[k at price_net kind _fq_epoch _fq_partition _fq_offset _fq_sub _fq_operation _fq_known_at]"
	if got := fmt.Sprint(Columns(v)); got != want {
		t.Errorf("%s, want %s", got, want)
	}
	// Rows without offsets tie by all their bytes, where the order of equal ones matters.
	s.Connector = "iceberg"
	if got := fmt.Sprint(Columns(v)); got != want {
		t.Errorf("of a table without positions: %s, want %s", got, want)
	}
	latest := *v
	latest.Latest = true
	last := *v
	last.Aggregates = []fqgw.Aggregate{v.Aggregates[0], {Func: "last_value", Args: v.Aggregates[0].Args}}
	for _, v := range []*fqgw.FeatureView{&latest, &last} {
		if got := Columns(v); len(got) != len(s.Columns)+len(fqgw.HiddenColumns) {
			t.Errorf("of a table without positions: %v", got)
		}
	}
}

// TestWithoutOffsets: a history that never was in Kafka has no positions; equal
// rows count each, ties go by the rows' bytes, and known is the event time or a column.
func TestWithoutOffsets(t *testing.T) {
	s := newSource()
	s.Connector = "iceberg"
	v := &fqgw.FeatureView{Source: s, Keys: []fqgw.KeyColumn{{Name: "user_id", Column: colUser, Type: fqgw.Int8}}, Windows: []fqgw.Window{{Length: hour, Hop: minute}}}
	for _, fn := range []string{"first_value", "last_value", "count"} {
		v.Aggregates = append(v.Aggregates, fqgw.Aggregate{Func: fn, Args: []fqgw.Expr{sourceCol(s, colText)}, Type: fqgw.Text})
	}
	row := func(text string) raw {
		r := raw{time: hour, known: hour, pos: fqgw.Position{Offset: fqgw.NoOffset}, row: make([]fqgw.Value, colUnused+1)}
		r.row[colUser], r.row[colTime], r.row[colText] = fqgw.IntValue(1), fqgw.TimestampValue(hour), fqgw.TextValue(text)
		r.row[colUnused] = fqgw.Null
		return r
	}
	rows := []raw{row("b"), row("c"), row("a"), row("b")}
	key, _ := fqgw.EncodeKey(fqgw.IntValue(1))
	own := Columns(v)[:len(s.Columns)]
	for range 2 {
		for _, names := range [][]string{own, Columns(v)} {
			err := Join(newLayout(t, v), []Probe{{Key: key, OK: true, T: hour, K: hour}}, &fqgw.Sorted{Fresh: records(t, s, names, rows)}, nil, func(_ int, r *window.Reading) error {
				if got := show(r.Slots[0]) + show(r.Slots[1]) + show(r.Slots[2]); got != "ac4" {
					t.Errorf("got %s, want ac4", got)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		slices.Reverse(rows)
	}
	s.Known, s.KnownColumn = fqgw.KnownByColumn, colTime
	rows[0].row[colTime] = fqgw.TimestampValue(hour)
	if err := Join(newLayout(t, v), []Probe{{Key: key, OK: true, T: hour, K: hour - 1}}, &fqgw.Sorted{Fresh: records(t, s, own, rows)}, nil, func(_ int, r *window.Reading) error {
		if r.Exists {
			t.Error("seen before it was known")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func TestNullProbesAndBadHistories(t *testing.T) {
	s := newSource()
	v := &fqgw.FeatureView{Source: s, Keys: []fqgw.KeyColumn{{Name: "user_id", Column: colUser, Type: fqgw.Int8}}, Windows: []fqgw.Window{{Length: hour, Hop: minute}},
		Aggregates: []fqgw.Aggregate{{Func: "count", Star: true, Type: fqgw.Int8}}}
	l := newLayout(t, v)
	n := 0
	if err := Join(l, []Probe{{T: 5}, {OK: true, Key: "\x01i", T: 7, K: 7}}, &fqgw.Sorted{Fresh: records(t, s, nil, nil)}, nil, func(i int, r *window.Reading) error {
		if n++; r == nil || r.Exists {
			t.Errorf("probe %d: %+v", i, r)
		}
		return nil
	}); err != nil || n != 2 {
		t.Errorf("%d answers, %v", n, err)
	}
	probe := []Probe{{OK: true, Key: "x", T: 1, K: 1}}
	emit := func(int, *window.Reading) error { return nil }
	rows := []raw{{row: make([]fqgw.Value, colUnused+1)}}
	if err := Join(l, probe, &fqgw.Sorted{Fresh: records(t, s, []string{"user_id"}, rows)}, nil, emit); fqgw.AsError(err).Code != fqgw.CodeUndefinedColumn {
		t.Errorf("without the event time: %v", err)
	}
	other := newSource()
	other.Columns[colUser].Type = fqgw.Bool
	if err := Join(l, probe, &fqgw.Sorted{Fresh: records(t, other, []string{"user_id", "ts"}, rows)}, nil, emit); fqgw.AsError(err).Code != fqgw.CodeDatatypeMismatch {
		t.Errorf("a key of another type: %v", err)
	}
	key, _ := fqgw.EncodeKey(fqgw.IntValue(1))
	gone := raw{time: hour, known: hour, op: fqgw.Delete, row: make([]fqgw.Value, colUnused+1)}
	gone.row[colUser], gone.row[colTime] = fqgw.IntValue(1), fqgw.TimestampValue(hour)
	asked := []Probe{{OK: true, Key: key, T: hour, K: hour}}
	if err := Join(l, asked, &fqgw.Sorted{Fresh: records(t, s, Columns(v), []raw{gone})}, nil, emit); fqgw.AsError(err).Code != fqgw.CodeFeatureNotSupported {
		t.Errorf("a delete of an append-only source: %v", err)
	}
	broken := func(yield func(arrow.RecordBatch, error) bool) { yield(nil, fqgw.Errorf(fqgw.CodeIO, "disk")) }
	if err := Join(l, probe, &fqgw.Sorted{Fresh: broken}, nil, emit); fqgw.AsError(err).Code != fqgw.CodeIO {
		t.Errorf("a scan that fails: %v", err)
	}
	stop := fqgw.Errorf(fqgw.CodeQueryCanceled, "stop")
	if err := Join(l, probe, &fqgw.Sorted{Fresh: records(t, s, nil, nil)}, nil, func(int, *window.Reading) error { return stop }); err != stop {
		t.Errorf("an emit that fails: %v", err)
	}
}
