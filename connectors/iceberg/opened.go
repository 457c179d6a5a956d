package iceberg

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// opened are the runs of a projection that are opened: each once for the process,
// until they are replaced, or others need the memory.
type opened struct {
	mu      sync.Mutex // held while a run is opened, which reads it whole
	runs    []*run     // each retained for this list
	refused map[runFile]refusal
	used    time.Time
}

// refusal is why a run was not opened. It is not tried again before refusedFor is
// over: each try reads it whole.
type refusal struct {
	err error
	at  time.Time
}

const refusedFor = time.Minute

func (l *Lake) openedOf(table string, keys []string) *opened {
	key := table + "\x00" + strings.Join(keys, "\x00")
	l.mu.Lock()
	defer l.mu.Unlock()
	o := l.opened[key]
	if o == nil {
		o = &opened{refused: map[runFile]refusal{}}
		l.opened[key] = o
	}
	return o
}

// forget is for a projection that was dropped.
func (l *Lake) forget(table string, keys []string) {
	o := l.openedOf(table, keys)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.clear()
}

// order is that of the runs of a projection.
func (p *projection) order() fqgw.RunKeys { return fqgw.RunKeys{Keys: p.Keys, Time: p.Time} }

func (o *opened) clear() {
	release(o.runs)
	o.runs = nil
	clear(o.refused)
}

// runs are those of a projection, which the caller releases, and the positions that
// they cover. Not ok when one cannot be used, or ctx has ended; the log has why.
func (l *Lake) runs(ctx context.Context, t *table.Table, name string, p *projection) (out []*run, marks fqgw.Marks, ok bool) {
	warn := func(err error) {
		if ctx.Err() == nil {
			l.log.Warn("the runs of a history are not used until it is compacted again", "table", name, "keys", p.Keys, "error", err)
		}
	}
	marks, err := parseMarks(p.Marks)
	if err != nil {
		warn(err)
		return nil, nil, false
	}
	cols, err := columns(t)
	if err != nil {
		warn(err)
		return nil, nil, false
	}
	spec, err := specOf(cols, p.order())
	if err != nil {
		warn(err)
		return nil, nil, false
	}
	o := l.openedOf(name, p.Keys)
	o.mu.Lock()
	defer o.mu.Unlock()
	o.used = time.Now()
	for _, f := range p.Runs {
		r, told, err := o.open(ctx, l, p, f, spec)
		if err != nil {
			if !told {
				warn(err)
			}
			release(out)
			return nil, nil, false
		}
		r.retain()
		out = append(out, r)
	}
	release(slices.DeleteFunc(slices.Clone(o.runs), func(r *run) bool { return slices.Contains(out, r) }))
	o.runs = slices.Clone(out)
	clear(o.refused)
	return out, marks, true
}

// openAdded opens runs that are to be committed.
func (l *Lake) openAdded(ctx context.Context, name string, p *projection, add []fqgw.RunFile) error {
	if len(add) == 0 {
		return nil
	}
	cols, err := l.Describe(ctx, name)
	if err != nil {
		return err
	}
	spec, err := specOf(cols, p.order())
	if err != nil {
		return err
	}
	o := l.openedOf(name, p.Keys)
	for _, f := range add {
		// Beside the lock: readers go on.
		r, err := l.openNear(ctx, p, f.(*writtenRun).runFile, spec)
		if errors.Is(err, errNoRoom) {
			continue // as below
		}
		if err != nil {
			return err
		}
		if err := l.room(o, r); err != nil {
			r.release()
			continue // it is as it should be; whoever reads it will be told
		}
		o.mu.Lock()
		o.runs = append(o.runs, r)
		o.mu.Unlock()
	}
	return nil
}

// open finds a run or opens it; told says that the error is one of before.
func (o *opened) open(ctx context.Context, l *Lake, p *projection, f runFile, spec runSpec) (r *run, told bool, err error) {
	if i := slices.IndexFunc(o.runs, func(r *run) bool { return r.file == f }); i >= 0 {
		if o.runs[i].unchanged() {
			return o.runs[i], false, nil
		}
		o.runs[i].release()
		o.runs = slices.Delete(o.runs, i, i+1)
	}
	if no, ok := o.refused[f]; ok && time.Since(no.at) < refusedFor {
		return nil, true, no.err
	}
	r, err = l.openNear(ctx, p, f, spec)
	if err == nil {
		if err = l.room(o, r); err != nil {
			r.release()
		}
	}
	if err != nil {
		if ctx.Err() == nil {
			o.refused[f] = refusal{err, time.Now()}
		}
		return nil, false, err
	}
	o.runs = append(o.runs, r)
	return r, false, nil
}

// room counts the memory of a run of o. Where there is none the runs of others go that
// nobody reads, those first that were read longest ago.
func (l *Lake) room(o *opened, r *run) error {
	for {
		n := r.entities.Bytes() + r.copied
		err := l.memory.Take(n)
		if err == nil {
			r.memory, r.held = l.memory, n
			return nil
		}
		if !l.makeRoom(o) {
			return err
		}
	}
}

// makeRoom closes the runs of one projection other than o.
func (l *Lake) makeRoom(o *opened) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	var oldest *opened
	for _, other := range l.opened {
		if other == o || !other.mu.TryLock() {
			continue
		}
		idle := len(other.runs) > 0 && !slices.ContainsFunc(other.runs, func(r *run) bool { return r.users.Load() > 1 })
		if !idle || oldest != nil && !other.used.Before(oldest.used) {
			other.mu.Unlock()
			continue
		}
		if oldest != nil {
			oldest.mu.Unlock()
		}
		oldest = other
	}
	if oldest == nil {
		return false
	}
	oldest.clear()
	oldest.mu.Unlock()
	return true
}

// unchanged says that the file is the one that was opened.
func (r *run) unchanged() bool {
	info, err := os.Stat(r.path)
	return err == nil && info.Size() == r.file.Bytes && info.ModTime().Equal(r.written)
}

// retain and release count the readers of the mapped file.
func (r *run) retain() { r.users.Add(1) }

func (r *run) release() {
	for {
		n := r.users.Load()
		if n == 2 { // of the reads the last ends; while it is one nobody unmaps
			r.pages.giveBack(r.data)
		}
		if !r.users.CompareAndSwap(n, n-1) {
			continue
		}
		if n == 1 {
			r.unmap()
			r.memory.Give(r.held)
		}
		return
	}
}

func release(runs []*run) {
	for _, r := range runs {
		r.release()
	}
}

// columnsIn is an error when a run lacks a column: it was written before the column
// was there.
func (r *run) columnsIn(spec runSpec) error {
	for _, c := range spec.cols {
		if _, ok := r.cols[c.Name]; !ok {
			return fmt.Errorf("it has no column \"%s\"", c.Name)
		}
	}
	return nil
}
