// Package exec runs plans: lookups in the online store, scans and point-in-time
// joins of history, everything else on the relational engine; and it carries
// out definitions. It is the only room that sees both stores.
package exec

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/pgcatalog"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/relational"
)

// Streams is the pipeline as the engine needs it; package stream has the only
// implementation, which this room must not import.
type Streams interface {
	AddSource(ctx context.Context, s *fqgw.Source) error
	DropSource(ctx context.Context, name string) error
	// Hold stops the judging of a source's records until release, and says where a gate
	// version begins that is defined meanwhile. Redefine, which may be called while the source is held,
	// has it and its feature views go on by another definition; it calls release, if there is one,
	// when nobody can judge by the old one any more. late says that it comes later.
	Hold(ctx context.Context, source string) (from fqgw.Marks, release func(), err error)
	Redefine(ctx context.Context, s *fqgw.Source, views []*fqgw.FeatureView, release func()) (late bool, err error)
	// Readable is nil when the records of a source can be read: 0A000 for a type that they cannot carry.
	Readable(s *fqgw.Source) error
	// TopicID is the id of a source's topic as text; DropTopic removes a topic if it
	// still has that id.
	TopicID(source string) string
	DropTopic(ctx context.Context, name, id string) error
	// DropHistory removes a table of the lake.
	DropHistory(ctx context.Context, table string) error
	AddView(ctx context.Context, v *fqgw.FeatureView, notice func(string)) error
	DropView(ctx context.Context, v *fqgw.FeatureView) error
	Stands(ctx context.Context, v *fqgw.FeatureView) (bool, error)
	Filling(v *fqgw.FeatureView) (progress string, filling bool)
	// Chill sends what the budget of the online store and the views' retain say to the
	// lake; when it returns that is under way. It is done from time to time anyway.
	Chill(ctx context.Context) error
	// Keep says which version of a feature view stands for its states from now on: it is
	// called by its name, and its retain counts.
	Keep(v *fqgw.FeatureView)
	// Tier says how many entities of a view are where.
	Tier(v *fqgw.FeatureView) fqgw.Tier
	// Warm has states put into the online store again whose entities had left it, where
	// it still has those stubs. It does not wait for that, and may leave it undone.
	Warm(v *fqgw.FeatureView, keys []fqgw.EntityKey, stubs, states [][]byte)
	// WatchFilling calls told for each view that cannot be read online, and whenever
	// one begins to be so, before its states go, or ends to be so. told must not call
	// Streams.
	WatchFilling(told func(state int64, filling bool))
	Insert(ctx context.Context, s *fqgw.Source, rows [][]fqgw.Value, known []int64) error
	// Check is the part of Insert before anything is produced.
	Check(ctx context.Context, s *fqgw.Source, rows [][]fqgw.Value, known []int64) error
	Sync(ctx context.Context) error
	// Replay produces dead letters of a source once more that the gate accepts now.
	Replay(ctx context.Context, source string) (fqgw.Replayed, error)
	// Sample is the n newest records of a topic.
	Sample(ctx context.Context, topic string, n int) ([]fqgw.LogRecord, error)
	WaitKnown(ctx context.Context, source string, k int64, notice func(string)) error
	Status() []fqgw.StreamStatus
	// Since is the least known time of a source's records, ok false without any.
	Since(source string) (t int64, ok bool)
	// Follows is nil when what a view counts by what was known at k can be told; 55000
	// for windows over a changelog that does not tell all of its changes.
	Follows(v *fqgw.FeatureView, k int64) error
	// TopicNotice is said when a source is made, Notices where a read finds nothing.
	TopicNotice(source string) string
	Notices(source string) []string
}

// Session is what the engine asks of the session behind an Env.
type Session interface {
	fqgw.Session
	// TempTable is the session's temporary table behind a scan, nil if it is none.
	TempTable(t *fqgw.Table) *TempTable
	// Pending are rows of a table that the session's transaction will write.
	Pending(t *fqgw.Table) [][]fqgw.Value
	// Memory is the account of all that the session has, of which its statements are
	// parts.
	Memory() *fqgw.Memory
	// Room, a part of it, counts what the session keeps until a later statement: its temporary
	// tables, the rows of its transaction, its prepared statements. What a statement
	// took of it and did not keep it gives back, or its end does.
	Room() *fqgw.Memory
	// Notify sends a notice.
	Notify(message, hint string)
}

// TempTable is a temporary table: of one session, in memory.
type TempTable struct {
	Table *fqgw.Table
	Rows  [][]fqgw.Value
	Bytes int64 // about what the rows take
}

// Options are what an Engine works with.
type Options struct {
	Online   fqgw.OnlineStore
	History  fqgw.SortedHistory
	Foreign  map[string]fqgw.Foreign // by connector: of sources whose rows others write
	Schemas  fqgw.RecordSchemas      // nil: there is no schema registry
	Registry fqgw.Registry
	Letters  fqgw.DeadLetterStore
	Streams  Streams
	Clock    *fqgw.Clock
	Logger   *slog.Logger
	Catalog  *fqgw.Catalog // as loaded from the registry
	// Bind makes a catalog of definitions, as Catalog was made.
	Bind func(fqgw.Definitions) (*fqgw.Catalog, error)
	// Derive binds the definition of a derived source anew, over another catalog.
	Derive func(*fqgw.Catalog, *fqgw.Source) (*fqgw.Derivation, error)
	// Form is the hash of a noun's canonical form (fqgw.Object.Form).
	Form func(noun any) (string, error)
	// Definitions are the rows of fqgw.definitions.
	Definitions func(*fqgw.Catalog) ([][]fqgw.Value, error)
	// Compare says what is different between two definitions of a feature view.
	Compare func(old, next *fqgw.FeatureView) (fqgw.Difference, error)
	// Settings are those that are the process's: fqgw.clock, max_connections …
	Settings func(name string) string
	// Files is the folder under which SQL may read and write files.
	Files string
	// WriteParquet writes rows to a file; it is the lake's writer.
	WriteParquet ParquetWriter
	MemoryLimit  int64 // of one statement, bytes; 0: 1 GiB
	SessionLimit int64 // of what a session keeps, bytes; 0: MemoryLimit
	// Total counts for all sessions with their statements, and compactions; nil: no limit.
	Total *fqgw.Memory
	// Fault is called at named points of a transaction's commit, for crash tests:
	// commit-table, before-commit, training-written, training-committed.
	Fault func(point string)
	// MakeTopics makes the topic of a new source although the source does not say
	// how many partitions it shall have: one. For the embedded broker.
	MakeTopics bool
}

// Engine runs statements for all sessions. Safe for concurrent use.
type Engine struct {
	o          Options
	snap       atomic.Pointer[snapshot]
	define     sync.Mutex             // one definition at a time; guards the next three
	objects    map[uint32]fqgw.Object // as the registry has them, at the catalog's version
	adopted    []fqgw.Fact            // what others were in the middle of, and is still to be settled
	started    bool                   // the catalog's sources run
	tables     sync.Mutex             // guards unnamed and begunWorks
	unnamed    []string               // the lake's names of tables that are being made
	begunWorks []*unfinished          // what statements are in the middle of
	runner     *relational.Runner
	served     served
	joined     joined
	cold       cold
	derived    derivations
	everywhere everywhere
	memory     *fqgw.Memory  // of all sessions
	looked     atomic.Uint32 // shards that Waiting has looked at
	extents    sync.Map      // by the lake's name of a table: its extent, for a moment

	lefts sync.Mutex // guards left
	left  []leftover
	more  chan struct{} // there is more left

	mu sync.Mutex // held by those who replace snap

	compacts chan struct{} // holds one token while something is compacted

	fills sync.WaitGroup
	life  context.Context
	stop  context.CancelFunc
}

// building is a feature view that is being filled.
type building struct {
	done     chan struct{}
	err      error
	progress atomic.Pointer[string]
	cancel   context.CancelFunc
	// stands says that the store has the view from a process before: it is read
	// while the stream takes it up again.
	stands bool
}

// New makes an engine; Start must be called before statements that need the
// streams run.
func New(o Options) *Engine {
	if o.MemoryLimit == 0 {
		o.MemoryLimit = 1 << 30
	}
	if o.SessionLimit == 0 {
		o.SessionLimit = o.MemoryLimit
	}
	if o.Total == nil {
		o.Total = fqgw.NewMemory("all sessions together", "--total-memory", 0)
	}
	e := &Engine{o: o, cold: newCold(), more: make(chan struct{}, 1), compacts: make(chan struct{}, 1), memory: o.Total}
	e.life, e.stop = context.WithCancel(context.Background())
	e.snap.Store(&snapshot{})
	e.publish(o.Catalog)
	if o.Streams != nil {
		o.Streams.WatchFilling(e.toldFilling)
	}
	e.runner = &relational.Runner{Leaf: e.leaf, MemoryLimit: o.MemoryLimit, Whole: wholeOf}
	return e
}

// wholeOf is the account of the session that a statement is of.
func wholeOf(env *fqgw.Env) *fqgw.Memory {
	if s, ok := env.Session.(Session); ok {
		return s.Memory()
	}
	return nil
}

// Start takes up the sources and feature views of the catalog; the views fill
// in the background, Waiting tells how far that is.
func (e *Engine) Start(ctx context.Context) error {
	e.define.Lock()
	defer e.define.Unlock()
	if err := e.catchUp(ctx); err != nil {
		return err
	}
	if err := e.adopt(ctx); err != nil {
		return err
	}
	e.started = true
	e.fills.Go(e.tidy)
	c := e.Catalog()
	e.fills.Go(func() { e.evolveTables(e.life, c) })
	for _, s := range c.Sources {
		if err := e.o.Streams.AddSource(ctx, s); err != nil {
			return fmt.Errorf("source %s: %w", s.Name, err)
		}
	}
	for _, v := range states(c) {
		// Before the fill claims the units, which makes them look taken.
		stands, err := e.stands(ctx, v)
		if err != nil {
			e.o.Logger.Warn("it cannot be told whether a feature view is in the online store", "view", v.Name, "error", err)
		}
		e.fill(v, stands, func(string) {})
	}
	e.fills.Go(e.follow)
	e.fills.Go(e.publishedSoon)
	e.fills.Go(e.compactSoon)
	return nil
}

// Close stops the fills and waits for them.
func (e *Engine) Close() {
	e.stop()
	e.fills.Wait()
}

// Catalog is the newest published catalog.
func (e *Engine) Catalog() *fqgw.Catalog { return e.snap.Load().catalog }

// Now is T.
func (e *Engine) Now() int64 { return e.o.Clock.Now() }

// Memory is the account of all sessions with their statements.
func (e *Engine) Memory() *fqgw.Memory { return e.memory }

// MemoryLimit is how many bytes a statement may keep.
func (e *Engine) MemoryLimit() int64 { return e.o.MemoryLimit }

// SessionMemory makes the account of a session, which its statements are parts of,
// portals that stand included, and of it the part that it keeps between them.
func (e *Engine) SessionMemory() (all, kept *fqgw.Memory) {
	const option = "--session-memory"
	all = e.memory.Part("the session with its open portals", option, e.o.MemoryLimit+e.o.SessionLimit)
	kept = all.Part("the session with its temporary tables, the rows of its transaction and its prepared statements", option, e.o.SessionLimit)
	return all, kept
}

// Clock is the process clock.
func (e *Engine) Clock() *fqgw.Clock { return e.o.Clock }

// Describe answers SHOW for a read-only setting of fqgw.
func (e *Engine) Describe(name string) string {
	if e.o.Settings == nil {
		return ""
	}
	return e.o.Settings(name)
}

// Sync waits until everything produced before is applied and landed, in the
// views that are being filled too (INTERFACE, fqgw.sync).
func (e *Engine) Sync(ctx context.Context) error {
	for _, b := range e.snap.Load().building {
		select {
		case <-b.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if err := e.o.Streams.Sync(ctx); err != nil {
		return err
	}
	return e.readEverywhere(ctx)
}

// SystemRelation finds a relation of pg_catalog, information_schema or fqgw.
func (e *Engine) SystemRelation(schema, name string) *plan.SystemRelation {
	if schema == "fqgw" {
		if r := e.dynamic(name); r != nil {
			return r
		}
	}
	return pgcatalog.Lookup(schema, name)
}

// tryAgain is for what a store that is away keeps the engine from doing.
var tryAgain = fqgw.Backoff{First: time.Second, Most: 30 * time.Second}

// withDetail is an error with its detail.
func withDetail(err error) string {
	e := fqgw.AsError(err)
	return strings.TrimSpace(e.Message + " " + e.Detail)
}

// fill starts filling a view; the result is its building, which ends on its own.
func (e *Engine) fill(v *fqgw.FeatureView, stands bool, notice func(string)) *building {
	ctx, cancel := context.WithCancel(e.life)
	b := &building{done: make(chan struct{}), cancel: cancel, stands: stands}
	e.begun(v, b)
	e.fills.Add(1)
	go func() {
		defer e.fills.Done()
		defer close(b.done)
		for again := tryAgain; ; {
			b.err = nil
			for _, part := range v.Parts() {
				b.err = cmp.Or(b.err, e.o.Streams.AddView(ctx, part, func(msg string) {
					b.progress.Store(&msg)
					notice(msg)
				}))
			}
			if b.err == nil {
				e.ended(v)
				b.err = e.becomes(ctx, v)
				return
			}
			if ctx.Err() != nil {
				return
			}
			// A store that is away comes back; the view stays unreadable meanwhile.
			msg := b.err.Error()
			if old := b.progress.Swap(&msg); old == nil || *old != msg { // who waits shall know why
				notice(fmt.Sprintf("feature view \"%s\" cannot be filled, and is tried again: %s", v.Name, withDetail(b.err)))
			}
			e.o.Logger.Warn("filling a feature view failed, will try again", "view", v.Name, "error", b.err)
			if !again.Wait(ctx) {
				return
			}
		}
	}()
	return b
}
