package define

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
)

// column is a column of CREATE TABLE or CREATE SOURCE.
type column struct {
	col  fqgw.Column
	rest []*pg.Constraint // other than NULL and NOT NULL
}

// columns reads the column definitions of a table; rest are the table's constraints.
func (d *Definer) columns(elts []*pg.Node) (cols []column, rest []*pg.Constraint, err error) {
	var names []string
	var locs []int32
	for _, n := range elts {
		switch x := n.Node.(type) {
		case *pg.Node_ColumnDef:
			c, err := d.column(x.ColumnDef)
			if err != nil {
				return nil, nil, err
			}
			cols, names, locs = append(cols, c), append(names, c.col.Name), append(locs, x.ColumnDef.Location)
		case *pg.Node_Constraint:
			rest = append(rest, x.Constraint)
		case *pg.Node_TableLikeClause:
			return nil, nil, d.unsupported(x.TableLikeClause.Relation.Location, "LIKE")
		default:
			return nil, nil, d.unsupported(-1, "this part of a table definition")
		}
	}
	return cols, rest, d.columnNames(names, locs)
}

func (d *Definer) column(n *pg.ColumnDef) (column, error) {
	c := column{col: fqgw.Column{Name: n.Colname}}
	t, err := d.Binder.TypeName(n.TypeName)
	if err != nil {
		return c, d.at(err, n.TypeName.Location)
	}
	if c.col.Type, err = d.columnType(t, n.Colname, n.TypeName.Location); err != nil {
		return c, err
	}
	if n.CollClause != nil {
		if name := last(words(n.CollClause.Collname)); name != "C" && name != "default" && name != "POSIX" {
			return c, d.unsupported(n.CollClause.Location, "collation \"%s\"", name).WithHint("Text is ordered by its bytes: the collation is \"C\".")
		}
	}
	for _, k := range n.Constraints {
		k := k.GetConstraint()
		switch k.Contype {
		case pg.ConstrType_CONSTR_NOTNULL:
			c.col.NotNull = true
		case pg.ConstrType_CONSTR_NULL:
		default:
			c.rest = append(c.rest, k)
		}
	}
	return c, nil
}

// columnType refuses the types that no column can have.
func (d *Definer) columnType(t fqgw.Type, name string, loc int32) (fqgw.Type, error) {
	of := t
	if t.IsArray() {
		of = t.Elem()
	}
	switch of.Base() {
	case fqgw.Record, fqgw.Void, fqgw.Unknown:
		return t, d.fail(loc, "42P16", "column \"%s\" has pseudo-type %s", name, t)
	}
	if !t.InTables() {
		return t, d.unsupported(loc, "a column of type %s", t)
	}
	return t, nil
}

// refusedConstraint is the error for a constraint that relations of a kind cannot have.
func (d *Definer) refusedConstraint(k *pg.Constraint, kind string) error {
	what := map[pg.ConstrType]string{
		pg.ConstrType_CONSTR_PRIMARY:   "PRIMARY KEY",
		pg.ConstrType_CONSTR_UNIQUE:    "UNIQUE",
		pg.ConstrType_CONSTR_FOREIGN:   "FOREIGN KEY",
		pg.ConstrType_CONSTR_DEFAULT:   "DEFAULT",
		pg.ConstrType_CONSTR_CHECK:     "CHECK",
		pg.ConstrType_CONSTR_EXCLUSION: "EXCLUDE",
		pg.ConstrType_CONSTR_IDENTITY:  "GENERATED AS IDENTITY",
		pg.ConstrType_CONSTR_GENERATED: "GENERATED",
	}[k.Contype]
	if what == "" {
		what = "this constraint"
	}
	e := d.unsupported(k.Location, "%s on a %s", what, kind)
	switch {
	case kind == "source":
		return e.WithHint("A source has NOT NULL and CHECK, a changelog PRIMARY KEY too.")
	}
	return e.WithHint("A table has NOT NULL.")
}
