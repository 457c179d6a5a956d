package stream

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// current is the running session of the source s.
func (p *process) current(t *testing.T) *session {
	t.Helper()
	s, err := p.source("s")
	if err != nil {
		t.Fatal(err)
	}
	ses, err := s.current(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ses
}

// running is a process with a source, one record in, and its session.
func running(t *testing.T, tune func(w *world, o *Options)) (*world, *process, []*fqgw.FeatureView, *session) {
	t.Helper()
	w := newWorld(2, 4, fqgw.SetClock(t0, 0))
	src := testSource()
	p := begin(t, w, src, nil, func(o *Options) { tune(w, o) })
	w.produce(t, record("a", -1, -1))
	p.sync(t)
	ses := p.current(t)
	return w, p, testViews(src), ses
}

// TestSessionEndsDuringAttach: AddView goes on in the next session, which has taken
// the view up already.
func TestSessionEndsDuringAttach(t *testing.T) {
	w, p, views, ses := running(t, func(*world, *Options) {})
	gate, in := make(chan struct{}), make(chan struct{})
	ses.feed.do(func() {
		close(in)
		<-gate
	})
	<-in
	ses.feed.do(func() { ses.fail(errors.New("the store failed over")) })
	added := make(chan error, 1)
	go func() { added <- p.AddView(context.Background(), views[0], nil) }()
	eventually(t, "attach is queued", func() bool {
		ses.feed.mu.Lock()
		defer ses.feed.mu.Unlock()
		return len(ses.feed.todo) == 2
	})
	close(gate)
	if err := <-added; err != nil {
		t.Fatal(err)
	}
	w.produce(t, record("a", -1, -1))
	p.sync(t)
	ses.s.mu.Lock()
	n := len(ses.s.views)
	ses.s.mu.Unlock()
	if counted := w.count(t, views[0], "a"); n != 1 || counted != 2 || p.Metrics().Fences != 0 {
		t.Errorf("the source has the view %d times, fenced %d times; counted %d, want 2", n, p.Metrics().Fences, counted)
	}
}

// goneLog is out of reach from the second Consume on, until it is back.
type goneLog struct {
	*memLog
	calls atomic.Int32
	back  atomic.Bool
}

func (l *goneLog) Consume(ctx context.Context, topic string, from []int64, ahead int64) (fqgw.Consumer, error) {
	if l.calls.Add(1) > 1 && !l.back.Load() {
		return nil, fqgw.Errorf(fqgw.CodeConnectionFailure, "the broker cannot be reached")
	}
	return l.memLog.Consume(ctx, topic, from, ahead)
}

// TestSessionEndsWhileSeeking: the log goes away while a view is attached, and
// then the session ends for another reason.
func TestSessionEndsWhileSeeking(t *testing.T) {
	var l *goneLog
	w, p, views, ses := running(t, func(w *world, o *Options) {
		l = &goneLog{memLog: w.log}
		o.Logs = map[string]fqgw.Log{"kafka": l}
	})
	v := &view{v: views[0]}
	v.layout, _ = window.NewLayout(views[0])
	shares, err := ses.s.prepare(t.Context(), ses.at, ses, v, func(string) {})
	if err != nil {
		t.Fatal(err)
	}
	w.produce(t, record("a", -1, -1)) // the stream goes on while the view was filled
	p.sync(t)
	attached := make(chan error, 1)
	go func() { attached <- ses.attach(context.Background(), v, shares) }()
	eventually(t, "it seeks", func() bool { return l.calls.Load() > 2 })
	ses.fail(errors.New("the store failed over"))
	if err := <-attached; err == nil {
		t.Error("it was attached")
	}
	l.back.Store(true)
	w.produce(t, record("a", -1, -1))
	p.sync(t)
	if n := w.count(t, views[0], "a"); n != 3 {
		t.Errorf("counted %d, want 3", n)
	}
}
