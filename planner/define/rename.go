package define

import (
	"fmt"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// renamedKind is the sort of relation that an ALTER … RENAME TO is about, "" for none.
func renamedKind(t pg.ObjectType) string {
	switch t {
	case pg.ObjectType_OBJECT_TABLE:
		return "table"
	case pg.ObjectType_OBJECT_MATVIEW:
		return "feature view"
	case pg.ObjectType_OBJECT_VIEW:
		return "view"
	}
	return ""
}

// rename is ALTER FEATURE VIEW, TABLE or VIEW … RENAME TO.
func (d *Definer) rename(kind string, n *pg.RenameStmt) (plan.Statement, error) {
	if d.stmt.Definition == "source" {
		kind = "source"
	}
	r := n.Relation
	name, err := d.relationName(r)
	if err != nil {
		return nil, err
	}
	if d.Binder.Temp != nil && r.Schemaname != fqgw.PublicSchema && d.Binder.Temp(name.Name) != nil {
		return nil, d.unsupported(r.Location, "ALTER of a temporary table").WithHint("CREATE TEMP TABLE another AS SELECT … from it.")
	}
	cat := d.Binder.Catalog
	switch is := cat.Has(name); {
	case is == "" && n.MissingOk:
		return &plan.NoOp{Tag: "ALTER " + strings.ToUpper(kind), Notice: fmt.Sprintf("relation \"%s\" does not exist, skipping", r.Relname)}, nil
	case is == "":
		return nil, d.undefined(r.Location, kind, name.String(), cat.Names())
	case is == "source" && (kind == "source" || kind == "table"):
		return nil, d.unsupported(r.Location, "renaming a source").
			WithHint("CREATE VIEW %s AS SELECT * FROM %s reads its history by another name.", n.Newname, r.Relname)
	case is != kind:
		return nil, d.fail(r.Location, fqgw.CodeWrongObjectType, "\"%s\" is a %s, not a %s", name, is, kind).
			WithHint("Use ALTER %s.", strings.ToUpper(is))
	}
	if strings.HasPrefix(n.Newname, "_fq_") {
		return nil, d.fail(r.Location, "42939", "relation name \"%s\" is reserved", n.Newname)
	}
	return &plan.Rename{Kind: kind, Name: name, To: n.Newname}, nil
}
