package iceberg

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// evolvedProperty is the table property that has the mark of the last step that
// Evolve carried out, version 1 by its callers' texts.
const evolvedProperty = "fqgw.evolved"

// Evolve implements fqgw.History. Columns keep their ids: files that are there are read as
// before, by current names, wherever a snapshot of before is read.
func (l *Lake) Evolve(ctx context.Context, name string, steps []fqgw.SchemaStep) error {
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for try := 1; ; {
		begun := time.Now()
		t, err := l.load(ctx, name)
		if err != nil {
			return err
		}
		done := slices.IndexFunc(steps, func(s fqgw.SchemaStep) bool { return s.Mark == t.Properties()[evolvedProperty] })
		if done == len(steps)-1 {
			return nil
		}
		step := steps[done+1]
		// The runs have the columns of before, by name.
		if err := l.dropProjections(ctx, t); err != nil {
			return err
		}
		tx := t.NewTransaction()
		if err := evolve(t, tx, step); err != nil {
			return fail(err)
		}
		switch _, err = tx.Commit(ctx); {
		case err == nil:
			try = 1
		case refused(err) && !lost(err) || try == appendTries:
			return fail(err)
		default: // whether it was carried out its mark tells
			if err := wait(ctx, try, time.Since(begun)); err != nil {
				return err
			}
			try++
		}
	}
}

// evolve makes the columns of t those of the step. Where some go that is a commit by itself:
// iceberg-go cannot put a new one of the same name into its place.
func evolve(t *table.Table, tx *table.Transaction, step fqgw.SchemaStep) error {
	have, err := columns(t)
	if err != nil {
		return err
	}
	u := tx.UpdateSchema(true, false)
	kept := slices.DeleteFunc(slices.Clone(have), func(c fqgw.Column) bool { return !slices.Contains(step.Was, c.Name) })
	if len(kept) < len(have) {
		text, err := columnsText(kept)
		if err != nil {
			return err
		}
		for _, h := range have {
			if !slices.Contains(step.Was, h.Name) {
				u.DeleteColumn([]string{h.Name})
			}
		}
		if err := tx.SetProperties(iceberg.Properties{columnsProperty: text}); err != nil {
			return err
		}
		return u.Commit()
	}
	text, err := columnsText(step.Columns)
	if err != nil {
		return err
	}
	if err := tx.SetProperties(iceberg.Properties{columnsProperty: text, evolvedProperty: step.Mark}); err != nil {
		return err
	}
	next := 0
	for i, c := range step.Columns {
		to, err := icebergType(c.Type, &next)
		if err != nil {
			return err
		}
		was := step.Was[i]
		if was == "" {
			u.AddColumn([]string{c.Name}, to, "", false, nil)
			for j := i + 1; j < len(step.Columns); j++ {
				if before := step.Was[j]; before != "" {
					u.MoveBefore([]string{c.Name}, []string{before})
					break
				}
			}
			continue
		}
		f, ok := t.Schema().FindFieldByName(was)
		if !ok {
			return gone(was, step.Mark)
		}
		var update table.ColumnUpdate
		if was != c.Name {
			update.Name = iceberg.Optional[string]{Val: c.Name, Valid: true}
		}
		if !c.Type.IsArray() && !f.Type.Equals(to) {
			update.FieldType = iceberg.Optional[iceberg.Type]{Val: to, Valid: true}
		}
		if update != (table.ColumnUpdate{}) {
			u.UpdateColumn([]string{was}, update)
		}
	}
	return u.Commit()
}

// columnsText is the value of columnsProperty.
func columnsText(cols []fqgw.Column) (string, error) {
	kept := make([]columnProperty, len(cols))
	for i, c := range cols {
		kept[i] = columnProperty{c.Name, c.Type.OID, c.Type.Mod, c.NotNull}
	}
	text, err := json.Marshal(kept)
	return string(text), err
}
