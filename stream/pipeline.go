// Package stream is the pipeline of each source: its topic is polled, decoded
// and gated; accepted events are folded into the states of entities, which are
// flushed to the online store, and landed in the history (SEMANTICS §6).
//
// A source has one consumer goroutine (feed), a goroutine for each group of
// shards that owns the states of its entities (folder), and one that lands
// (lander). Together they are a session. When anything stands elsewhere than
// this owner left it, the session ends and the next one starts from the
// positions that it finds: a restart is the one answer to every doubt.
package stream

import (
	"context"
	"encoding/hex"
	"errors"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode"
)

// Options say what a pipeline works on. The stores are not closed by it.
type Options struct {
	Online   fqgw.OnlineStore
	History  fqgw.History
	Logs     map[string]fqgw.Log     // by connector: of the sources whose positions are offsets
	Foreign  map[string]fqgw.Foreign // by connector: of the sources whose rows others write
	Registry fqgw.Registry
	Letters  fqgw.DeadLetterStore
	Clock    *fqgw.Clock
	Logger   *slog.Logger
	// Decoder makes the decoder of a source, bound to what it needs besides the
	// records; nil: decode.New.
	Decoder func(*fqgw.Source) (decode.Decoder, error)
	// Encoder makes the encoder of a source, as Decoder; nil: decode.Maker's without anything.
	Encoder func(*fqgw.Source) (decode.Encoder, error)
	// LogAway says that the log did not answer a moment ago: a source whose topic
	// is known is taken up without asking for it.
	LogAway bool
	// Volatile says that the online store begins empty with this process.
	Volatile bool

	// Derive gives the rows of derived sources; nil: there are none.
	Derive Derive
	// Revive gives states back that the lake has; nil: none goes there.
	Revive Revive
	// OnlineMemory is how many bytes the states of all views shall take in the online
	// store, about: beyond it those of the entities without an event for the longest time
	// go to the lake. 0: no limit.
	OnlineMemory int64

	// Memory is what all pipelines together may keep, with a limit (budget says how it
	// is divided); nil: an account of DefaultMemory.
	Memory *fqgw.Memory

	FlushEvery time.Duration // real time between flushes; 0: 20 ms
	LandEvery  time.Duration // real time between landings; 0: 60 s
	Folders    int           // folding goroutines per source; 0: one per CPU, at most 4

	// Fault is called at named points, for crash tests: poll, before-bury,
	// before-flush, mid-flush, after-flush, before-land, after-land.
	Fault func(point string)
}

const (
	idleAdvance = 10 * time.Second // a unit without events records its positions at least so often
	stopWithin  = 5 * time.Second  // for the last flush and landing
)

// Pipeline runs the streams of all sources. Safe for concurrent use.
type Pipeline struct {
	o     Options
	hard  context.Context // ends when even the last flush has had its time
	abort context.CancelFunc
	fills chan struct{} // a token for each backfill that may run at a time

	mu      sync.Mutex
	sources map[string]*source
	tables  map[string]*table // sources whose rows others write
	stopped bool
	fitness fitness
	horizon horizon
	ahead   ahead

	budget  budget
	tiers   tiers
	keepers sync.Map // by state version: the *fqgw.FeatureView that stands for it (Keep)

	metrics counters
	rows    int           // of history in a batch
	trip    int           // writes of the online store in one trip
	part    int           // states in one write
	look    time.Duration // between two looks whether the topic is what it was
	far     int64         // records behind the live stream from which a new view catches up by itself
	trust   bool          // tests: folders do not look after their stores (folder.verify)
}

// New makes a pipeline without sources.
func New(o Options) *Pipeline {
	if o.Clock == nil {
		o.Clock = fqgw.RealClock()
	}
	if o.Decoder == nil {
		o.Decoder = decode.New
	}
	if o.Encoder == nil {
		o.Encoder = decode.Maker{}.Encoder
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.FlushEvery == 0 {
		o.FlushEvery = 20 * time.Millisecond
	}
	if o.LandEvery == 0 {
		o.LandEvery = time.Minute
	}
	if o.Folders == 0 {
		o.Folders = min(runtime.GOMAXPROCS(0), 4)
	}
	o.Folders = min(o.Folders, int(o.Online.Shards()))
	if o.Memory == nil {
		o.Memory = fqgw.NewMemory("the streams", memoryOption, DefaultMemory)
	}
	p := &Pipeline{o: o, fills: make(chan struct{}, 2), sources: map[string]*source{}, tables: map[string]*table{}, rows: fillRows, trip: flushUnits, part: flushKeys, look: idleAdvance, far: farAway}
	p.budget.divide(o.Memory)
	p.tiers.moves = make(chan warming, 256)
	p.hard, p.abort = context.WithCancel(context.Background())
	return p
}

// Run blocks until ctx ends; then it stops polling, flushes and lands what was
// polled, and returns when every goroutine of the pipeline has ended.
func (p *Pipeline) Run(ctx context.Context) error {
	p.runTiers(ctx)
	p.mu.Lock()
	p.stopped = true
	sources := slices.Collect(maps.Values(p.sources))
	for _, t := range p.tables {
		sources = append(sources, t.s)
	}
	p.mu.Unlock()
	timer := time.AfterFunc(stopWithin, p.abort)
	defer timer.Stop()
	for _, s := range sources {
		s.stop()
	}
	for _, s := range sources {
		<-s.done
	}
	p.abort()
	return nil
}

// AddSource takes up a source: its topic is checked or created, its history
// table is made if it is not there, and consumption starts.
func (p *Pipeline) AddSource(ctx context.Context, src *fqgw.Source) error {
	if src.Positions() != fqgw.TopicOffsets {
		return p.addTable(src)
	}
	if s, err := p.source(src.Qualified().String()); err == nil && s.life.Err() != nil { // it was dropped and is about to end
		select {
		case <-s.done:
		case <-ctx.Done():
			return ctx.Err()
		}
		p.mu.Lock()
		if p.sources[src.Qualified().String()] == s && !p.stopped {
			delete(p.sources, src.Qualified().String())
		}
		p.mu.Unlock()
	}
	p.mu.Lock()
	_, there := p.sources[src.Qualified().String()]
	stopped := p.stopped
	shared := p.sharing(src)
	p.mu.Unlock()
	if there {
		return fqgw.Errorf(fqgw.CodeDuplicateTable, "source %q is already running", src.Name)
	}
	if shared != nil {
		return shared
	}
	if stopped {
		return errStopped()
	}
	s, err := p.newSource(ctx, src)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sources[src.Qualified().String()] != nil || p.stopped {
		return fqgw.Errorf(fqgw.CodeNotInState, "source %q cannot be started now", src.Name)
	}
	if err := p.sharing(src); err != nil {
		return err
	}
	p.sources[src.Qualified().String()] = s
	go s.run()
	return nil
}

// DropSource stops a source and forgets it; when ctx ends before it has stopped
// that goes on by itself. Its topic and its history stay.
func (p *Pipeline) DropSource(ctx context.Context, name string) error {
	if t := p.dropTable(name); t != nil {
		select {
		case <-t.s.done:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	s, err := p.source(name)
	if err != nil {
		return err
	}
	s.stop()
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		<-s.done
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.sources[name] == s {
			delete(p.sources, name)
		}
	}()
	select {
	case <-gone:
	case <-ctx.Done():
		return ctx.Err()
	}
	for _, fact := range []string{topicFact(name), s.frontierFact(s.at.Load().epoch), s.replayFact(), derivedFact(name)} {
		if err := p.o.Registry.Put(ctx, fact, ""); err != nil {
			return err
		}
	}
	return nil
}

// TopicID is the id of a source's topic, as text; "" without such a source.
func (p *Pipeline) TopicID(source string) string {
	s, err := p.source(source)
	if err != nil {
		return ""
	}
	id := s.at.Load().ID
	return hex.EncodeToString(id[:])
}

// DropTopic removes a topic, if it still has the id, from the log that has it.
func (p *Pipeline) DropTopic(ctx context.Context, name, id string) error {
	for _, log := range p.o.Logs {
		t, err := log.Topic(ctx, name)
		if err == nil && hex.EncodeToString(t.ID[:]) == id {
			err = log.DropTopic(ctx, name)
		}
		if fqgw.UnlessMissing(err) != nil {
			return err
		}
	}
	return nil
}

// DropHistory removes a table of the lake with what is known of it.
func (p *Pipeline) DropHistory(ctx context.Context, table string) error {
	if err := fqgw.UnlessMissing(p.o.History.Drop(ctx, table)); err != nil {
		return err
	}
	if err := p.o.Registry.Put(ctx, lapseFact(table), ""); err != nil {
		return err
	}
	return p.o.Registry.Put(ctx, sinceFact(table), "")
}

func (p *Pipeline) source(name string) (*source, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if s := p.sources[name]; s != nil {
		return s, nil
	}
	return nil, fqgw.Errorf(fqgw.CodeUndefinedTable, "source %q does not exist", name)
}

// all are the sources by name.
func (p *Pipeline) all() []*source {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []*source
	for _, n := range slices.Sorted(maps.Keys(p.sources)) {
		out = append(out, p.sources[n])
	}
	return out
}

func (p *Pipeline) fault(point string) {
	if p.o.Fault != nil {
		p.o.Fault(point)
	}
}

// retry calls f again while the connection is lost, until ctx ends.
func retry(ctx context.Context, trouble func(error), f func() error) error {
	for again := (fqgw.Backoff{First: 20 * time.Millisecond, Most: 2 * time.Second}); ; {
		err := f()
		if !lost(err) {
			return err
		}
		if trouble != nil {
			trouble(err)
		}
		if !again.Wait(ctx) {
			return context.Cause(ctx)
		}
	}
}

// lost says whether err is the connection's (class 08), or that of a server which refuses
// a login or certificate (class 28): it is mended there, or in a file that is read again.
func lost(err error) bool {
	var e *fqgw.Error
	return errors.As(err, &e) && len(e.Code) == 5 && (e.Code[:2] == "08" || e.Code[:2] == "28")
}

func errStopped() error { return fqgw.Errorf(fqgw.CodeAdminShutdown, "the stream is shutting down") }
