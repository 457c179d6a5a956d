package pgcatalog_test

import (
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/pgcatalog"
)

// The answers are PostgreSQL 15's to the same names in the same schemas.
func TestNames(t *testing.T) {
	c := &fqgw.Catalog{Tables: map[fqgw.QualifiedName]*fqgw.Table{}}
	for i, name := range []string{"labels", "order", "My Table", "pg_class", "a.b"} {
		c.Tables[fqgw.Public(name)] = &fqgw.Table{OID: uint32(20000 + i), Name: name}
	}
	usual := pgcatalog.Names{Catalog: c, Path: []string{"public"}, User: "Ann"}
	first := pgcatalog.Names{Catalog: c, Path: []string{"public", "pg_catalog"}, User: "Ann"}
	none := pgcatalog.Names{Catalog: c}
	for _, x := range []struct {
		in   pgcatalog.Names
		typ  string
		oid  uint32
		want string // "" when nothing has the OID
	}{
		{usual, "regclass", 1259, "pg_class"}, {usual, "regclass", 20000, "labels"}, {usual, "regclass", 20001, `"order"`}, {usual, "regclass", 20002, `"My Table"`},
		{usual, "regclass", 20004, `"a.b"`}, {usual, "regclass", 99, ""},
		{usual, "regclass", 20003, "public.pg_class"}, {first, "regclass", 20003, "pg_class"}, {first, "regclass", 1259, "pg_catalog.pg_class"},
		{none, "regclass", 20000, "public.labels"}, {none, "regclass", 20001, `public."order"`},
		{usual, "regproc", 1299, "now"}, {usual, "regproc", 870, "pg_catalog.lower"}, {usual, "regproc", 2406, "int4recv"}, {usual, "regproc", 9100, "fqgw.sync"},
		{usual, "regproc", 99999, ""}, {usual, "regproc", 936, "pg_catalog.\"substring\""},
		{usual, "regprocedure", 870, "lower(text)"}, {usual, "regprocedure", 1299, "now()"}, {usual, "regprocedure", 936, `"substring"(text,integer,integer)`},
		{usual, "regprocedure", 2147, `count("any")`}, {usual, "regprocedure", 2286, `pg_total_relation_size(regclass)`}, {usual, "regprocedure", 9102, "fqgw.advance(interval)"},
		{usual, "regoper", 551, "pg_catalog.+"}, {usual, "regoper", 1752, "pg_catalog.="}, {usual, "regoper", 596, "|/"}, {usual, "regoper", 99999, ""},
		{usual, "regoperator", 551, "+(integer,integer)"}, {usual, "regoperator", 596, "|/(NONE,double precision)"},
		{usual, "regtype", 3614, "tsvector"}, {usual, "regtype", 3643, "tsvector[]"}, {usual, "regtype", 1266, "time with time zone"},
		{usual, "regtype", 1<<28 | 20001, `"order"`}, {usual, "regtype", 2<<28 | 20000, "labels[]"}, {usual, "regtype", 77777, ""},
		{usual, "regcollation", 950, `"C"`}, {usual, "regcollation", 100, `"default"`}, {usual, "regnamespace", 2200, "public"}, {usual, "regnamespace", 1, ""},
		{usual, "regrole", 10, `"Ann"`}, {usual, "regrole", 11, ""}, {usual, "regconfig", 3748, ""},
	} {
		if got, ok := x.in.Out(x.typ, x.oid); ok != (x.want != "") || ok && got != x.want {
			t.Errorf("%d::%s: %s %v, want %s", x.oid, x.typ, got, ok, x.want)
		} else if ok {
			if back, err := x.in.In(x.typ, got); err != nil && x.typ != "regproc" && x.typ != "regoper" || err == nil && back != x.oid {
				t.Errorf("'%s'::%s: %d %v, want %d", got, x.typ, back, err, x.oid)
			}
		}
	}
	for _, x := range []struct {
		typ, text string
		want      uint32
		code      fqgw.Code
	}{
		{"regclass", "LABELS", 20000, ""}, {"regclass", ` public . "order" `, 20001, ""}, {"regclass", "order", 20001, ""}, {"regclass", "nosuch", 0, "42P01"},
		{"regclass", "a.b", 0, "42P01"}, {"regclass", "x.y.z", 0, "0A000"}, {"regclass", "", 0, "42602"}, {"regclass", `"labels`, 0, "42602"}, {"regclass", "a b", 0, "42602"},
		{"regproc", "pg_catalog.now", 1299, ""}, {"regproc", "lower", 0, "42725"}, {"regproc", "nosuch", 0, "42883"}, {"regproc", "public.now", 0, "42883"},
		{"regprocedure", "lower( text )", 870, ""}, {"regprocedure", "pg_catalog.now()", 1299, ""}, {"regprocedure", "lower(int)", 0, "42883"},
		{"regprocedure", "now", 0, "22P02"}, {"regprocedure", "now(", 0, "22P02"},
		{"regoper", "|/", 596, ""}, {"regoper", "+", 0, "42725"}, {"regoper", "@@@@", 0, "42883"},
		{"regoperator", "pg_catalog.+(int4, integer)", 551, ""}, {"regoperator", "|/(none,float8)", 596, ""}, {"regoperator", "+(int4)", 0, "42P02"},
		{"regoperator", "+(text,text)", 0, "42883"}, {"regtype", "tsvector", 3614, ""}, {"regtype", "labels", 1<<28 | 20000, ""}, {"regtype", "nosuch", 0, "42704"},
		{"regnamespace", "pg_catalog", 11, ""}, {"regnamespace", "nosuch", 0, "3F000"}, {"regnamespace", "a.b", 0, "42602"},
		{"regrole", `"Ann"`, 10, ""}, {"regrole", "Ann", 0, "42704"}, {"regcollation", `"C"`, 950, ""}, {"regcollation", "C", 0, "42704"},
		{"regconfig", "english", 0, "42704"},
	} {
		got, err := usual.In(x.typ, x.text)
		if got != x.want || (err != nil) != (x.code != "") || err != nil && fqgw.AsError(err).Code != x.code {
			t.Errorf("'%s'::%s: %d %v, want %d %s", x.text, x.typ, got, err, x.want, x.code)
		}
	}
}
