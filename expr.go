package fqgw

import (
	"context"
	"time"
)

// Expr is a bound expression. planner/expr has the only implementations; stream
// and pit evaluate them without knowing more.
type Expr interface {
	// Type is the type of every result of Eval.
	Type() Type
	// Eval gives the value for one row. It keeps no state and may be called
	// from many goroutines. A failure is an *Error.
	Eval(env *Env, row []Value) (Value, error)
	// String is the expression as SQL that binds to the same tree again.
	String() string
}

// Env is what an expression may see beside its row. The zero Env serves row
// expressions of definitions: UTC, ISO dates, no clock, no parameters.
type Env struct {
	Ctx  context.Context
	Now  int64          // T: the statement's time, microseconds UTC
	Zone *time.Location // the session's TimeZone; nil is UTC
	// Literals is where the statement's literals are read, when that is not here:
	// a prepared statement keeps what they meant when it was analysed.
	Literals *Env
	Args     []Value   // the parameters $1, $2 …
	Outer    [][]Value // the rows of the enclosing queries, the innermost last
	// Session answers what depends on the session and the catalog; nil in definitions.
	Session Session
	// Memory counts what the statement keeps; nil in definitions: no limit.
	Memory *Memory
	// Run runs a sub-plan (planner/plan.Node) for subquery expressions.
	Run func(env *Env, plan any) (Rows, error)
}

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

// Rows is a stream of rows. Next gives io.EOF at the end; the row is valid
// until the following Next. Close may be called at any time, more than once.
type Rows interface {
	Next() ([]Value, error)
	Close() error
}
