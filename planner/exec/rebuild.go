package exec

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/fqgw/fqgw"
)

// notRebuilt is the error of a training set that cannot be made again.
func notRebuilt(t *fqgw.TrainingSet, format string, args ...any) *fqgw.Error {
	return fqgw.Errorf(fqgw.CodeNotInState, "training set \"%s\" cannot be rebuilt: %s", t.Name, fmt.Sprintf(format, args...))
}

// Rebuildable is nil when a training set can be made again, as far as can be told
// without making it; 55000.
func (e *Engine) Rebuildable(ctx context.Context, t *fqgw.TrainingSet) error {
	if len(t.Reasons) > 0 {
		return notRebuilt(t, "%s", strings.Join(t.Reasons, "; "))
	}
	cat := e.Catalog()
	for _, r := range t.Relations {
		if err := e.unchanged(cat, t, r); err != nil {
			return err
		}
	}
	for _, x := range t.Tables {
		if x.Snapshot == 0 {
			continue
		}
		if _, _, err := e.o.History.Scan(ctx, fqgw.Scan{Table: x.Table, Snapshot: x.Snapshot}); err != nil {
			return notRebuilt(t, "snapshot %d of table \"%s\" is gone", x.Snapshot, x.Table).
				WithDetail("%s", fqgw.AsError(err).Message).WithHint("Tag %s kept it: it was removed, or the table was made anew.", x.Tag)
		}
	}
	for _, h := range t.Histories {
		if err := e.reaches(ctx, cat, t, h); err != nil {
			return err
		}
	}
	return nil
}

// unchanged is nil when a relation is still what it was.
func (e *Engine) unchanged(cat *fqgw.Catalog, t *fqgw.TrainingSet, r fqgw.TrainingRelation) error {
	noun, version := nounOf(cat, r.OID)
	if noun == nil {
		err := notRebuilt(t, "%s \"%s\" was dropped", r.Kind, r.Name)
		if r.Version != 0 {
			err = notRebuilt(t, "%s \"%s\", version %d, was dropped", r.Kind, r.Name, r.Version)
		}
		return err
	}
	if r.Kind == "source" { // a later gate version changes no row that was read; the bytes are compared
		return nil
	}
	if version != r.Version {
		return notRebuilt(t, "%s \"%s\" is at version %d now, it was made with version %d", r.Kind, r.Name, version, r.Version)
	}
	form, err := e.o.Form(noun)
	if err != nil {
		return err
	}
	of := func(form string) string { version, _, _ := strings.Cut(form, ":"); return version }
	if of(form) == of(r.Form) && form != r.Form { // another release may have another form
		return notRebuilt(t, "%s \"%s\" has another definition now", r.Kind, r.Name)
	}
	return nil
}

// CatalogOf is the catalog in which the relations that a training set names have the
// names that they had: a version of a feature view is called otherwise once another one
// is the current one.
func (e *Engine) CatalogOf(t *fqgw.TrainingSet) *fqgw.Catalog {
	cat := e.Catalog()
	out := cat.Clone()
	for _, r := range t.Relations {
		name := fqgw.ParseName(r.Name)
		noun, _ := nounOf(cat, r.OID)
		if noun == nil {
			continue
		}
		delete(out.Sources, name)
		delete(out.Features, name)
		delete(out.Tables, name)
		delete(out.Views, name)
		switch n := noun.(type) {
		case *fqgw.Source:
			out.Sources[name] = n
		case *fqgw.FeatureView:
			out.Features[name] = n
		case *fqgw.Table:
			out.Tables[name] = n
		case *fqgw.View:
			out.Views[name] = n
		}
	}
	return out
}

// nounOf is the relation of an OID, with its version; nil when there is none.
func nounOf(cat *fqgw.Catalog, oid uint32) (noun any, version int) {
	for _, s := range cat.Sources {
		if s.OID == oid {
			return s, s.GateVersion
		}
	}
	for _, v := range cat.Features {
		if v.OID == oid {
			return v, v.Version
		}
	}
	for _, t := range cat.Tables {
		if t.OID == oid {
			return t, 0
		}
	}
	for _, v := range cat.Views {
		if v.OID == oid {
			return v, 0
		}
	}
	return nil, 0
}

// reaches is nil when a history still has all that was read of it.
func (e *Engine) reaches(ctx context.Context, cat *fqgw.Catalog, t *fqgw.TrainingSet, h fqgw.TrainingHistory) error {
	noun, _ := nounOf(cat, h.OID)
	s, ok := noun.(*fqgw.Source)
	if !ok {
		return notRebuilt(t, "source \"%s\" was dropped", h.Source)
	}
	now, err := e.o.History.Current(ctx, s.History)
	if err != nil {
		return notRebuilt(t, "the history of source \"%s\" cannot be read", h.Source).WithDetail("%s", fqgw.AsError(err).Message)
	}
	for p, m := range h.Below {
		if got := now.Landed.Of(int32(p)); got.Before(m) {
			return notRebuilt(t, "the history of source \"%s\" ends before what it was made of", h.Source).
				WithDetail("Partition %d was read below offset %d of epoch %d, and is landed below offset %d of epoch %d.",
					p, m.Next, m.Epoch, got.Next, got.Epoch)
		}
	}
	return nil
}

// Rebuild makes the files of a training set again, from c, its statement bound anew:
// the same bytes, or 55000 that says what differs, and then nothing has changed. It
// returns what it did.
func (e *Engine) Rebuild(env *fqgw.Env, t *fqgw.TrainingSet, c CopyTo) (done string, err error) {
	ctx := env.Ctx
	full, err := e.filePath(t.Name)
	if err != nil {
		return "", err
	}
	u := &unfinished{}
	if err := e.began(ctx, u, func() { u.Path, u.Temp = full, beside(full) }); err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, e.conclusion(context.WithoutCancel(ctx), u)) }()
	files, err := e.writeFiles(replay(e, env, t), c, u.Temp, t.Name)
	if err != nil {
		return "", err
	}
	if err := sameFiles(t, files); err != nil {
		return "", err
	}
	if isFolder(c.Layout) {
		err = e.putBack(u, t)
	} else {
		err = putInPlace(u)
	}
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d rows in %d files, the same bytes", t.Rows, len(files)), nil
}

// replay is the environment in which a training set's statement reads what it read.
func replay(e *Engine, env *fqgw.Env, t *fqgw.TrainingSet) *fqgw.Env {
	p := &pins{e: e, replay: true, tables: t.Tables}
	for _, h := range t.Histories {
		p.histories = append(p.histories, pinned{TrainingHistory: h})
	}
	inner := *env
	inner.Now, inner.Ctx = t.Clock, context.WithValue(env.Ctx, pinsKey{}, p)
	return &inner
}

// sameFiles is nil when the files are those of the manifest.
func sameFiles(t *fqgw.TrainingSet, files []fqgw.StoredFile) error {
	if fqgw.SameFiles(t.Files, files) {
		return nil
	}
	rows := int64(0)
	for _, f := range files {
		rows += f.Rows
	}
	var err *fqgw.Error
	switch {
	case rows != t.Rows:
		err = notRebuilt(t, "it had %d rows and would have %d now", t.Rows, rows)
	case writer != t.Writer:
		return notRebuilt(t, "it has %d rows, but other bytes: its files were written by %s, and this is %s",
			rows, t.Writer, writer)
	default:
		err = notRebuilt(t, "it would have other bytes")
	}
	for i, f := range t.Files {
		if i >= len(files) || !fqgw.SameFiles(files[i:i+1], []fqgw.StoredFile{f}) {
			err = err.WithDetail("The first file that differs is %s: %d rows, %d bytes, SHA-256 %s.", f.Path, f.Rows, f.Bytes, f.SHA256)
			break
		}
	}
	return err.WithHint("The rows that were read are not what they were: another program has written to the lake, or an order is not determined.")
}

// DropTraining forgets a training set of files and removes them.
func (e *Engine) DropTraining(ctx context.Context, t *fqgw.TrainingSet, notice func(string, string)) error {
	if t.Table != 0 {
		return fqgw.Errorf(fqgw.CodeWrongObjectType, "training set \"%s\" is a table", t.Name).WithHint("Use DROP TABLE to remove it.")
	}
	if err := e.commitOne(ctx, e.dropTraining(t.Key()), notice); err != nil {
		return err
	}
	for _, f := range t.Files {
		full, err := e.filePath(filepath.FromSlash(f.Path))
		if err == nil {
			err = os.Remove(full)
		}
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return fqgw.Errorf(fqgw.CodeIO, "training set \"%s\" is forgotten, but a file of it stays: %w", t.Name, err)
		}
		for d := filepath.Dir(full); d != e.o.Files && os.Remove(d) == nil; { // folders that are empty now
			d = filepath.Dir(d)
		}
	}
	return nil
}

// putBack puts the files of a folder into their places, one after the other: those that
// are there have the same bytes, or are damaged.
func (e *Engine) putBack(u *unfinished, t *fqgw.TrainingSet) error {
	for _, f := range t.Files {
		full, err := e.filePath(filepath.FromSlash(f.Path))
		if err != nil {
			return err
		}
		in, err := filepath.Rel(u.Path, full)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(u.Temp, in), full); err != nil {
			return err
		}
		if err := syncFolder(full); err != nil {
			return err
		}
	}
	return os.RemoveAll(u.Temp)
}
