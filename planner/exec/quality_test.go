package exec

import (
	"math/rand/v2"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/expr/exprtest"
)

// TestReason leaves a reason without what is its record's own.
func TestReason(t *testing.T) {
	s := &fqgw.Source{Columns: []fqgw.Column{{Name: "v"}}, Checks: []fqgw.Check{{Name: "v_check"}}}
	s.Name = "clicks"
	for _, c := range [][2]string{
		{`new row for relation "clicks" violates check constraint "v_check" (23514)`, `new row for relation "clicks" violates check constraint "v_check" (23514)`},
		{`null value in column "v" of relation "clicks" violates not-null constraint (23502)`, `null value in column "v" of relation "clicks" violates not-null constraint (23502)`},
		{`invalid input syntax for type numeric: "a "v" 17" (22P02)`, `invalid input syntax for type numeric: "…" (22P02)`},
		{`invalid input syntax for type numeric: "" (22P02)`, `invalid input syntax for type numeric: "…" (22P02)`},
		{`invalid byte sequence for encoding "UTF8": 0x00 (22021)`, `invalid byte sequence for encoding "UTF8": 0x00 (22021)`},
		{`event time 2024-01-01 09:30:00.5Z is more than 5m0s past the record's timestamp 12024-01-01 09:00:00Z (23514)`,
			`event time … is more than 5m0s past the record's timestamp … (23514)`},
		{`date out of range: -17 days since 1970 (22008)`, `date out of range: … days since … (22008)`},
		{`value too long for type character varying(3) (22001)`, `value too long for type character varying(3) (22001)`},
		{`a quote that "is never closed`, `a quote that "…"`},
		{``, ``},
	} {
		if got := reasonOf(c[0], s); got != c[1] {
			t.Errorf("%s\n got %s\nwant %s", c[0], got, c[1])
		}
	}
	if got := reasonOf(`column "v" of relation "UTF8"`, nil); got != `column "…" of relation "…"` {
		t.Errorf("of a source that is gone: %s", got)
	}
}

// TestCensus counts rows of every type, of random hours and in batches, as a look at each
// value does. The least and the greatest value do not depend on the order of the rows.
func TestCensus(t *testing.T) {
	exprtest.Types(t, func(t *testing.T, x exprtest.Example) {
		texts := []string{x.Less, x.Greater}
		switch x.Type {
		case fqgw.Float8, fqgw.Float4:
			texts = append(texts, "-0", "0", "Infinity", "-Infinity")
		case fqgw.Numeric:
			texts = append(texts, "1.0", "1.00", "NaN", "1")
		case fqgw.Interval:
			texts = append(texts, "30 days", "1 mon", "720:00:00")
		}
		testCensus(t, x.Type, texts)
	})
	testCensus(t, fqgw.NumericOf(10, 2), []string{"1.10", "-1.10", "0.00", "12345678.90"})
	testCensus(t, fqgw.Text.Array(), []string{"{}", "{a,NULL}", "{a,b}"})
}

func testCensus(t *testing.T, typ fqgw.Type, texts []string) {
	t.Helper()
	rng := rand.New(rand.NewPCG(3, uint64(typ.OID)))
	values := []fqgw.Value{fqgw.Null}
	for _, text := range texts {
		v, err := expr.Parse(text, typ, nil)
		if err != nil {
			t.Fatal(err)
		}
		values = append(values, v)
	}
	column := []fqgw.Column{{Name: "v", Type: typ}}
	schema := fqgw.ArrowSchema(append(column[:1:1], fqgw.Column{Name: "at", Type: fqgw.Timestamptz}, fqgw.Column{Name: "op", Type: fqgw.Text}))
	limit := fqgw.NewMemory("the statement", "--memory", 1<<20)
	c := newCensus(column, fqgw.Timestamptz, limit)
	want := map[int64]*hourCensus{}
	b := array.NewRecordBuilder(memory.DefaultAllocator, schema)
	defer b.Release()
	for range 20 {
		hour, op := int64(0), fqgw.Insert
		for range 1 + rng.IntN(40) {
			v := values[rng.IntN(len(values))]
			if rng.IntN(3) == 0 {
				hour, op = int64(rng.IntN(5)-2)*hourMicros, []fqgw.Operation{fqgw.Insert, fqgw.UpdateBefore, fqgw.UpdateAfter, fqgw.Delete}[rng.IntN(4)]
			}
			at, key := fqgw.TimestampValue(hour+rng.Int64N(hourMicros)), hour
			if rng.IntN(20) == 0 {
				at, key = fqgw.Null, noHour
			}
			for i, v := range []fqgw.Value{v, at, fqgw.TextValue(op.String())} {
				if err := fqgw.AppendValue(b.Field(i), v, []fqgw.Type{typ, fqgw.Timestamptz, fqgw.Text}[i]); err != nil {
					t.Fatal(err)
				}
			}
			if op.Retracts() {
				continue
			}
			h := want[key]
			if h == nil {
				h = &hourCensus{columns: make([]columnCensus, 1)}
				want[key] = h
			}
			h.rows++
			of := &h.columns[0]
			switch {
			case v.IsNull():
				of.nulls++
			case typ == fqgw.JSON || typ == fqgw.JSONB:
			default:
				if of.min.IsNull() || orderOf(v, of.min, typ) < 0 {
					of.min = v
				}
				if of.max.IsNull() || orderOf(v, of.max, typ) > 0 {
					of.max = v
				}
			}
		}
		batch := b.NewRecordBatch()
		if err := c.add([]arrow.Array{batch.Column(0)}, batch.Column(1), batch.Column(2)); err != nil {
			t.Fatal(err)
		}
		batch.Release()
	}
	if len(c.hours) != len(want) || len(want) != 6 {
		t.Errorf("%s: %d hours, want %d", typ, len(c.hours), len(want))
	}
	for at, w := range want {
		h := c.hours[at]
		if h == nil {
			t.Fatalf("%s: no hour %d", typ, at)
		}
		of, w1 := h.columns[0], w.columns[0]
		text := func(v fqgw.Value) string { return expr.Text(v, typ, nil) }
		if h.rows != w.rows || of.nulls != w1.nulls || text(of.min) != text(w1.min) || text(of.max) != text(w1.max) {
			t.Errorf("%s, hour %d: %d rows, %d NULLs, %s to %s; want %d, %d, %s to %s", typ, at, h.rows, of.nulls, text(of.min), text(of.max),
				w.rows, w1.nulls, text(w1.min), text(w1.max))
		}
	}
	if used := limit.Used(); used == 0 {
		t.Errorf("%s: its memory is not counted", typ)
	}
	if c.close(); limit.Used() != 0 {
		t.Errorf("%s: %d bytes are left", typ, limit.Used())
	}
}
