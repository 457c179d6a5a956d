package expr

import (
	"context"
	"strconv"

	"github.com/fqgw/fqgw"
)

// The reg types are OIDs that are shown, and may be written, as the name of the
// object. The names of types are known here; the others are the catalog's, which
// answers Session.Call(type + "_out", oid), NULL for an OID that is nothing's,
// and Session.Call(type + "_in", text).

// builtinSchemas are those that every database has, with or without a session.
var builtinSchemas = map[int64]string{11: "pg_catalog", 2200: "public"}

// regText prints an OID by the name of its object, as a number when it has none.
func regText(oid int64, t fqgw.Type, env *fqgw.Env) string {
	operator := t.OID == fqgw.RegOper.OID || t.OID == fqgw.RegOperator.OID
	switch {
	case oid == 0 && !operator:
		return "-"
	case oid == 0:
		return "0"
	}
	if name := builtinSchemas[oid]; t.OID == fqgw.RegNS.OID && name != "" {
		return name
	}
	if t.OID == fqgw.RegType.OID {
		if typ, ok := fqgw.TypeByOID(uint32(oid)); ok {
			return typ.String()
		}
		for n, p := range pseudoNames {
			if int64(p.OID) == oid {
				return QuoteIdent(n)
			}
		}
	}
	if env != nil && env.Session != nil {
		if v, ok, err := env.Session.Call(sessionContext(env), t.PgName()+"_out", []value{fqgw.IntValue(oid)}); ok && err == nil && !v.IsNull() {
			return v.Str()
		}
	}
	return strconv.FormatInt(oid, 10)
}

func sessionContext(env *fqgw.Env) context.Context {
	if env.Ctx == nil {
		return context.Background()
	}
	return env.Ctx
}

// reg reads the name of an object, or a number.
func (in *input) reg(s string, t fqgw.Type) (value, error) {
	switch {
	case s == "-" && t != fqgw.RegOper && t != fqgw.RegOperator:
		return fqgw.IntValue(0), nil
	case isDigits(s):
		return parseOID(s)
	}
	if t == fqgw.RegType {
		if typ, ok := typeBySQL(s); ok {
			return fqgw.IntValue(int64(typ.OID)), nil
		}
	}
	if t == fqgw.RegNS {
		for oid, name := range builtinSchemas {
			if name == s {
				return fqgw.IntValue(oid), nil
			}
		}
	}
	if in.env != nil && in.env.Session != nil {
		if v, ok, err := in.env.Session.Call(sessionContext(in.env), t.PgName()+"_in", []value{fqgw.TextValue(s)}); ok || err != nil {
			return v, err
		}
	}
	what, code := "object", fqgw.CodeUndefinedObject
	switch t {
	case fqgw.RegClass:
		what, code = "relation", fqgw.CodeUndefinedTable
	case fqgw.RegProc, fqgw.RegProcedure:
		what, code = "function", fqgw.CodeUndefinedFunction
	case fqgw.RegOper, fqgw.RegOperator:
		return fqgw.Null, fqgw.Errorf(fqgw.CodeUndefinedFunction, "operator does not exist: %s", s)
	case fqgw.RegNS:
		what, code = "schema", fqgw.CodeInvalidSchema
	case fqgw.RegRole:
		what = "role"
	case fqgw.RegType:
		what = "type"
	}
	return fqgw.Null, fqgw.Errorf(code, "%s \"%s\" does not exist", what, s)
}
