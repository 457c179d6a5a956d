package fqgw

import (
	"context"
	"maps"
	"slices"
)

// Object is one definition as the registry keeps it: the statement that made
// it, and what was decided then.
type Object struct {
	OID     uint32
	Kind    string // "schema", "source", "feature view", "table", "view", "training set"
	Schema  string // of a relation: its schema
	Name    string
	Version int
	State   int64             // feature views: the state version
	SQL     string            // the statement as written, bound anew at each start
	Path    []string          // where the statement's bare names are looked up; nil: in public
	Props   map[string]string // defaults, comments, options that ALTER changed
	Form    string            // of what it says, however it was written: "<version>:<hash of the canonical form>"
}

// Equal says whether two objects are the same in every field.
func (o *Object) Equal(p *Object) bool {
	return o.OID == p.OID && o.Kind == p.Kind && o.Schema == p.Schema && o.Name == p.Name && o.Version == p.Version && o.State == p.State &&
		o.SQL == p.SQL && slices.Equal(o.Path, p.Path) && maps.Equal(o.Props, p.Props) && o.Form == p.Form
}

// Definitions is everything defined, at one version; the objects in the order of
// their OIDs.
type Definitions struct {
	Version int64
	Objects []Object
}

// DefinitionChange is what one commit changes.
type DefinitionChange struct {
	Put   []Object // new ones, or in the place of those of the same OID
	Drop  []uint32 // by OID
	Facts []Fact   // set in the same transaction, as PutOwn does
}

// DefinitionStore keeps what is defined, one version after another.
type DefinitionStore interface {
	Load(ctx context.Context) (Definitions, error)
	// Commit makes the next version if the version is still base, and returns its
	// number; 40001 when it is not, 55000 when this owner was taken for gone. After
	// an error of the connection it may have been made all the same.
	Commit(ctx context.Context, base int64, c DefinitionChange) (int64, error)
	// Watch returns the version as soon as it is greater than after: within a second
	// of the commit, whoever made it. It ends with ctx's error.
	Watch(ctx context.Context, after int64) (int64, error)
}

// Fact is a small text by a name; "" is none.
type Fact struct {
	Name, Value string
}

// Facts are what must outlive a process beside the definitions: the clock, the
// store's shard count, what a process is in the middle of.
//
// An open registry is an owner. What a process is in the middle of it notes as
// facts of its own, under names with its number: while it lives they are nobody
// else's, and when it is gone another owner takes them over. An owner is gone when
// it is closed, when its process has ended, or when it was not heard of for so
// long (at most 15 s) that the registry takes it for gone; how that is known is the
// implementation's. From then on it can commit nothing: Commit, PutOwn and Adopt
// are 55000.
type Facts interface {
	// Owner is the number of this owner, which no other ever had.
	Owner() int64
	Get(ctx context.Context, name string) (string, error)
	// Put sets a fact that is nobody's own, whatever it was.
	Put(ctx context.Context, name, value string) error
	// Swap sets a fact that is nobody's own if it is old, and says whether it was.
	Swap(ctx context.Context, name, old, value string) (bool, error)
	// PutOwn sets a fact of this owner, whatever it was.
	PutOwn(ctx context.Context, name, value string) error
	// Adopt makes the facts whose names begin so, and whose owners are gone, this
	// owner's and returns them: each to one of those who ask.
	Adopt(ctx context.Context, prefix string) ([]Fact, error)
}

// Numbers are given once.
type Numbers interface {
	// Next gives n numbers of a sequence that never repeats and returns the first:
	// "oid" begins at 16384, others ("state") at 1.
	Next(ctx context.Context, sequence string, n int) (int64, error)
	// Epoch is the number of a topic's incarnation for a source, numbering a new
	// topic id with the next number (SEMANTICS §1, Position). The source is named by
	// the text of its qualified name.
	Epoch(ctx context.Context, source string, topicID [16]byte) (int32, error)
}

// Registry is what the processes of one installation share beside the stores. Safe
// for concurrent use; Close gives up the owner.
type Registry interface {
	DefinitionStore
	Facts
	Numbers
	Close() error
}

// DeadLetter is a record that the gate refused. Its key, headers and payload are
// those of the record: what a decoder needs to read it once more.
type DeadLetter struct {
	Source   string   // the text of its qualified name
	Pos      Position // of the record, whose changes are refused together
	Time     int64    // the record's timestamp
	Rejected int64    // when the gate decided
	Reason   string
	Column   string
	Key      []byte
	Headers  []Header // in their order
	Payload  []byte
	Replayed int64 // when its record was produced once more, as a new one; 0: it was not
}

// Replayed is what a replay of dead letters came to.
type Replayed struct {
	Records int64  // produced once more
	Refused int64  // left, because the gate refuses them still
	Reason  string // of the first of those
}

// Rejected counts the dead letters of a source and hour that have one reason.
type Rejected struct {
	Source   string
	Hour     int64 // its beginning, of the records' timestamps: microseconds UTC
	Reason   string
	Column   string
	Records  int64
	Replayed int64 // of them
}

// DeadLetterStore keeps what the gate refused. Safe for concurrent use.
type DeadLetterStore interface {
	// Bury keeps dead letters; one of the same source and position is kept once, the
	// first.
	Bury(ctx context.Context, letters []DeadLetter) error
	// DeadLetters calls each for the newest, at most limit, one after the other; an
	// error of each ends it and is returned.
	DeadLetters(ctx context.Context, limit int, each func(DeadLetter) error) error
	// Waiting calls each for those of a source that were not replayed and lie behind a
	// position, in the order of positions, at most limit.
	Waiting(ctx context.Context, source string, after Position, limit int, each func(DeadLetter) error) error
	// Rejected calls each for every source, hour and reason with dead letters whose
	// records have timestamps from one to another, in the order of source and hour;
	// "" is all sources.
	Rejected(ctx context.Context, source string, from, to int64, each func(Rejected) error) error
	// Replayed notes that the records at those positions were produced once more at t;
	// what it knows already, or not at all, is passed over.
	Replayed(ctx context.Context, source string, t int64, at []Position) error
	// Forget removes those of a source that the marks do not cover: its records are to
	// be judged anew from there.
	Forget(ctx context.Context, source string, covered Marks) error
}
