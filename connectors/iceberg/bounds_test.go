package iceberg

import (
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

// The manifests of a table that is divided by a text say from where to where its values
// go, the empty text too: other engines pass over a manifest without bounds.
func TestBoundsOfTexts(t *testing.T) {
	a, empty := fqgw.TextValue("a"), fqgw.TextValue("")
	for what, c := range map[string]struct {
		inserts     [][]fqgw.Value // the texts of each
		lower, high []string       // of the manifests, the newest first
	}{
		"empty and another": {[][]fqgw.Value{{a, empty}}, []string{""}, []string{"a"}},
		"empty alone":       {[][]fqgw.Value{{empty}}, []string{""}, []string{""}},
		"empty and NULL":    {[][]fqgw.Value{{empty, fqgw.Null}}, []string{""}, []string{""}},
		"not empty":         {[][]fqgw.Value{{a, fqgw.Null}}, []string{"a"}, []string{"a"}},
		"two inserts":       {[][]fqgw.Value{{empty}, {a}}, []string{"a", ""}, []string{"a", ""}},
	} {
		l := open(t, Options{})
		cols := []fqgw.Column{{Name: "k", Type: fqgw.Int4}, {Name: "s", Type: fqgw.Text}}
		if err := l.Create(t.Context(), "lake.t", cols, "k", "s"); err != nil {
			t.Fatal(err)
		}
		for _, texts := range c.inserts {
			var rows [][]fqgw.Value
			for i, s := range texts {
				rows = append(rows, []fqgw.Value{fqgw.IntValue(int64(i)), s})
			}
			b := storetest.Batch(t, cols, rows)
			if _, err := l.Append(t.Context(), "lake.t", func(yield func(arrow.RecordBatch, error) bool) { yield(b, nil) }); err != nil {
				t.Fatal(err)
			}
		}
		tab, err := l.load(t.Context(), "lake.t")
		if err != nil {
			t.Fatal(err)
		}
		all := manifests(t, tab)
		if len(all) != len(c.lower) {
			t.Fatalf("%s: %d manifests", what, len(all))
		}
		for i, m := range all {
			p := m.Partitions()[1]
			if p.LowerBound == nil || p.UpperBound == nil || string(*p.LowerBound) != c.lower[i] || string(*p.UpperBound) != c.high[i] {
				t.Errorf("%s: manifest %d goes from %v to %v, want %q to %q", what, i, p.LowerBound, p.UpperBound, c.lower[i], c.high[i])
			}
			if m.SequenceNum() != int64(len(all)-i) || m.AddedRows() == 0 {
				t.Errorf("%s: manifest %d has sequence %d and %d rows", what, i, m.SequenceNum(), m.AddedRows())
			}
		}
		if n := len(storetest.ReadAll(t, l, fqgw.Scan{Table: "lake.t"}, []fqgw.Type{fqgw.Int4, fqgw.Text})); n == 0 {
			t.Errorf("%s: no rows", what)
		}
	}
}

func manifests(t *testing.T, tab *table.Table) []iceberg.ManifestFile {
	t.Helper()
	files, err := tab.FS(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	all, err := tab.CurrentSnapshot().Manifests(files)
	if err != nil {
		t.Fatal(err)
	}
	return all
}
