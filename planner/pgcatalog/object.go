package pgcatalog

import (
	"cmp"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// owner is the role to which everything belongs: PostgreSQL's first superuser.
const owner = 10

// object is one relation that a user defined.
type object struct {
	oid     uint32
	name    string
	kind    byte // relkind
	columns []column
	keys    []int // indexes of the columns that are join keys
	checks  []fqgw.Check
	comment string
	query   string // the SELECT of a view
	source  *fqgw.Source
	feature *fqgw.FeatureView
}

type column struct {
	fqgw.Column
	def string // its default as SQL, "" for none
}

// What belongs to an object has its OID in a range of its own.
func (o *object) rowType() uint32       { return 1<<28 | o.oid }
func (o *object) arrayType() uint32     { return 2<<28 | o.oid }
func (o *object) indexOID() uint32      { return 3<<28 | o.oid }
func (o *object) constraint() uint32    { return 4<<28 | o.oid }
func (o *object) rule() uint32          { return 5<<28 | o.oid }
func (o *object) check(i int) uint32    { return 6<<28 | (o.oid<<6+uint32(i))&(1<<28-1) }
func (o *object) attrdef(i int) uint32  { return 7<<28 | (o.oid<<11+uint32(i))&(1<<28-1) }
func (o *object) indexName() string     { return o.name + "_pkey" }
func (o *object) columnNames() []string { return names(o.columns) }

func names(cols []column) []string {
	out := make([]string, len(cols))
	for i := range cols {
		out[i] = cols[i].Name
	}
	return out
}

func (o *object) keyNames() []string {
	var out []string
	for _, k := range o.keys {
		out = append(out, o.columns[k].Name)
	}
	return out
}

// lastObjects are the objects of the catalog that was asked for last: the
// relations of one \d come from one catalog.
var lastObjects atomic.Pointer[listing]

type listing struct {
	catalog *fqgw.Catalog
	objects []*object
}

// objects are what a catalog defines, by OID.
func objects(c *fqgw.Catalog) []*object {
	if c == nil {
		return nil
	}
	if l := lastObjects.Load(); l != nil && l.catalog == c {
		return l.objects
	}
	var out []*object
	for _, s := range c.Sources {
		out = append(out, &object{oid: s.OID, name: s.Name, kind: 'r', columns: plain(s.Columns), checks: s.Checks, comment: s.Comment, source: s})
	}
	for _, t := range c.Tables {
		out = append(out, &object{oid: t.OID, name: t.Name, kind: 'r', columns: plain(t.Columns), comment: t.Comment})
	}
	for _, v := range c.Views {
		out = append(out, &object{oid: v.OID, name: v.Name, kind: 'v', columns: plain(v.Columns), comment: v.Comment, query: v.Query})
	}
	for name, v := range c.Features {
		out = append(out, ofFeature(name, v))
	}
	slices.SortFunc(out, func(a, b *object) int { return cmp.Compare(a.oid, b.oid) })
	lastObjects.Store(&listing{c, out})
	return out
}

func plain(cols []fqgw.Column) []column {
	out := make([]column, len(cols))
	for i, c := range cols {
		out[i].Column = c
	}
	return out
}

func ofFeature(name string, v *fqgw.FeatureView) *object {
	o := &object{oid: v.OID, name: name, kind: 'm', comment: v.Comment, query: selectOf(v.SQL), feature: v}
	for i, c := range v.Columns {
		col := column{Column: fqgw.Column{Name: c.Name, Type: v.OutputType(i), NotNull: c.Key >= 0}}
		if c.Feature >= 0 {
			f := &v.Features[c.Feature]
			col.Comment = f.Comment
			if !f.Default.IsNull() {
				col.def = expr.QuoteLiteral(expr.Text(f.Default, f.Type, nil)) + "::" + f.Type.String()
			}
		}
		o.columns = append(o.columns, col)
	}
	for k := range v.Keys { // in the order of the entity key
		if i := slices.IndexFunc(v.Columns, func(c fqgw.OutputColumn) bool { return c.Key == k }); i >= 0 {
			o.keys = append(o.keys, i)
		}
	}
	return o
}

// selectOf is the query behind the first AS of a CREATE statement that a query
// follows; the whole text when there is none.
func selectOf(sql string) string {
	depth := 0
	for i := 0; i < len(sql); {
		switch c := sql[i]; {
		case c == '\'' || c == '"':
			i++
			for i < len(sql) && sql[i] != c {
				i++
			}
			i++
		case strings.HasPrefix(sql[i:], "--"):
			for i < len(sql) && sql[i] != '\n' {
				i++
			}
		case c == '(':
			depth++
			i++
		case c == ')':
			depth--
			i++
		case isLetter(c):
			end := i
			for end < len(sql) && (isLetter(sql[end]) || sql[end] >= '0' && sql[end] <= '9') {
				end++
			}
			if depth == 0 && strings.EqualFold(sql[i:end], "as") {
				return strings.TrimRight(strings.TrimSpace(sql[end:]), "; \n\t")
			}
			i = end
		default:
			i++
		}
	}
	return sql
}

func isLetter(c byte) bool {
	return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || c >= 0x80
}

// snapshot is what one read of a system relation sees.
type snapshot struct {
	env     *fqgw.Env
	catalog *fqgw.Catalog
	objects []*object
}

func newSnapshot(env *fqgw.Env) *snapshot {
	s := &snapshot{env: env}
	if env != nil && env.Session != nil {
		s.catalog = env.Session.Catalog()
	}
	if s.catalog == nil {
		s.catalog = &fqgw.Catalog{}
	}
	s.objects = objects(s.catalog)
	return s
}

func (s *snapshot) user() string {
	if s.env != nil && s.env.Session != nil {
		return s.env.Session.User()
	}
	return "fqgw"
}

func (s *snapshot) database() string {
	if s.env != nil && s.env.Session != nil {
		return s.env.Session.Database()
	}
	return "fqgw"
}

// setting is a session's setting, "" when it has none of that name.
func (s *snapshot) setting(name string) (string, bool) {
	if s.env != nil && s.env.Session != nil {
		return s.env.Session.Setting(name)
	}
	return "", false
}
