package define

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// drop is DROP of what fqgw has.
func (d *Definer) drop(n *pg.DropStmt) (plan.Statement, error) {
	st := &plan.Drop{IfExists: n.MissingOk, Cascade: n.Behavior == pg.DropBehavior_DROP_CASCADE, Purge: d.stmt.Purge}
	switch n.RemoveType {
	case pg.ObjectType_OBJECT_TABLE:
		st.Kind = "table"
		if d.stmt.Definition == "source" {
			st.Kind = "source"
		}
	case pg.ObjectType_OBJECT_MATVIEW:
		st.Kind = "feature view"
	case pg.ObjectType_OBJECT_VIEW:
		st.Kind = "view"
	case pg.ObjectType_OBJECT_INDEX:
		return &plan.NoOp{Tag: "DROP INDEX", Notice: "DROP INDEX has nothing to do: " + noIndexes}, nil
	case pg.ObjectType_OBJECT_STATISTIC_EXT:
		return &plan.NoOp{Tag: "DROP STATISTICS", Notice: "DROP STATISTICS has nothing to do"}, nil
	default:
		return nil, d.unsupported(-1, "DROP %s", objectWord(n.RemoveType))
	}
	for _, o := range n.Objects {
		parts := words(o.GetList().GetItems())
		name, err := d.listName(parts)
		if err != nil {
			if st.IfExists && fqgw.AsError(err).Code == fqgw.CodeInvalidSchema {
				continue
			}
			return nil, err
		}
		n := plan.RelationName{QualifiedName: name}
		if len(parts) > 1 {
			n.Written = parts[len(parts)-2]
		}
		st.Names = append(st.Names, n)
	}
	return st, nil
}

// objectWord is SQL's word for a sort of object.
func objectWord(t pg.ObjectType) string {
	return strings.ReplaceAll(strings.TrimPrefix(t.String(), "OBJECT_"), "_", " ")
}

// alter is ALTER FEATURE VIEW v ALTER COLUMN f SET DEFAULT …, DROP DEFAULT, and
// SET (version = n).
func (d *Definer) alter(n *pg.AlterTableStmt) (plan.Statement, error) {
	kind := "ALTER " + objectWord(n.Objtype)
	if d.stmt.Definition != "" {
		kind = "ALTER " + strings.ToUpper(d.stmt.Definition)
	}
	if n.Objtype == pg.ObjectType_OBJECT_TABLE {
		return d.alterRelation(n)
	}
	if n.Objtype != pg.ObjectType_OBJECT_MATVIEW {
		return nil, d.unsupported(n.Relation.GetLocation(), "%s", kind)
	}
	v, err := d.featureView(n.Relation)
	if err != nil {
		return nil, err
	}
	cmd := n.Cmds[0].GetAlterTableCmd()
	if cmd.Subtype == pg.AlterTableType_AT_SetRelOptions && len(n.Cmds) == 1 {
		return d.setVersion(v, cmd.Def.GetList().GetItems(), n.Relation.Location)
	}
	if cmd.Subtype != pg.AlterTableType_AT_ColumnDefault || len(n.Cmds) > 1 {
		return nil, d.unsupported(n.Relation.Location, "this form of ALTER FEATURE VIEW").
			WithHint("Write ALTER FEATURE VIEW %s ALTER COLUMN feature SET DEFAULT constant, or SET (version = 1).", expr.QuoteIdent(v.Name))
	}
	i := featureIndex(v, cmd.Name)
	if i < 0 {
		return nil, d.noFeature(v, cmd.Name, n.Relation.Location)
	}
	st := &plan.AlterFeature{View: v.Qualified(), Feature: cmd.Name, SQL: "NULL"}
	if cmd.Def == nil { // DROP DEFAULT
		return st, nil
	}
	st.Default, st.SQL, err = d.defaultValue(cmd.Def, v.Features[i].Type)
	return st, err
}

// featureView is the feature view that a statement names.
func (d *Definer) featureView(r *pg.RangeVar) (*fqgw.FeatureView, error) {
	name, err := d.relationName(r)
	if err != nil {
		return nil, err
	}
	cat := d.Binder.Catalog
	if v := cat.Features[name]; v != nil {
		return v, nil
	}
	if kind := cat.Has(name); kind != "" {
		return nil, d.fail(r.Location, fqgw.CodeWrongObjectType, "\"%s\" is a %s, not a feature view", name, kind)
	}
	return nil, d.undefined(r.Location, "feature view", name.String(), fqgw.NamesOf(cat.Features))
}

func featureIndex(v *fqgw.FeatureView, name string) int {
	for i := range v.Features {
		if v.Features[i].Name == name {
			return i
		}
	}
	return -1
}

func (d *Definer) noFeature(v *fqgw.FeatureView, name string, loc int32) error {
	for _, k := range v.Keys {
		if k.Name == name {
			return d.fail(loc, fqgw.CodeInvalidDefinition, "join key \"%s\" of feature view \"%s\" cannot have a default", name, v.Name)
		}
	}
	e := d.fail(loc, fqgw.CodeUndefinedColumn, "column \"%s\" of feature view \"%s\" does not exist", name, v.Name)
	var all []string
	for i := range v.Features {
		all = append(all, v.Features[i].Name)
	}
	if near := fqgw.Nearest(name, all); near != "" {
		return e.WithHint("Perhaps you meant \"%s\".", near)
	}
	return e
}

// defaultValue is a feature's default: a constant of the feature's type, and
// its SQL. It is bound as definitions are.
func (d *Definer) defaultValue(n *pg.Node, t fqgw.Type) (fqgw.Value, string, error) {
	b := bind.Binder{Catalog: d.Binder.Catalog, Definition: true, Stmt: d.stmt}
	e, err := b.Expr(n, nil)
	if err != nil {
		return fqgw.Null, "", err
	}
	given := e.Type()
	if e, err = expr.Cast(e, t, expr.Assignment); err != nil {
		x := fqgw.AsError(err)
		if x.Code == "42846" {
			x = fqgw.Errorf(fqgw.CodeDatatypeMismatch, "the default is of type %s but the feature is of type %s", given, t)
		}
		return fqgw.Null, "", d.at(x, leftmost(n))
	}
	if !expr.Constant(e) {
		return fqgw.Null, "", d.invalid(leftmost(n), "a default must be a constant")
	}
	v, err := e.Eval(&fqgw.Env{}, nil)
	if err != nil {
		return fqgw.Null, "", d.at(err, leftmost(n))
	}
	return v, (&expr.Const{Val: v, Typ: t}).String(), nil
}

// comment is COMMENT ON a relation or a column.
func (d *Definer) comment(n *pg.CommentStmt) (plan.Statement, error) {
	parts := words(n.Object.GetList().GetItems())
	st := &plan.Comment{Text: n.Comment}
	switch n.Objtype {
	case pg.ObjectType_OBJECT_TABLE, pg.ObjectType_OBJECT_VIEW, pg.ObjectType_OBJECT_MATVIEW:
	case pg.ObjectType_OBJECT_COLUMN:
		if len(parts) < 2 {
			return nil, d.fail(-1, fqgw.CodeSyntax, "column name must be qualified")
		}
		st.Column, parts = parts[len(parts)-1], parts[:len(parts)-1]
	default:
		return nil, d.unsupported(-1, "COMMENT ON %s", objectWord(n.Objtype))
	}
	var err error
	if st.Name, err = d.listName(parts); err != nil {
		return nil, err
	}
	cat := d.Binder.Catalog
	if st.Kind = cat.Has(st.Name); st.Kind == "" {
		return nil, d.undefined(-1, "relation", st.Name.String(), cat.Names())
	}
	wanted := map[pg.ObjectType]string{pg.ObjectType_OBJECT_TABLE: "table", pg.ObjectType_OBJECT_VIEW: "view", pg.ObjectType_OBJECT_MATVIEW: "feature view"}[n.Objtype]
	if d.stmt.Definition != "" {
		wanted = d.stmt.Definition
	}
	if wanted != "" && wanted != st.Kind && !(wanted == "table" && st.Kind == "source") {
		return nil, d.fail(-1, fqgw.CodeWrongObjectType, "\"%s\" is a %s, not a %s", st.Name, st.Kind, wanted)
	}
	return st, nil
}

// refresh is REFRESH MATERIALIZED VIEW, which has nothing to do.
func (d *Definer) refresh(n *pg.RefreshMatViewStmt) (plan.Statement, error) {
	v, err := d.featureView(n.Relation)
	if err != nil {
		return nil, err
	}
	return &plan.Refresh{Name: v.Name}, nil
}

// changesRows refuses UPDATE, DELETE and their kin, with the reason.
func (d *Definer) changesRows(verb string, r *pg.RangeVar) error {
	e := d.unsupported(r.GetLocation(), "%s", verb)
	if name, err := d.relationName(r); err == nil && d.Binder.Catalog.Sources[name] != nil {
		return e.WithDetail("Source \"%s\" is append-only: a corrected row is one more event.", r.Relname).WithHint("INSERT the corrected row.")
	}
	return e.WithHint("Tables are written by INSERT, COPY and CREATE TABLE AS.")
}
