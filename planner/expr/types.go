package expr

import (
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

type value = fqgw.Value

// The pseudo-types of signatures. No expression has one of them as its type.
var (
	anyType           = fqgw.Type{OID: 2276, Mod: -1}
	anyElement        = fqgw.Type{OID: 2283, Mod: -1}
	anyArray          = fqgw.Type{OID: 2277, Mod: -1}
	anyNonArray       = fqgw.Type{OID: 2776, Mod: -1}
	anyCompatible     = fqgw.Type{OID: 5077, Mod: -1}
	anyCompatArray    = fqgw.Type{OID: 5078, Mod: -1}
	anyCompatNonArray = fqgw.Type{OID: 5079, Mod: -1}
)

var pseudoNames = map[string]fqgw.Type{
	"any": anyType, "anyelement": anyElement, "anyarray": anyArray, "anynonarray": anyNonArray,
	"anycompatible": anyCompatible, "anycompatiblearray": anyCompatArray, "anycompatiblenonarray": anyCompatNonArray,
}

func isPolymorphic(t fqgw.Type) bool {
	switch t.OID {
	case anyElement.OID, anyArray.OID, anyNonArray.OID, anyCompatible.OID, anyCompatArray.OID, anyCompatNonArray.OID:
		return true
	}
	return false
}

// typeName is a type's spelling in messages: without the modifier.
func typeName(t fqgw.Type) string {
	for n, p := range pseudoNames {
		if p.OID == t.OID {
			return `"` + n + `"`
		}
	}
	return t.Base().String()
}

func typeNames(types []fqgw.Type) string {
	names := make([]string, len(types))
	for i, t := range types {
		names[i] = typeName(t)
	}
	return strings.Join(names, ", ")
}

// isOIDLike: unsigned 32-bit numbers.
func isOIDLike(t fqgw.Type) bool { return t.OID == fqgw.OID.OID || t.IsReg() }

// typeSQL is the spelling of a type with its modifier, to be read back; as
// format_type prints it, but for character without a length.
func typeSQL(t fqgw.Type) string {
	switch {
	case t.IsArray() && t.Mod >= 0 || t.IsArray() && t.Elem().OID == fqgw.BPChar.OID:
		return typeSQL(t.Elem()) + "[]"
	case t == fqgw.BPChar:
		return "bpchar"
	case t.OID == fqgw.Time.OID && t.Mod >= 0:
		return "time(" + itoa(int(t.Mod)) + ") without time zone"
	case t.OID == fqgw.Interval.OID && t.Mod >= 0:
		out := "interval" + spanFieldNames[spanFields(t.Mod)]
		if p := t.Mod & 0xffff; p < 6 {
			out += "(" + itoa(int(p)) + ")"
		}
		return out
	}
	return t.String()
}

var spanFieldNames = map[int32]string{
	fieldYear: " year", fieldMonth: " month", fieldDay: " day", fieldHour: " hour", fieldMinute: " minute", fieldSecond: " second",
	fieldYear | fieldMonth: " year to month", fieldDay | fieldHour: " day to hour", fieldDay | fieldHour | fieldMinute: " day to minute",
	fieldDay | fieldHour | fieldMinute | fieldSecond: " day to second", fieldHour | fieldMinute: " hour to minute",
	fieldHour | fieldMinute | fieldSecond: " hour to second", fieldMinute | fieldSecond: " minute to second",
}

func typesOf(exprs []fqgw.Expr) []fqgw.Type {
	out := make([]fqgw.Type, len(exprs))
	for i, e := range exprs {
		out[i] = e.Type()
	}
	return out
}

func baseTypes(types []fqgw.Type) []fqgw.Type {
	out := slices.Clone(types)
	for i := range out {
		out[i].Mod = -1
	}
	return out
}
