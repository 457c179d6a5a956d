package iceberg

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"hash/fnv"
	"io"
	"slices"
	"strings"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// The runs of a history under some join keys are the files of a table of their own,
// its projection, in the namespace "sorted": an ordinary table that has every row of
// an entity, each once. A property names its files in their order and says what they
// cover.

// runsProperty is the table property that has a projection, version 1.
const runsProperty = "fqgw.runs"

const runsVersion = 1

// projection is the value of runsProperty. It outlives the process; a test pins it.
type projection struct {
	Version  int       `json:"version"`
	Of       string    `json:"of"` // the UUID of the history's table
	Table    string    `json:"table"`
	Keys     []string  `json:"keys"`
	Time     string    `json:"time"`
	Sequence int64     `json:"sequence"`
	Files    int       `json:"files"`
	Sum      uint64    `json:"sum"`
	Marks    string    `json:"marks"`
	Runs     []runFile `json:"runs"`
}

// runFile is a file of a run.
type runFile struct {
	Path  string `json:"path"`
	Count int64  `json:"rows"`
	Bytes int64  `json:"bytes"`
	Sum   uint32 `json:"crc32c"`
}

// writtenRun is an fqgw.RunFile.
type writtenRun struct {
	runFile
	file iceberg.DataFile
}

func (w *writtenRun) Rows() int64 { return w.Count }

// projectionName is the table of the runs of a history under some keys. A name that
// holds the separators is escaped, so that no two are the same.
func projectionName(name string, k fqgw.RunKeys) string {
	escape := strings.NewReplacer(`\`, `\\`, `,`, `\,`, ` `, `\ `)
	keys := make([]string, len(k.Keys))
	for i, c := range k.Keys {
		keys[i] = escape.Replace(c)
	}
	id := ident(name)
	return "sorted." + escape.Replace(strings.Join(id, ".")) + " by " + strings.Join(keys, ",")
}

// projectionOf reads the projection of a history; nil when there is none that can be
// used.
func (l *Lake) projectionOf(ctx context.Context, name string, k fqgw.RunKeys) (*table.Table, *projection, error) {
	t, err := l.catalog.LoadTable(ctx, projectionIdent(name, k))
	if isMissing(err) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, fail(err)
	}
	p, err := parseProjection(t.Properties()[runsProperty])
	return t, p, err
}

func projectionIdent(name string, k fqgw.RunKeys) table.Identifier {
	ns, t, _ := strings.Cut(projectionName(name, k), ".")
	return table.Identifier{ns, t}
}

func parseProjection(text string) (*projection, error) {
	if text == "" {
		return nil, nil
	}
	p := &projection{}
	if err := json.Unmarshal([]byte(text), p); err != nil || p.Version != runsVersion {
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "lake: property %s %q cannot be read", runsProperty, text)
	}
	return p, nil
}

// coverageOf is what of a history was committed up to a sequence number, and the
// parts of the scan that came later.
func (l *Lake) coverageOf(ctx context.Context, t *table.Table, tasks []table.FileScanTask, sequence int64) (c fqgw.Coverage, fresh []table.FileScanTask) {
	c = fqgw.Coverage{Table: t.Metadata().TableUUID().String(), Sequence: sequence}
	for _, task := range tasks {
		if s := sequenceOf(task); s > sequence {
			fresh = append(fresh, task)
			continue
		}
		h := fnv.New64a()
		_, _ = io.WriteString(h, task.File.FilePath())
		if task.Start == 0 {
			c.Files++
			c.Sum ^= h.Sum64()
		}
	}
	return c, fresh
}

// deletes says that rows of a file are deleted by other files.
func deletes(task table.FileScanTask) bool {
	return len(task.DeleteFiles)+len(task.EqualityDeleteFiles)+len(task.DeletionVectorFiles) > 0
}

// Sorted implements fqgw.History.
func (l *Lake) Sorted(ctx context.Context, s fqgw.Scan, k fqgw.RunKeys) (*fqgw.Sorted, error) {
	out := &fqgw.Sorted{}
	_, p, err := l.projectionOf(ctx, s.Table, k) // before the history, which covers more then
	if err != nil {
		l.log.Warn("the runs of a history are not used", "table", s.Table, "keys", k.Keys, "error", err)
		p = nil
	}
	t, err := l.load(ctx, s.Table)
	if err != nil {
		return nil, err
	}
	r, err := newReading(t, s)
	if err != nil {
		return nil, err
	}
	if r.at == nil {
		out.Fresh = r.records(ctx, nil)
		out.Upto.Table = t.Metadata().TableUUID().String()
		return out, nil
	}
	all, err := t.Scan(table.WithSnapshotID(r.at.SnapshotID)).PlanFiles(ctx)
	if err != nil {
		return nil, fail(err)
	}
	slices.SortFunc(all, written)
	marks, err := l.marksOf(ctx, t)
	if err != nil {
		return nil, err
	}
	out.Upto, _ = l.coverageOf(ctx, t, all, r.at.SequenceNumber)
	out.Upto.Marks = marks
	fresh := all
	if p != nil && !slices.ContainsFunc(all, deletes) {
		covered, later := l.coverageOf(ctx, t, all, p.Sequence)
		if covered.Table == p.Of && covered.Files == p.Files && covered.Sum == p.Sum && slices.Equal(p.Keys, k.Keys) && p.Time == k.Time {
			runs, err := l.runs(ctx, s.Table, p)
			if err == nil {
				out.Covered, err = parseMarks(p.Marks)
			}
			if err != nil {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				l.log.Warn("the runs of a history are not used", "table", s.Table, "keys", k.Keys, "error", err)
			} else {
				fresh, out.Covers = later, covered
				out.Covers.Marks = out.Covered
				for _, r := range runs {
					out.Runs = append(out.Runs, r)
				}
				out.OnClose(func() {
					for _, r := range runs {
						r.release()
					}
				})
			}
		}
	}
	for _, task := range fresh {
		if task.Start == 0 {
			out.FreshRows += task.File.Count()
		}
	}
	out.Fresh = r.records(ctx, fresh)
	return out, nil
}

// runs opens the runs of a projection, each once for the process; they are to be
// released.
func (l *Lake) runs(ctx context.Context, name string, p *projection) (out []*run, err error) {
	l.opening.Lock() // one at a time: each is read whole when it is opened
	defer l.opening.Unlock()
	defer func() {
		if err != nil {
			for _, r := range out {
				r.release()
			}
		}
	}()
	key := name + "\x00" + strings.Join(p.Keys, "\x00")
	old := l.opened[key]
	cols, err := l.Describe(ctx, name)
	if err != nil {
		return nil, err
	}
	spec, err := specOf(cols, fqgw.RunKeys{Keys: p.Keys, Time: p.Time})
	if err != nil {
		return nil, err
	}
	for _, f := range p.Runs {
		if i := slices.IndexFunc(old, func(r *run) bool { return r.file == f }); i >= 0 {
			old[i].retain()
			out = append(out, old[i])
			continue
		}
		r, err := openRun(ctx, localPath(f.Path), f, spec)
		if err != nil {
			return out, err
		}
		out = append(out, r)
	}
	for _, r := range out {
		r.retain() // for l.opened
	}
	for _, r := range old {
		r.release()
	}
	if l.opened == nil {
		l.opened = map[string][]*run{}
	}
	// What was opened just now has a first user already: the caller.
	l.opened[key] = slices.Clone(out)
	return out, nil
}

func specOf(cols []fqgw.Column, k fqgw.RunKeys) (s runSpec, err error) {
	s.cols = cols
	at := func(name string) int {
		return slices.IndexFunc(cols, func(c fqgw.Column) bool { return c.Name == name })
	}
	for _, name := range append(slices.Clone(k.Keys), k.Time) {
		i := at(name)
		if i < 0 {
			return s, fqgw.Errorf(fqgw.CodeUndefinedColumn, "lake: a history has no column \"%s\"", name)
		}
		s.keys = append(s.keys, i)
	}
	s.keys, s.time = s.keys[:len(k.Keys)], s.keys[len(k.Keys)]
	n := len(cols) - len(fqgw.HiddenColumns)
	for i, h := range fqgw.HiddenColumns {
		if n < 0 || cols[n+i].Name != h.Name {
			return s, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "lake: the table is no history of a source")
		}
	}
	return s, nil
}

// WriteRun implements fqgw.History.
func (l *Lake) WriteRun(ctx context.Context, name string, k fqgw.RunKeys, rows fqgw.Records) (fqgw.RunFile, error) {
	cols, err := l.Describe(ctx, name)
	if err != nil {
		return nil, err
	}
	if _, err := specOf(cols, k); err != nil {
		return nil, err
	}
	t, _, err := l.projectionOf(ctx, name, k)
	if err == nil && t == nil {
		if err = l.Create(ctx, projectionName(name, k), cols); err == nil || fqgw.HasCode(err, fqgw.CodeDuplicateTable) {
			t, err = l.catalog.LoadTable(ctx, projectionIdent(name, k))
		}
	}
	if err != nil {
		return nil, fail(err)
	}
	w, err := l.newDataFiles(ctx, t)
	if err != nil {
		return nil, err
	}
	sum := crc32.New(castagnoli)
	w.properties, w.whole, w.sum = runProperties(cols), true, sum
	w.name = "run-" + rand.Text()
	err = w.writeAll(ctx, rows)
	if err == nil && len(w.done) != 1 {
		err = fmt.Errorf("a run of no rows")
	}
	if err != nil {
		w.remove()
		w.release()
		return nil, fail(err)
	}
	return &writtenRun{runFile{w.path, w.rows, w.out.n, sum.Sum32()}, w.done[0]}, nil
}

// CommitRuns implements fqgw.History.
func (l *Lake) CommitRuns(ctx context.Context, name string, k fqgw.RunKeys, base *fqgw.Sorted, remove []fqgw.Run, add []fqgw.RunFile, upto fqgw.Coverage) (ok bool, err error) {
	unlock, err := l.lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	var files []iceberg.DataFile
	next := projection{Version: runsVersion, Of: upto.Table, Table: name, Keys: k.Keys, Time: k.Time, Sequence: upto.Sequence, Files: upto.Files, Sum: upto.Sum, Marks: formatMarks(upto.Marks)}
	committed := false
	defer func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, f := range add {
			delete(l.writing, localPath(f.(*writtenRun).Path))
		}
	}()
	t, now, err := l.projectionOf(ctx, name, k)
	if err != nil || t == nil {
		return false, err
	}
	fs, err := t.FS(ctx)
	if err != nil {
		return false, fail(err)
	}
	defer func() {
		if !committed && (err == nil || lost(err)) {
			for _, f := range add {
				_ = fs.Remove(f.(*writtenRun).Path)
			}
		}
	}()
	var was, old []runFile
	for _, r := range base.Runs {
		f := r.(*run).file
		was = append(was, f)
		if slices.Contains(remove, r) {
			old = append(old, f)
		} else {
			next.Runs = append(next.Runs, f)
		}
	}
	if now != nil && len(was) > 0 && !slices.Equal(now.Runs, was) {
		return false, nil
	}
	if now != nil && len(was) == 0 { // they could not be used: all go
		old = now.Runs
	}
	for _, f := range add {
		w := f.(*writtenRun)
		next.Runs = append(next.Runs, w.runFile)
		files = append(files, w.file)
	}
	text, err := json.Marshal(next)
	if err != nil {
		return false, fail(err)
	}
	tx := t.NewTransaction()
	if err := tx.SetProperties(iceberg.Properties{runsProperty: string(text)}); err != nil {
		return false, fail(err)
	}
	if t.CurrentSnapshot() != nil {
		if err := tx.AssertRefSnapshotID(table.MainBranch); err != nil {
			return false, fail(err)
		}
	}
	if err := replace(ctx, t, tx, old, files); err != nil {
		return false, fail(err)
	}
	after, err := tx.Commit(ctx)
	if err != nil {
		if lost(err) {
			return false, nil
		}
		committed = true // for all we know
		return false, fail(err)
	}
	committed = true
	l.sweepSoon(projectionName(name, k))
	if len(old) > 0 {
		if err := l.expire(ctx, after, keepRuns); err != nil {
			l.log.Warn("old runs could not be removed", "table", name, "error", err)
		}
	}
	return true, nil
}

// keepRuns is how many snapshots of a projection are kept: a read that has chosen
// its runs opens them within keepAge.
const keepRuns = 1

// replace takes files away from a table and adds others.
func replace(ctx context.Context, t *table.Table, tx *table.Transaction, old []runFile, add []iceberg.DataFile) error {
	if len(old) == 0 && len(add) == 0 {
		return nil // only more is covered
	}
	if len(old) == 0 {
		return tx.AddDataFiles(ctx, add, nil, table.WithoutDuplicateCheck(), table.WithoutAutoNameMapping())
	}
	tasks, err := t.Scan().PlanFiles(ctx)
	if err != nil {
		return err
	}
	var gone []iceberg.DataFile
	for _, task := range tasks {
		if task.Start == 0 && slices.ContainsFunc(old, func(f runFile) bool { return f.Path == task.File.FilePath() }) {
			gone = append(gone, task.File)
		}
	}
	return tx.ReplaceDataFilesWithDataFiles(ctx, gone, add, nil, table.WithoutDuplicateCheck(), table.WithoutAutoNameMapping())
}

// dropProjections removes the projections of a history.
func (l *Lake) dropProjections(ctx context.Context, of *table.Table) error {
	uuid := of.Metadata().TableUUID().String()
	for id, err := range l.catalog.ListTables(ctx, table.Identifier{"sorted"}) {
		if isMissing(err) {
			return nil
		}
		if err != nil {
			return fail(err)
		}
		t, err := l.catalog.LoadTable(ctx, id)
		if err != nil {
			return fail(err)
		}
		p, err := parseProjection(t.Properties()[runsProperty])
		if err != nil || p == nil || p.Of != uuid {
			continue
		}
		if err := l.drop(ctx, t); err != nil {
			return err
		}
	}
	return nil
}
