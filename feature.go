package fqgw

import (
	"maps"
	"slices"
)

// Column is one column of a source, a table or a system relation.
type Column struct {
	Name    string
	Type    Type
	NotNull bool
	Field   string // the record's field when it is not Name (nested: a.b)
	Comment string
	// Number is the column's among all that the relation ever had, from 1 on; 0: it
	// always stood where it stands.
	Number int
}

// Check is one CHECK of a source: a row passes unless Expr is false (NULL passes).
type Check struct {
	Name string
	Expr Expr // over the source's columns
	SQL  string
	Text string // the expression as it was written, on one line; "": as SQL says it
}

// KnownBy says where a source's known times come from (SEMANTICS §1).
type KnownBy uint8

const (
	KnownByRecord    KnownBy = iota // the record's own timestamp
	KnownByEventTime                // the event time: topics that replay a past
	KnownByColumn                   // Source.KnownColumn
)

// PositionKind says what the positions of a source's events are, and what its
// marks count.
type PositionKind uint8

const (
	// NoPositions: the source is its history alone, read as it is.
	NoPositions PositionKind = iota
	// TopicOffsets: every event has the position of its record in a topic.
	TopicOffsets
	// Snapshots of a table, or of a set of files: a mark counts the snapshots of
	// which all rows are in; the rows have no position of their own.
	Snapshots
)

// Source is a typed event stream and its history.
type Source struct {
	OID         uint32
	Schema      string // "": public
	Name        string
	Columns     []Column
	Checks      []Check
	Connector   string // "kafka", "iceberg", "files"
	Topic       string
	Format      string // "json"
	EventTime   int    // index of the event time's column
	Known       KnownBy
	KnownColumn int   // for KnownByColumn
	KeyColumn   int   // column that is the record key of produced records, -1 none
	PrimaryKey  []int // of a changelog: its columns, in the order in which they were written; nil: append-only
	Partitions  int   // of a topic to be created
	MaxFuture   int64 // microseconds an event time may be ahead of its record's timestamp
	TimeUnit    int64 // microseconds per unit of numeric timestamps; 0, of changelogs: what the records say
	Start       string
	History     string // the lake table: "lake.departures"
	GateVersion int
	Derived     *Derivation       // nil: others produce its records
	Earlier     []Gate            // the gate versions before, the first of them first
	Steps       []SchemaStep      // what they made of the columns of its history since it was made
	Options     map[string]string // WITH, as written
	SQL         string
	Comment     string
}

// connectors are the kinds of sources, by the name that CREATE SOURCE has for them,
// with what the positions of each are.
var connectors = map[string]PositionKind{
	"kafka":   TopicOffsets,
	"iceberg": Snapshots,
	"files":   Snapshots,
}

// Connectors are the names of the kinds of sources, sorted.
func Connectors() []string { return slices.Sorted(maps.Keys(connectors)) }

// Positions is the kind of the source's positions.
func (s *Source) Positions() PositionKind { return connectors[s.Connector] }

// Place is where the source's rows lie, for people.
func (s *Source) Place() string {
	if s.History != "" {
		return s.History
	}
	return s.Options["table"] + s.Options["path"]
}

// Changelog says that the source denotes a table at each time (SEMANTICS §8): its rows
// have an identity, the primary key, and may change and go.
func (s *Source) Changelog() bool { return len(s.PrimaryKey) > 0 }

// Own are the columns that a row of the source's history has of the source's own. Of a
// changelog only the primary key is NOT NULL: the rows before changes may lack the rest.
// Nor is a column that was not in all gate versions.
func (s *Source) Own() []Column {
	own := slices.Clone(s.Columns)
	for i := range own {
		own[i].NotNull = own[i].NotNull && (!s.Changelog() || slices.Contains(s.PrimaryKey, i))
		for _, g := range s.Earlier {
			at := i
			if g.Places != nil {
				at = g.Places[i]
			}
			own[i].NotNull = own[i].NotNull && at >= 0 && g.Source.Columns[at].NotNull
		}
	}
	return own
}

// ColumnNumber is the number of a column among all that the source ever had, from 0 on: it
// stays when others go.
func (s *Source) ColumnNumber(i int) int {
	if n := s.Columns[i].Number; n > 0 {
		return n - 1
	}
	return i
}

// Takes says why the source cannot have such a change, nil if it can. One that is
// append-only (SEMANTICS §3.7) has none but inserts: a row that came stays.
func (s *Source) Takes(op Operation) error {
	if op == Insert || s.Changelog() {
		return nil
	}
	return Errorf(CodeFeatureNotSupported, "source \"%s\" is append-only, and this is the change %s of a row", s.Name, op)
}

// ColumnIndex is the index of the named column, -1 when there is none.
func (s *Source) ColumnIndex(name string) int { return columnIndex(s.Columns, name) }

func columnIndex(cols []Column, name string) int {
	for i := range cols {
		if cols[i].Name == name {
			return i
		}
	}
	return -1
}

// KeyColumn is one join key of a feature view: a column of its source.
type KeyColumn struct {
	Name   string // as the view shows it
	Column int    // index in the source
	Type   Type
}

// Window is one window of a feature view (SEMANTICS §2, §3.1).
type Window struct {
	Name   string
	Length int64 // microseconds; 0 is lifetime
	Hop    int64 // microseconds; 0 for lifetime
	Rows   int   // of ROWS n PRECEDING: the last n events, whatever their age; 0: it is a span of time
}

// Aggregate is one window aggregate: a slot of a windowed view.
type Aggregate struct {
	Func   string  // "count", "sum", "avg", "stddev_samp", "approx_percentile" …
	Star   bool    // count(*)
	Args   []Expr  // over the source's columns
	Params []Value // constants behind the arguments: the q of approx_percentile
	Filter Expr    // nil: none
	Window int     // index in FeatureView.Windows
	Type   Type    // of the result
}

// Feature is one output column of a feature view.
type Feature struct {
	Name    string
	Type    Type
	Read    Expr  // over the row (join keys…, slots…); see FeatureView
	Slots   []int // the slots that Read names, ascending: of the view's own aggregates
	Globals []int // and those of Global, counted from its first
	Default Value // NULL: none. Replaces NULL, whatever its cause (SEMANTICS §4.2)
	Instead Expr  // a default that names slots of Global, over the row that Read has; nil: Default
	Comment string
}

// FeatureView is one version of a feature view. Its slots are what the state
// keeps: the aggregates of a windowed view, the Row expressions of a
// latest-row view. A feature is an expression over (join keys…, slots…), of which the
// slots of Global are the last.
type FeatureView struct {
	OID     uint32
	Schema  string // "": public
	Name    string
	Version int    // of the view: 1, 2 …
	State   int64  // the state version's number; never used again for another state
	Pending bool   // made by a transaction that has not committed, which alone sees it
	Of      string // the name of the view that this is a version of, where another one is current; else ""
	Next    bool   // it becomes the current version when it is filled
	Given   int    // the greatest number that a version of the view has had; of the current one
	Since   int64  // since when it is what it is, microseconds by the process clock; 0: not known
	Source  *Source
	Keys    []KeyColumn
	Where   Expr // over the source's columns; nil: all rows

	Latest  bool   // DISTINCT ON: the latest row per key
	MaxAge  int64  // microseconds; 0: none. Latest only
	Offline bool   // it is not kept online: AS OF alone reads it
	Retain  int64  // microseconds without an event after which an entity's state goes to the lake; 0: the budget alone decides
	Row     []Expr // Latest only: the slots, over the source's columns

	Windows    []Window    // windowed only
	Aggregates []Aggregate // windowed only: the slots
	Global     Globals     // windowed only

	Features []Feature
	Columns  []OutputColumn // the SELECT list in its order
	Options  map[string]string
	SQL      string // the statement, as written
	Comment  string
}

// OutputColumn is one column of a view as a relation: a join key or a feature.
type OutputColumn struct {
	Name    string
	Key     int // index in Keys, or -1
	Feature int // index in Features, or -1
}

// OutputKind is what an Output shows.
type OutputKind uint8

const (
	OutKey     OutputKind = iota // join key Index
	OutFeature                   // the value of feature Index
	OutStatus                    // the status of feature Index, text
	OutTime                      // the feature time of feature Index, timestamptz
	OutToken                     // the token of the view and entity, text
)

// Output is one column that a query shows of a feature view.
type Output struct {
	Kind  OutputKind
	Index int
}

// Stays says why the entities of the view always stay in the online store; "" where they
// may go to the lake.
func (v *FeatureView) Stays() string {
	switch {
	case len(v.Keys) == 0:
		return "its value is over all entities"
	case v.Source.Positions() != TopicOffsets:
		return "the rows of its source have no positions"
	}
	return ""
}

// Age is how long an event of the view counts, microseconds; 0: for ever.
func (v *FeatureView) Age() (age int64) {
	if v.Latest {
		return v.MaxAge
	}
	for _, w := range v.Windows {
		if w.Length == 0 {
			return 0
		}
		age = max(age, w.Length+w.Hop)
	}
	return age
}

// SlotTypes are the types of the slots, in order, those of Global behind the others.
func (v *FeatureView) SlotTypes() []Type {
	var out []Type
	if v.Latest {
		for _, e := range v.Row {
			out = append(out, e.Type())
		}
		return out
	}
	for i := range v.Aggregates {
		out = append(out, v.Aggregates[i].Type)
	}
	for i := range v.Global.Aggregates {
		out = append(out, v.Global.Aggregates[i].Type)
	}
	return out
}

// OutputType is the type of one output column.
func (v *FeatureView) OutputType(i int) Type {
	if c := v.Columns[i]; c.Key >= 0 {
		return v.Keys[c.Key].Type
	} else {
		return v.Features[c.Feature].Type
	}
}

// DefaultHop is the hop of a window of that length (SEMANTICS §3.1): the
// largest step that is at most a sixtieth of it, and at least a second.
func DefaultHop(length int64) int64 {
	const s = 1_000_000
	hop := int64(s)
	for _, step := range []int64{5 * s, 10 * s, 60 * s, 300 * s, 900 * s, 3600 * s, 21600 * s, 86400 * s} {
		if step <= length/60 {
			hop = step
		}
	}
	return hop
}

// Status says how a feature's value came about (SEMANTICS §4.3).
type Status uint8

const (
	StatusPresent Status = iota
	StatusNull
	StatusNotFound
	StatusOutsideMaxAge
	StatusError
	StatusDefault
	StatusTimeout
)

func (s Status) String() string {
	return [...]string{"present", "null", "not_found", "outside_max_age", "error", "default", "timeout"}[s]
}
