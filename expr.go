package fqgw

import (
	"context"
	"time"
)

// Expr is a bound expression. planner/expr has the only implementations, and what
// walks over, encodes and compares them.
type Expr interface {
	// Type is the type of every result of Eval.
	Type() Type
	// Eval gives the value for one row. It keeps no state and may be called
	// from many goroutines. A failure is an *Error.
	Eval(env *Env, row []Value) (Value, error)
	// String is the expression as SQL that binds to the same tree again, to be shown:
	// another release may print it otherwise.
	String() string
}

// Env is what an expression may see beside its row. The zero Env serves row
// expressions of definitions: UTC, ISO dates, no clock, no parameters.
type Env struct {
	Ctx  context.Context
	Now  int64          // T: the statement's time, microseconds UTC
	Zone *time.Location // the session's TimeZone; nil is UTC
	// Style is how the session writes and reads dates and the like.
	Style Style
	// Literals is where the statement's literals are read, when that is not here:
	// a prepared statement keeps what they meant when it was analysed.
	Literals *Env
	Args     []Value   // the parameters $1, $2 …
	Outer    [][]Value // the rows of the enclosing queries, the innermost last
	// Session answers what depends on the session and the catalog; nil in definitions.
	Session Session
	// Deadline is how long one read of the online store may take before defaults
	// stand in for what it has not answered (SET fqgw.deadline); 0: without an end.
	Deadline time.Duration
	// LakeDeadline is how long a read of now waits for the lake to give entities that have
	// left the online store (0: without an end), LakeEntities how many of a feature view
	// a statement takes from there.
	LakeDeadline time.Duration
	LakeEntities int
	// Memory counts what the statement keeps; nil in definitions: no limit.
	Memory *Memory
	// Run runs a sub-plan (planner/plan.Node) for subquery expressions.
	Run func(env *Env, plan any) (Rows, error)
}

// Style is how values are written as text, and dates read: DateStyle,
// IntervalStyle, bytea_output and extra_float_digits. The zero Style is
// PostgreSQL's default, and that of definitions whatever the session has.
type Style struct {
	Dates        DateStyle
	Order        DateOrder // of day and month; of a date's numbers when read
	Spans        SpanStyle
	EscapedBytes bool
	LessDigits   uint8 // 0: floats have the shortest form that reads back; 1: 15 digits (real: 6), 2: 14 …
}

// DateStyle is the first half of the setting DateStyle.
type DateStyle uint8

// The styles of dates.
const (
	DatesISO      DateStyle = iota // 1997-12-17 07:37:16-08
	DatesSQL                       // 12/17/1997 07:37:16.00 PST
	DatesPostgres                  // Wed Dec 17 07:37:16 1997 PST
	DatesGerman                    // 17.12.1997 07:37:16.00 PST
)

// DateOrder is the second half of the setting DateStyle.
type DateOrder uint8

// The orders of a date's numbers.
const (
	MDY DateOrder = iota
	DMY
	YMD
)

// SpanStyle is the setting IntervalStyle.
type SpanStyle uint8

// The styles of intervals.
const (
	SpansPostgres SpanStyle = iota // 1 year 2 mons 3 days 04:05:06
	SpansVerbose                   // @ 1 year 2 mons 3 days 4 hours 5 mins 6 secs
	SpansSQL                       // +1-2 +3 +4:05:06
	SpansISO                       // P1Y2M3DT4H5M6S
)

// Session is what functions such as current_setting() or pg_get_viewdef() ask for.
type Session interface {
	Setting(name string) (value string, ok bool)
	SetSetting(name, value string, local bool) error
	User() string
	Database() string
	BackendPID() int32
	Catalog() *Catalog
	// Call runs a function that reaches beyond the expression library
	// (fqgw.sync, fqgw.advance, pg_cancel_backend …); ok is false when there is none.
	Call(ctx context.Context, name string, args []Value) (v Value, ok bool, err error)
	// CallSet is Call of a function that returns rows (fqgw.sample).
	CallSet(ctx context.Context, name string, args []Value) (rows [][]Value, err error)
}

// Activity is what a session does, for pg_stat_activity. Times are microseconds
// UTC by the machine's clock, 0 for none.
type Activity struct {
	PID                         int32
	User, Database, Application string
	Client                      string // host:port
	State                       string // "active", "idle", "idle in transaction" …
	Query                       string // the statement that runs, or the last one
	Started, Block              int64  // of the session; of its transaction block
	QueryStart, Changed         int64
}

// Location is the session's zone, UTC for the zero Env.
func (e *Env) Location() *time.Location {
	if e == nil || e.Zone == nil {
		return time.UTC
	}
	return e.Zone
}
