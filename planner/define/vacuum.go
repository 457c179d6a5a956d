package define

import (
	"cmp"
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// vacuum is VACUUM of the named relations, of all sources and tables where none is
// named. Only what has files in the lake has something to do.
func (d *Definer) vacuum(n *pg.VacuumStmt) (plan.Statement, error) {
	cat, out := d.Binder.Catalog, &plan.Vacuum{}
	if len(n.Rels) == 0 {
		for _, s := range cat.Sources {
			out.Sources = append(out.Sources, s)
		}
		for _, t := range cat.Tables {
			out.Tables = append(out.Tables, t)
		}
		for _, v := range cat.Features {
			out.Views = append(out.Views, v)
		}
		slices.SortFunc(out.Sources, func(a, b *fqgw.Source) int { return cmp.Compare(a.OID, b.OID) })
		slices.SortFunc(out.Tables, func(a, b *fqgw.Table) int { return cmp.Compare(a.OID, b.OID) })
	}
	err := d.named(n, func(name fqgw.QualifiedName) {
		if s := cat.Sources[name]; s != nil {
			out.Sources = append(out.Sources, s)
		} else if t := cat.Tables[name]; t != nil {
			out.Tables = append(out.Tables, t)
		} else if v := cat.Features[name]; v != nil {
			out.Views = append(out.Views, v)
		}
	})
	if err != nil {
		return nil, err
	}
	if len(out.Sources)+len(out.Tables)+len(out.Views) == 0 {
		return &plan.NoOp{Tag: "VACUUM", Notice: "VACUUM has nothing to do: only sources, tables and feature views have something in the lake"}, nil
	}
	return out, nil
}

// analyze is ANALYZE, which needs no statistics but those that every file has.
func (d *Definer) analyze(n *pg.VacuumStmt) (plan.Statement, error) {
	if err := d.named(n, func(fqgw.QualifiedName) {}); err != nil {
		return nil, err
	}
	return &plan.NoOp{Tag: "ANALYZE", Notice: "ANALYZE has nothing to do: every file of the lake has its statistics"}, nil
}

// named calls f for each relation that the statement names; 42P01.
func (d *Definer) named(n *pg.VacuumStmt, f func(fqgw.QualifiedName)) error {
	for _, r := range n.Rels {
		rel := r.GetVacuumRelation().Relation
		name, err := d.relationName(rel)
		if err != nil {
			return err
		}
		if d.Binder.Temp != nil && d.Binder.Temp(rel.Relname) != nil && rel.Schemaname == "" {
			continue
		}
		if d.Binder.Catalog.Has(name) == "" {
			return d.fail(rel.Location, fqgw.CodeUndefinedTable, "relation \"%s\" does not exist", rel.Relname)
		}
		f(name)
	}
	return nil
}
