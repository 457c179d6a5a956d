package storetest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
)

// evolve checks that rows of before are read by the columns of now, whichever snapshot
// they are read of, and that each step is carried out once.
func evolve(t *testing.T, h fqgw.History) {
	const name = "lake.evolving"
	ctx := t.Context()
	zero := []fqgw.Column{{Name: "k", Type: fqgw.Int4}, {Name: "s", Type: fqgw.Type{OID: fqgw.Varchar.OID, Mod: 9}},
		{Name: "f", Type: fqgw.Float4}, {Name: "n", Type: fqgw.NumericOf(5, 2)}, {Name: "l", Type: fqgw.Int4.Array()},
		{Name: "ts", Type: fqgw.Timestamptz}, {Name: "end", Type: fqgw.Text}}
	if err := h.Create(ctx, name, zero); err != nil {
		t.Fatal(err)
	}
	number := func(s string) fqgw.Value {
		d, _ := fqgw.ParseDecimal(s)
		return fqgw.NumericValue(d)
	}
	insert := func(cols []fqgw.Column, row ...fqgw.Value) int64 {
		t.Helper()
		if _, err := h.Append(ctx, name, one(Batch(t, cols, [][]fqgw.Value{row}))); err != nil {
			t.Fatal(err)
		}
		s, err := h.Current(ctx, name)
		if err != nil {
			t.Fatal(err)
		}
		return s.ID
	}
	list := fqgw.ArrayOf(fqgw.Int4, fqgw.IntValue(7))
	first := insert(zero, fqgw.IntValue(1), fqgw.TextValue("a"), fqgw.FloatValue(1.5), number("1.25"), list, fqgw.TimestampValue(10), fqgw.TextValue("x"))

	two := slices.Clone(zero)
	two[0].Type, two[1].Type, two[2].Type, two[3].Type = fqgw.Int8, fqgw.Text, fqgw.Float8, fqgw.NumericOf(12, 2)
	two = slices.Insert(two, 5, fqgw.Column{Name: "z", Type: fqgw.Int8})
	three := slices.Clone(two)
	three[0].Name = "key"
	four := slices.Delete(slices.Clone(three), 1, 2)
	four = slices.Insert(four, 5, fqgw.Column{Name: "s", Type: fqgw.Int4})
	names := func(cols []fqgw.Column) (out []string) {
		for _, c := range cols {
			out = append(out, c.Name)
		}
		return out
	}
	was := func(cols []fqgw.Column, change ...string) []string {
		out := names(cols)
		for i := 0; i < len(change); i += 2 {
			out[slices.Index(out, change[i])] = change[i+1]
		}
		return out
	}
	steps := []fqgw.SchemaStep{{Mark: "1 2", Columns: two, Was: was(two, "z", "")}, {Mark: "1 3", Columns: three, Was: was(three, "key", "k")},
		{Mark: "1 4", Columns: four, Was: was(four, "s", "")}}
	read := func(s fqgw.Scan, cols []fqgw.Column) string {
		t.Helper()
		s.Table, s.Columns = name, names(cols)
		var types []fqgw.Type
		for _, c := range cols {
			types = append(types, c.Type)
		}
		var out []string
		for _, row := range ReadAll(t, h, s, types) {
			var texts []string
			for _, v := range row {
				texts = append(texts, fmt.Sprintf("%x", fqgw.AppendPacked(nil, v)))
			}
			out = append(out, strings.Join(texts, " "))
		}
		slices.Sort(out)
		return strings.Join(out, "|")
	}
	expect := func(s fqgw.Scan, cols []fqgw.Column, want ...[]fqgw.Value) {
		t.Helper()
		var out []string
		for _, row := range want {
			var texts []string
			for _, v := range row {
				texts = append(texts, fmt.Sprintf("%x", fqgw.AppendPacked(nil, v)))
			}
			out = append(out, strings.Join(texts, " "))
		}
		slices.Sort(out)
		if got := read(s, cols); got != strings.Join(out, "|") {
			t.Errorf("%v: %s\nwant %s", names(cols), got, strings.Join(out, "|"))
		}
	}
	if err := h.Evolve(ctx, name, steps[:1]); err != nil {
		t.Fatal(err)
	}
	old2 := []fqgw.Value{fqgw.IntValue(1), fqgw.TextValue("a"), fqgw.FloatValue(1.5), number("1.25"), list, fqgw.Null, fqgw.TimestampValue(10), fqgw.TextValue("x")}
	expect(fqgw.Scan{}, two, old2) // nothing was written since
	expect(fqgw.Scan{Snapshot: first}, two, old2)
	row2 := []fqgw.Value{fqgw.IntValue(1 << 40), fqgw.TextValue("a long text"), fqgw.FloatValue(1e300), number("1234567.25"), list, fqgw.IntValue(5), fqgw.TimestampValue(20), fqgw.TextValue("y")}
	insert(two, row2...)
	expect(fqgw.Scan{}, two, old2, row2)
	expect(fqgw.Scan{Snapshot: first}, two, old2)
	expect(fqgw.Scan{Snapshot: first, Time: "ts", From: 0, To: 15}, two[5:6], []fqgw.Value{fqgw.Null})
	expect(fqgw.Scan{Time: "ts", From: 15, To: 25}, two, row2)
	for range 2 { // what was done is not done again
		if err := h.Evolve(ctx, name, steps); err != nil {
			t.Fatal(err)
		}
	}
	got, err := h.Describe(ctx, name)
	if err != nil || !slices.Equal(got, four) {
		t.Errorf("described as %v, %v", got, err)
	}
	without := func(row []fqgw.Value, s fqgw.Value) []fqgw.Value {
		return slices.Insert(slices.Delete(slices.Clone(row), 1, 2), 5, s)
	}
	row4 := without(row2, fqgw.IntValue(9)) // another column of that name
	insert(four, row4...)
	expect(fqgw.Scan{}, four, without(old2, fqgw.Null), without(row2, fqgw.Null), row4)
	expect(fqgw.Scan{Snapshot: first}, four, without(old2, fqgw.Null))
	expect(fqgw.Scan{}, four[5:6], []fqgw.Value{fqgw.Null}, []fqgw.Value{fqgw.Null}, []fqgw.Value{fqgw.IntValue(9)})
	if err := h.Drop(context.Background(), name); err != nil {
		t.Fatal(err)
	}
	if err := h.Evolve(ctx, name, steps); fqgw.AsError(err).Code != fqgw.CodeUndefinedTable {
		t.Errorf("a table that is gone: %v", err)
	}
}
