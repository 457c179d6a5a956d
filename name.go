package fqgw

import "strings"

// PublicSchema is the schema in which relations are that name no other.
const PublicSchema = "public"

// QualifiedName is the name of a relation in its schema. The schema is never empty
// in a name that is compared or looked up: Public and Qualified see to that.
type QualifiedName struct {
	Schema, Name string
}

// Public is a relation's name in the schema public.
func Public(name string) QualifiedName { return QualifiedName{PublicSchema, name} }

// String is the bare name in public, schema.name elsewhere; two names have
// different texts. What the stores and the registry's facts keep by a relation's
// name they keep by this.
func (n QualifiedName) String() string {
	if n.Schema == PublicSchema && !strings.ContainsAny(n.Name, `."`) {
		return n.Name
	}
	if n.Schema == PublicSchema {
		return namePart(n.Name)
	}
	return namePart(n.Schema) + "." + namePart(n.Name)
}

// ParseName is the name whose String is text.
func ParseName(text string) QualifiedName {
	var parts []string
	for len(text) > 0 {
		end := strings.IndexByte(text, '.')
		if text[0] == '"' {
			for end = 1; end < len(text) && (text[end] != '"' || strings.HasPrefix(text[end:], `""`)); end++ {
				if text[end] == '"' {
					end++
				}
			}
			parts = append(parts, strings.ReplaceAll(text[1:end], `""`, `"`))
			text = strings.TrimPrefix(text[min(end+1, len(text)):], ".")
			continue
		}
		if end < 0 {
			end = len(text)
		}
		parts = append(parts, text[:end])
		text = strings.TrimPrefix(text[end:], ".")
	}
	switch len(parts) {
	case 0:
		return QualifiedName{}
	case 1:
		return Public(parts[0])
	}
	return QualifiedName{parts[0], parts[1]}
}

// Dotted is schema.name, the bare name in public: a relation's name in another
// system, where the relation says none. Unlike String it can mean two relations.
func (n QualifiedName) Dotted() string {
	if n.Schema == PublicSchema {
		return n.Name
	}
	return n.Schema + "." + n.Name
}

// LakeTable is the lake's table of a relation that names none.
func (n QualifiedName) LakeTable() string { return "lake." + n.Dotted() }

func namePart(s string) string {
	if strings.ContainsAny(s, `."`) {
		return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
	}
	return s
}

// qualified is the name of a noun whose schema may have been left out: public.
func qualified(schema, name string) QualifiedName {
	if schema == "" {
		schema = PublicSchema
	}
	return QualifiedName{schema, name}
}

// Qualified is the source's name with its schema.
func (s *Source) Qualified() QualifiedName { return qualified(s.Schema, s.Name) }

// Qualified is the view's name with its schema.
func (v *FeatureView) Qualified() QualifiedName { return qualified(v.Schema, v.Name) }

// Qualified is the table's name with its schema.
func (t *Table) Qualified() QualifiedName { return qualified(t.Schema, t.Name) }

// Qualified is the view's name with its schema.
func (v *View) Qualified() QualifiedName { return qualified(v.Schema, v.Name) }
