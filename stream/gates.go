package stream

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode"
	"github.com/fqgw/fqgw/stream/quality"
	"github.com/fqgw/fqgw/stream/window"
)

// definition is what a source is at the moment. It changes between two sessions only:
// the rows of a session all have the same columns.
type definition struct {
	src  *fqgw.Source
	gate *quality.Gate // of the newest gate version
}

func (s *source) define(src *fqgw.Source) { s.def.Store(&definition{src, quality.New(src)}) }

// src is the source as it is defined.
func (s *source) src() *fqgw.Source { return s.def.Load().src }

// newest is the source as the next session will have it, or this one.
func (s *source) newest() *fqgw.Source {
	if next := s.next.Load(); next != nil {
		return next.src
	}
	return s.src()
}

// redefinition is what a source is to become when the session has ended.
type redefinition struct {
	src   *fqgw.Source
	views map[int64]*fqgw.FeatureView // by state version: bound to src
}

// gates decode and judge the records of a source, each by the gate version that its
// position is of, so that a record which is read again is what it was when it came first
// (SEMANTICS §3.6). Not safe for concurrent use, as decoders are not.
type gates struct {
	src *fqgw.Source // what they were made of, and whose columns the rows have
	all []gate       // by version, from 1 on
}

type gate struct {
	*quality.Gate
	decode.Decoder
	was *fqgw.Gate // nil: the newest
}

func (s *source) gates() (*gates, error) {
	g := &gates{src: s.src()}
	for n := range len(g.src.Earlier) + 1 {
		src, was := g.src.GateAt(n + 1)
		d, err := s.p.o.Decoder(src)
		if err != nil {
			return nil, err
		}
		g.all = append(g.all, gate{quality.New(src), d, was})
	}
	return g, nil
}

// at is the version that judges the record at a position.
func (g *gates) at(p fqgw.Position) *gate { return &g.all[g.src.GateOf(p)-1] }

// now makes the rows of changes those of the source as it is now.
func (g *gate) now(changes []fqgw.Event) {
	if g.was == nil {
		return
	}
	for i := range changes {
		changes[i].Row = g.was.Row(changes[i].Row)
	}
}

// Hold stops the judging of a source's records until release, those of INSERT too, and says
// where a next gate version begins: behind all that lies in the topic. So a record which was produced before
// an ALTER is judged by the version of before, whether it was read already or
// not. What is ahead of a set clock, and so not there yet, is left to the next version.
func (p *Pipeline) Hold(ctx context.Context, name string) (from fqgw.Marks, release func(), err error) {
	s, err := p.source(name)
	if err != nil {
		return nil, nil, err
	}
	if _, set := p.o.Clock.IsSet(); set { // what the clock holds back is known when all before it was read
		if err := s.reachEnd(ctx); err != nil {
			return nil, nil, err
		}
	}
	if err := s.stopJudging(ctx); err != nil {
		return nil, nil, err
	}
	if from, err = s.unjudged(ctx); err != nil {
		s.judging.Unlock()
		return nil, nil, err
	}
	return from, s.judging.Unlock, nil
}

// stopJudging waits until nobody judges a record, and keeps it so.
func (s *source) stopJudging(ctx context.Context) error {
	locked := make(chan struct{})
	go func() {
		s.judging.Lock()
		close(locked)
	}()
	select {
	case <-locked:
		return nil
	case <-ctx.Done():
		go func() {
			<-locked
			s.judging.Unlock()
		}()
		return ctx.Err()
	}
}

// reachEnd waits until all was read that lies in the topic and is not ahead of the clock,
// or a partition stands for another reason.
func (s *source) reachEnd(ctx context.Context) error {
	return s.during(ctx, func(ctx context.Context, ses *session) error {
		_, end, err := s.log.Offsets(ctx, s.src().Topic)
		if err == nil {
			err = s.still(ctx, ses.at)
		}
		if err != nil {
			return err
		}
		return ses.reach(ctx, reach{end: end})
	})
}

// unjudged is behind the last record that may have been judged; nothing is meanwhile.
func (s *source) unjudged(ctx context.Context) (fqgw.Marks, error) {
	_, end, err := s.log.Offsets(ctx, s.src().Topic)
	if err != nil {
		return nil, err
	}
	at := s.at.Load()
	if err := s.still(ctx, at); err != nil {
		return nil, fqgw.Errorf(fqgw.CodeSerialization, "%w", err).WithHint("Try again in a moment.")
	}
	from := make(fqgw.Marks, max(len(end), at.owned))
	for p := range from { // of partitions that only the topic before had, what that had is judged
		if from[p].Epoch = at.epoch; p < len(end) {
			from[p].Next = end[p]
		}
	}
	if ahead := s.frontier.ahead(s.p.o.Clock.Now()); ahead != nil {
		if from, err = s.before(ctx, from, end, ahead); err != nil {
			return nil, err
		}
	}
	for _, g := range s.newest().Earlier { // whatever the clock did since
		for p := len(from); p < len(g.Until); p++ {
			from = append(from, fqgw.Mark{Epoch: at.epoch})
		}
		from = further(from, g.Until)
	}
	return from, nil
}

// before lowers positions to those of records that the clock holds back, by partition, but
// not below what was landed, applied or refused before the clock went back.
func (s *source) before(ctx context.Context, from fqgw.Marks, end []int64, ahead map[int32]int64) (fqgw.Marks, error) {
	snap, err := s.p.o.History.Current(ctx, s.src().History)
	if err != nil {
		return nil, err
	}
	judged := slices.Clone(snap.Landed)
	s.mu.Lock()
	views := slices.Clone(s.views)
	s.mu.Unlock()
	for _, v := range views {
		units, err := s.p.o.Online.Read(ctx, fqgw.UnitReads(v.v.State, s.p.o.Online.Shards()))
		if err != nil {
			return nil, err
		}
		for i := range units {
			judged = further(judged, units[i].Marks)
		}
	}
	for p, offset := range ahead {
		if int(p) >= len(end) || offset >= from[p].Next {
			continue
		}
		at := fqgw.Mark{Epoch: from[p].Epoch, Next: offset}
		if have := judged.Of(p); at.Before(have) {
			at.Next = have.Next
		}
		from[p] = at
	}
	source := s.src().Qualified().String()
	for after := nowhere; ; {
		n := 0
		err := s.p.o.Letters.Waiting(ctx, source, after, replayRecords, func(d fqgw.DeadLetter) error {
			n, after = n+1, d.Pos
			if m := (fqgw.Mark{Epoch: d.Pos.Epoch, Next: d.Pos.Offset + 1}); from.Of(d.Pos.Partition).Before(m) {
				from = from.Set(d.Pos.Partition, m)
			}
			return nil
		})
		if err != nil || n < replayRecords {
			return from, err
		}
	}
}

// ahead are the partitions that stand before a record which the clock holds back, with
// its offset; nil where there is none.
func (f *frontier) ahead(now int64) (out map[int32]int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.parts {
		if p := f.parts[i].paused; p != nil && p.waits() && p.known > now {
			if out == nil {
				out = map[int32]int64{}
			}
			out[int32(i)] = p.offset
		}
	}
	return out
}

// Redefine has a source go on by another definition, with its feature views bound to
// that: the session ends gracefully, and the next one brings the history to the
// definition's columns. It waits a while for that; late says that it comes later. release,
// which may be nil, is called when nobody judges by the definition of before any more.
func (p *Pipeline) Redefine(ctx context.Context, src *fqgw.Source, views []*fqgw.FeatureView, release func()) (late bool, err error) {
	if release == nil {
		release = func() {}
	}
	s, err := p.source(src.Qualified().String())
	if err != nil {
		release()
		return false, err
	}
	if s.src().GateVersion == src.GateVersion && s.next.Load() == nil {
		release()
		return false, nil
	}
	next := &redefinition{src: src, views: map[int64]*fqgw.FeatureView{}}
	for _, v := range views {
		next.views[v.State] = v
	}
	s.next.Store(next)
	release()
	s.mu.Lock()
	ses := s.session
	s.mu.Unlock()
	if ses != nil {
		ses.retire(altered(src))
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for s.src().GateVersion != src.GateVersion {
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		select {
		case <-changed:
		case <-time.After(20 * time.Millisecond):
		case <-s.done:
			return false, nil
		case <-ctx.Done():
			return true, nil
		}
	}
	if _, err := s.current(ctx); err != nil {
		return ctx.Err() != nil, nil
	}
	return false, nil
}

// altered is why a session ends whose source has another definition.
func altered(src *fqgw.Source) error {
	return &moved{"it goes on by gate version " + strconv.Itoa(src.GateVersion)}
}

// Readable says whether the records of a source can be read, whichever gate version
// they are of.
func (p *Pipeline) Readable(src *fqgw.Source) error {
	for n := range len(src.Earlier) + 1 {
		of, _ := src.GateAt(n + 1)
		if _, err := p.o.Decoder(of); err != nil {
			return err
		}
	}
	return nil
}

// redefined takes up what Redefine left, between two sessions.
func (s *source) redefined() error {
	for s.next.Load() != nil {
		if err := s.becomes(s.next.Load()); err != nil {
			return err
		}
	}
	return nil
}

func (s *source) becomes(next *redefinition) error {
	s.mu.Lock()
	views := slices.Clone(s.views)
	s.mu.Unlock()
	for i, w := range views {
		v := next.views[w.v.State]
		if v == nil {
			continue // it is being dropped
		}
		layout, err := window.NewLayout(v)
		if err != nil {
			return err
		}
		views[i] = &view{v: v, layout: layout}
	}
	for i, w := range views {
		w.set = keySet(views[:i], w.v)
	}
	s.mu.Lock()
	s.views, s.rebound = views, next.views
	s.mu.Unlock()
	s.define(next.src)
	s.unmet = true // its history has other columns
	s.next.CompareAndSwap(next, nil)
	return nil
}

// bound is a view as it is bound to the session's definition of the source.
func (s *source) bound(w *view) (*view, error) {
	if s.next.Load() != nil {
		return nil, errSessionOver
	}
	if src := w.v.Source; src.GateVersion > s.src().GateVersion {
		return nil, fqgw.Errorf(fqgw.CodeNotInState, "source \"%s\" does not go by its gate version %d yet", src.Name, src.GateVersion)
	}
	s.mu.Lock()
	v := s.rebound[w.v.State]
	s.mu.Unlock()
	if v == nil || v == w.v {
		return w, nil
	}
	layout, err := window.NewLayout(v)
	return &view{v: v, layout: layout}, err
}
