// Package plan holds the nodes of a bound statement: what the binder makes and
// the executor runs. Every expression in a node is bound over the columns of
// its input (a join's condition over left columns, then right columns).
package plan

import "github.com/fqgw/fqgw"

// Column describes one output column of a node.
type Column struct {
	Name string
	Type fqgw.Type
	Rel  uint32 // OID of the relation it comes from unchanged, 0 otherwise
	Att  int16  // its attribute number there
}

// Types are the columns' types.
func Types(cols []Column) []fqgw.Type {
	out := make([]fqgw.Type, len(cols))
	for i := range cols {
		out[i] = cols[i].Type
	}
	return out
}

// Node is a query plan; the kinds are those of this package.
type Node interface {
	Columns() []Column
	Children() []Node
	node()
}

// Leaves.
type (
	// Values yields constant rows, evaluated over the outer rows and parameters
	// only. A SELECT without FROM is one row of no columns.
	Values struct {
		Cols []Column
		Rows [][]fqgw.Expr
	}
	// SourceScan reads the history of a source. Columns index the source's
	// columns; len(source.Columns)+i is the hidden column i. AsOf is nil for all
	// that is landed, else rows known by then (constant over the statement).
	SourceScan struct {
		Source *fqgw.Source
		Cols   []Column
		Fields []int
		AsOf   fqgw.Expr
		Lo, Hi fqgw.Expr // bounds on the event time that the filter above implies, inclusive; nil: none
	}
	// TableScan reads a lake table; AsOf is its snapshot at that time.
	TableScan struct {
		Table  *fqgw.Table
		Cols   []Column
		Fields []int
		AsOf   fqgw.Expr
	}
	// SystemScan reads a system relation. Where are conditions of those in the filter
	// above, if the relation seeks.
	SystemScan struct {
		Rel    *SystemRelation
		Cols   []Column
		Fields []int
		Where  []Bound
	}
	// TableFunc is generate_series, unnest and the like in FROM; with
	// Ordinality the last column counts from 1. Args see outer rows only.
	TableFunc struct {
		Name       string
		Args       []fqgw.Expr
		Cols       []Column
		Ordinality bool
	}
	// FeatureScan reads a feature view as a relation at one time. At nil is now
	// (the online store), else history AS OF At KNOWN AT Known (nil: At). With
	// Keys, only those entities: Each of Keys is a tuple over outer rows and
	// parameters; KeyArrays is the form `key = ANY($1)`, one array for the only
	// join key. The rows are those of SEMANTICS §4.1.
	FeatureScan struct {
		View      *fqgw.FeatureView
		At, Known fqgw.Expr
		Keys      [][]fqgw.Expr
		KeyArray  fqgw.Expr
		Outputs   []fqgw.Output
		Cols      []Column
		Compiled  *Compiled
	}
	// CTEScan reads a common table expression that is run once for the statement,
	// or for each row around this node when it is correlated.
	CTEScan struct {
		CTE  *CTE
		Cols []Column
	}
	// WorkTable is the recursive reference inside a recursive CTE.
	WorkTable struct {
		CTE  *CTE
		Cols []Column
	}
)

// CTE is a WITH query. Recursive ones run Plan once, then Step over WorkTable
// until it yields nothing; All keeps duplicates.
//
// A correlated one sees the rows around the CTEScan that reads it, or the
// WorkTable of a recursive query around it: its plans are those of that place.
type CTE struct {
	Name       string
	Plan       Node
	Recursive  bool
	Step       Node
	All        bool
	Correlated bool
	Copied     *CTE // a copy for another place: the CTE that the WorkTables in Step name
}

// Origin is the CTE that the WorkTables in the step of c name.
func (c *CTE) Origin() *CTE {
	if c.Copied != nil {
		return c.Copied
	}
	return c
}

// Unary and binary nodes.
type (
	// FeatureJoin joins a feature view onto its input by the entity: Keys gives
	// the join keys over the input's row, At and Known the times (nil: now; nil:
	// At). Left keeps every input row, a missing row giving the values of empty
	// windows and then defaults (SEMANTICS §4.2); a NULL key or NULL time gives
	// NULLs, then defaults. On is a further condition over input columns then
	// Outputs; where it is not true a left join gives NULLs without defaults.
	// Output columns: the input's, then Outputs.
	FeatureJoin struct {
		Input     Node
		View      *fqgw.FeatureView
		Keys      []fqgw.Expr
		At, Known fqgw.Expr
		Left      bool
		On        fqgw.Expr
		Outputs   []fqgw.Output
		Cols      []Column
		Compiled  *Compiled
	}
	// Entities names the entities of a spine: those whose join keys, of Types,
	// equal the values of Keys over the input's row. Mostly it is one, but several
	// keys may equal one value (SEMANTICS §4.2): a row for each. A row that names
	// none is there once, with keys that no entity has. Output columns: the
	// input's, the number of the input's row, the keys, and the keys once more, to
	// be shown: NULL where none equals the value.
	Entities struct {
		Input Node
		Keys  []fqgw.Expr
		Types []fqgw.Type
		Cols  []Column
	}
	// Settle ends a left join onto what Entities named. Row and Found are columns
	// of its input: the number that Entities gave, and whether the feature has a
	// row. Of the rows of one number those stay that are Found, without any the
	// first; of these, those for which On (nil: all) is true, without any the
	// first with Rejected for its columns behind the first Width. Output columns:
	// the first len(Cols) of the input's.
	Settle struct {
		Input      Node
		Row, Found int
		Width      int
		On         fqgw.Expr
		Rejected   []fqgw.Value
		Cols       []Column
	}
	Filter struct {
		Input Node
		Cond  fqgw.Expr
	}
	Project struct {
		Input Node
		Exprs []fqgw.Expr
		Cols  []Column
	}
	// Join is any other join. Lateral: Right sees Left's row as its innermost
	// outer row. Semi and anti joins yield Left's columns alone.
	Join struct {
		Kind        JoinKind
		Left, Right Node
		Cond        fqgw.Expr // nil: true
		Lateral     bool
	}
	// Aggregate groups by Groups (none: one row for the whole input) and yields
	// the groups, then the aggregates. Sets, if any, are GROUPING SETS: indexes
	// into Groups; a group that is not in a set is NULL in its rows.
	Aggregate struct {
		Input  Node
		Groups []fqgw.Expr
		Aggs   []AggCall
		Sets   [][]int
		Cols   []Column
	}
	// Window appends one column per call to the input's columns.
	Window struct {
		Input Node
		Calls []WindowCall
		Cols  []Column
	}
	Sort struct {
		Input Node
		Keys  []SortKey
	}
	// Limit skips Offset rows and yields at most Count; nil is none. With ties:
	// also the rows equal to the last by Ties.
	Limit struct {
		Input         Node
		Count, Offset fqgw.Expr
		Ties          []SortKey
	}
	// Distinct keeps the first row of each set of equal rows; with On, of rows
	// equal in those expressions (DISTINCT ON; the input is sorted for it).
	Distinct struct {
		Input Node
		On    []fqgw.Expr
	}
	SetOp struct {
		Kind        SetKind
		All         bool
		Left, Right Node
		Cols        []Column
	}
	// ProjectSet is Project where some expressions are set-returning functions
	// (Sets[i] not nil): they run in step, shorter ones give NULLs.
	ProjectSet struct {
		Input Node
		Exprs []fqgw.Expr
		Sets  []*TableFunc // over the input's row as the innermost outer row
		Cols  []Column
	}
)

// JoinKind is the kind of a Join.
type JoinKind uint8

const (
	Inner JoinKind = iota
	LeftOuter
	RightOuter
	FullOuter
	Cross
	Semi
	Anti
)

// SetKind is UNION, INTERSECT or EXCEPT.
type SetKind uint8

const (
	Union SetKind = iota
	Intersect
	Except
)

// SortKey is one ORDER BY item.
type SortKey struct {
	Expr       fqgw.Expr
	Desc       bool
	NullsFirst bool
}

// AggCall is one aggregate call in a plain query (not a feature's: those are
// stream/window's).
type AggCall struct {
	Func     string
	Star     bool
	Distinct bool
	Args     []fqgw.Expr
	Direct   []fqgw.Expr // of ordered-set aggregates
	Order    []SortKey
	Filter   fqgw.Expr
	Type     fqgw.Type
}

// WindowCall is one window function call.
type WindowCall struct {
	AggCall
	Partition []fqgw.Expr
	OrderBy   []SortKey
	Frame     Frame
}

// FrameBound is one end of a frame.
type FrameBound uint8

const (
	UnboundedPreceding FrameBound = iota
	OffsetPreceding
	CurrentRow
	OffsetFollowing
	UnboundedFollowing
)

// Frame is a window frame; Mode is 'r' RANGE, 'w' ROWS, 'g' GROUPS.
type Frame struct {
	Mode                   byte
	Start, End             FrameBound
	StartOffset, EndOffset fqgw.Expr
	Exclude                byte // 0 none, 'c' current row, 'g' group, 't' ties
}

// SystemRelation is a relation whose rows the process computes: pg_catalog,
// information_schema and schema fqgw.
type SystemRelation struct {
	OID     uint32
	Schema  string
	Name    string
	Columns []fqgw.Column
	// Rows calls each for the rows, which it may keep; an error of each ends it and is
	// returned.
	Rows func(env *fqgw.Env, each func(row []fqgw.Value) error) error
	// Seek is Rows of a relation that makes only what is sought; nil: it makes all.
	Seek func(env *fqgw.Env, what Sought, each func(row []fqgw.Value) error) error
}

// Bound is a condition on a column of a system relation: = < <= > >= and what it is
// compared with, the same for the whole statement, or nil for IS NULL.
type Bound struct {
	Column int
	Op     string
	Of     fqgw.Expr
}

// Sought is what a statement reads of a system relation. Values of columns that are not
// among Fields are not looked at. Rows for which not all of Where is true may be there.
type Sought struct {
	Fields []int
	Where  []Bound
}
