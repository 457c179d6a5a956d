package exec

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

// The registry's facts about what a process is in the middle of, each process's own
// (fqgw.Facts): the name is one of these and the owner's number. When the owner is
// gone another process finishes or undoes it.
const (
	factCommit = "commit "    // the commitRecord of the transaction that is being written
	factMaking = "making "    // the lake's names of tables that no definition has yet
	factLeft   = "left over " // what DROPs have yet to remove
	// factUnfinished is what statements that keep their rows are in the middle of.
	factUnfinished = "unfinished "
)

// own is the name of this process's fact.
func (e *Engine) own(fact string) string { return fmt.Sprint(fact, e.o.Registry.Owner()) }

// commitRecord is noted before a transaction writes to more than one place, and
// cleared when all is written: the two together are finished or undone
// (INTERFACE, Transactions). Where the transaction also defines something, the
// registry's commit clears it with the definitions. A process has one at a time:
// Engine.define.
type commitRecord struct {
	Version int              `json:"version"` // of this format: 1
	Tables  map[string]int64 `json:"tables"`  // the lake's name, and the snapshot before
}

// text outlives the process; a test pins it.
func (r *commitRecord) text() (string, error) {
	r.Version = 1
	text, err := json.Marshal(r)
	return string(text), err
}

func parseRecord(text string) (*commitRecord, error) {
	var rec commitRecord
	if err := json.Unmarshal([]byte(text), &rec); err != nil || rec.Version != 1 {
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "the commit record cannot be read: %q", text)
	}
	return &rec, nil
}

func (e *Engine) beginRecord(ctx context.Context, tables []*Written) error {
	// One whose end is not known: the registry was away.
	if _, err := e.undoOwn(ctx); err != nil {
		return err
	}
	rec := &commitRecord{Tables: map[string]int64{}}
	for _, w := range tables {
		name := w.Table.History
		now, err := e.o.History.Current(ctx, name)
		if err == nil && now.ID == 0 { // there must be something to go back to
			if _, _, err = e.o.History.Land(ctx, name, nil, nil, nil); err == nil {
				now, err = e.o.History.Current(ctx, name)
			}
		}
		if err != nil {
			return err
		}
		rec.Tables[name] = now.ID
	}
	text, err := rec.text()
	if err != nil {
		return err
	}
	return e.o.Registry.PutOwn(ctx, e.own(factCommit), text)
}

// undoOwn undoes what this process's record says, if it is there: undone is false
// when it is not, because the transaction's end came to the registry although its
// answer did not come back.
func (e *Engine) undoOwn(ctx context.Context) (undone bool, err error) {
	text, err := e.o.Registry.Get(ctx, e.own(factCommit))
	if err != nil || text == "" {
		return false, err
	}
	rec, err := parseRecord(text)
	if err == nil {
		err = e.undoRecord(ctx, rec)
	}
	if err == nil {
		err = e.endRecord(ctx)
	}
	return err == nil, err
}

// undoRecord takes the tables back to what they were. Only the transaction's own
// snapshot is taken back: one table of that name that was made since, or to which
// others have added, stays as it is. After an error the record stays: it is tried
// again.
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
		errs = append(errs, fqgw.UnlessMissing(err)) // it may have been made by the transaction, and be gone
	}
	return errors.Join(errs...)
}

func (e *Engine) endRecord(ctx context.Context) error {
	return e.o.Registry.PutOwn(ctx, e.own(factCommit), "")
}

// adopt finishes or undoes what processes that are gone were in the middle of.
// Engine.define is held, or nothing runs yet.
func (e *Engine) adopt(ctx context.Context) error {
	for _, kind := range []string{factCommit, factMaking, factLeft, factUnfinished} {
		facts, err := e.o.Registry.Adopt(ctx, kind)
		if err != nil {
			return err
		}
		e.adopted = append(e.adopted, facts...)
	}
	if len(e.adopted) == 0 {
		return nil
	}
	// Their owners can commit nothing more: what they defined is known after this.
	if err := e.catchUp(ctx); err != nil {
		return err
	}
	var errs []error
	e.adopted = slices.DeleteFunc(e.adopted, func(f fqgw.Fact) bool {
		err := e.conclude(ctx, f)
		if err == nil {
			err = e.o.Registry.PutOwn(ctx, f.Name, "")
		}
		errs = append(errs, err)
		return err == nil
	})
	return errors.Join(errs...)
}

// conclude finishes or undoes what an adopted fact says.
func (e *Engine) conclude(ctx context.Context, f fqgw.Fact) error {
	switch {
	case strings.HasPrefix(f.Name, factCommit):
		rec, err := parseRecord(f.Value)
		if err != nil {
			return err
		}
		e.o.Logger.Warn("a transaction that was being written when its process ended is undone", "tables", slices.Sorted(maps.Keys(rec.Tables)))
		return e.undoRecord(ctx, rec)
	case strings.HasPrefix(f.Name, factMaking):
		tables, err := parseMaking(f.Value)
		if err != nil {
			return err
		}
		for _, name := range tables {
			if e.named(name) {
				continue
			}
			if err := fqgw.UnlessMissing(e.o.History.Drop(ctx, name)); err != nil {
				return err
			}
		}
		return nil
	}
	if !strings.HasPrefix(f.Name, factUnfinished) {
		return e.inheritLeft(ctx, f.Value)
	}
	list, err := parseUnfinished(f.Value)
	for _, u := range list {
		err = errors.Join(err, e.settleUnfinished(ctx, u))
	}
	return err
}

// named says whether a definition has the lake's table.
func (e *Engine) named(history string) bool {
	for _, t := range e.Catalog().Tables {
		if t.History == history {
			return true
		}
	}
	for _, s := range e.Catalog().Sources {
		if s.History == history {
			return true
		}
	}
	return false
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
	text, err := makingText(e.unnamed)
	if err != nil {
		return err
	}
	return e.o.Registry.PutOwn(ctx, e.own(factMaking), text)
}

// makingText outlives the process, version 1; a test pins it.
func makingText(tables []string) (string, error) {
	if len(tables) == 0 {
		return "", nil
	}
	text, err := json.Marshal(makingRecord{1, tables})
	return string(text), err
}

type makingRecord struct {
	Version int      `json:"version"`
	Tables  []string `json:"tables"`
}

// parseMaking reads also what was there before version 1: a line for each table.
func parseMaking(text string) ([]string, error) {
	if text != "" && !strings.HasPrefix(text, "{") {
		return strings.Split(strings.TrimSuffix(text, "\n"), "\n"), nil
	}
	var rec makingRecord
	if err := json.Unmarshal([]byte(text), &rec); err != nil || rec.Version != 1 {
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "the tables that were being made cannot be read: %q", text)
	}
	return rec.Tables, nil
}

// makeTable creates the lake's table; one whose name is taken there, by a table
// that the same transaction drops or by somebody else's, is numbered.
func (e *Engine) makeTable(ctx context.Context, t *fqgw.Table, partition []string) error {
	// What is there already is never noted as being made: a kill must not drop it.
	if _, err := e.o.History.Describe(ctx, t.History); err == nil {
		t.History = numbered(t)
	} else if err := fqgw.UnlessMissing(err); err != nil {
		return err
	}
	if err := e.making(ctx, t.History, false); err != nil {
		return err
	}
	err := e.o.History.Create(ctx, t.History, t.Columns, partition...)
	if err != nil {
		err = errors.Join(err, e.making(context.WithoutCancel(ctx), t.History, true))
	}
	return err
}

// unmakeTable takes makeTable back.
func (e *Engine) unmakeTable(ctx context.Context, t *fqgw.Table) error {
	return errors.Join(e.o.History.Drop(ctx, t.History), e.making(ctx, t.History, true))
}
