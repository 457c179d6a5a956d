package exec

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
)

var evenColumns = []fqgw.Column{{Name: "n", Type: fqgw.Int8}, {Name: "s", Type: fqgw.Text}, {Name: "l", Type: fqgw.Text.Array()}}

// evenInput is n rows in batches of sizes that next gives, in arrays that are slices of
// longer ones where cut says so.
func evenInput(t *testing.T, n int, cut bool, next func() int) fqgw.Records {
	return func(yield func(arrow.RecordBatch, error) bool) {
		b := array.NewRecordBuilder(memory.DefaultAllocator, fqgw.ArrowSchema(evenColumns))
		defer b.Release()
		for i := 0; i < n; {
			size := min(next(), n-i)
			pad := 0
			if cut {
				pad = 3
			}
			for k := i - pad; k < i+size+pad; k++ {
				s := fqgw.TextValue(fmt.Sprint("row ", k))
				switch {
				case k%7 == 0:
					s = fqgw.Null
				case k%20_000 > 19_990:
					s = fqgw.TextValue(strings.Repeat("x", 1<<20))
				}
				for c, v := range []fqgw.Value{fqgw.IntValue(int64(k)), s, fqgw.ArrayOf(fqgw.Text, s, fqgw.TextValue("y"))} {
					if err := fqgw.AppendValue(b.Field(c), v, evenColumns[c].Type); err != nil {
						t.Fatal(err)
					}
				}
			}
			whole := b.NewRecordBatch()
			part := whole.NewSlice(int64(pad), int64(pad+size))
			whole.Release()
			if i += size; !yield(part, nil) {
				return
			}
		}
	}
}

// Batches depend on the rows alone, and so does what a writer of files may see of them.
func TestEven(t *testing.T) {
	const n = 50_000
	look := func(in fqgw.Records) (out []string) {
		at := int64(0)
		for b, err := range even(in) {
			if err != nil {
				t.Fatal(err)
			}
			text := fmt.Sprint(b.NumRows())
			for _, c := range b.Columns() {
				text += fmt.Sprint(" ", c.Data().SizeInBytes(), " ", c.NullN(), " ", c.Data().Offset())
			}
			for i := range int(b.NumRows()) {
				if got := b.Column(0).(*array.Int64).Value(i); got != at {
					t.Fatalf("row %d is %d", at, got)
				}
				at++
			}
			if b.NumRows() > evenRows {
				t.Errorf("%d rows", b.NumRows())
			}
			out = append(out, text)
			b.Release()
		}
		if at != n {
			t.Errorf("%d rows", at)
		}
		return out
	}
	want := look(evenInput(t, n, false, func() int { return insertRows }))
	if !slices.ContainsFunc(want, func(s string) bool { return strings.HasPrefix(s, "8192 ") }) || len(want) < 12 {
		t.Errorf("%d batches: %q", len(want), want)
	}
	for seed := range uint64(3) {
		r := rand.New(rand.NewPCG(seed, 1))
		if got := look(evenInput(t, n, seed > 0, func() int { return 1 + r.IntN(20_000) })); !slices.Equal(got, want) {
			t.Errorf("seed %d: %q, not %q", seed, got, want)
		}
	}
	for range even(func(func(arrow.RecordBatch, error) bool) {}) {
		t.Error("a batch of no rows")
	}
}
