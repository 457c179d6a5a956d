package pgcatalog

import (
	"cmp"
	"slices"
	"sync/atomic"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// owner is the role to which everything belongs: PostgreSQL's first superuser.
const owner = 10

// object is one relation that a user defined.
type object struct {
	oid     uint32
	name    fqgw.QualifiedName
	kind    byte // relkind
	columns []column
	keys    []int // indexes of the columns that are join keys
	checks  []fqgw.Check
	options map[string]string // WITH
	comment string
	query   string // the SELECT of a view
}

type column struct {
	fqgw.Column
	def string // its default as SQL, "" for none
}

// What belongs to an object has its OID in a range of its own.
func (o *object) rowType() uint32      { return 1<<28 | o.oid }
func (o *object) arrayType() uint32    { return 2<<28 | o.oid }
func (o *object) indexOID() uint32     { return 3<<28 | o.oid }
func (o *object) constraint() uint32   { return 4<<28 | o.oid }
func (o *object) rule() uint32         { return 5<<28 | o.oid }
func (o *object) check(i int) uint32   { return 6<<28 | (o.oid<<6+uint32(i))&(1<<28-1) }
func (o *object) attrdef(i int) uint32 { return 7<<28 | (o.oid<<11+uint32(i))&(1<<28-1) }
func (o *object) indexName() string    { return o.name.Name + "_pkey" }

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

// lastListing is the listing of the catalog that was asked for last: the queries
// of one \d see one catalog.
var lastListing atomic.Pointer[listing]

// listing is what a catalog defines, by OID.
type listing struct {
	catalog *fqgw.Catalog
	objects []*object
	byOID   map[uint32]*object            // by the OID of an object, its index or its constraint
	byName  map[fqgw.QualifiedName]uint32 // objects and their indexes
}

func listingOf(c *fqgw.Catalog) *listing {
	if l := lastListing.Load(); l != nil && l.catalog == c {
		return l
	}
	l := &listing{catalog: c, byOID: map[uint32]*object{}, byName: map[fqgw.QualifiedName]uint32{}}
	if c != nil {
		for _, s := range c.Sources {
			l.objects = append(l.objects, &object{oid: s.OID, name: s.Qualified(), kind: 'r', columns: plain(s.Columns), keys: s.PrimaryKey, checks: s.Checks, options: s.Options, comment: s.Comment})
		}
		for _, t := range c.Tables {
			l.objects = append(l.objects, &object{oid: t.OID, name: t.Qualified(), kind: 'r', columns: plain(t.Columns), comment: t.Comment})
		}
		for _, v := range c.Views {
			l.objects = append(l.objects, &object{oid: v.OID, name: v.Qualified(), kind: 'v', columns: plain(v.Columns), comment: v.Comment, query: v.Query})
		}
		for name, v := range c.Features {
			l.objects = append(l.objects, ofFeature(name, v))
		}
	}
	slices.SortFunc(l.objects, func(a, b *object) int { return cmp.Compare(a.oid, b.oid) })
	for _, o := range l.objects {
		l.byOID[o.oid], l.byName[o.name] = o, o.oid
	}
	for _, o := range l.objects {
		if len(o.keys) > 0 {
			l.byOID[o.indexOID()], l.byOID[o.constraint()] = o, o
			index := fqgw.QualifiedName{Schema: o.name.Schema, Name: o.indexName()}
			if _, taken := l.byName[index]; !taken {
				l.byName[index] = o.indexOID()
			}
		}
		for i := range o.checks {
			l.byOID[o.check(i)] = o
		}
	}
	lastListing.Store(l)
	return l
}

func objects(c *fqgw.Catalog) []*object { return listingOf(c).objects }

// byOID is the relation with that OID, nil when there is none.
func byOID(c *fqgw.Catalog, oid uint32) *object {
	if o := listingOf(c).byOID[oid]; o != nil && o.oid == oid {
		return o
	}
	return nil
}

func plain(cols []fqgw.Column) []column {
	out := make([]column, len(cols))
	for i, c := range cols {
		out[i].Column = c
	}
	return out
}

func ofFeature(name fqgw.QualifiedName, v *fqgw.FeatureView) *object {
	o := &object{oid: v.OID, name: name, kind: 'm', comment: v.Comment, query: selectOf(v.SQL)}
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
