package pgcatalog

import (
	"slices"
	"strings"
	"sync"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// Names resolves and prints the names of objects as one session sees them.
type Names struct {
	Catalog *fqgw.Catalog
	Path    []string // search_path
	User    string
}

// path are the schemas that a bare name is looked up in: pg_catalog first, unless the path names it.
func (n Names) path() []string {
	if slices.Contains(n.Path, "pg_catalog") {
		return n.Path
	}
	return append([]string{"pg_catalog"}, n.Path...)
}

// Out is the output function of a reg type by its name ("regclass"): a name that
// In reads back to the same OID, qualified where the bare one would not; false
// when nothing has the OID.
func (n Names) Out(typ string, oid uint32) (string, bool) {
	switch typ {
	case "regclass":
		schema, name, ok := ClassName(n.Catalog, oid)
		return n.qualified(schema, name, n.visible(schema, name, n.class)), ok
	case "regtype":
		return TypeName(n.Catalog, oid)
	case "regproc":
		schema, name, ok := procName(oid)
		found := n.candidates("", name, procsNamed)
		return n.qualified(schema, name, len(found) == 1 && found[0] == oid), ok
	case "regprocedure":
		schema, name, ok := procName(oid)
		return n.qualified(schema, name, slices.Contains(n.path(), schema)) + "(" + typeList(procArgs()[oid]) + ")", ok
	case "regoper":
		o := operators().byOID[oid]
		found := n.candidates("", o.name, operatorsNamed)
		if len(found) == 1 {
			return o.name, o.name != ""
		}
		return "pg_catalog." + o.name, o.name != ""
	case "regoperator":
		o, ok := operators().byOID[oid]
		if !ok {
			return "", false
		}
		return o.name + "(" + operand(o.args[0]) + "," + operand(o.args[1]) + ")", true
	case "regcollation":
		name, ok := collations()[oid]
		return expr.QuoteIdent(name), ok
	case "regnamespace":
		name, ok := schemaName(n.Catalog, oid)
		return expr.QuoteIdent(name), ok
	case "regrole":
		return expr.QuoteIdent(n.User), oid == owner
	}
	return "", false // regconfig, regdictionary: there is no text search
}

func (n Names) qualified(schema, name string, visible bool) string {
	if visible {
		return expr.QuoteIdent(name)
	}
	return expr.QuoteIdent(schema) + "." + expr.QuoteIdent(name)
}

// visible says whether the bare name finds the object of that schema.
func (n Names) visible(schema, name string, has func(schema, name string) uint32) bool {
	for _, s := range n.path() {
		if has(s, name) != 0 {
			return s == schema
		}
	}
	return false
}

func (n Names) class(schema, name string) uint32 {
	id, _ := ClassOID(n.Catalog, schema, name)
	return id
}

// candidates are the functions or operators of a name; schema "" is the path.
func (n Names) candidates(schema, name string, named func(schema, name string) []uint32) []uint32 {
	if schema != "" {
		return named(schema, name)
	}
	var out []uint32
	for _, s := range n.path() {
		out = append(out, named(s, name)...)
	}
	return out
}

// Visible says whether the relation is found by its bare name.
func (n Names) Visible(class uint32) bool {
	schema, name, ok := ClassName(n.Catalog, class)
	return ok && n.visible(schema, name, n.class)
}

// TypeVisible says whether the type is found by its bare name; true for a type
// that the catalog does not have.
func (n Names) TypeVisible(oid uint32) bool {
	t, ok := typeRecords()[oid]
	return !ok || slices.Contains(n.path(), schemaNames[t.namespace])
}

// In is the input function of a reg type by its name, for text that is no number.
// 42602 for no name, 42P01, 42883, 42725, 3F000 or 42704 when it names nothing, or several things.
func (n Names) In(typ, text string) (uint32, error) {
	switch typ {
	case "regprocedure", "regoperator":
		return n.signature(typ, text)
	case "regtype":
		if id, ok := typesNamed()[strings.Join(strings.Fields(strings.ToLower(strings.TrimPrefix(text, "pg_catalog."))), " ")]; ok {
			return id, nil
		}
	}
	if typ == "regoper" {
		schema, name := operatorName(text)
		found := n.candidates(schema, name, operatorsNamed)
		return one(found, "operator", text, "operator does not exist: "+text)
	}
	bare, isArray := strings.CutSuffix(text, "[]")
	if typ != "regtype" {
		bare = text
	}
	parts, err := splitName(bare)
	if err != nil {
		return 0, err
	}
	schema, name := "", parts[len(parts)-1]
	switch {
	case len(parts) > 1 && (typ == "regnamespace" || typ == "regrole"):
		return 0, fqgw.Errorf("42602", "invalid name syntax")
	case len(parts) > 2:
		return 0, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "cross-database references are not implemented: \"%s\"", text)
	case len(parts) == 2:
		schema = parts[0]
	}
	path := n.path()
	if schema != "" {
		path = []string{schema}
	}
	missing := func(code fqgw.Code, what string) error {
		return fqgw.Errorf(code, "%s \"%s\" does not exist", what, strings.Join(parts, "."))
	}
	switch typ {
	case "regclass":
		for _, s := range path {
			if id := n.class(s, name); id != 0 {
				return id, nil
			}
		}
		return 0, missing(fqgw.CodeUndefinedTable, "relation")
	case "regtype":
		for _, s := range path {
			id, ok := listingOf(n.Catalog).byName[fqgw.QualifiedName{Schema: s, Name: name}]
			if !ok {
				continue
			}
			switch o := byOID(n.Catalog, id); {
			case o == nil: // an index has no row type
			case isArray:
				return o.arrayType(), nil
			default:
				return o.rowType(), nil
			}
		}
		return 0, missing(fqgw.CodeUndefinedObject, "type")
	case "regproc":
		return one(n.candidates(schema, name, procsNamed), "function", `"`+text+`"`, "function \""+text+"\" does not exist")
	case "regcollation":
		for id, c := range collations() {
			if c == name && slices.Contains(path, "pg_catalog") {
				return id, nil
			}
		}
		return 0, fqgw.Errorf(fqgw.CodeUndefinedObject, "collation \"%s\" for encoding \"UTF8\" does not exist", strings.Join(parts, "."))
	case "regnamespace":
		if id := schemaOID(n.Catalog, name); id != 0 {
			return id, nil
		}
		return 0, missing(fqgw.CodeInvalidSchema, "schema")
	case "regrole":
		if name == n.User {
			return owner, nil
		}
		return 0, missing(fqgw.CodeUndefinedObject, "role")
	case "regconfig":
		return 0, missing(fqgw.CodeUndefinedObject, "text search configuration")
	}
	return 0, missing(fqgw.CodeUndefinedObject, "text search dictionary")
}

// one is the only candidate.
func one(found []uint32, what, text, missing string) (uint32, error) {
	switch len(found) {
	case 0:
		return 0, fqgw.Errorf(fqgw.CodeUndefinedFunction, "%s", missing)
	case 1:
		return found[0], nil
	}
	return 0, fqgw.Errorf(fqgw.CodeAmbiguousFunction, "more than one %s named %s", what, text)
}

// signature reads name(type, …), the form of regprocedure and regoperator.
func (n Names) signature(typ, text string) (uint32, error) {
	open := strings.IndexByte(text, '(')
	switch {
	case open < 0:
		return 0, fqgw.Errorf(fqgw.CodeInvalidText, "expected a left parenthesis")
	case !strings.HasSuffix(strings.TrimSpace(text), ")"):
		return 0, fqgw.Errorf(fqgw.CodeInvalidText, "expected a right parenthesis")
	}
	head, list := text[:open], strings.TrimSuffix(strings.TrimSpace(text[open+1:]), ")")
	args := []uint32{}
	for _, a := range strings.Split(list, ",") {
		if a = strings.TrimSpace(a); a == "" && list == a {
			break
		} else if typ == "regoperator" && strings.EqualFold(a, "none") {
			args = append(args, 0)
			continue
		}
		t, err := expr.Parse(a, fqgw.RegType, nil)
		id := uint32(t.Int())
		if err != nil {
			if id, err = n.In("regtype", a); err != nil {
				return 0, err
			}
		}
		args = append(args, id)
	}
	if typ == "regoperator" {
		if len(args) != 2 {
			return 0, fqgw.Errorf("42P02", "missing argument").WithHint("Use NONE to denote the missing argument of a unary operator.")
		}
		schema, name := operatorName(head)
		for _, id := range n.candidates(schema, name, operatorsNamed) {
			if o := operators().byOID[id]; slices.Equal(o.args, args) {
				return id, nil
			}
		}
		return 0, fqgw.Errorf(fqgw.CodeUndefinedFunction, "operator does not exist: %s", text)
	}
	parts, err := splitName(head)
	if err != nil {
		return 0, err
	}
	schema := ""
	if len(parts) > 1 {
		schema = parts[len(parts)-2]
	}
	for _, id := range n.candidates(schema, parts[len(parts)-1], procsNamed) {
		if slices.Equal(procArgs()[id], args) {
			return id, nil
		}
	}
	return 0, fqgw.Errorf(fqgw.CodeUndefinedFunction, "function \"%s\" does not exist", text)
}

// splitName takes a possibly qualified and quoted name apart; 42602.
func splitName(text string) ([]string, error) {
	bad := fqgw.Errorf("42602", "invalid name syntax")
	var parts []string
	rest := strings.TrimSpace(text)
	for {
		var b strings.Builder
		if strings.HasPrefix(rest, `"`) {
			for rest = rest[1:]; ; rest = rest[1:] {
				i := strings.IndexByte(rest, '"')
				if i < 0 {
					return nil, bad
				}
				b.WriteString(rest[:i])
				if rest = rest[i+1:]; !strings.HasPrefix(rest, `"`) {
					break
				}
				b.WriteByte('"')
			}
		} else {
			i := strings.IndexAny(rest, ". \t\n\r\f\v")
			if i < 0 {
				i = len(rest)
			}
			for _, c := range []byte(rest[:i]) {
				if c >= 'A' && c <= 'Z' {
					c += 'a' - 'A'
				}
				b.WriteByte(c)
			}
			rest = rest[i:]
		}
		if b.Len() == 0 {
			return nil, bad
		}
		parts = append(parts, b.String())
		if rest = strings.TrimSpace(rest); rest == "" {
			return parts, nil
		}
		if rest[0] != '.' {
			return nil, bad
		}
		rest = strings.TrimSpace(rest[1:])
	}
}

// operatorName splits schema.operator.
func operatorName(text string) (schema, name string) {
	if s, o, ok := strings.Cut(strings.TrimSpace(text), "."); ok {
		return strings.Trim(s, `"`), o
	}
	return "", strings.TrimSpace(text)
}

func operand(t uint32) string {
	if t == 0 {
		return "NONE"
	}
	return typeText(t)
}

func typeList(types []uint32) string {
	out := make([]string, len(types))
	for i, t := range types {
		out[i] = typeText(t)
	}
	return strings.Join(out, ",")
}

// TypeName is format_type of any type of the catalog, the rows of users' relations among them.
func TypeName(c *fqgw.Catalog, oid uint32) (string, bool) {
	if _, ok := typeRecords()[oid]; ok {
		return typeText(oid), true
	}
	if o := byOID(c, oid&^(15<<28)); o != nil {
		name := expr.QuoteIdent(o.name.Name)
		if o.name.Schema != fqgw.PublicSchema {
			name = expr.QuoteIdent(o.name.Schema) + "." + name
		}
		switch oid {
		case o.rowType():
			return name, true
		case o.arrayType():
			return name + "[]", true
		}
	}
	return "", false
}

// typesNamed are the types of the catalog by the spelling of format_type and by typname.
var typesNamed = sync.OnceValue(func() map[string]uint32 {
	out := map[string]uint32{}
	for id, t := range typeRecords() {
		out[t.name], out[typeText(id)] = id, id
	}
	return out
})

type operatorRecord struct {
	name string
	args []uint32 // left and right, 0 for none
}

type operatorTable struct {
	byOID  map[uint32]operatorRecord
	byName map[string][]uint32
}

var operators = sync.OnceValue(func() operatorTable {
	t := operatorTable{map[uint32]operatorRecord{}, map[string][]uint32{}}
	_, rows := facts("pg_operator")
	for _, r := range rows {
		id := parseOID(r[0])
		t.byOID[id] = operatorRecord{r[1], []uint32{parseOID(r[7]), parseOID(r[8])}}
		t.byName[r[1]] = append(t.byName[r[1]], id)
	}
	return t
})

func operatorsNamed(schema, name string) []uint32 {
	if schema != "pg_catalog" {
		return nil
	}
	return operators().byName[name]
}

// procArgs are the types of the arguments of every function.
var procArgs = sync.OnceValue(func() map[uint32][]uint32 {
	out := map[uint32][]uint32{}
	_, rows := facts("pg_proc")
	for _, r := range rows {
		out[parseOID(r[0])] = oids(r[12], " ")
	}
	for _, f := range ownFunctions {
		out[f.oid] = f.args
	}
	return out
})

var procsByName = sync.OnceValue(func() map[string][]uint32 {
	out := map[string][]uint32{}
	for id, name := range procNames() {
		out["pg_catalog."+name] = append(out["pg_catalog."+name], id)
	}
	for _, f := range ownFunctions {
		out[f.schema+"."+f.name] = append(out[f.schema+"."+f.name], f.oid)
	}
	return out
})

func procsNamed(schema, name string) []uint32 { return procsByName()[schema+"."+name] }

var collations = sync.OnceValue(func() map[uint32]string {
	out := map[uint32]string{}
	_, rows := facts("pg_collation")
	for _, r := range rows {
		out[parseOID(r[0])] = r[1]
	}
	return out
})
