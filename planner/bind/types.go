package bind

import (
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// TypeName resolves a type with its modifiers; 42704 when there is none.
func (b *Binder) TypeName(n *pg.TypeName) (fqgw.Type, error) {
	if n == nil {
		return fqgw.Unknown, nil
	}
	names := strs(n.Names)
	fail := func(code fqgw.Code, format string, args ...any) (fqgw.Type, error) {
		return fqgw.Type{}, fqgw.Errorf(code, format, args...).At(b.pos(n.Location))
	}
	if n.PctType {
		return fail(fqgw.CodeFeatureNotSupported, "%%TYPE is not supported")
	}
	if n.Setof {
		return fail(fqgw.CodeDatatypeMismatch, "SETOF is not allowed here")
	}
	if len(names) == 0 {
		return fail(fqgw.CodeUndefinedObject, "a type name is missing")
	}
	name := strings.Join(names, ".")
	last := names[len(names)-1]
	switch {
	case len(names) == 2 && names[0] != "pg_catalog" && names[0] != "public", len(names) > 2:
		return fail(fqgw.CodeUndefinedObject, "type %q does not exist", name)
	case last == "unknown" || last == "" || strings.HasPrefix(last, "_") && len(n.ArrayBounds) > 0:
		return fail(fqgw.CodeUndefinedObject, "type %q does not exist", name)
	}
	t, ok := fqgw.TypeByName(last)
	if !ok {
		e := fqgw.Errorf(fqgw.CodeUndefinedObject, "type %q does not exist", name)
		var all []string
		fqgw.Types(func(t fqgw.Type) {
			if !t.IsArray() {
				all = append(all, t.PgName())
			}
		})
		if near := fqgw.Nearest(last, all); near != "" {
			e.Hint = "Perhaps you meant the type \"" + near + "\"."
		}
		return fqgw.Type{}, e.At(b.pos(n.Location))
	}
	mods, err := b.modifiers(n)
	if err != nil {
		return fqgw.Type{}, err
	}
	if t.Mod, err = modifier(t, mods); err != nil {
		return fqgw.Type{}, fqgw.AsError(err).At(b.pos(n.Location))
	}
	if len(n.ArrayBounds) > 0 {
		a := t.Array()
		if a.OID == 0 {
			return fail(fqgw.CodeUndefinedObject, "type %q does not exist", name+"[]")
		}
		return a, nil
	}
	return t, nil
}

// modifiers are the numbers in numeric(10,2).
func (b *Binder) modifiers(n *pg.TypeName) ([]int, error) {
	var out []int
	for _, m := range n.Typmods {
		c := m.GetAConst()
		if c == nil {
			return nil, fqgw.Errorf(fqgw.CodeSyntax, "type modifiers must be simple constants or identifiers").At(b.pos(n.Location))
		}
		switch {
		case c.GetIval() != nil:
			out = append(out, int(c.GetIval().Ival))
		case c.GetSval() != nil:
			i, err := strconv.Atoi(c.GetSval().Sval)
			if err != nil {
				return nil, fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type integer: %q", c.GetSval().Sval).At(b.pos(c.Location))
			}
			out = append(out, i)
		default:
			out = append(out, 0)
		}
	}
	return out, nil
}

// modifier is the typmod that PostgreSQL stores for type(mods…).
func modifier(t fqgw.Type, mods []int) (int32, error) {
	invalid := func(format string, args ...any) (int32, error) {
		return -1, fqgw.Errorf(fqgw.CodeInvalidParameter, format, args...)
	}
	if len(mods) == 0 {
		return -1, nil
	}
	switch t {
	case fqgw.Varchar, fqgw.BPChar:
		name := map[fqgw.Type]string{fqgw.Varchar: "varchar", fqgw.BPChar: "char"}[t]
		switch {
		case len(mods) != 1:
			return invalid("invalid type modifier")
		case mods[0] < 1:
			return invalid("length for type %s must be at least 1", name)
		case mods[0] > 10485760:
			return invalid("length for type %s cannot exceed 10485760", name)
		}
		return int32(mods[0]) + 4, nil
	case fqgw.Numeric:
		p, s := mods[0], 0
		if len(mods) == 2 {
			s = mods[1]
		}
		switch {
		case len(mods) > 2:
			return invalid("invalid NUMERIC type modifier")
		case p < 1 || p > 1000:
			return invalid("NUMERIC precision %d must be between 1 and 1000", p)
		case s < -1000 || s > 1000:
			return invalid("NUMERIC scale %d must be between -1000 and 1000", s)
		}
		return fqgw.NumericOf(p, s).Mod, nil
	case fqgw.Timestamp, fqgw.Timestamptz, fqgw.Time:
		if len(mods) != 1 || mods[0] < 0 {
			return invalid("%s(%d) precision must not be negative", strings.ToUpper(t.PgName()), mods[0])
		}
		return int32(min(mods[0], 6)), nil
	case fqgw.Interval:
		// The fields as a mask, all of them 0x7fff, then perhaps the precision.
		fields, precision := mods[0], 0xffff
		if len(mods) == 2 {
			if precision = min(mods[1], 6); mods[1] < 0 {
				return invalid("INTERVAL(%d) precision must not be negative", mods[1])
			}
		}
		if fields == 0x7fff && precision == 0xffff {
			return -1, nil
		}
		return int32(fields&0x7fff)<<16 | int32(precision), nil
	}
	return -1, fqgw.Errorf(fqgw.CodeSyntax, "type modifier is not allowed for type %q", t.PgName())
}
