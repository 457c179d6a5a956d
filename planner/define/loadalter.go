package define

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/parse"
)

// A relation that was altered is kept as the statement that made it and those that
// altered it, each in a property (fqgw.AlterationName): bound one after the other they
// give every version of it.

// alteredBy applies a stored ALTER to a relation, which change gets.
func alteredBy(cat *fqgw.Catalog, sql string, begin func(*Definer, *pg.RangeVar) *altering) (*altering, error) {
	stmts, err := parse.Parse(sql)
	if err != nil {
		return nil, err
	}
	if len(stmts) != 1 {
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "the stored ALTER has %d statements", len(stmts))
	}
	d := &Definer{Binder: &bind.Binder{Catalog: cat}, stmt: stmts[0]}
	d.Binder.Stmt = stmts[0]
	switch n := stmts[0].Node.Node.(type) {
	case *pg.Node_AlterTableStmt:
		a := begin(d, n.AlterTableStmt.Relation)
		return a, a.all(n.AlterTableStmt.Cmds)
	case *pg.Node_RenameStmt:
		a := begin(d, n.RenameStmt.Relation)
		return a, a.rename(n.RenameStmt.Subname, n.RenameStmt.Newname)
	}
	return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "the stored text is no ALTER: %q", sql)
}

// alterSource brings a source from its first gate version to that of its object.
func alterSource(cat *fqgw.Catalog, s *fqgw.Source, o *fqgw.Object) (*fqgw.Source, error) {
	for version := 2; version <= o.Version; version++ {
		step, err := fqgw.ParseAlteration(o.Props[fqgw.AlterationName(version)])
		if err != nil {
			return nil, err
		}
		a, err := alteredBy(cat, step.SQL, func(d *Definer, r *pg.RangeVar) *altering { return sourceAltering(d, s, r) })
		if err != nil {
			return nil, err
		}
		next := a.after()
		next.Steps = s.Steps
		next.Follow(s, a.places, step.From)
		was, to := slices.Concat(s.Columns, fqgw.HiddenColumns), slices.Concat(next.Own(), fqgw.HiddenColumns)
		places := a.places
		for i := range fqgw.HiddenColumns {
			places = append(slices.Clip(places), len(s.Columns)+i)
		}
		next.Steps = stepped(next.Steps, o.OID, version, was, to, places)
		s = next
	}
	return s, nil
}

// alterTable is alterSource for a table.
func alterTable(cat *fqgw.Catalog, t *fqgw.Table, o *fqgw.Object) (*fqgw.Table, error) {
	for version := 2; version <= o.Version; version++ {
		step, err := fqgw.ParseAlteration(o.Props[fqgw.AlterationName(version)])
		if err != nil {
			return nil, err
		}
		a, err := alteredBy(cat, step.SQL, func(d *Definer, r *pg.RangeVar) *altering { return tableAltering(d, t, r) })
		if err != nil {
			return nil, err
		}
		next := *t
		next.Columns = a.cols
		next.Steps = stepped(t.Steps, o.OID, version, t.Columns, next.Columns, a.places)
		t = &next
	}
	return t, nil
}

// stepped adds the step to a version, if the columns of the lake's table are others then.
func stepped(steps []fqgw.SchemaStep, oid uint32, version int, was, to []fqgw.Column, places []int) []fqgw.SchemaStep {
	step := fqgw.SchemaStep{Mark: fqgw.StepMark(oid, version), Columns: slices.Clone(to), Was: make([]string, len(to))}
	same := len(was) == len(to)
	for i, p := range places {
		step.Columns[i].Field, step.Columns[i].Comment, step.Columns[i].Number = "", "", 0
		if p < 0 {
			same = false
			continue
		}
		step.Was[i] = was[p].Name
		same = same && p == i && was[p].Name == to[i].Name && was[p].Type == to[i].Type && was[p].NotNull == to[i].NotNull
	}
	if same {
		return steps
	}
	return append(slices.Clip(steps), step)
}
