package exec

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/pit"
)

// Compaction puts what landed of a source into runs, in the order of the entities of
// each tuple of join keys that its feature views have, so that a point-in-time join
// finds a row by its entity and time. Runs are merged as they become many: one that
// is at most mergeFactor times as long as those behind it together joins them, so
// that a row is written again a number of times in the logarithm of the history.

const (
	// compactEvery is how often it is looked for what to compact, and compactAgain how
	// often where nothing was committed since, or it failed: a run may be damaged.
	compactEvery = 10 * time.Second
	compactAgain = 5 * time.Minute
	// maintainEvery is how often old snapshots and orphans of a table are looked for.
	maintainEvery = time.Hour
	// compactRows is how many rows are worth a run, or a part of those that are
	// in runs already: so much a join reads beside the runs.
	compactRows  = 100_000
	compactShare = 20
	mergeFactor  = 4
	// mergeMost is how many runs are merged at once at most.
	mergeMost = 32
)

// compactSoon compacts as it becomes worth it, until the engine is closed.
func (e *Engine) compactSoon() {
	type look struct {
		snapshot int64
		at       time.Time
	}
	last := map[string]look{}      // by the lake's name of a history
	kept := map[string]time.Time{} // of any table: when it was maintained
	tick := time.NewTicker(compactEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.life.Done():
			return
		case <-tick.C:
		}
		cat := e.Catalog()
		for _, r := range e.stored(cat) {
			if was, ok := kept[r.history]; !ok || time.Since(was) >= maintainEvery {
				kept[r.history] = time.Now()
				if err := e.maintain(e.life, r); err != nil && e.life.Err() == nil {
					e.o.Logger.Warn("old files of a lake table could not be removed", "relation", r.name, "error", err)
				}
			}
		}
		for _, s := range cat.Sources {
			if e.foreign(s) != nil {
				continue
			}
			snap, err := e.o.History.Current(e.life, s.History)
			was := last[s.History]
			if err != nil || snap.ID == was.snapshot && time.Since(was.at) < compactAgain {
				continue
			}
			last[s.History] = look{snap.ID, time.Now()}
			if err := e.Compact(e.life, s, false); err != nil && e.life.Err() == nil {
				e.o.Logger.Warn("the history of a source could not be compacted", "source", s.Name, "error", err)
			}
		}
	}
}

// tuples are the tuples of join keys of a source's views, as columns of the source.
func tuples(cat *fqgw.Catalog, s *fqgw.Source) (out [][]int) {
	for _, v := range cat.Features {
		var keys []int
		for _, k := range v.Keys {
			keys = append(keys, k.Column)
		}
		if v.Source == s && len(keys) > 0 && (v.Latest || !s.Changelog()) && !slices.ContainsFunc(out, func(t []int) bool { return slices.Equal(t, keys) }) {
			out = append(out, keys)
		}
	}
	slices.SortFunc(out, slices.Compare[[]int])
	return out
}

func runKeys(s *fqgw.Source, keys []int) fqgw.RunKeys {
	k := fqgw.RunKeys{Time: s.Columns[s.EventTime].Name}
	if s.Changelog() { // in the order of versions (window.Versions)
		k.Time = fqgw.ColKnownAt
	}
	for _, c := range keys {
		k.Keys = append(k.Keys, s.Columns[c].Name)
	}
	return k
}

// Compact merges small files of the history of a source, and compacts it for each tuple
// of join keys: all of it into one run each, or as far as it is worth it, and then
// slowly. Only one compaction runs at a time.
func (e *Engine) Compact(ctx context.Context, s *fqgw.Source, whole bool) error {
	if e.foreign(s) != nil { // its files are others'
		return nil
	}
	select {
	case e.compacts <- struct{}{}:
		defer func() { <-e.compacts }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := e.o.History.MergeFiles(ctx, s.History); err != nil {
		return err
	}
	memory := e.memory.Part("a compaction", "--memory", e.MemoryLimit()/2)
	defer memory.Close()
	scan := fqgw.Scan{Table: s.History, Batch: e.batchBytes()}
	for _, c := range pit.RunColumns(s) {
		scan.Columns = append(scan.Columns, c.Name)
	}
	for _, keys := range tuples(e.Catalog(), s) {
		c := &compaction{e: e, source: s, keys: keys, by: runKeys(s, keys), scan: scan, memory: memory, whole: whole}
		if err := c.run(ctx); err != nil {
			return err
		}
	}
	return nil
}

// compaction is that of a history for one tuple of join keys.
type compaction struct {
	e      *Engine
	source *fqgw.Source
	keys   []int
	by     fqgw.RunKeys
	scan   fqgw.Scan
	memory *fqgw.Memory
	whole  bool // all becomes one run, and nobody waits for the processor
	begun  bool // what was fresh at the beginning is in runs
	tries  int
}

// compactTries is how many steps a compaction takes at most that are not a merge: one
// or two suffice, unless others compact too or what was made cannot be read.
const compactTries = 8

func (c *compaction) run(ctx context.Context) error {
	for c.tries < compactTries {
		var done bool
		err := readingRuns(func() (err error) {
			done, err = c.step(ctx)
			return err
		})
		if done || err != nil {
			return err
		}
	}
	return fqgw.Errorf(fqgw.CodeNotInState, "the history of source \"%s\" cannot be compacted: its runs change, or are refused, as soon as they are made", c.source.Name).
		WithHint("The log says which run cannot be read.")
}

// step puts fresh rows into runs, or makes one of runs.
func (c *compaction) step(ctx context.Context) (done bool, err error) {
	h, table := c.e.o.History, c.source.History
	sorted, err := h.Sorted(ctx, c.scan, c.by)
	if err != nil {
		return false, err
	}
	defer sorted.Close()
	rows := 0
	for _, r := range sorted.Runs {
		rows += r.Entities().NumRows()
	}
	write := func(rows fqgw.Records) (fqgw.RunFile, error) {
		f, err := h.WriteRun(ctx, table, c.by, c.paced(ctx, rows))
		c.e.fault("run-written")
		return f, err
	}
	// What lands while all is compacted is left to the next time.
	if least := max(compactRows, int64(rows/compactShare)); sorted.FreshRows > 0 && (c.whole && !c.begun || sorted.FreshRows >= least) {
		c.tries++
		sorted.Fresh = c.paced(ctx, sorted.Fresh)
		var add []fqgw.RunFile
		forget := func() {
			for _, f := range add {
				f.Discard()
			}
			add = nil
		}
		err := pit.Sort(c.source, c.keys, sorted, c.memory, func(rows fqgw.Records) error {
			f, err := write(rows)
			if err == nil {
				add = append(add, f)
			}
			return err
		}, forget)
		if err != nil {
			forget()
			return false, err
		}
		ok, err := h.CommitRuns(ctx, table, c.by, sorted, nil, add, sorted.Upto)
		c.begun = c.begun || ok
		c.e.fault("runs-committed")
		return false, err
	}
	old := mergeable(sorted.Runs, c.whole, c.mergeMost())
	if len(old) < 2 {
		return true, nil
	}
	f, err := write(pit.Merge(c.source, old, c.memory))
	if err != nil {
		return false, err
	}
	ok, err := h.CommitRuns(ctx, table, c.by, sorted, old, []fqgw.RunFile{f}, sorted.Covers)
	if !ok {
		c.tries++
	}
	c.e.fault("runs-merged")
	return false, err
}

// mergeMost is how many runs can be merged at once: of each the columns of a group are
// in memory.
func (c *compaction) mergeMost() int {
	row := int64(0)
	for _, col := range pit.RunColumns(c.source) {
		if row += 8; col.Type.Kind() != fqgw.KindInt && col.Type.Kind() != fqgw.KindFloat && col.Type.Kind() != fqgw.KindTimestamp {
			row += 24
		}
	}
	return int(min(max(c.memory.Limit()/(row*fqgw.RunGroup), 2), mergeMost))
}

// paced are records that are taken no faster than half of the time allows, so that
// who compacts in the background leaves the processor to those who wait for answers.
func (c *compaction) paced(ctx context.Context, in fqgw.Records) fqgw.Records {
	if c.whole {
		return in
	}
	return func(yield func(arrow.RecordBatch, error) bool) {
		from := time.Now()
		for b, err := range in {
			if !yield(b, err) {
				return
			}
			select {
			case <-time.After(min(time.Since(from), longestPause)):
			case <-ctx.Done():
			}
			from = time.Now()
		}
	}
}

const longestPause = 100 * time.Millisecond

// mergeable are the runs that are to become one, at most so many.
func mergeable(runs []fqgw.Run, whole bool, most int) []fqgw.Run {
	if whole {
		// The short ones first: each row is written again as seldom as can be.
		bySize := slices.SortedStableFunc(slices.Values(runs), func(a, b fqgw.Run) int {
			return cmp.Compare(a.Entities().NumRows(), b.Entities().NumRows())
		})
		return bySize[:min(len(bySize), most)]
	}
	behind, from := 0, len(runs)
	for i := len(runs) - 1; i >= 0; i-- {
		n := runs[i].Entities().NumRows()
		if behind > 0 && n <= mergeFactor*behind {
			from = i
		}
		behind += n
	}
	return runs[max(from, len(runs)-most):]
}
