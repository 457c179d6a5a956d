package expr

import (
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
)

// Fields describes a record, or the records in an array: its fields' names and
// types, and what is known of those that are records again (nil: nothing).
// Values have none of that, and type record says nothing: the binder knows it.
type Fields struct {
	Names []string
	Types []fqgw.Type
	Of    []*Fields
}

// field is what is known of field i, whose value is v; f may be nil.
func (f *Fields) field(i int, v value) (name string, t fqgw.Type, of *Fields) {
	if f == nil || i >= len(f.Names) {
		return "f" + strconv.Itoa(i+1), kindType(v), nil
	}
	return f.Names[i], f.Types[i], f.Of[i]
}

func (f *Fields) String() string {
	var b strings.Builder
	for i, name := range f.Names {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(QuoteIdent(name) + " " + typeSQL(f.Types[i]))
		if f.Of[i] != nil {
			b.WriteString("(" + f.Of[i].String() + ")")
		}
	}
	return b.String()
}

// Described is an expression whose value is a record, or an array of records,
// of these fields.
type Described struct {
	Arg    fqgw.Expr
	Fields *Fields
}

func (d *Described) Type() fqgw.Type { return d.Arg.Type() }

func (d *Described) Eval(env *fqgw.Env, row []value) (value, error) { return d.Arg.Eval(env, row) }

func (d *Described) String() string { return d.Arg.String() + " AS (" + d.Fields.String() + ")" }

// FieldsOf is what is known of the record, or array of records, that e is; nil: nothing.
func FieldsOf(e fqgw.Expr) *Fields {
	if d, ok := e.(*Described); ok {
		return d.Fields
	}
	return nil
}

// RecordJSON is to_json of a record whose fields are known, or of an array of
// such. Pretty, which may be nil, says whether lines are broken between them.
type RecordJSON struct {
	Arg    *Described
	Pretty fqgw.Expr
}

func (r *RecordJSON) Type() fqgw.Type { return fqgw.JSON }

func (r *RecordJSON) Eval(env *fqgw.Env, row []value) (value, error) {
	v, err := r.Arg.Eval(env, row)
	if err != nil || v.IsNull() {
		return fqgw.Null, err
	}
	sep := ","
	if r.Pretty != nil {
		p, err := r.Pretty.Eval(env, row)
		if err != nil || p.IsNull() {
			return fqgw.Null, err
		}
		if p.Bool() {
			sep = ",\n "
		}
	}
	return fqgw.TextValue(string(appendFieldsJSON(nil, v, r.Arg.Type(), r.Arg.Fields, sep, env))), nil
}

func (r *RecordJSON) String() string {
	if r.Pretty != nil {
		return "to_json(" + r.Arg.String() + ", " + r.Pretty.String() + ")"
	}
	return "to_json(" + r.Arg.String() + ")"
}

// appendRecordJSON prints a record as an object.
func appendRecordJSON(b []byte, fields []value, f *Fields, sep string, env *fqgw.Env) []byte {
	b = append(b, '{')
	for i, v := range fields {
		if i > 0 {
			b = append(b, sep...)
		}
		name, t, of := f.field(i, v)
		b = append(appendJSONString(b, name), ':')
		b = appendFieldsJSON(b, v, t, of, ",", env)
	}
	return append(b, '}')
}
