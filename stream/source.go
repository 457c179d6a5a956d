package stream

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// source is one running source. It outlives its sessions.
type source struct {
	p    *Pipeline
	def  atomic.Pointer[definition]
	next atomic.Pointer[redefinition] // nil: the definition stays
	log  fqgw.Log
	at   atomic.Pointer[incarnation] // of the session, or of the one before
	made bool                        // the topic was made for the source

	life     context.Context // ends with stop, gracefully
	stop     context.CancelFunc
	done     chan struct{} // closed when the source has stopped
	frontier *frontier
	kept     string // the frontier as the registry has it
	stats    *stats
	wanted   atomic.Int64          // statements that wait for a landing
	since    atomic.Int64          // least known time of a record; MaxInt64 without any
	unmet    bool                  // the history was away when the source was taken up; run's goroutine alone
	lapse    atomic.Pointer[lapse] // of a changelog; nil: there is none

	mu       sync.Mutex
	session  *session      // nil between sessions
	changed  chan struct{} // closed when session changes
	views    []*view       // attached
	building map[int64]*building
	breaks   map[int32]broken            // by partition: the record that made a panic
	rebound  map[int64]*fqgw.FeatureView // by state version, where the source was redefined

	// judging is held for reading by whoever judges records by the newest definition and
	// does with them what follows from it, as far as nobody else may define another.
	judging sync.RWMutex

	deriver *deriver // nil: others produce its records

	replaying chan struct{} // has room for the one replay of dead letters
}

// view is a feature view that the stream keeps up.
type view struct {
	v      *fqgw.FeatureView
	layout *window.Layout
	set    int // the number of its key columns among the source's (source.keySet)
}

func (p *Pipeline) newSource(ctx context.Context, src *fqgw.Source) (*source, error) {
	log := p.o.Logs[src.Connector]
	if log == nil {
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "connector %q is not supported", src.Connector).WithHint("Use connector = 'kafka'.")
	}
	s := &source{p: p, log: log, done: make(chan struct{}), changed: make(chan struct{}), building: map[int64]*building{}, breaks: map[int32]broken{}, replaying: make(chan struct{}, 1)}
	s.define(src)
	if _, err := s.gates(); err != nil {
		return nil, err
	}
	if src.Derived != nil {
		var err error
		if s.deriver, err = p.newDeriver(s); err != nil {
			return nil, err
		}
	}
	known, err := p.o.Registry.Get(ctx, topicFact(src.Qualified().String()))
	if err != nil {
		return nil, err
	}
	var topic fqgw.Topic
	if topic, s.made, err = p.findTopic(ctx, src); err != nil {
		return nil, err
	}
	if err := s.meetHistory(ctx, topic); lost(err) && known != "" {
		// It was met before. Reads of now need no history, and the session meets it
		// before anything is read.
		epoch, eerr := p.o.Registry.Epoch(ctx, src.Qualified().String(), topic.ID)
		if eerr != nil {
			return nil, eerr
		}
		s.at.Store(&incarnation{Topic: topic, owned: topic.Partitions, epoch: epoch})
		s.unmet = true
		p.o.Logger.Warn("the history of a source is away: it is landed into when it is back", "source", src.Name, "error", err)
	} else if err != nil {
		return nil, err
	}
	at := s.at.Load()
	if known == "" { // a source of that name that was dropped left dead letters
		if err := s.judgedAnew(ctx); err != nil {
			return nil, err
		}
	}
	s.life, s.stop = context.WithCancel(p.hard)
	s.frontier = newFrontier(at.Partitions, at.epoch)
	if s.kept, err = p.o.Registry.Get(ctx, s.frontierFact(at.epoch)); err != nil {
		return nil, err
	}
	s.frontier.restore(s.kept)
	if err := s.restoreLapse(ctx); err != nil {
		return nil, err
	}
	if err := s.restoreSince(ctx); err != nil {
		return nil, err
	}
	s.stats = newStats(at.Partitions, at.epoch, p.o.Folders, p.o.Logger.With("source", src.Name))
	return s, nil
}

// meetHistory checks the source's history, or makes it, and finds the topic's number in
// its positions.
func (s *source) meetHistory(ctx context.Context, topic fqgw.Topic) error {
	if err := s.p.historyTable(ctx, s.src()); err != nil {
		return err
	}
	at, err := s.p.number(ctx, s.src(), topic)
	if err != nil {
		return err
	}
	s.at.Store(at)
	return s.begin(ctx)
}

// topic finds the source's topic, or makes it where the source says how many
// partitions it shall have.
func (p *Pipeline) topic(ctx context.Context, src *fqgw.Source) (t fqgw.Topic, made bool, err error) {
	if src.Derived != nil {
		return p.derivedTopic(ctx, src)
	}
	log := p.o.Logs[src.Connector]
	t, err = log.Topic(ctx, src.Topic)
	if !fqgw.HasCode(err, fqgw.CodeUndefinedTable) {
		return t, false, err
	}
	if src.Partitions > 0 {
		if t, err = log.CreateTopic(ctx, src.Topic, src.Partitions); fqgw.HasCode(err, fqgw.CodeDuplicateTable) {
			t, err = log.Topic(ctx, src.Topic)
			return t, false, err
		}
		return t, true, err
	}
	missing := fqgw.Errorf(fqgw.CodeUndefinedTable, "topic %q does not exist", src.Topic).
		WithHint("WITH (partitions = n) creates it.")
	if all, err := log.Topics(ctx); err == nil {
		if near := fqgw.Nearest(src.Topic, all); near != "" {
			missing = missing.WithHint("Perhaps you meant %q; WITH (partitions = n) creates it.", near)
		}
	}
	return t, false, missing
}

// historyTable makes the table of the source's history, or checks the one that
// is there.
func (p *Pipeline) historyTable(ctx context.Context, src *fqgw.Source) error {
	want := slices.Concat(src.Own(), fqgw.HiddenColumns)
	have, err := p.o.History.Describe(ctx, src.History)
	if fqgw.UnlessMissing(err) != nil {
		return err
	}
	if err != nil {
		if err = p.o.History.Create(ctx, src.History, slices.Concat(src.FirstOwn(), fqgw.HiddenColumns)); err != nil || src.Steps == nil {
			return err
		}
	}
	if src.Steps != nil {
		if err := p.o.History.Evolve(ctx, src.History, src.Steps); err != nil {
			return err
		}
		if have, err = p.o.History.Describe(ctx, src.History); err != nil {
			return err
		}
	}
	for _, w := range want {
		i := slices.IndexFunc(have, func(h fqgw.Column) bool { return h.Name == w.Name })
		if i < 0 || !fqgw.ArrowReads(fqgw.ArrowType(have[i].Type), w.Type) {
			return fqgw.Errorf(fqgw.CodeDatatypeMismatch, "history table %s of source %q does not have the column %s %s", src.History, src.Name, w.Name, w.Type).
				WithHint("A source that was dropped without PURGE left it. WITH (history = 'lake.name') uses another table; to remove the old one, CREATE the source with its old columns and DROP SOURCE … PURGE.")
		}
	}
	return nil
}

// begin records where a source that starts at the topic's end begins, in the
// history's positions, before anything is landed.
func (s *source) begin(ctx context.Context) error {
	switch s.src().Start {
	case "", "earliest":
		return nil
	case "latest":
	default:
		return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "start = '%s' is not supported", s.src().Start).WithHint("Use 'earliest' or 'latest'.")
	}
	snap, err := s.p.o.History.Current(ctx, s.src().History)
	if err != nil || len(snap.Landed) > 0 {
		return err
	}
	_, end, err := s.log.Offsets(ctx, s.src().Topic)
	if err != nil {
		return err
	}
	var to fqgw.Marks
	for p, o := range end {
		to = to.Set(int32(p), fqgw.Mark{Epoch: s.at.Load().epoch, Next: o})
	}
	_, _, err = s.p.o.History.Land(ctx, s.src().History, nil, snap.Landed, to)
	return err
}

// judgedAnew forgets the dead letters of records that a new source is going to read
// once more.
func (s *source) judgedAnew(ctx context.Context) error {
	snap, err := s.p.o.History.Current(ctx, s.src().History)
	if err != nil {
		return err
	}
	return s.p.o.Letters.Forget(ctx, s.src().Qualified().String(), snap.Landed)
}

// tryAgain is for what a store that is away keeps the stream from doing.
var tryAgain = fqgw.Backoff{First: 50 * time.Millisecond, Most: 5 * time.Second}

// run keeps a session going until the source stops.
func (s *source) run() {
	defer close(s.done)
	defer s.p.ahead.forget(s)
	var derives sync.WaitGroup
	defer derives.Wait()
	defer s.stop()
	if s.deriver != nil {
		derives.Go(s.deriver.run)
	}
	for again := tryAgain; s.life.Err() == nil; {
		began := time.Now()
		err := guarded(s.live)
		s.publish(nil)
		s.broke(err)
		if s.life.Err() != nil || err == nil {
			break
		}
		var f *fenced
		if errors.As(err, &f) {
			s.p.metrics.fences.Add(1)
		}
		var d *damaged
		if errors.As(err, &d) {
			derr := s.p.makeUnfit(s.life, d.view)
			if derr == nil {
				derr = s.p.o.Online.Drop(s.life, d.view.State)
			}
			err = errors.Join(err, derr)
		}
		if hasMoved(err) && s.next.Load() != nil {
			s.p.o.Logger.Info("a source goes on by another definition", "source", s.src().Name, "gate version", s.newest().GateVersion)
		} else {
			s.stats.trouble("restarting", err.Error())
			s.p.o.Logger.Warn("stream restarts from the recorded positions", "source", s.src().Name, "error", err)
		}
		if time.Since(began) > time.Minute || hasMoved(err) {
			again.Reset()
		}
		if s.next.Load() == nil {
			again.Wait(s.life)
		}
		if err := s.redefined(); err != nil {
			s.stats.trouble("restarting", err.Error())
			s.p.o.Logger.Error("a source cannot go on by its definition", "source", s.src().Name, "error", err)
			break
		}
	}
	s.mu.Lock()
	for _, b := range s.building {
		b.cancel()
	}
	s.mu.Unlock()
}

// live runs one session to its end.
func (s *source) live() error {
	ctx, cancel := context.WithCancelCause(s.p.hard)
	defer cancel(nil)
	// Until the session runs a stop need not wait for anything.
	untie := context.AfterFunc(s.life, func() { cancel(errStopped()) })
	ses, err := s.open(ctx, cancel)
	if err != nil {
		return err
	}
	if !untie() {
		ses.abandon()
		return errStopped()
	}
	// From here on a stop lets it finish, within limits.
	defer context.AfterFunc(s.life, func() { time.AfterFunc(stopWithin, func() { cancel(errStopped()) }) })()
	ses.start()
	s.publish(ses)
	if next := s.next.Load(); next != nil { // it came while there was no session
		ses.retire(altered(next.src))
	}
	s.stats.trouble("restarting", "")
	err = ses.wait()
	s.keep(context.WithoutCancel(ctx))
	return err
}

func (s *source) publish(ses *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.session = ses
	close(s.changed)
	s.changed = make(chan struct{})
}

// current waits for a running session.
func (s *source) current(ctx context.Context) (*session, error) {
	for {
		s.mu.Lock()
		ses, changed := s.session, s.changed
		s.mu.Unlock()
		if ses != nil {
			return ses, nil
		}
		select {
		case <-changed:
		case <-s.done:
			return nil, errStopped()
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// during calls f with a running session, again with the next one when the
// session ends meanwhile.
func (s *source) during(ctx context.Context, f func(ctx context.Context, ses *session) error) error {
	for {
		ses, err := s.current(ctx)
		if err != nil {
			return err
		}
		both, cancel := context.WithCancel(ctx)
		untie := context.AfterFunc(ses.ctx, cancel)
		err = f(both, ses)
		untie()
		cancel()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case hasMoved(err):
			ses.retire(err)
		case ses.ctx.Err() == nil && !errors.Is(err, errSessionOver):
			return err
		}
		select { // the session that ended unpublishes itself
		case <-ses.over:
		case <-ctx.Done():
			return ctx.Err()
		}
		s.mu.Lock()
		changed, same := s.changed, s.session == ses
		s.mu.Unlock()
		if same {
			select {
			case <-changed:
			case <-s.done:
			case <-ctx.Done():
			}
		}
	}
}

// keySet numbers the tuples of key columns that views of the source use, so
// that views of one entity share the work of finding it.
func keySet(views []*view, v *fqgw.FeatureView) int {
	most := -1
	for _, w := range views {
		if slices.EqualFunc(w.v.Keys, v.Keys, func(a, b fqgw.KeyColumn) bool { return a.Column == b.Column }) {
			return w.set
		}
		most = max(most, w.set)
	}
	return most + 1
}

// fenced says that a store has other positions than this owner left.
type fenced struct{ what string }

func (f *fenced) Error() string { return f.what + " stands elsewhere than it was left" }

// damaged says that a state of a view cannot be read. The view is rebuilt.
type damaged struct {
	view *fqgw.FeatureView
	err  error
}

func (d *damaged) Error() string { return d.err.Error() }
func (d *damaged) Unwrap() error { return d.err }

var errSessionOver = errors.New("the stream restarts")
