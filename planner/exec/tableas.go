package exec

import (
	"context"
	"errors"
	"fmt"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// CreateTableAs makes a table of the rows; filled gets how many they were. With
// training it is a training set.
func (e *Engine) CreateTableAs(env *fqgw.Env, st *plan.CreateTable, training *Training, filled *int64) Change {
	t := *st.Table
	u := &unfinished{}
	made := e.defineTable(&t)
	over := func(ctx context.Context) error {
		if training == nil {
			return nil
		}
		return e.conclusion(ctx, u)
	}
	return Change{
		Tag:   "CREATE TABLE AS",
		Early: true,
		Define: func(ctx context.Context, cat *fqgw.Catalog, n *Numbers) ([]fqgw.Object, []uint32, error) {
			put, drop, err := made(ctx, cat, n)
			if err != nil || training == nil {
				return put, drop, err
			}
			oid, err := n.Next(ctx, "oid")
			if err != nil {
				return nil, nil, err
			}
			set := training.Set
			set.OID, set.Table, set.Name = uint32(oid), t.OID, t.Qualified().String()
			cat.Training[set.Key()] = set
			o, err := set.Object()
			return append(put, o), drop, err
		},
		Write: func(ctx context.Context, _ func(string, string)) error {
			if err := e.makeTable(ctx, &t, st.Layout.Partition); err != nil {
				return err
			}
			if st.WithNoData {
				return nil
			}
			n, err := e.fillTable(env, &t, st, training, u)
			if *filled = n; err != nil {
				ctx := context.WithoutCancel(ctx)
				if gone := errors.Join(e.unmakeTable(ctx, &t), over(ctx)); gone != nil {
					e.o.Logger.Warn("dropping a table that was not filled failed", "table", t.Name, "error", gone)
				}
			}
			return err
		},
		Undo: func(ctx context.Context) error { return errors.Join(e.unmakeTable(ctx, &t), over(ctx)) },
		After: func(ctx context.Context, _ func(string, string)) error {
			if training != nil {
				e.fault("training-committed")
			}
			return errors.Join(e.making(ctx, t.History, true), over(context.WithoutCancel(ctx)))
		},
	}
}

// fillTable runs the query of CREATE TABLE AS.
func (e *Engine) fillTable(env *fqgw.Env, t *fqgw.Table, st *plan.CreateTable, training *Training, u *unfinished) (int64, error) {
	var p *pins
	if training != nil {
		p = training.pins
		if err := e.began(env.Ctx, u, func() { u.OID = training.Set.OID }); err != nil {
			return 0, err
		}
	}
	var out fqgw.Filled
	err := e.keep(env, p, u, func(env *fqgw.Env) error {
		rows, err := e.Run(env, st.Query)
		if err != nil {
			return err
		}
		defer rows.Close()
		out, err = e.o.History.Fill(env.Ctx, t.History, fqgw.FileLayout{Bytes: st.Layout.Bytes}, e.kept(env, rows, t.Columns, st.Layout))
		return err
	})
	if err == nil && training != nil {
		training.Set.Made = out.Snapshot
		training.finish(out.Rows, out.Files)
		e.fault("training-written")
	}
	return out.Rows, err
}

// RebuildTable is Rebuild of a training set that is a table: st is its statement, bound
// anew. Files of the table that are gone, or are not as they were, come back.
func (e *Engine) RebuildTable(env *fqgw.Env, t *fqgw.TrainingSet, st *plan.CreateTable) (done string, err error) {
	noun, _ := nounOf(e.Catalog(), t.Table)
	table, ok := noun.(*fqgw.Table)
	if !ok {
		return "", notRebuilt(t, "its table was dropped")
	}
	env = replay(e, env, t)
	rows, err := e.Run(env, st.Query)
	if err != nil {
		return "", err
	}
	defer rows.Close()
	files, err := e.o.History.Refill(env.Ctx, table.History, fqgw.FileLayout{Bytes: st.Layout.Bytes}, t.Files, e.kept(env, rows, table.Columns, st.Layout))
	if err != nil {
		return "", err
	}
	if err := sameFiles(t, files); err != nil {
		return "", err
	}
	now, err := e.o.History.Current(env.Ctx, table.History)
	if err != nil {
		return "", err
	}
	if done = fmt.Sprintf("%d rows in %d files, the same bytes", t.Rows, len(files)); now.ID != t.Made {
		done += "; the table has been changed since"
	}
	return done, nil
}
