package expr

import (
	"github.com/fqgw/fqgw"
)

// commonType is PostgreSQL's select_common_type over base types: unknowns count
// for nothing, all of them unknown is text; ok is false when categories differ.
func commonType(types []fqgw.Type) (t fqgw.Type, ok bool) {
	t, _, ok = commonTypeOf(types)
	return t, ok
}

// commonTypeOf is commonType; bad is the first type that does not match t.
func commonTypeOf(types []fqgw.Type) (t, bad fqgw.Type, ok bool) {
	t = fqgw.Unknown
	for _, u := range types {
		u = u.Base()
		switch {
		case u == fqgw.Unknown || u == t:
		case t == fqgw.Unknown:
			t = u
		case u.Category() != t.Category():
			return t, u, false
		case !t.Preferred() && findPath(t, u, Implicit) != noPath && findPath(u, t, Implicit) == noPath:
			t = u
		}
	}
	if t == fqgw.Unknown {
		t = fqgw.Text
	}
	return t, t, true
}

// Common gives exprs a common type, as CASE, COALESCE, UNION, VALUES, ARRAY and
// GREATEST do; what names the form in the error 42804. A modifier that all
// agree on stays.
func Common(exprs []fqgw.Expr, what string) ([]fqgw.Expr, fqgw.Type, error) {
	if len(exprs) == 0 {
		return nil, fqgw.Text, nil
	}
	types := typesOf(exprs)
	t, bad, ok := commonTypeOf(types)
	if !ok {
		return nil, t, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "%s types %s and %s cannot be matched", what, typeName(t), typeName(bad))
	}
	target := t
	target.Mod = types[0].Mod
	for _, u := range types {
		if u.OID != t.OID || u.Mod != target.Mod {
			target.Mod = -1
		}
	}
	out := make([]fqgw.Expr, len(exprs))
	for i, e := range exprs {
		if e.Type().OID == t.OID {
			out[i] = e
			continue
		}
		if e.Type() != fqgw.Unknown && findPath(e.Type().Base(), t, Implicit) == noPath {
			if what == "CASE" {
				what = "CASE/WHEN"
			}
			return nil, t, fqgw.Errorf("42846", "%s could not convert type %s to %s", what, typeName(e.Type()), typeName(t))
		}
		c, err := Cast(e, t, Implicit)
		if err != nil {
			return nil, t, err
		}
		out[i] = c
	}
	return out, target, nil
}
