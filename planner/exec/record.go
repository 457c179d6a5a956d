package exec

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

// The registry's facts about writes that a killed process leaves half done.
const (
	factCommit = "commit" // the commitRecord of the transaction that is being written
	factMaking = "making" // the lake's names of tables that no definition has yet
)

// commitRecord is noted before a transaction writes to more than one place, and
// cleared when all is written: the two together are finished or undone
// (INTERFACE, Transactions). Where the transaction also defines something, the
// registry's commit is what finishes it. There is one at a time: Engine.define.
type commitRecord struct {
	Version int64            `json:"version"` // of the definitions before
	Defines bool             `json:"defines"`
	Tables  map[string]int64 `json:"tables"` // the lake's name, and the snapshot before
}

func (e *Engine) beginRecord(ctx context.Context, tables []*Written, version int64, defines bool) (*commitRecord, error) {
	rec := &commitRecord{Version: version, Defines: defines, Tables: map[string]int64{}}
	for _, w := range tables {
		name := w.Table.History
		now, err := e.o.History.Current(ctx, name)
		if err == nil && now.ID == 0 { // there must be something to go back to
			if _, _, err = e.o.History.Land(ctx, name, nil, nil, nil); err == nil {
				now, err = e.o.History.Current(ctx, name)
			}
		}
		if err != nil {
			return nil, err
		}
		rec.Tables[name] = now.ID
	}
	text, err := json.Marshal(rec)
	if err != nil {
		return nil, err
	}
	return rec, e.o.Registry.Put(ctx, factCommit, string(text))
}

// undoRecord takes the tables back to what they were. Only the transaction's own
// snapshot is taken back: one table of that name that was made since, or to which
// others have added, stays as it is.
func (e *Engine) undoRecord(ctx context.Context, rec *commitRecord) error {
	var errs []error
	for name, before := range rec.Tables {
		now, err := e.o.History.Current(ctx, name)
		switch {
		case err != nil || now.ID == before:
		case now.Parent == before:
			err = e.o.History.Rollback(ctx, name, before)
		default:
			e.o.Logger.Error("a transaction that was cut off cannot be undone in a table that was written since", "table", name)
		}
		errs = append(errs, unlessMissing(err)) // it may have been made by the transaction, and be gone
	}
	if err := errors.Join(errs...); err != nil {
		return err // the record stays: the next start tries again
	}
	return e.endRecord(ctx)
}

func (e *Engine) endRecord(ctx context.Context) error { return e.o.Registry.Put(ctx, factCommit, "") }

// recover finishes or undoes what a killed process left.
func (e *Engine) recover(ctx context.Context) error {
	text, err := e.o.Registry.Get(ctx, factCommit)
	if err != nil {
		return err
	}
	if text != "" {
		var rec commitRecord
		if err := json.Unmarshal([]byte(text), &rec); err != nil {
			return fqgw.Errorf(fqgw.CodeDataCorrupted, "the commit record cannot be read: %v", err)
		}
		if rec.Defines && e.Catalog().Version > rec.Version {
			err = e.endRecord(ctx)
		} else {
			e.o.Logger.Warn("a transaction that was being written when the process ended is undone", "tables", slices.Sorted(maps.Keys(rec.Tables)))
			err = e.undoRecord(ctx, &rec)
		}
		if err != nil {
			return err
		}
	}
	if text, err = e.o.Registry.Get(ctx, factMaking); err != nil || text == "" {
		return err
	}
	for name := range strings.Lines(text) {
		name = strings.TrimSuffix(name, "\n")
		defined := false
		for _, t := range e.Catalog().Tables {
			defined = defined || t.History == name
		}
		for _, s := range e.Catalog().Sources {
			defined = defined || s.History == name
		}
		if defined {
			continue
		}
		if err := unlessMissing(e.o.History.Drop(ctx, name)); err != nil {
			return err
		}
	}
	return e.o.Registry.Put(ctx, factMaking, "")
}

// making notes that a table of the lake belongs to no definition yet, or, with
// over, that it does now or is gone.
func (e *Engine) making(ctx context.Context, name string, over bool) error {
	e.tables.Lock()
	defer e.tables.Unlock()
	e.unnamed = slices.DeleteFunc(e.unnamed, func(n string) bool { return n == name })
	if !over {
		e.unnamed = append(e.unnamed, name)
	}
	var b strings.Builder
	for _, n := range e.unnamed {
		b.WriteString(n + "\n")
	}
	return e.o.Registry.Put(ctx, factMaking, b.String())
}

// makeTable creates the lake's table; one whose name is taken there, by a table
// that the same transaction drops or by somebody else's, is numbered.
func (e *Engine) makeTable(ctx context.Context, t *fqgw.Table) error {
	// What is there already is never noted as being made: a kill must not drop it.
	if _, err := e.o.History.Describe(ctx, t.History); err == nil {
		t.History = numbered(t)
	} else if err := unlessMissing(err); err != nil {
		return err
	}
	if err := e.making(ctx, t.History, false); err != nil {
		return err
	}
	err := e.o.History.Create(ctx, t.History, t.Columns)
	if err != nil {
		err = errors.Join(err, e.making(context.WithoutCancel(ctx), t.History, true))
	}
	return err
}

// unlessMissing is err, nil for a table that is not there.
func unlessMissing(err error) error {
	var known *fqgw.Error
	if errors.As(err, &known) && known.Code == fqgw.CodeUndefinedTable {
		return nil
	}
	return err
}

// unmakeTable takes makeTable back.
func (e *Engine) unmakeTable(ctx context.Context, t *fqgw.Table) error {
	return errors.Join(e.o.History.Drop(ctx, t.History), e.making(ctx, t.History, true))
}
