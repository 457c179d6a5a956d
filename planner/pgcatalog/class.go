package pgcatalog

import (
	"maps"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

const (
	amHeap  = 2
	amBtree = 403
)

// PgClass is the OID of pg_class itself: the classoid of a relation's comments.
const PgClass = 1259

func fillClass(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	for _, sys := range relations().all {
		am := int64(0)
		if sys.kind == 'r' {
			am = amHeap
		}
		out = append(out, row(&r.SystemRelation, fields{
			"oid": oid(sys.OID), "relname": text(sys.Name), "relnamespace": oid(sys.namespace()), "reltype": oid(systemRowType(sys.OID)),
			"relowner": number(owner), "relam": number(am), "relfilenode": oid(sys.OID), "reltuples": fqgw.FloatValue(-1),
			"relpersistence": text("p"), "relkind": text(string(sys.kind)), "relnatts": number(int64(len(sys.Columns))),
			"relhasrules": boolean(sys.kind == 'v'), "relispopulated": boolean(true), "relreplident": text("n"),
		}))
	}
	for _, o := range s.objects {
		tuples, pages := s.estimate(o)
		am := int64(amHeap)
		if o.kind == 'v' {
			am = 0
		}
		out = append(out, row(&r.SystemRelation, fields{
			"oid": oid(o.oid), "relname": text(o.name.Name), "relnamespace": oid(s.namespace(o)), "reltype": oid(o.rowType()),
			"relowner": number(owner), "relam": number(am), "relfilenode": oid(o.oid), "reltuples": fqgw.FloatValue(tuples), "relpages": number(pages), "reloptions": s.options(o),
			"relhasindex": boolean(len(o.keys) > 0), "relpersistence": text("p"), "relkind": text(string(o.kind)),
			"relnatts": number(int64(len(o.columns))), "relchecks": number(int64(len(o.checks))),
			"relhasrules": boolean(o.kind != 'r'), "relispopulated": boolean(true), "relreplident": text("d"),
		}))
		if len(o.keys) > 0 {
			out = append(out, row(&r.SystemRelation, fields{
				"oid": oid(o.indexOID()), "relname": text(o.indexName()), "relnamespace": oid(s.namespace(o)),
				"relowner": number(owner), "relam": number(amBtree), "relfilenode": oid(o.indexOID()),
				"relpersistence": text("p"), "relkind": text("i"), "relnatts": number(int64(len(o.keys))),
				"relispopulated": boolean(true), "relreplident": text("n"),
			}))
		}
	}
	return out
}

// estimate is the number of rows and of pages of 8 kB of a table, or of a source's
// history; -1 rows where it is not known, as PostgreSQL says it.
func (s *snapshot) estimate(o *object) (tuples float64, pages int64) {
	if o.kind != 'r' || s.env == nil || s.env.Session == nil {
		return -1, 0
	}
	ask := func(name string) (int64, bool) {
		v, ok, err := s.env.Session.Call(s.env.Ctx, name, []fqgw.Value{fqgw.IntValue(int64(o.oid))})
		return v.Int(), ok && err == nil
	}
	rows, known := ask("fqgw.reltuples")
	if !known {
		return -1, 0
	}
	bytes, _ := ask("pg_relation_size")
	return float64(rows), (bytes + 8191) / 8192
}

// options are reloptions, which psql's \d+ shows: of a source its WITH.
func (s *snapshot) options(o *object) fqgw.Value {
	if len(o.options) == 0 {
		return fqgw.Null
	}
	var items []fqgw.Value
	for _, name := range slices.Sorted(maps.Keys(o.options)) {
		items = append(items, text(name+"="+o.options[name]))
	}
	return fqgw.ArrayOf(fqgw.Text, items...)
}

func (r *relation) namespace() uint32 {
	for n, name := range schemaNames {
		if name == r.Schema {
			return n
		}
	}
	return 0
}

// attribute is a row of pg_attribute.
func attribute(r *relation, rel uint32, num int, name string, typ uint32, mod int32, notNull, hasDef bool) []fqgw.Value {
	t := typeRecords()[typ]
	dims := int64(0)
	if t.category == "A" {
		dims = 1
	}
	return row(&r.SystemRelation, fields{
		"attrelid": oid(rel), "attname": text(name), "atttypid": oid(typ), "attstattarget": number(-1), "attlen": number(t.length),
		"attnum": number(int64(num)), "attndims": number(dims), "attcacheoff": number(-1), "atttypmod": number(int64(mod)),
		"attbyval": boolean(t.byValue), "attalign": text(t.align), "attstorage": text(t.storage), "attnotnull": boolean(notNull),
		"atthasdef": boolean(hasDef), "attislocal": boolean(true), "attcollation": oid(t.collation),
	})
}

func fillAttribute(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	for _, sys := range relations().all {
		for i, c := range sys.Columns {
			out = append(out, attribute(r, sys.OID, i+1, c.Name, sys.types[i], c.Type.Mod, c.NotNull, false))
		}
	}
	for _, o := range s.objects {
		for i, c := range o.columns {
			out = append(out, attribute(r, o.oid, i+1, c.Name, c.Type.OID, c.Type.Mod, c.NotNull, c.def != ""))
		}
		for i, k := range o.keys {
			c := o.columns[k]
			out = append(out, attribute(r, o.indexOID(), i+1, c.Name, c.Type.OID, c.Type.Mod, false, false))
		}
	}
	return out
}

func fillIndex(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	for _, o := range s.objects {
		if len(o.keys) == 0 {
			continue
		}
		n := len(o.keys)
		attrs, collations, classes, options := make([]int64, n), make([]int64, n), make([]int64, n), make([]int64, n)
		for i, k := range o.keys {
			attrs[i] = int64(k + 1)
			typ := o.columns[k].Type.OID
			collations[i], classes[i] = int64(typeRecords()[typ].collation), int64(btreeClass(typ))
		}
		out = append(out, row(&r.SystemRelation, fields{
			"indexrelid": oid(o.indexOID()), "indrelid": oid(o.oid), "indnatts": number(int64(n)), "indnkeyatts": number(int64(n)),
			"indisunique": boolean(true), "indisprimary": boolean(true), "indimmediate": boolean(true), "indisvalid": boolean(true),
			"indisready": boolean(true), "indislive": boolean(true), "indkey": vector(fqgw.Int2Vector, attrs),
			"indcollation": vector(fqgw.OIDVector, collations), "indclass": vector(fqgw.OIDVector, classes), "indoption": vector(fqgw.Int2Vector, options),
		}))
	}
	return out
}

func fillConstraint(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	base := fields{"convalidated": boolean(true), "conislocal": boolean(true), "connoinherit": boolean(true),
		"confupdtype": text(" "), "confdeltype": text(" "), "confmatchtype": text(" ")}
	for _, o := range s.objects {
		if len(o.keys) > 0 {
			attrs := make([]int64, len(o.keys))
			for i, k := range o.keys {
				attrs[i] = int64(k + 1)
			}
			f := fields{"oid": oid(o.constraint()), "conname": text(o.indexName()), "contype": text("p"), "conrelid": oid(o.oid),
				"conindid": oid(o.indexOID()), "conkey": vector(fqgw.Int2.Array(), attrs)}
			out = append(out, row(&r.SystemRelation, f.with(base).with(fields{"connamespace": oid(s.namespace(o))})))
		}
		for i, c := range o.checks {
			f := fields{"oid": oid(o.check(i)), "conname": text(c.Name), "contype": text("c"), "conrelid": oid(o.oid),
				"conkey": vector(fqgw.Int2.Array(), checkColumns(&c)), "conbin": text(parenthesised(c.SQL))}
			out = append(out, row(&r.SystemRelation, f.with(base).with(fields{"connamespace": oid(s.namespace(o))})))
		}
	}
	return out
}

func (f fields) with(base fields) fields {
	for k, v := range base {
		if _, ok := f[k]; !ok {
			f[k] = v
		}
	}
	return f
}

// checkColumns are the attribute numbers that a CHECK mentions.
func checkColumns(c *fqgw.Check) []int64 {
	var out []int64
	for _, i := range expr.Columns(c.Expr) {
		out = append(out, int64(i+1))
	}
	return out
}

func fillAttrdef(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	for _, o := range s.objects {
		for i, c := range o.columns {
			if c.def != "" {
				out = append(out, row(&r.SystemRelation, fields{"oid": oid(o.attrdef(i)), "adrelid": oid(o.oid), "adnum": number(int64(i + 1)), "adbin": text(c.def)}))
			}
		}
	}
	return out
}

func fillDescription(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	add := func(o *object, sub int, comment string) {
		if comment != "" {
			out = append(out, row(&r.SystemRelation, fields{"objoid": oid(o.oid), "classoid": number(PgClass), "objsubid": number(int64(sub)), "description": text(comment)}))
		}
	}
	for _, o := range s.objects {
		add(o, 0, o.comment)
		for i, c := range o.columns {
			add(o, i+1, c.Comment)
		}
	}
	return out
}

// fillRewrite gives each view the rule that PostgreSQL keeps its query in.
func fillRewrite(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	for _, o := range s.objects {
		if o.kind != 'r' {
			out = append(out, row(&r.SystemRelation, fields{"oid": oid(o.rule()), "rulename": text("_RETURN"), "ev_class": oid(o.oid),
				"ev_type": text("1"), "ev_enabled": text("O"), "is_instead": boolean(true), "ev_action": text(o.query)}))
		}
	}
	return out
}
