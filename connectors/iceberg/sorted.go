package iceberg

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"os"
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
	lake *Lake
	of   table.Identifier // its table
}

func (w *writtenRun) Rows() int64 { return w.Count }
func (w *writtenRun) Discard()    { w.lake.settle([]fqgw.RunFile{w}, false) }

// projectionName is the table of the runs of a history under some keys. A name that
// holds the separators is escaped, so that no two are the same.
func projectionName(name string, k fqgw.RunKeys) string {
	escape := strings.NewReplacer(`~`, `~~`, `,`, `~,`, ` `, `~ `) // servers refuse a \ in a path
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

// version tells the runs of a projection, and what they cover, from those of before.
// One that was made for runs that never came is none.
func (p *projection) version(text string) string {
	if p != nil && p.Sequence == 0 && len(p.Runs) == 0 {
		return ""
	}
	return text
}

// coverageOf is what of a history was committed up to a sequence number, and the
// parts of the scan that came later. A file from which others deleted rows is another
// than it was before.
func coverageOf(t *table.Table, tasks []table.FileScanTask, sequence int64) (c fqgw.Coverage, fresh []table.FileScanTask) {
	c = fqgw.Coverage{Table: t.Metadata().TableUUID().String(), Sequence: sequence}
	for _, task := range tasks {
		if s := sequenceOf(task); s > sequence {
			fresh = append(fresh, task)
			continue
		}
		if task.Start != 0 {
			continue
		}
		files, sum := nameSum(task)
		c.Files += files
		c.Sum ^= sum
	}
	return c, fresh
}

// deletesOf are the files that delete rows of a file.
func deletesOf(task table.FileScanTask) (out []string) {
	for _, f := range slices.Concat(task.DeleteFiles, task.EqualityDeleteFiles, task.DeletionVectorFiles) {
		out = append(out, f.FilePath())
	}
	slices.Sort(out)
	return out
}

// Sorted implements fqgw.SortedHistory.
func (l *Lake) Sorted(ctx context.Context, s fqgw.Scan, k fqgw.RunKeys) (*fqgw.Sorted, error) {
	out := &fqgw.Sorted{}
	pt, p, err := l.projectionOf(ctx, s.Table, k) // before the history, which covers more then
	if err != nil {
		l.log.Warn("the runs of a history are not used", "table", s.Table, "keys", k.Keys, "error", err)
		p = nil
	}
	if pt != nil {
		if out.Version = p.version(pt.Properties()[runsProperty]); out.Version == "" {
			p = nil
		}
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
	all, err := l.planned(ctx, t, r.at.SnapshotID)
	if err != nil {
		return nil, err
	}
	marks, err := l.marksOf(ctx, t)
	if err != nil {
		return nil, err
	}
	out.Upto, _ = coverageOf(t, all, r.at.SequenceNumber)
	out.Upto.Marks = marks
	fresh := all
	if p != nil && slices.Equal(p.Keys, k.Keys) && p.Time == k.Time {
		covered, later := coverageOf(t, all, p.Sequence)
		if covered.Table == p.Of && covered.Files == p.Files && covered.Sum == p.Sum {
			runs, marks, ok := l.runs(ctx, t, s.Table, p)
			if err := ctx.Err(); err != nil {
				release(runs)
				return nil, err
			}
			if ok {
				fresh, out.Covered, out.Covers = later, marks, covered
				out.Covers.Marks = marks
				for _, r := range runs {
					out.Runs = append(out.Runs, r)
				}
				out.OnClose(func() { release(runs) })
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

// WriteRun implements fqgw.SortedHistory.
func (l *Lake) WriteRun(ctx context.Context, name string, k fqgw.RunKeys, rows fqgw.Records) (fqgw.RunFile, error) {
	cols, err := l.Describe(ctx, name)
	if err != nil {
		return nil, err
	}
	if _, err := specOf(cols, k); err != nil {
		return nil, err
	}
	t, err := l.projectionFor(ctx, name, k, cols)
	if err != nil {
		return nil, err
	}
	spec, ok := undivided(t) // whatever others divide it by: its files are runs
	if !ok {
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "lake: table \"%s\" has no files that are not divided", strings.Join(t.Identifier(), ".")).
			WithHint("Another program has made it. Drop it: it is made anew.")
	}
	w, err := l.newWholeFiles(ctx, t, spec)
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
	return &writtenRun{runFile{w.path, w.rows, w.out.n, sum.Sum32()}, w.done[0], l, t.Identifier()}, nil
}

// projectionFor is the table of a projection, made if there is none. From then on it
// says whose it is, so that it goes with the history.
func (l *Lake) projectionFor(ctx context.Context, name string, k fqgw.RunKeys, cols []fqgw.Column) (*table.Table, error) {
	t, err := l.catalog.LoadTable(ctx, projectionIdent(name, k))
	if !isMissing(err) {
		return t, fail(err)
	}
	of, err := l.load(ctx, name)
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(projection{Version: runsVersion, Of: of.Metadata().TableUUID().String(), Table: name, Keys: k.Keys, Time: k.Time, Marks: formatMarks(nil), Runs: []runFile{}})
	if err != nil {
		return nil, fail(err)
	}
	err = l.create(ctx, projectionName(name, k), cols, nil, iceberg.Properties{runsProperty: string(text)})
	if err != nil && !fqgw.HasCode(err, fqgw.CodeDuplicateTable) {
		return nil, err
	}
	t, err = l.catalog.LoadTable(ctx, projectionIdent(name, k))
	return t, fail(err)
}

// CommitRuns implements fqgw.SortedHistory. The runs of add are opened before, so that
// no reader waits for that.
func (l *Lake) CommitRuns(ctx context.Context, name string, k fqgw.RunKeys, base *fqgw.Sorted, remove []fqgw.Run, add []fqgw.RunFile, upto fqgw.Coverage) (ok bool, err error) {
	var files []iceberg.DataFile
	next := projection{Version: runsVersion, Of: upto.Table, Table: name, Keys: k.Keys, Time: k.Time, Sequence: upto.Sequence, Files: upto.Files, Sum: upto.Sum, Marks: formatMarks(upto.Marks)}
	for _, r := range base.Runs {
		if !slices.Contains(remove, r) {
			next.Runs = append(next.Runs, r.(*run).file)
		}
	}
	for _, f := range add {
		w := f.(*writtenRun)
		next.Runs, files = append(next.Runs, w.runFile), append(files, w.file)
	}
	keep := false // the files are in the table, or may be
	defer func() { l.settle(add, keep) }()
	if err := l.openAdded(ctx, name, &next, add); fqgw.HasCode(err, fqgw.CodeUndefinedTable) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	unlock, err := l.lock(ctx)
	if err != nil {
		return false, err
	}
	defer unlock()
	if holds, err := l.covers(ctx, name, upto); !holds {
		return false, err
	}
	t, now, err := l.projectionOf(ctx, name, k)
	if t == nil {
		return false, err
	}
	found := t.Properties()[runsProperty]
	if now.version(found) != base.Version {
		return false, nil
	}
	tx := t.NewTransaction()
	if err := tx.AssertRefSnapshotID(table.MainBranch); err != nil {
		return false, fail(err)
	}
	text, err := json.Marshal(next)
	if err != nil {
		return false, fail(err)
	}
	if err := tx.SetProperties(iceberg.Properties{runsProperty: string(text)}); err != nil {
		return false, fail(err)
	}
	replaced, err := replace(ctx, t, tx, next.Runs, files)
	if err != nil {
		return false, fail(err)
	}
	after, err := tx.Commit(ctx)
	if err != nil {
		if lost(err) {
			return false, nil
		}
		keep = true // for all we know
		return false, fail(err)
	}
	keep = true
	l.sweepSoon(projectionName(name, k))
	if replaced {
		if err := l.expire(ctx, after, keepRuns); err != nil {
			l.log.Warn("old runs could not be removed", "table", name, "error", err)
		}
	}
	return true, nil
}

// covers says that a history is still what runs of it were made of.
func (l *Lake) covers(ctx context.Context, name string, c fqgw.Coverage) (bool, error) {
	t, err := l.load(ctx, name)
	if fqgw.HasCode(err, fqgw.CodeUndefinedTable) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	tasks, err := l.newest(ctx, t)
	if err != nil {
		return false, err
	}
	now, _ := coverageOf(t, tasks, c.Sequence)
	return now.Table == c.Table && now.Files == c.Files && now.Sum == c.Sum, nil
}

// settle is told what became of the files of runs.
func (l *Lake) settle(add []fqgw.RunFile, keep bool) {
	var far []string
	l.mu.Lock()
	for _, f := range add {
		path := localPath(f.(*writtenRun).Path)
		delete(l.writing, path)
		if !keep && path == "" {
			far = append(far, f.(*writtenRun).Path)
		} else if !keep {
			_ = os.Remove(path) // what stays is an orphan that no table mentions
		}
	}
	l.mu.Unlock()
	if len(far) == 0 {
		return
	}
	ctx := context.Background() // the end of a statement leaves nothing behind; a server has its patience
	t, err := l.catalog.LoadTable(ctx, add[0].(*writtenRun).of)
	if err != nil {
		return
	}
	if files, err := t.FS(ctx); err == nil {
		for _, path := range far {
			_ = files.Remove(path)
		}
	}
}

// keepRuns is how many snapshots of a projection are kept: a read that has chosen
// its runs opens them within keepAge.
const keepRuns = 1

// replace makes the files of a table those of runs, of which add are new. Whatever
// else is in it goes: runs that were merged, or could not be used, or what another
// engine made of them.
func replace(ctx context.Context, t *table.Table, tx *table.Transaction, runs []runFile, add []iceberg.DataFile) (replaced bool, err error) {
	tasks, err := t.Scan().PlanFiles(ctx)
	if err != nil {
		return false, err
	}
	var gone []iceberg.DataFile
	for _, task := range tasks {
		if task.Start == 0 && !slices.ContainsFunc(runs, func(f runFile) bool { return f.Path == task.File.FilePath() }) {
			gone = append(gone, task.File)
		}
	}
	if len(gone) == 0 && len(add) == 0 {
		return false, nil // only more is covered
	}
	return len(gone) > 0, tx.ReplaceDataFilesWithDataFiles(ctx, gone, add, nil, table.WithoutDuplicateCheck(), table.WithoutAutoNameMapping())
}

// dropProjections removes the projections of a history.
func (l *Lake) dropProjections(ctx context.Context, of *table.Table) error {
	all, err := l.projections(ctx)
	if err != nil {
		return err
	}
	uuid := of.Metadata().TableUUID().String()
	for _, p := range all {
		if p.of.Of != uuid {
			continue
		}
		if err := l.dropProjection(ctx, p); err != nil {
			return err
		}
	}
	return nil
}

// projected is a projection with its table.
type projected struct {
	table *table.Table
	of    *projection
}

// projections are those of all histories that can be read.
func (l *Lake) projections(ctx context.Context) (out []projected, err error) {
	for id, err := range l.catalog.ListTables(ctx, table.Identifier{"sorted"}) {
		if isMissing(err) {
			return nil, nil
		}
		if err != nil {
			return nil, fail(err)
		}
		t, err := l.catalog.LoadTable(ctx, id)
		if isMissing(err) {
			continue
		}
		if err != nil {
			return nil, fail(err)
		}
		if p, err := parseProjection(t.Properties()[runsProperty]); err == nil && p != nil {
			out = append(out, projected{t, p})
		}
	}
	return out, nil
}

// widowed says of a projection that its history is gone: another engine dropped it.
func (l *Lake) widowed(ctx context.Context, p projected) (bool, error) {
	t, err := l.load(ctx, p.of.Table)
	if fqgw.HasCode(err, fqgw.CodeUndefinedTable) {
		return true, nil
	}
	return err == nil && t.Metadata().TableUUID().String() != p.of.Of, err
}

func (l *Lake) dropProjection(ctx context.Context, p projected) error {
	if err := l.drop(ctx, p.table); err != nil {
		return err
	}
	l.forget(p.of.Table, p.of.Keys)
	return nil
}
