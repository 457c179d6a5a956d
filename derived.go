package fqgw

// Derivation says what a derived source is made of: each record of another source that
// its gate accepts, with what feature views had when the record was known
// (docs/derived-sources.md). The source has a topic of its own, into which the enriched
// records are written; from there on it is a source like every other.
type Derivation struct {
	Origin *Source
	// Views are the feature views that are looked up, each once.
	Views []*FeatureView
	Path  []string // where the definition's bare names are looked up; nil: in public
	// Query gives the columns of the source from the rows of Origin: a plan of
	// planner/plan, over Origin's columns and hidden columns. Behind the source's columns
	// it has the partition and the offset of the record in Origin.
	Query any
}

// Reads says whether the source is derived from the relation, or looks it up.
func (s *Source) Reads(name QualifiedName) bool {
	if s.Derived == nil {
		return false
	}
	for _, v := range s.Derived.Views {
		if v.Qualified() == name {
			return true
		}
	}
	return s.Derived.Origin.Qualified() == name
}
