package exec

import (
	"context"
	"slices"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/pit"
)

// Compaction puts what landed of a source into runs, in the order of the entities of
// each tuple of join keys that its feature views have, so that a point-in-time join
// finds a row by its entity and time. Runs are merged as they become many: one that
// is at most mergeFactor times as long as those behind it together joins them, so
// that a row is written again a number of times in the logarithm of the history.

const (
	// compactEvery is how often it is looked for what to compact.
	compactEvery = 10 * time.Second
	// compactRows is how many rows are worth a run, or a part of those that are
	// in runs already: so much a join reads beside the runs.
	compactRows  = 100_000
	compactShare = 20
	mergeFactor  = 4
)

// compactSoon compacts as it becomes worth it, until the engine is closed.
func (e *Engine) compactSoon() {
	seen := map[string]int64{} // by the lake's name of a history: the snapshot that was looked at
	tick := time.NewTicker(compactEvery)
	defer tick.Stop()
	for {
		select {
		case <-e.life.Done():
			return
		case <-tick.C:
		}
		cat := e.Catalog()
		for _, s := range cat.Sources {
			if e.foreign(s) != nil {
				continue
			}
			snap, err := e.o.History.Current(e.life, s.History)
			if err != nil || snap.ID == seen[s.History] || snap.Rows < compactRows {
				continue
			}
			seen[s.History] = snap.ID
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
		if v.Source == s && len(keys) > 0 && !slices.ContainsFunc(out, func(t []int) bool { return slices.Equal(t, keys) }) {
			out = append(out, keys)
		}
	}
	slices.SortFunc(out, slices.Compare[[]int])
	return out
}

func runKeys(s *fqgw.Source, keys []int) fqgw.RunKeys {
	k := fqgw.RunKeys{Time: s.Columns[s.EventTime].Name}
	for _, c := range keys {
		k.Keys = append(k.Keys, s.Columns[c].Name)
	}
	return k
}

// Compact compacts the history of a source for each tuple of join keys: all of it into
// one run each, or as far as it is worth it. Only one compaction runs at a time.
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
	for _, keys := range tuples(e.Catalog(), s) {
		if err := e.compact(ctx, s, keys, whole); err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) compact(ctx context.Context, s *fqgw.Source, keys []int, whole bool) error {
	memory := fqgw.NewMemory("a compaction", "--memory", e.MemoryLimit()/2)
	k := runKeys(s, keys)
	scan := fqgw.Scan{Table: s.History}
	for _, c := range pit.RunColumns(s) {
		scan.Columns = append(scan.Columns, c.Name)
	}
	for range compactTries {
		if done, err := e.compactOnce(ctx, s, scan, keys, k, whole, memory); done || err != nil {
			return err
		}
	}
	return fqgw.Errorf(fqgw.CodeNotInState, "the history of source \"%s\" cannot be compacted: its runs change, or are refused, as soon as they are made", s.Name).
		WithHint("The log says which run cannot be read.")
}

// compactTries is how many steps a compaction takes at most: two suffice, unless
// others compact too or what was made cannot be read.
const compactTries = 8

// compactOnce makes one step: fresh rows into runs, or runs into one.
func (e *Engine) compactOnce(ctx context.Context, s *fqgw.Source, scan fqgw.Scan, keys []int, k fqgw.RunKeys, whole bool, memory *fqgw.Memory) (done bool, err error) {
	h := e.o.History
	sorted, err := h.Sorted(ctx, scan, k)
	if err != nil {
		return true, err
	}
	defer sorted.Close()
	rows := 0
	for _, r := range sorted.Runs {
		rows += r.Entities().NumRows()
	}
	var add []fqgw.RunFile
	if least := max(compactRows, int64(rows/compactShare)); sorted.FreshRows > 0 && (whole || sorted.FreshRows >= least) {
		err := pit.Sort(s, keys, sorted, memory, func(rows fqgw.Records) error {
			f, err := h.WriteRun(ctx, s.History, k, rows)
			if err == nil {
				add = append(add, f)
			}
			return err
		})
		if err != nil {
			// What was written is an orphan: the lake removes it in time.
			return true, err
		}
		_, err = h.CommitRuns(ctx, s.History, k, sorted, nil, add, sorted.Upto)
		return err != nil, err
	}
	old := mergeable(sorted.Runs, whole)
	if len(old) < 2 {
		return true, nil
	}
	f, err := h.WriteRun(ctx, s.History, k, pit.Merge(s, old))
	if err != nil {
		return true, err
	}
	_, err = h.CommitRuns(ctx, s.History, k, sorted, old, []fqgw.RunFile{f}, sorted.Covers)
	return err != nil, err
}

// mergeable are the last runs that are to become one.
func mergeable(runs []fqgw.Run, whole bool) []fqgw.Run {
	if whole {
		return runs
	}
	behind, from := 0, len(runs)
	for i := len(runs) - 1; i >= 0; i-- {
		n := runs[i].Entities().NumRows()
		if behind > 0 && n <= mergeFactor*behind {
			from = i
		}
		behind += n
	}
	return runs[from:]
}

// Vacuum compacts the histories of sources, whole.
func (e *Engine) Vacuum(ctx context.Context, sources []*fqgw.Source) error {
	for _, s := range sources {
		if err := e.Compact(ctx, s, true); err != nil {
			return err
		}
	}
	return nil
}
