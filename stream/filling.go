package stream

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/fqgw/fqgw"
)

// A view is unfit for reading online from the moment when its states are not
// what the log had: it is new, or its store was lost and is made anew
// (SEMANTICS §6.4). The registry knows the views that are fit, so that the next
// process does not read one whose filling was cut short.

func fitFact(v *fqgw.FeatureView) string {
	return "filled " + strconv.FormatInt(v.State, 10)
}

// fitness is which views cannot be read online, and why.
type fitness struct {
	mu    sync.Mutex
	unfit map[int64]string // by state version: how far its filling is, or what happened to it
	told  func(state int64, unfit bool)
}

// mark makes a view unfit; of one that is unfit already the reason stays.
func (f *fitness) mark(state int64, why string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, unfit := f.unfit[state]; unfit {
		return
	}
	if f.unfit == nil {
		f.unfit = map[int64]string{}
	}
	f.unfit[state] = why
	f.tell(state, true)
}

// clear makes a view fit, or forgets one that is gone.
func (f *fitness) clear(state int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, unfit := f.unfit[state]; unfit {
		delete(f.unfit, state)
		f.tell(state, false)
	}
}

func (f *fitness) tell(state int64, unfit bool) {
	if f.told != nil {
		f.told(state, unfit)
	}
}

// progress says how far a view is that is unfit.
func (f *fitness) progress(state int64, text string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, unfit := f.unfit[state]; unfit {
		f.unfit[state] = text
	}
}

// WatchFilling calls told for each view that cannot be read online, and whenever
// one begins to be so, before its states go, or ends to be so. There is one
// watcher; it must not call the pipeline.
func (p *Pipeline) WatchFilling(told func(state int64, filling bool)) {
	f := &p.fitness
	f.mu.Lock()
	defer f.mu.Unlock()
	f.told = told
	for state := range f.unfit {
		told(state, true)
	}
}

// Filling says whether a view that the pipeline keeps up cannot be read online,
// because its states are being made, and how far that is.
func (p *Pipeline) Filling(v *fqgw.FeatureView) (progress string, filling bool) {
	p.fitness.mu.Lock()
	defer p.fitness.mu.Unlock()
	progress, filling = p.fitness.unfit[v.State]
	return progress, filling
}

// makeUnfit makes a view unfit, before its states go or when they have gone.
func (p *Pipeline) makeUnfit(ctx context.Context, v *fqgw.FeatureView) error {
	p.fitness.mark(v.State, "")
	return p.o.Registry.Put(ctx, fitFact(v), "")
}

// makeFit makes a view fit: it has what the log had.
func (p *Pipeline) makeFit(ctx context.Context, v *fqgw.FeatureView) error {
	if _, unfit := p.Filling(v); !unfit {
		return nil
	}
	if err := p.o.Registry.Put(ctx, fitFact(v), "1"); err != nil {
		return err
	}
	p.fitness.clear(v.State)
	return nil
}

// tells is notice that also tells readers of a view in the making.
func (p *Pipeline) tells(v *fqgw.FeatureView, notice func(string)) func(string) {
	return func(text string) {
		p.fitness.progress(v.State, text)
		notice(text)
	}
}

// lookFor makes a view unfit that never was filled, or of which the store does not
// have all units: it was lost. Claiming the units hides that, so it comes before.
func (s *source) lookFor(ctx context.Context, v *fqgw.FeatureView) error {
	if fit, err := s.p.o.Registry.Get(ctx, fitFact(v)); err != nil {
		return err
	} else if fit == "" {
		return s.p.makeUnfit(ctx, v)
	}
	reads := fqgw.UnitReads(v.State, s.p.o.Online.Shards())
	var units []fqgw.UnitState
	err := retry(ctx, nil, func() (err error) {
		units, err = s.p.o.Online.Read(ctx, reads)
		return err
	})
	if err != nil {
		return err
	}
	lost := 0
	for i := range units {
		if units[i].Marks == nil {
			lost++
		}
	}
	if lost == 0 {
		return nil
	}
	why, level := "the online store has lost it: it is filled again from history", slog.LevelWarn
	if s.p.o.Volatile {
		why, level = "the embedded online store does not have it: it is filled from history", slog.LevelInfo
	}
	s.p.o.Logger.Log(ctx, level, why, "view", v.Name, "shards", fmt.Sprintf("%d of %d", lost, len(units)))
	s.p.fitness.mark(v.State, why)
	return s.p.makeUnfit(ctx, v)
}

// unfit are the views that the session keeps and that cannot be read yet.
func (s *source) unfit() []*view {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(s.views), func(v *view) bool {
		_, filling := s.p.Filling(v.v)
		return !filling
	})
}

func (s *source) makeFit(ctx context.Context, views []*view) error {
	for _, v := range views {
		if err := s.p.makeFit(ctx, v.v); err != nil {
			return err
		}
	}
	return nil
}

// makeFit makes views that were made anew fit when they have what the log had.
func (ses *session) makeFit() error {
	views := ses.s.unfit()
	if len(views) == 0 {
		return nil
	}
	if err := ses.applied(ses.polling); err != nil {
		return err
	}
	return ses.s.makeFit(ses.polling, views)
}

// howFar says how much of n rows is done, and how long the rest will take.
func howFar(name string, done, n int64, began time.Time) string {
	text := fmt.Sprintf("filling %s: %d %% (%d of %d rows of history)", name, done*100/max(n, done, 1), done, n)
	if took := time.Since(began); done > 0 && took > time.Second {
		text += fmt.Sprintf(", about %d s left", int64(took.Seconds()*float64(max(n-done, 0))/float64(done))+1)
	}
	return text
}
