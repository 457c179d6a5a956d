package fqgw

// Globals are the windows over all entities of a feature view (SEMANTICS §2.3): those
// without PARTITION BY, and their aggregates.
type Globals struct {
	Windows    []Window
	Aggregates []Aggregate // their slots stand behind the view's own
}

// Everywhere is the global windows of the view as a view of their own, without keys and
// features: its only entity has a state of its own. nil without any. The number of that
// state is the view's, below zero.
func (v *FeatureView) Everywhere() *FeatureView {
	if len(v.Global.Windows) == 0 {
		return nil
	}
	return &FeatureView{OID: v.OID, Schema: v.Schema, Name: v.Name, Version: v.Version, State: -v.State, Pending: v.Pending, Source: v.Source,
		Where: v.Where, Offline: v.Offline, Windows: v.Global.Windows, Aggregates: v.Global.Aggregates, Options: v.Options, SQL: v.SQL}
}

// Keyed says that the view has entities, and not global windows alone.
func (v *FeatureView) Keyed() bool { return len(v.Keys) > 0 }

// Parts are the views whose states make up the view's: itself, for its entities, and
// Everywhere; the first is there always.
func (v *FeatureView) Parts() []*FeatureView {
	all := v.Everywhere()
	switch {
	case all == nil:
		return []*FeatureView{v}
	case !v.Keyed():
		return []*FeatureView{all}
	}
	return []*FeatureView{v, all}
}
