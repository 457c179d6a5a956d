package fqgw_test

import (
	"testing"

	"github.com/fqgw/fqgw"
)

func TestQualifiedName(t *testing.T) {
	seen := map[string]fqgw.QualifiedName{}
	for _, c := range []struct{ schema, name, text, lake string }{
		{"public", "clicks", "clicks", "lake.clicks"}, {"public", "Odd Names", "Odd Names", "lake.Odd Names"}, {"public", "a.b", `"a.b"`, "lake.a.b"},
		{"a", "b", "a.b", "lake.a.b"}, {"a.b", "c", `"a.b".c`, "lake.a.b.c"}, {"a", "b.c", `a."b.c"`, "lake.a.b.c"}, {"public", `"a.b"`, `"""a.b"""`, `lake."a.b"`},
	} {
		n := fqgw.QualifiedName{Schema: c.schema, Name: c.name}
		if n.String() != c.text || n.LakeTable() != c.lake {
			t.Errorf("%+v is %s, in the lake %s", n, n, n.LakeTable())
		}
		if other, twice := seen[n.String()]; twice {
			t.Errorf("%+v and %+v are both %s", n, other, n)
		}
		seen[n.String()] = n
	}
	if s := (&fqgw.Source{Name: "s"}); s.Qualified() != fqgw.Public("s") {
		t.Errorf("a source without a schema is %v", s.Qualified())
	}
}

// ParseName takes back what String gives, whatever the names have in them.
func TestParseName(t *testing.T) {
	for _, schema := range []string{fqgw.PublicSchema, "s", "a.b", `q"q`, `"`} {
		for _, name := range []string{"v", "a.b", `a"b`, `"`, `".`, "ä ö", "1"} {
			n := fqgw.QualifiedName{schema, name}
			if got := fqgw.ParseName(n.String()); got != n {
				t.Errorf("%q is read as %q, want %q", n.String(), got, n)
			}
		}
	}
}
