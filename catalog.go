package fqgw

import (
	"cmp"
	"maps"
	"slices"
)

// Schema is a schema that somebody made; public and the system's are always there.
type Schema struct {
	OID     uint32
	Name    string
	Comment string
}

// Table is a table of the lake, or a temporary one.
type Table struct {
	OID     uint32
	Schema  string // "": public
	Name    string
	Columns []Column
	History string // the lake table behind it
	Comment string
	Version int          // 1, and one more with each ALTER
	Steps   []SchemaStep // what they made of its columns in the lake
}

// View is a plain SQL view or a feature service; its text is bound at each use.
type View struct {
	OID     uint32
	Schema  string // "": public
	Name    string
	Columns []Column
	Query   string   // the SELECT
	SQL     string   // the whole statement
	Path    []string // where the query's bare names are looked up; nil: public
	Service bool     // joins feature views on their keys, without WHERE (SEMANTICS §5)
	Comment string
}

// Catalog is an immutable snapshot of what is defined. Its maps must not be
// written after it was published; the names of relations are unique over all four.
type Catalog struct {
	Version  int64
	Schemas  map[string]*Schema // those that somebody made
	Sources  map[QualifiedName]*Source
	Features map[QualifiedName]*FeatureView
	Tables   map[QualifiedName]*Table
	Views    map[QualifiedName]*View
	Training map[string]*TrainingSet // by TrainingSet.Key
}

// Clone is a copy whose maps may be changed; the objects are shared.
func (c *Catalog) Clone() *Catalog {
	if c == nil {
		c = &Catalog{}
	}
	return &Catalog{Version: c.Version, Schemas: cloned(c.Schemas), Sources: cloned(c.Sources), Features: cloned(c.Features),
		Tables: cloned(c.Tables), Views: cloned(c.Views), Training: cloned(c.Training)}
}

func cloned[K comparable, V any](m map[K]V) map[K]V {
	if m == nil {
		return map[K]V{}
	}
	return maps.Clone(m)
}

// HasSchema says whether relations can be in the schema.
func (c *Catalog) HasSchema(name string) bool {
	return name == PublicSchema || c != nil && c.Schemas[name] != nil
}

// Names are the names of all relations as messages show them, sorted; for hints.
func (c *Catalog) Names() []string {
	out := slices.Concat(NamesOf(c.Sources), NamesOf(c.Features), NamesOf(c.Tables), NamesOf(c.Views))
	slices.Sort(out)
	return out
}

// NamesOf are the names of a map of the catalog as messages show them, sorted.
func NamesOf[V any](m map[QualifiedName]V) []string {
	out := make([]string, 0, len(m))
	for n := range m {
		out = append(out, n.String())
	}
	slices.Sort(out)
	return out
}

// Has says whether a relation has that name, and of what sort it is:
// "source", "feature view", "table", "view" or "".
func (c *Catalog) Has(name QualifiedName) string {
	switch {
	case c.Sources[name] != nil:
		return "source"
	case c.Features[name] != nil:
		return "feature view"
	case c.Tables[name] != nil:
		return "table"
	case c.Views[name] != nil:
		return "view"
	}
	return ""
}

// FeaturesOf are the feature views over a source, by name.
func (c *Catalog) FeaturesOf(s *Source) []*FeatureView {
	var out []*FeatureView
	for _, v := range c.Features {
		if v.Source.Qualified() == s.Qualified() {
			out = append(out, v)
		}
	}
	slices.SortFunc(out, func(a, b *FeatureView) int { return cmp.Compare(a.Qualified().String(), b.Qualified().String()) })
	return out
}
