package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fqgw/fqgw"
)

// soon is how long folding waits for the states of a server among several, which
// then counts as away.
const soon = time.Second

// fetch is the loading of entities from a server that is away, in the background.
type fetch struct {
	server  string
	entries []*entry
	reads   []fqgw.UnitRead
	units   []*unit
	states  []fqgw.UnitState
	revived map[*entry][]byte // from the lake, in the place of states
	err     error
}

func newFetch(server string, entries []*entry) *fetch {
	ft := &fetch{server: server, entries: entries}
	at := map[*unit]int{}
	for _, e := range entries {
		i, ok := at[e.unit]
		if !ok {
			i = len(ft.reads)
			at[e.unit] = i
			ft.reads, ft.units = append(ft.reads, fqgw.UnitRead{Unit: e.unit.id}), append(ft.units, e.unit)
		}
		ft.reads[i].Keys = append(ft.reads[i].Keys, e.key)
	}
	return ft
}

// load reads the states of entities that are not in memory, all in one trip. In
// a session entities of a server among several that is away stay without a state:
// their events wait for it, and those of the other servers go on.
func (f *folder) load() error {
	missing := f.missing
	f.missing = f.missing[:0]
	now := missing[:0:0]
	for _, e := range missing {
		server := f.server(e.unit)
		if entries, away := f.absent[server]; away {
			f.absent[server] = append(entries, e)
		} else {
			now = append(now, e)
		}
	}
	if len(now) == 0 {
		return nil
	}
	ft := newFetch("", now)
	err := retry(f.c.ctx, func(err error) { f.c.trouble("", err) }, func() (err error) {
		ctx := f.c.ctx
		if f.c.live && f.server(now[0].unit) != "" {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, soon)
			defer cancel()
		}
		ft.states, err = f.c.s.p.o.Online.Read(ctx, ft.reads)
		if f.c.ctx.Err() == nil && len(ft.states) > 0 && f.postpone(ft) {
			return nil
		}
		return err
	})
	if err != nil {
		return err
	}
	if f.c.live {
		f.c.s.stats.trouble(onlineTrouble(""), "")
	}
	return f.loaded(ft)
}

func (f *folder) server(u *unit) string { return f.c.s.p.o.Online.Server(u.id.Shard) }

// postpone leaves out of a fetch the units whose server, one of several, did not
// answer; false when that is not why it failed.
func (f *folder) postpone(ft *fetch) bool {
	if !f.c.live {
		return false
	}
	for i, st := range ft.states {
		if err := st.Err; err != nil && (!lost(err) && !errors.Is(err, context.DeadlineExceeded) || f.server(ft.units[i]) == "") {
			return false
		}
	}
	away := map[string][]*entry{}
	n := 0
	for i, st := range ft.states {
		u := ft.units[i]
		if st.Err == nil {
			ft.reads[n], ft.units[n], ft.states[n] = ft.reads[i], u, st
			n++
			continue
		}
		server := f.server(u)
		f.c.trouble(server, st.Err)
		for _, key := range ft.reads[i].Keys {
			away[server] = append(away[server], u.entries[key])
		}
	}
	ft.reads, ft.units, ft.states = ft.reads[:n], ft.units[:n], ft.states[:n]
	for server, entries := range away {
		f.absent[server] = append(f.absent[server], entries...)
		f.fetch(server)
	}
	return true
}

// loaded takes up the states that were read. Entities that are in the lake wait for it.
func (f *folder) loaded(ft *fetch) error {
	var cold []*entry
	for i, st := range ft.states {
		u := ft.units[i]
		if u.share.gone {
			continue
		}
		if n := f.c.at.owned; !sameMarks(st.Marks, u.marks, n) && (u.flying == nil || !sameMarks(st.Marks, u.flying, n)) {
			return fence(u.id)
		}
		for k, key := range ft.reads[i].Keys {
			e := u.entries[key]
			if e == nil || e.state != nil {
				continue
			}
			var err error
			if e.state, err = f.unstub(u.share.view.layout, st.States[k]); err != nil {
				return &damaged{u.share.view.v, fmt.Errorf("%s: %w", key, err)}
			}
			if e.state == nil {
				e.stub = st.States[k]
				cold = append(cold, e)
				continue
			}
			e.packed = len(st.States[k])
			f.weigh(e, 0)
		}
	}
	f.freeze(cold)
	return nil
}

// fetch loads what is absent of a server when it is back.
func (f *folder) fetch(server string) {
	ft := newFetch(server, f.absent[server])
	f.absent[server] = nil // it stays away until they have come
	go func() {
		ft.err = guarded(func() error {
			return retry(f.c.ctx, func(err error) { f.c.trouble(server, err) }, func() (err error) {
				ft.states, err = f.c.s.p.o.Online.Read(f.c.ctx, ft.reads)
				return err
			})
		})
		select {
		case f.fetched <- ft:
		case <-f.c.ctx.Done():
		}
	}()
}

// await keeps the event of an entity that is not loaded. Its unit is not flushed
// until it is applied, so that no position passes it.
func (f *folder) await(j *job) {
	f.waitBytes += j.bytes
	if f.waits++; f.waits == 1 {
		f.waitFrom = slices.Clone(f.progress)
	}
	j.entry.unit.waits = append(j.entry.unit.waits, j)
}

// arrive applies the events that waited for entities.
func (f *folder) arrive(ft *fetch) error {
	if ft.err != nil {
		return ft.err
	}
	take := f.loaded
	if ft.server == lake {
		take = f.thawed
	}
	if err := take(ft); err != nil {
		return err
	}
	f.c.s.stats.trouble(onlineTrouble(ft.server), "")
	if len(f.absent[ft.server]) == 0 {
		delete(f.absent, ft.server)
	} else if ft.server == lake {
		f.thaw()
	} else {
		f.fetch(ft.server)
	}
	for _, u := range ft.units {
		later := u.waits[:0]
		for _, j := range u.waits {
			if j.entry.state == nil {
				later = append(later, j)
				continue
			}
			f.hand = j.in.Pos
			l := j.entry.unit.share.view.layout
			l.Apply(f.touch(j.entry), &j.in)
			f.weigh(j.entry, l.Growth(j.entry.state, &j.in))
			f.hand = nowhere
			f.waits--
			f.waitBytes -= j.bytes
		}
		clear(u.waits[len(later):])
		u.waits = later
	}
	f.report()
	return nil
}

// forsake forgets what is absent of a view that goes.
func (f *folder) forsake(sh *share) {
	for server, entries := range f.absent {
		f.absent[server] = slices.DeleteFunc(entries, func(e *entry) bool { return e.unit.share == sh })
	}
	sh.gone = true
	for _, u := range sh.units {
		u.waits = nil
	}
}
