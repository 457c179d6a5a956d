package expr

import (
	"github.com/fqgw/fqgw"
)

// candidate is an overload with its argument types laid out for a call of n arguments.
type candidate struct {
	over *overload
	args []fqgw.Type
}

// resolve picks the overload for a call by PostgreSQL's rules (func_get_detail,
// oper): exact types, then candidates that implicit casts reach, then the
// tie-breaks. n is how many remained: 0 none fits, >1 ambiguous.
func resolve(list []*overload, types []fqgw.Type, spread bool) (c candidate, n int) {
	types = baseTypes(types)
	var cands []candidate
	for _, o := range list {
		if args, ok := o.layout(len(types), spread); ok {
			cands = append(cands, candidate{o, args})
		}
	}
	for _, c := range cands {
		if sameTypes(c.args, types) {
			return c, 1
		}
	}
	fit := cands[:0:0]
	for _, c := range cands {
		if canCoerce(types, c.args, Implicit) {
			fit = append(fit, c)
		}
	}
	if len(fit) > 1 {
		fit = selectCandidate(types, fit)
	}
	if len(fit) == 0 {
		return candidate{}, 0
	}
	return fit[0], len(fit)
}

// layout gives the declared types for n arguments; spread is a call with VARIADIC.
func (o *overload) layout(n int, spread bool) ([]fqgw.Type, bool) {
	if !o.variadic {
		return o.args, len(o.args) == n && !spread
	}
	if spread {
		if len(o.args) != n {
			return nil, false
		}
		args := append([]fqgw.Type(nil), o.args...)
		if last := &args[n-1]; *last != anyType {
			*last = arrayOfDeclared(*last)
		}
		return args, true
	}
	if n < len(o.args) {
		return nil, false
	}
	args := append([]fqgw.Type(nil), o.args...)
	for len(args) < n {
		args = append(args, o.args[len(o.args)-1])
	}
	return args, true
}

func arrayOfDeclared(t fqgw.Type) fqgw.Type {
	switch t {
	case anyElement, anyNonArray:
		return anyArray
	case anyCompatible, anyCompatNonArray:
		return anyCompatArray
	}
	return t.Array()
}

func sameTypes(a, b []fqgw.Type) bool {
	for i := range a {
		if a[i].OID != b[i].OID {
			return false
		}
	}
	return len(a) == len(b)
}

// canCoerce says whether all types can become the declared ones together.
func canCoerce(types, declared []fqgw.Type, ctx CastContext) bool {
	poly := false
	for i, t := range types {
		d := declared[i]
		switch {
		case t.OID == d.OID, d == anyType:
		case isPolymorphic(d):
			poly = true
		case t == fqgw.Unknown:
		case findPath(t, d, ctx) == noPath:
			return false
		}
	}
	if poly {
		_, ok := polymorphic(types, declared)
		return ok
	}
	return true
}

// polyTypes are what the pseudo-types of a signature stand for in one call.
type polyTypes struct {
	elem, compat fqgw.Type // zero: not used, or only unknowns
}

// polymorphic finds the actual types behind anyelement, anycompatible and their
// kin; ok is false when the arguments do not agree.
func polymorphic(types, declared []fqgw.Type) (p polyTypes, ok bool) {
	var compat []fqgw.Type
	for i, d := range declared {
		t := types[i]
		switch d {
		case anyElement, anyNonArray:
			if t == fqgw.Unknown {
				continue
			}
			if d == anyNonArray && t.IsArray() {
				return p, false
			}
			if p.elem != (fqgw.Type{}) && p.elem != t {
				return p, false
			}
			p.elem = t
		case anyArray:
			if t == fqgw.Unknown {
				continue
			}
			e := t.Elem().Base()
			if e.OID == 0 || p.elem != (fqgw.Type{}) && p.elem != e {
				return p, false
			}
			p.elem = e
		case anyCompatible, anyCompatNonArray:
			if d == anyCompatNonArray && t.IsArray() {
				return p, false
			}
			compat = append(compat, t)
		case anyCompatArray:
			e := t.Elem().Base()
			if t == fqgw.Unknown {
				e = t
			}
			if e.OID == 0 {
				return p, false
			}
			compat = append(compat, e)
		}
	}
	if len(compat) > 0 {
		t, ok := commonType(compat)
		if !ok {
			return p, false
		}
		for _, c := range compat {
			if c != fqgw.Unknown && findPath(c, t, Implicit) == noPath {
				return p, false
			}
		}
		p.compat = t
	}
	return p, true
}

// concrete replaces a pseudo-type by what it stands for.
func (p polyTypes) concrete(d fqgw.Type) (fqgw.Type, error) {
	t := d
	switch d {
	case anyElement, anyNonArray:
		t = p.elem
	case anyArray:
		t = p.elem.Array()
	case anyCompatible, anyCompatNonArray:
		t = p.compat
	case anyCompatArray:
		t = p.compat.Array()
	}
	if t.OID == 0 && p.compat.OID != 0 && d == anyCompatArray {
		return t, noArrayType(p.compat)
	}
	if t.OID == 0 {
		return t, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "could not determine polymorphic type because input has type unknown")
	}
	return t, nil
}

func noArrayType(t fqgw.Type) error {
	return fqgw.Errorf(fqgw.CodeUndefinedObject, "could not find array type for data type %s", typeName(t))
}

// selectCandidate is PostgreSQL's func_select_candidate: what is left of several
// overloads that all fit. More than one left is ambiguous.
func selectCandidate(types []fqgw.Type, cands []candidate) []candidate {
	unknowns := 0
	for _, t := range types {
		if t == fqgw.Unknown {
			unknowns++
		}
	}
	cands = keepBest(cands, func(c candidate) (n int) {
		for i, t := range types {
			if t != fqgw.Unknown && c.args[i].OID == t.OID {
				n++
			}
		}
		return n
	})
	if len(cands) == 1 {
		return cands
	}
	cands = keepBest(cands, func(c candidate) (n int) {
		for i, t := range types {
			if t == fqgw.Unknown {
				continue
			}
			if c.args[i].OID == t.OID || c.args[i].Preferred() && c.args[i].Category() == t.Category() {
				n++
			}
		}
		return n
	})
	if len(cands) == 1 || unknowns == 0 {
		return cands
	}
	if cands = byUnknownCategory(types, cands); len(cands) == 1 {
		return cands
	}
	return asKnownType(types, cands, unknowns)
}

// keepBest keeps the candidates with the highest score, in order.
func keepBest(cands []candidate, score func(candidate) int) []candidate {
	best, out := -1, []candidate(nil)
	for _, c := range cands {
		switch n := score(c); {
		case n > best:
			best, out = n, append(out[:0:0], c)
		case n == best:
			out = append(out, c)
		}
	}
	return out
}

// byUnknownCategory decides for each unknown argument which category it should
// have (string wins), and keeps the candidates that have it there.
func byUnknownCategory(types []fqgw.Type, cands []candidate) []candidate {
	cats, prefer := make([]byte, len(types)), make([]bool, len(types))
	for i, t := range types {
		if t != fqgw.Unknown {
			continue
		}
		conflict := false
		for _, c := range cands {
			cat := c.args[i].Category()
			switch {
			case cats[i] == 0:
				cats[i], prefer[i] = cat, c.args[i].Preferred()
			case cat == cats[i]:
				prefer[i] = prefer[i] || c.args[i].Preferred()
			case cat == 'S':
				cats[i], prefer[i] = cat, c.args[i].Preferred()
			default:
				conflict = true
			}
		}
		if conflict && cats[i] != 'S' {
			return cands
		}
	}
	var out []candidate
next:
	for _, c := range cands {
		for i, t := range types {
			if t == fqgw.Unknown && (c.args[i].Category() != cats[i] || prefer[i] && !c.args[i].Preferred()) {
				continue next
			}
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return cands
	}
	return out
}

// asKnownType assumes, when all known arguments have one type, that the unknown
// ones have it too.
func asKnownType(types []fqgw.Type, cands []candidate, unknowns int) []candidate {
	if unknowns == len(types) {
		return cands
	}
	var known fqgw.Type
	for _, t := range types {
		if t == fqgw.Unknown {
			continue
		}
		if known.OID != 0 && known != t {
			return cands
		}
		known = t
	}
	all := make([]fqgw.Type, len(types))
	for i := range all {
		all[i] = known
	}
	var out []candidate
	for _, c := range cands {
		if canCoerce(all, c.args, Implicit) {
			out = append(out, c)
		}
	}
	if len(out) == 1 {
		return out
	}
	return cands
}

// apply coerces the arguments to what the candidate declares and makes the call.
func (c candidate) apply(args []fqgw.Expr, op, spread bool) (*Call, error) {
	p, ok := polymorphic(baseTypes(typesOf(args)), c.args)
	if !ok {
		return nil, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "arguments of %s do not agree", c.over.name)
	}
	out := make([]fqgw.Expr, len(args))
	for i, a := range args {
		if c.args[i] == anyType {
			if p, ok := a.(*Param); ok && p.Typ == fqgw.Unknown {
				p.Typ = fqgw.Text
			}
			if spread && i == len(args)-1 && !a.Type().IsArray() {
				return nil, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "VARIADIC argument must be an array")
			}
			out[i] = a
			continue
		}
		t, err := p.concrete(c.args[i])
		if err != nil {
			return nil, err
		}
		vector := c.args[i] == anyArray && lowerBound(a.Type()) == 0
		if isPolymorphic(c.args[i]) && a.Type().OID == t.OID || vector {
			out[i] = a // a modifier stays, and the bounds of the catalog's vectors
			continue
		}
		if out[i], err = Cast(a, t, Implicit); err != nil {
			return nil, err
		}
	}
	result, err := p.concrete(c.over.result)
	if err != nil {
		return nil, err
	}
	return &Call{Name: c.over.name, Operator: op, Args: out, Spread: spread, over: c.over, typ: result, varies: result.Size() < 0}, nil
}
