package pgcatalog

import (
	"embed"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

//go:embed facts/*.tsv
var files embed.FS

// facts reads an embedded table: its column names and its rows, whose NULLs are
// the string null. The tables are ours, so damage is a fault of the build.
func facts(name string) (columns []string, rows [][]string) {
	text, err := files.ReadFile("facts/" + name + ".tsv")
	if err != nil {
		return nil, nil
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	for _, l := range lines[1:] {
		rows = append(rows, strings.Split(l, "\t"))
	}
	return strings.Split(lines[0], "\t"), rows
}

const null = `\N`

// parse reads one fact as a value of type t; names of functions become their OIDs.
func parse(s string, t fqgw.Type) fqgw.Value {
	if s == null {
		return fqgw.Null
	}
	switch {
	case t == fqgw.RegProc:
		return number(int64(procOID(s)))
	case t.IsArray():
		sep := ","
		if t == fqgw.OIDVector || t == fqgw.Int2Vector {
			sep = " "
		}
		l := &fqgw.List{Elem: t.Elem()}
		if s = strings.Trim(s, "{}"); s != "" {
			for _, item := range strings.Split(s, sep) {
				l.Items = append(l.Items, parse(strings.Trim(item, `"`), t.Elem()))
			}
		}
		return fqgw.ListValue(l)
	}
	switch t.Kind() {
	case fqgw.KindBool:
		return fqgw.BoolValue(s == "t")
	case fqgw.KindInt:
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil { // a function's name where PostgreSQL prints regproc
			return number(int64(procOID(s)))
		}
		return number(n)
	case fqgw.KindFloat:
		f, _ := strconv.ParseFloat(s, 64)
		return fqgw.FloatValue(f)
	}
	return text(s)
}

// filler is the value of a NOT NULL column that nothing else is known of.
func filler(t fqgw.Type) fqgw.Value {
	switch t.Kind() {
	case fqgw.KindBool:
		return fqgw.BoolValue(false)
	case fqgw.KindInt:
		return number(0)
	case fqgw.KindFloat:
		return fqgw.FloatValue(0)
	case fqgw.KindArray:
		return fqgw.ListValue(&fqgw.List{Elem: t.Elem()})
	case fqgw.KindText:
		return text("")
	}
	return fqgw.Null
}

// fields are the named values of one row; the columns not named are NULL, or
// the filler of their type where they may not be.
type fields map[string]fqgw.Value

// row lays fields out in the relation's columns.
func row(r *plan.SystemRelation, f fields) []fqgw.Value {
	out := make([]fqgw.Value, len(r.Columns))
	for i := range r.Columns {
		c := &r.Columns[i]
		v, ok := f[c.Name]
		if (!ok || v.IsNull()) && c.NotNull {
			v = filler(c.Type)
		}
		out[i] = v
	}
	return out
}

// factRows are the rows of a relation that come from facts alone, read once.
func factRows(r *plan.SystemRelation) [][]fqgw.Value {
	once, _ := cached.LoadOrStore(r.Name, sync.OnceValue(func() [][]fqgw.Value {
		names, records := facts(r.Name)
		at := make([]int, len(r.Columns)) // column -> field of the record, -1
		for i, c := range r.Columns {
			at[i] = slices.Index(names, c.Name)
		}
		out := make([][]fqgw.Value, len(records))
		for n, rec := range records {
			out[n] = make([]fqgw.Value, len(at))
			for i, f := range at {
				if f >= 0 {
					out[n][i] = parse(rec[f], r.Columns[i].Type)
				}
				if out[n][i].IsNull() && r.Columns[i].NotNull {
					out[n][i] = filler(r.Columns[i].Type)
				}
			}
		}
		return out
	}))
	return once.(func() [][]fqgw.Value)()
}

var cached sync.Map // relation name -> func() [][]fqgw.Value

// procOID is the OID of the first function of that name, 0 when there is none.
func procOID(name string) uint32 { return procs()[name] }

var procs = sync.OnceValue(func() map[string]uint32 {
	out := map[string]uint32{}
	_, rows := facts("pg_proc")
	for _, r := range rows {
		if _, seen := out[r[1]]; !seen {
			n, _ := strconv.ParseUint(r[0], 10, 32)
			out[r[1]] = uint32(n)
		}
	}
	return out
})

func text(s string) fqgw.Value  { return fqgw.TextValue(s) }
func number(n int64) fqgw.Value { return fqgw.IntValue(n) }
func oid(n uint32) fqgw.Value   { return fqgw.IntValue(int64(n)) }
func boolean(b bool) fqgw.Value { return fqgw.BoolValue(b) }
func yesNo(b bool) fqgw.Value {
	if b {
		return text("YES")
	}
	return text("NO")
}

// textOrNull is NULL for "".
func textOrNull(s string) fqgw.Value {
	if s == "" {
		return fqgw.Null
	}
	return text(s)
}

func vector(t fqgw.Type, items []int64) fqgw.Value {
	l := &fqgw.List{Elem: t.Elem()}
	for _, n := range items {
		l.Items = append(l.Items, number(n))
	}
	return fqgw.ListValue(l)
}

func texts(items []string) fqgw.Value {
	l := &fqgw.List{Elem: fqgw.Text}
	for _, s := range items {
		l.Items = append(l.Items, text(s))
	}
	return fqgw.ListValue(l)
}
