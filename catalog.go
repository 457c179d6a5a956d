package fqgw

import (
	"maps"
	"slices"
)

// Table is a table of the lake, or a temporary one.
type Table struct {
	OID     uint32
	Name    string
	Columns []Column
	History string // the lake table behind it
	Comment string
}

// View is a plain SQL view or a feature service; its text is bound at each use.
type View struct {
	OID     uint32
	Name    string
	Columns []Column
	Query   string // the SELECT
	SQL     string // the whole statement
	Service bool   // joins feature views on their keys, without WHERE (SEMANTICS §5)
	Comment string
}

// Catalog is an immutable snapshot of what is defined. Its maps must not be
// written after it was published; names are unique over all four.
type Catalog struct {
	Version  int64
	Sources  map[string]*Source
	Features map[string]*FeatureView
	Tables   map[string]*Table
	Views    map[string]*View
}

// Clone is a copy whose maps may be changed; the objects are shared.
func (c *Catalog) Clone() *Catalog {
	if c == nil {
		c = &Catalog{}
	}
	d := &Catalog{Version: c.Version, Sources: maps.Clone(c.Sources), Features: maps.Clone(c.Features),
		Tables: maps.Clone(c.Tables), Views: maps.Clone(c.Views)}
	if d.Sources == nil {
		d.Sources = map[string]*Source{}
	}
	if d.Features == nil {
		d.Features = map[string]*FeatureView{}
	}
	if d.Tables == nil {
		d.Tables = map[string]*Table{}
	}
	if d.Views == nil {
		d.Views = map[string]*View{}
	}
	return d
}

// Names are the names of all relations, sorted; for hints.
func (c *Catalog) Names() []string {
	var out []string
	for n := range c.Sources {
		out = append(out, n)
	}
	for n := range c.Features {
		out = append(out, n)
	}
	for n := range c.Tables {
		out = append(out, n)
	}
	for n := range c.Views {
		out = append(out, n)
	}
	slices.Sort(out)
	return out
}

// Has says whether a relation has that name, and of what sort it is:
// "source", "feature view", "table", "view" or "".
func (c *Catalog) Has(name string) string {
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
	for _, n := range slices.Sorted(maps.Keys(c.Features)) {
		if c.Features[n].Source.Name == s.Name {
			out = append(out, c.Features[n])
		}
	}
	return out
}
