package exec

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// Training is a statement whose rows become a training set, and what it reads.
type Training struct {
	Set  *fqgw.TrainingSet
	pins *pins
}

// NewTraining begins the manifest of a statement whose rows are kept; nil when nothing
// of it is read as of a time. used are the relations that it names; set has what the
// session knows: the statement, its settings and arguments.
func (e *Engine) NewTraining(env *fqgw.Env, query plan.Node, used []any, set *fqgw.TrainingSet) (*Training, error) {
	if !AsOf(query) {
		return nil, nil
	}
	t := &Training{Set: set, pins: e.newPins()}
	s := survey{why: t.pins.because, temp: func(table *fqgw.Table) bool {
		session, ok := env.Session.(Session)
		return ok && session.TempTable(table) != nil
	}}
	s.node(query)
	var err error
	set.Relations, err = e.relations(used)
	set.Created, set.Clock = time.Now().UnixMicro(), env.Now
	return t, err
}

// Because adds a reason for which the training set cannot be made again.
func (t *Training) Because(why string) { t.pins.because("%s", why) }

// relations are the relations as they are defined, each once.
func (e *Engine) relations(used []any) (out []fqgw.TrainingRelation, err error) {
	for i := 0; i < len(used); i++ {
		var r fqgw.TrainingRelation
		switch n := used[i].(type) {
		case *fqgw.Source:
			r = fqgw.TrainingRelation{Kind: "source", Name: n.Qualified().String(), OID: n.OID, Version: n.GateVersion}
		case *fqgw.FeatureView:
			r = fqgw.TrainingRelation{Kind: "feature view", Name: n.Qualified().String(), OID: n.OID, Version: n.Version}
			used = append(used[:len(used):len(used)], n.Source)
		case *fqgw.View:
			r = fqgw.TrainingRelation{Kind: "view", Name: n.Qualified().String(), OID: n.OID}
		case *fqgw.Table:
			r = fqgw.TrainingRelation{Kind: "table", Name: n.Qualified().String(), OID: n.OID}
			if n.OID == 0 { // a temporary one
				continue
			}
		}
		if slices.ContainsFunc(out, func(o fqgw.TrainingRelation) bool { return o.OID == r.OID }) {
			continue
		}
		if r.Form, err = e.o.Form(used[i]); err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// keep runs a statement whose rows are kept. write gets them, and is called again
// when a history was read too soon (pins.known).
func (e *Engine) keep(env *fqgw.Env, p *pins, u *unfinished, write func(env *fqgw.Env) error) error {
	if p == nil {
		return write(env)
	}
	p.note = func() error {
		return e.began(env.Ctx, u, func() {
			u.Tags = nil
			for _, t := range p.tables {
				u.Tags = append(u.Tags, tagName{t.Table, t.Tag})
			}
		})
	}
	inner := *env
	inner.Ctx = context.WithValue(env.Ctx, pinsKey{}, p)
	err := write(&inner)
	if err != nil && p.late {
		p.late, p.now, p.histories = false, true, nil
		p.read.Store(0)
		err = write(&inner)
	}
	return err
}

// finish puts what the statement has read into the manifest.
func (t *Training) finish(rows int64, files []fqgw.StoredFile) {
	p, m := t.pins, t.Set
	m.Tables, m.Reasons, m.Rows, m.Files, m.Writer = p.tables, p.reasons, rows, files, writer
	m.Histories = nil
	for _, h := range p.histories {
		m.Histories = append(m.Histories, h.TrainingHistory)
	}
}

// define is the change that keeps the training set, in the place of one of that name.
func (e *Engine) defineTraining(t *Training) Change {
	var old []leftover
	return Change{
		Tag: "COPY",
		Define: func(_ context.Context, cat *fqgw.Catalog, _ *Numbers) ([]fqgw.Object, []uint32, error) {
			var gone []uint32
			if was := cat.Training[t.Set.Key()]; was != nil {
				old, gone = tagsOf(was), []uint32{was.OID}
			}
			cat.Training[t.Set.Key()] = t.Set
			o, err := t.Set.Object()
			return []fqgw.Object{o}, gone, err
		},
		Write: func(ctx context.Context, _ func(string, string)) error { return e.leave(ctx, old) },
		Undo:  func(ctx context.Context) error { return e.forgive(ctx, old) },
		After: func(ctx context.Context, notice func(string, string)) error {
			e.removeNow(ctx, old, notice)
			return nil
		},
	}
}

// tagsOf are what a training set leaves behind in the lake.
func tagsOf(t *fqgw.TrainingSet) (out []leftover) {
	for _, x := range t.Tables {
		if x.Tag != "" {
			out = append(out, leftover{OID: t.OID, What: "tag", Name: x.Table, Tag: x.Tag})
		}
	}
	return out
}

// dropTraining is the change that forgets a training set of files.
func (e *Engine) dropTraining(key string) Change {
	var old []leftover
	return Change{
		Tag: "DROP TRAINING SET",
		Define: func(_ context.Context, cat *fqgw.Catalog, _ *Numbers) ([]fqgw.Object, []uint32, error) {
			was := cat.Training[key]
			if was == nil {
				return nil, nil, nil
			}
			delete(cat.Training, key)
			old = tagsOf(was)
			return nil, []uint32{was.OID}, nil
		},
		Write: func(ctx context.Context, _ func(string, string)) error { return e.leave(ctx, old) },
		Undo:  func(ctx context.Context) error { return e.forgive(ctx, old) },
		After: func(ctx context.Context, notice func(string, string)) error {
			e.removeNow(ctx, old, notice)
			return nil
		},
	}
}

// commitOne carries out one change by itself, whatever the session's transaction does.
func (e *Engine) commitOne(ctx context.Context, ch Change, notice func(string, string)) error {
	c := NewChanges(e)
	if _, err := c.Add(ctx, e.Catalog(), ch); err != nil {
		return err
	}
	return e.Commit(ctx, c, notice)
}

// CopyTo is a COPY … TO a file: its query, the file's columns, and the manifest to be
// kept with it, nil for none.
type CopyTo struct {
	Query    plan.Node
	Path     string
	Columns  []fqgw.Column
	Layout   fqgw.FileLayout
	Training *Training
}

// CopyToParquet writes the rows of a query to Parquet files below the allowed folder.
// The file, or the folder, and its manifest appear together, whole, or not at all.
func (e *Engine) CopyToParquet(env *fqgw.Env, c CopyTo) (n int64, err error) {
	full, err := e.filePath(c.Path)
	if err != nil {
		return 0, err
	}
	name, err := filepath.Rel(e.o.Files, full)
	if err != nil {
		return 0, outside(c.Path, e.o.Files)
	}
	if err := distinctNames(c.Columns); err != nil {
		return 0, err
	}
	if err := free(full, c.Path, isFolder(c.Layout)); err != nil {
		return 0, err
	}
	u := &unfinished{}
	if err := e.began(env.Ctx, u, func() { u.Path, u.Temp = full, beside(full) }); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, e.conclusion(context.WithoutCancel(env.Ctx), u)) }()
	var p *pins
	if c.Training != nil {
		p = c.Training.pins
	}
	var files []fqgw.StoredFile
	err = e.keep(env, p, u, func(env *fqgw.Env) (err error) {
		files, err = e.writeFiles(env, c, u.Temp, name)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("writing %s: %w", c.Path, err)
	}
	for _, f := range files {
		n += f.Rows
	}
	notice := func(message, hint string) { notify(env, message, hint) }
	if c.Training == nil {
		if err := putInPlace(u); err != nil {
			return 0, err
		}
		if key := (&fqgw.TrainingSet{Name: name}).Key(); e.Catalog().Training[key] != nil {
			err = e.commitOne(env.Ctx, e.dropTraining(key), notice)
		}
		return n, err
	}
	oid, err := e.o.Registry.Next(env.Ctx, "oid", 1)
	if err != nil {
		return 0, err
	}
	c.Training.Set.OID, c.Training.Set.Name = uint32(oid), name
	c.Training.finish(n, files)
	if err := e.began(env.Ctx, u, func() { u.OID = uint32(oid) }); err != nil {
		return 0, err
	}
	e.fault("training-written")
	err = e.commitOne(env.Ctx, e.defineTraining(c.Training), notice)
	e.fault("training-committed")
	return n, err
}
