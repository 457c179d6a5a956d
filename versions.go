package fqgw

import (
	"cmp"
	"fmt"
	"slices"
	"unicode/utf8"
)

// nameBytes is how long a name of PostgreSQL's is at most.
const nameBytes = 63

// VersionName is what a version of a feature view is called that is not the current
// one: name_v1, in the room that names have.
func VersionName(view QualifiedName, version int) QualifiedName {
	suffix := fmt.Sprintf("_v%d", version)
	for len(view.Name)+len(suffix) > nameBytes {
		_, n := utf8.DecodeLastRuneInString(view.Name)
		view.Name = view.Name[:len(view.Name)-n]
	}
	view.Name += suffix
	return view
}

// Current is the name of the current version of the view that v is a version of.
func (v *FeatureView) Current() QualifiedName {
	name := v.Qualified()
	if v.Of != "" {
		name.Name = v.Of
	}
	return name
}

// Standing is what a version is beside the others of its view: "current", "building"
// before it becomes the current one, "superseded" by a later one, "ready" before that.
func (v *FeatureView) Standing(c *Catalog) string {
	cur := c.Features[v.Current()]
	switch {
	case v.Of == "":
		return "current"
	case v.Next:
		return "building"
	case cur != nil && cur.Version < v.Version:
		return "ready"
	}
	return "superseded"
}

// VersionsOf are the versions of the view that v is a version of, by number.
func (c *Catalog) VersionsOf(v *FeatureView) []*FeatureView {
	var out []*FeatureView
	for _, o := range c.Features {
		if o.Current() == v.Current() {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b *FeatureView) int { return cmp.Compare(a.Version, b.Version) })
	return out
}

// NextVersion is a number that no version of the view had.
func (c *Catalog) NextVersion(v *FeatureView) int {
	n := 0
	for _, o := range c.VersionsOf(v) {
		n = max(n, o.Version, o.Given)
	}
	return n + 1
}

// FeatureByOID is the feature view of that OID, nil when there is none.
func (c *Catalog) FeatureByOID(oid uint32) *FeatureView {
	for _, v := range c.Features {
		if v.OID == oid {
			return v
		}
	}
	return nil
}

// Keeper is the version that stands for all that share a state: the current one, else
// the latest; nil when none is kept online. Retain is the longest of theirs.
func (c *Catalog) Keeper(state int64) *FeatureView {
	var out *FeatureView
	retain := int64(0)
	for _, v := range c.Features {
		if v.State != state || v.Offline {
			continue
		}
		switch {
		case out == nil:
			retain = v.Retain
		case v.Retain == 0:
			retain = 0
		case retain > 0:
			retain = max(retain, v.Retain)
		}
		if out == nil || out.Of != "" && (v.Of == "" || v.Version > out.Version) {
			out = v
		}
	}
	if out != nil && out.Retain != retain {
		kept := *out
		kept.Retain = retain
		out = &kept
	}
	return out
}
