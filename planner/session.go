// Package planner turns the text of statements into answers: it parses, binds
// and runs them for one session at a time. The gateway drives it; the stores
// are behind planner/exec.
package planner

import (
	"context"
	"strconv"
	"sync"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/define"
	"github.com/fqgw/fqgw/planner/exec"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
)

// Planner makes sessions over one engine. Safe for concurrent use.
type Planner struct {
	engine *exec.Engine
	meter  *Meter
	cache  *planCache

	mu       sync.Mutex
	sessions map[int32]*Session // by backend pid; for pg_cancel_backend
}

// New makes a planner over a running engine.
func New(e *exec.Engine) *Planner {
	return &Planner{engine: e, meter: newMeter(), cache: newPlanCache(min(planCacheBytes, e.MemoryLimit()/8)), sessions: map[int32]*Session{}}
}

// Meter counts what the sessions do.
func (p *Planner) Meter() *Meter { return p.meter }

// Notice is a message beside the answer; Severity is NOTICE, WARNING or INFO.
type Notice struct {
	Severity, Code, Message, Detail, Hint string
}

// SessionOptions are what the startup packet said.
type SessionOptions struct {
	User, Database string
	Params         map[string]string // settings: application_name, TimeZone …
	PID            int32
	Client         string // the client's address, host:port
	// Notice receives notices while a statement runs; it is called from the
	// goroutine that executes.
	Notice func(Notice)
	// Cancel ends the statement that runs, for pg_cancel_backend; terminate also
	// the session.
	Cancel func(terminate bool)
}

// Session is one client's state in SQL: settings, transaction, prepared
// statements by name, temporary tables. Used by one goroutine at a time.
type Session struct {
	planner  *Planner
	options  SessionOptions
	settings settings
	tx       transaction
	temp     map[string]*exec.TempTable
	prepared map[string]*Prepared // SQL PREPARE and protocol Parse share it
	portals  map[string]*Portal   // the open ones; "" is the protocol's unnamed one
	spare    *Portal              // one that was closed, to be used again
	memory   *fqgw.Memory         // of all that the session has: its statements are parts of it
	kept     *fqgw.Memory         // the part that stays between statements
	message  *fqgw.Memory         // the part for the protocol's message at hand
	text     *fqgw.Memory         // the part for the trees of the query string at hand
	keeps    int64                // of kept, prepared and the arguments of portals
	activity activity
	nested   int      // EXECUTEs under way
	said     []string // notices of the statement under way
	outside  fqgw.Env // of Env
	subplan  func(env *fqgw.Env, n any) (fqgw.Rows, error)
}

// NewSession opens a session; an unknown setting in Params is 42704.
func (p *Planner) NewSession(o SessionOptions) (*Session, error) {
	if o.Notice == nil {
		o.Notice = func(Notice) {}
	}
	s := &Session{planner: p, options: o, temp: map[string]*exec.TempTable{}, prepared: map[string]*Prepared{}, portals: map[string]*Portal{}}
	s.tx.status = 'I'
	s.subplan = func(env *fqgw.Env, n any) (fqgw.Rows, error) { return p.engine.Run(env, n.(plan.Node)) }
	s.memory, s.kept = p.engine.SessionMemory()
	s.message = s.memory.Part("the client's message", "--memory", p.engine.MemoryLimit())
	s.text = s.memory.Part("the text of the statement", "--memory", p.engine.MemoryLimit())
	s.settings.init(o.User)
	for name, value := range o.Params {
		if err := s.settings.startup(name, value); err != nil {
			return nil, err
		}
	}
	if at := s.settings.values["fqgw.as_of"]; at != "" { // in the zone that the client asked for
		at, err := s.asOf(at)
		if err != nil {
			return nil, err
		}
		s.settings.put("fqgw.as_of", at)
		s.settings.defaults["fqgw.as_of"] = at
	}
	s.settings.freshModes()
	now := time.Now().UnixMicro()
	s.activity.a = fqgw.Activity{PID: o.PID, User: o.User, Database: o.Database, Client: o.Client, Application: s.settings.values["application_name"],
		State: "idle", Started: now, Changed: now}
	p.mu.Lock()
	p.sessions[o.PID] = s
	p.mu.Unlock()
	return s, nil
}

// Close forgets the session and rolls back what it had open.
func (s *Session) Close() {
	s.rollback()
	clear(s.temp)
	for name := range s.prepared {
		s.Forget(name)
	}
	s.settle()
	for _, m := range []*fqgw.Memory{s.message, s.text} {
		m.Set(0)
		m.Close()
	}
	s.kept.Close()
	s.memory.Close()
	s.planner.mu.Lock()
	delete(s.planner.sessions, s.options.PID)
	s.planner.mu.Unlock()
}

// Text is one statement of a query string, parsed. It may be that of other
// sessions too.
type Text struct {
	stmt  *parse.Statement
	bytes int64 // about what its trees take

	// The plan cache's: its lock guards them.
	home  *queryString // nil: the cache does not have it
	bound []*binding
}

// newText is a statement that was parsed: half of what that took stays.
func newText(st *parse.Statement) *Text { return &Text{stmt: st, bytes: parse.Bytes(st.Text) / 2} }

// parse parses a query string whose trees the session has room for, as long as Rest or
// the next one is not called: what is kept longer is charged by who keeps it. 53200.
func (s *Session) parse(sql string) ([]*parse.Statement, error) {
	n := parse.Bytes(sql)
	s.text.Set(0)
	if err := s.text.Take(n); err != nil {
		return nil, fqgw.AsError(err).WithHint("Send fewer rows in one statement, load them with COPY … FROM STDIN, or raise the limit (--memory).")
	}
	return parse.Parse(sql)
}

// Split parses a query string into its statements, none for an empty one. 53200 when
// its trees are more than a statement may keep.
func (s *Session) Split(sql string) ([]*Text, error) {
	if texts := s.planner.cache.split(sql); texts != nil {
		return texts, nil
	}
	began := time.Now()
	stmts, err := s.parse(sql)
	if err != nil {
		s.planner.meter.refused(began, err)
		return nil, err
	}
	out := make([]*Text, len(stmts))
	for i, st := range stmts {
		out[i] = newText(st)
	}
	s.planner.cache.keep(sql, out)
	return out, nil
}

// Prepared is a statement with its parameters and result described. What the
// slices have is shared and must not be changed.
type Prepared struct {
	Params  []fqgw.Type
	Columns []plan.Column // nil: returns no rows; a SELECT without columns has none but returns rows

	text   *Text // nil for the empty statement
	types  []uint32
	plain  bool          // of a query string: without parameters
	bound  *binding      // what it was bound to last
	valid  *fqgw.Catalog // the last one in which bound was found to hold
	read   *fqgw.Env     // in which its literals are read: that of when it was analysed
	number int64         // the transaction of then
}

// Result is a statement's answer. When Rows is set the caller reads it to its
// end, or closes it, before the session is used again for anything but another
// portal of the same transaction.
type Result struct {
	Columns []plan.Column
	Rows    fqgw.Rows
	Tag     Tag
	CopyIn  *CopyIn
	CopyOut *CopyOut
}

// CopyIn is a COPY … FROM STDIN: the caller decodes the client's data into rows
// of Types and hands them to Run, which takes them all and returns how many
// they were.
type CopyIn struct {
	Format plan.CopyFormat
	Types  []fqgw.Type
	Run    func(ctx context.Context, rows fqgw.Rows) (int64, error)
}

// CopyOut is a COPY … TO STDOUT: the caller formats Rows.
type CopyOut struct {
	Format  plan.CopyFormat
	Columns []plan.Column
	Rows    fqgw.Rows
}

// Tag is a command tag: words, behind which the number of the rows that were sent
// stands where it counts. Without words the statement was empty.
type Tag struct {
	words  string
	counts bool
}

// Append appends the tag of a statement that sent so many rows.
func (t Tag) Append(dst []byte, rows int64) []byte {
	dst = append(dst, t.words...)
	if t.counts {
		dst = strconv.AppendInt(append(dst, ' '), rows, 10)
	}
	return dst
}

// Empty says that there was no statement.
func (t Tag) Empty() bool { return t.words == "" }

func fixedTag(words string) Tag { return Tag{words: words} }

func countTag(words string) Tag { return Tag{words, true} }

// TxStatus is the transaction state that ReadyForQuery reports: 'I', 'T' or 'E'.
func (s *Session) TxStatus() byte { return s.tx.status }

// Setting is the current value of a setting as SHOW prints it.
func (s *Session) Setting(name string) (string, bool) {
	v, err := s.settings.show(name, s)
	return v, err == nil
}

// Named gives the statement that PREPARE or Parse made under a name; 26000.
func (s *Session) Named(name string) (*Prepared, error) {
	if p := s.prepared[name]; p != nil {
		return p, nil
	}
	return nil, fqgw.Errorf(fqgw.CodeInvalidStatement, "prepared statement \"%s\" does not exist", name)
}

// Keep stores a prepared statement under a name; the unnamed one ("") is
// replaced, another name that exists is 42P05.
func (s *Session) Keep(name string, p *Prepared) error {
	if name != "" && s.prepared[name] != nil {
		return fqgw.Errorf(fqgw.CodeDuplicatePrepared, "prepared statement \"%s\" already exists", name)
	}
	s.Forget(name)
	if err := s.kept.Take(p.bytes()); err != nil {
		return err
	}
	s.keeps += p.bytes()
	s.prepared[name] = p
	return nil
}

// bytes is about what a prepared statement takes: mostly its tree and its plan.
func (p *Prepared) bytes() int64 {
	if p.text == nil {
		return 0
	}
	return p.text.bytes + bindingBytes(p.text)
}

// Memory implements exec.Session.
func (s *Session) Memory() *fqgw.Memory { return s.memory }

// Message charges the session for a message of the protocol of n bytes, in the place of
// the one before: the buffer, which may be longer, and the text that is made of it.
// 53200 when the session has no room for it.
func (s *Session) Message(n int64) error {
	s.message.Set(0)
	return s.message.Take(2 * n)
}

// Room implements exec.Session.
func (s *Session) Room() *fqgw.Memory { return s.kept }

// settle makes the account say what the session keeps, after something of it may
// have gone.
func (s *Session) settle() {
	n := s.tx.pending.Bytes() + s.keeps
	for _, t := range s.temp {
		n += t.Bytes
	}
	var gone map[*exec.TempTable]bool // that a rollback would bring back
	for i := range s.tx.marks {
		for name, m := range s.tx.marks[i].temp {
			if s.temp[name] == m.table || gone[m.table] {
				continue
			}
			if gone == nil {
				gone = map[*exec.TempTable]bool{}
			}
			gone[m.table] = true
			n += m.table.Bytes
		}
	}
	s.kept.Set(n)
}

// Forget drops a prepared statement; a missing one is not an error.
func (s *Session) Forget(name string) {
	if p := s.prepared[name]; p != nil {
		s.keeps -= p.bytes()
		s.kept.Give(p.bytes())
		delete(s.prepared, name)
	}
}

// forgetNamed is DEALLOCATE ALL: the unnamed statement of the protocol stays.
func (s *Session) forgetNamed() {
	for name := range s.prepared {
		if name != "" {
			s.Forget(name)
		}
	}
}

// Sessions is the number of open sessions.
func (p *Planner) Sessions() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.sessions)
}

// Load reads the definitions and binds them: the catalog that an engine starts with.
func Load(ctx context.Context, r fqgw.Registry) (*fqgw.Catalog, error) {
	defs, err := r.Load(ctx)
	if err != nil {
		return nil, err
	}
	return define.Load(defs)
}

// Env is an environment for reading and printing values outside a statement. It is
// the session's: the next call sets it anew.
func (s *Session) Env() *fqgw.Env {
	s.outside = s.env(context.Background())
	return &s.outside
}

// IdleLimit is how long the session may wait for its client now; 0: for ever.
func (s *Session) IdleLimit() time.Duration {
	if s.tx.block {
		return s.settings.typed.blockTimeout
	}
	return s.settings.typed.idleTimeout
}

// LeastNotice is client_min_messages.
func (s *Session) LeastNotice() string { return s.settings.typed.leastNotice }
