package planner

import (
	"context"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/exec"
	"github.com/fqgw/fqgw/planner/plan"
)

// transaction is the session's transaction: reads inside see one catalog
// version; definitions and writes are private until COMMIT (INTERFACE,
// Transactions). It is a block that BEGIN opened, or the implicit one around a
// query string, or around the messages up to Sync.
type transaction struct {
	status  byte          // 'I', 'T', 'E'
	block   bool          // an explicit block
	many    bool          // of several statements: its changes wait for its end
	batch   bool          // of the extended protocol
	ran     bool          // a command of the batch has been carried out in it
	queried bool          // a query has run: its modes cannot be changed any more
	number  int64         // of the transaction in the session
	catalog *fqgw.Catalog // what the transaction sees; nil outside
	pending *exec.Changes // definitions and writes that COMMIT carries out
	marks   []mark        // of its beginning and its savepoints; none outside
}

// mark is what a rollback goes back to.
type mark struct {
	name     string // of the savepoint
	pending  int
	settings int
	readOnly string // transaction_read_only
	catalog  *fqgw.Catalog
	temp     map[string]tempMark // nil: no statement in between can leave a half
}

// tempMark is a temporary table as it was: rows are only ever added to one.
type tempMark struct {
	table *exec.TempTable
	rows  int
	bytes int64
}

// noTemp are the temporary tables where there are none.
var noTemp = map[string]tempMark{}

func (s *Session) markTemp() map[string]tempMark {
	if len(s.temp) == 0 {
		return noTemp
	}
	out := map[string]tempMark{}
	for name, t := range s.temp {
		out[name] = tempMark{t, len(t.Rows), t.Bytes}
	}
	return out
}

// restoreTemp makes the temporary tables what they were.
func (s *Session) restoreTemp(marks map[string]tempMark) {
	clear(s.temp)
	for name, m := range marks {
		if len(m.table.Rows) > m.rows { // a copy: the others are let go of, except by who reads them now
			m.table.Rows, m.table.Bytes = slices.Clone(m.table.Rows[:m.rows]), m.bytes
		}
		s.temp[name] = m.table
	}
}

// catalog is what statements of the session see now.
func (s *Session) catalog() *fqgw.Catalog {
	if s.tx.catalog != nil {
		return s.tx.catalog
	}
	return s.planner.engine.Catalog()
}

// BeginImplicit opens the implicit transaction around a query string; many says
// that it is a string of several statements, whose definitions and writes are
// carried out together at its end. A transaction that is open already stays.
func (s *Session) BeginImplicit(many bool) { s.begin(many || s.HasPending(), false) }

// BeginBatch opens the implicit transaction of messages up to Sync, as in
// PostgreSQL: what they write is written together at Sync.
func (s *Session) BeginBatch() { s.begin(true, true) }

func (s *Session) begin(many, batch bool) {
	s.tx.many, s.tx.batch = many, batch
	if len(s.tx.marks) == 0 {
		s.tx.number++
		s.tx.marks = append(s.tx.marks, mark{readOnly: s.settings.values["transaction_read_only"]})
	}
	if many && s.tx.marks[0].temp == nil {
		s.tx.marks[0].temp = s.markTemp()
	}
}

// EndImplicit commits the implicit transaction; a block stays open.
func (s *Session) EndImplicit(ctx context.Context) error {
	s.tx.many, s.tx.batch = false, false
	if s.tx.block {
		return nil
	}
	if !s.HasPending() {
		return s.commit(ctx)
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	if err := s.commit(ctx); err != nil {
		return timedOut(ctx, err)
	}
	return nil
}

// commit ends the transaction and keeps what it did. When that fails nothing of
// it is kept, and it has ended all the same.
func (s *Session) commit(ctx context.Context) error {
	if pending := s.tx.pending; pending != nil {
		s.tx.pending = nil // a failure takes back what it has done by itself
		if err := s.planner.engine.Commit(ctx, pending, s.notify); err != nil {
			s.rollback()
			return err
		}
	}
	s.settings.end(s)
	s.over()
	return nil
}

// rollback ends the transaction and undoes what it did.
func (s *Session) rollback() {
	if len(s.tx.marks) > 0 {
		s.undo(0)
	}
	s.over()
}

// over leaves the session without a transaction.
func (s *Session) over() {
	s.closePortals(0)
	clear(s.tx.marks)
	s.tx = transaction{status: 'I', number: s.tx.number, marks: s.tx.marks[:0]}
	s.settle()
}

// undo takes back what came after a mark, and the marks behind it.
func (s *Session) undo(at int) {
	m := s.tx.marks[at]
	clear(s.tx.marks[at+1:])
	s.tx.marks = s.tx.marks[:at+1]
	s.tx.pending.Truncate(m.pending)
	s.tx.catalog = m.catalog
	s.settings.back(s, m.settings)
	if m.temp != nil {
		s.restoreTemp(m.temp)
	}
	s.settle()
}

// Failed tells the session that something of its transaction failed: a block is
// aborted, an implicit transaction is rolled back and over. What was done since
// the last savepoint is undone at once.
func (s *Session) Failed() {
	if !s.tx.block {
		s.rollback()
		return
	}
	if s.tx.status != 'E' {
		s.tx.status = 'E'
		s.undo(len(s.tx.marks) - 1) // its portals are there, though of no use, until the rollback
	}
}

// InBlock says whether an explicit transaction block is open.
func (s *Session) InBlock() bool { return s.tx.block }

// blockLike says whether what is set for the transaction alone reaches further
// statements: in a block, and in a query string of several.
func (s *Session) blockLike() bool { return s.tx.block || s.tx.many && !s.tx.batch }

func (s *Session) runTransaction(ctx context.Context, st *plan.Transaction) (*Result, error) {
	tag := st.Tag
	warn := func(code fqgw.Code, msg string) {
		s.options.Notice(Notice{Severity: "WARNING", Code: string(code), Message: msg})
	}
	switch st.Kind {
	case plan.Begin:
		if s.tx.block {
			warn(fqgw.CodeActiveTransaction, "there is already a transaction in progress")
			if err := s.setModes(st.Modes, false); err != nil {
				return nil, err
			}
			break
		}
		s.beginBlock()
		if err := s.setModes(st.Modes, false); err != nil {
			s.tx.block = false // there never was one
			return nil, err
		}
	case plan.Commit, plan.Rollback:
		if !s.tx.block {
			warn(fqgw.CodeNoTransaction, "there is no transaction in progress")
		}
		many, batch := s.tx.many, s.tx.batch
		if st.Kind == plan.Commit && s.tx.status != 'E' {
			if err := s.commit(ctx); err != nil {
				return nil, err
			}
		} else {
			tag = "ROLLBACK"
			s.rollback()
		}
		s.begin(many, batch) // around what follows in the string or up to Sync
	default:
		if err := s.runSavepoint(st); err != nil {
			return nil, err
		}
	}
	return &Result{Tag: fixedTag(tag)}, nil
}

// beginBlock makes the implicit transaction, with what it has done, a block.
func (s *Session) beginBlock() {
	s.begin(s.tx.many, s.tx.batch)
	s.tx.block, s.tx.status = true, 'T'
	if s.tx.marks[0].temp == nil {
		s.tx.marks[0].temp = s.markTemp()
	}
	if s.tx.catalog == nil { // statements see this one from now on
		s.tx.catalog = s.planner.engine.Catalog()
	}
}

func (s *Session) runSavepoint(st *plan.Transaction) error {
	verb := map[plan.TransactionKind]string{plan.Savepoint: "SAVEPOINT", plan.Release: "RELEASE SAVEPOINT", plan.RollbackTo: "ROLLBACK TO SAVEPOINT"}[st.Kind]
	if !s.tx.block {
		return fqgw.Errorf(fqgw.CodeNoTransaction, "%s can only be used in transaction blocks", verb)
	}
	if st.Kind == plan.Savepoint {
		s.tx.marks = append(s.tx.marks, mark{name: st.Name, pending: s.tx.pending.Len(), settings: len(s.settings.undo),
			readOnly: s.settings.values["transaction_read_only"], catalog: s.tx.catalog, temp: s.markTemp()})
		return nil
	}
	for i := len(s.tx.marks) - 1; i > 0; i-- {
		if s.tx.marks[i].name != st.Name {
			continue
		}
		if st.Kind == plan.Release {
			s.release(i)
			return nil
		}
		s.undo(i)
		s.closePortals(i)
		s.tx.status = 'T'
		return nil
	}
	return fqgw.Errorf("3B001", "savepoint \"%s\" does not exist", st.Name)
}

// release makes what came after a savepoint part of what was before it.
func (s *Session) release(at int) {
	for _, p := range s.portals {
		p.depth = min(p.depth, at-1)
	}
	s.settings.put("transaction_read_only", s.tx.marks[at].readOnly) // its change ends with it
	clear(s.tx.marks[at:])
	s.tx.marks = s.tx.marks[:at]
}

var errAborted = fqgw.Errorf(fqgw.CodeFailedTransaction, "current transaction is aborted, commands ignored until end of transaction block")

// change makes a definition or a write: at once, or pending inside a block or a
// batch of several statements.
func (s *Session) change(ctx context.Context, c exec.Change) error {
	if err := s.writable(c.Tag); err != nil {
		return err
	}
	base := s.catalog()
	if !s.tx.block && !s.tx.many {
		one := exec.NewChanges(s.planner.engine)
		if _, err := one.Add(ctx, base, c); err != nil {
			return err
		}
		return s.planner.engine.Commit(ctx, one, s.notify)
	}
	if s.tx.pending == nil {
		s.tx.pending = exec.NewChanges(s.planner.engine)
	}
	cat, err := s.tx.pending.Add(ctx, base, c)
	if err != nil {
		return err
	}
	s.tx.catalog = cat
	return nil
}

// writable is nil unless the transaction is read-only.
func (s *Session) writable(tag string) error {
	if s.settings.typed.readOnly {
		return fqgw.Errorf(fqgw.CodeReadOnly, "cannot execute %s in a read-only transaction", tag)
	}
	return nil
}

// HasPending says whether the transaction has something to carry out at its end.
func (s *Session) HasPending() bool { return s.tx.pending.Len() > 0 }

// Pending are the rows that the transaction has for a table.
func (s *Session) Pending(t *fqgw.Table) [][]fqgw.Value { return s.tx.pending.Pending(t) }

func (s *Session) notify(message, hint string) {
	s.options.Notice(Notice{Severity: "NOTICE", Code: "00000", Message: message, Hint: hint})
}
