package planner

import (
	"context"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/exec"
	"github.com/fqgw/fqgw/planner/plan"
)

// transaction is the session's transaction: reads inside see one catalog
// version; definitions and writes are private until COMMIT (INTERFACE,
// Transactions).
type transaction struct {
	status     byte          // 'I', 'T', 'E'
	block      bool          // an explicit block, not just the implicit one of a batch
	many       bool          // of a query string of several statements, or a batch: its changes wait for its end
	batch      bool          // of the extended protocol
	catalog    *fqgw.Catalog // what the transaction sees; nil outside
	pending    *exec.Changes // definitions and writes that COMMIT carries out
	savepoints []savepoint
	temp       map[string]tempMark // the temporary tables when the block began
}

type savepoint struct {
	name    string
	pending int
	catalog *fqgw.Catalog
	temp    map[string]tempMark
}

// tempMark is a temporary table as it was: rows are only ever added to one.
type tempMark struct {
	table *exec.TempTable
	rows  int
}

func (s *Session) markTemp() map[string]tempMark {
	out := map[string]tempMark{}
	for name, t := range s.temp {
		out[name] = tempMark{t, len(t.Rows)}
	}
	return out
}

// restoreTemp makes the temporary tables what they were.
func (s *Session) restoreTemp(marks map[string]tempMark) {
	clear(s.temp)
	for name, m := range marks {
		m.table.Rows = m.table.Rows[:m.rows]
		s.temp[name] = m.table
	}
}

func (t *transaction) reset() { *t = transaction{status: 'I'} }

// catalog is what statements of the session see now.
func (s *Session) catalog() *fqgw.Catalog {
	if s.tx.catalog != nil {
		return s.tx.catalog
	}
	return s.planner.engine.Catalog()
}

// BeginImplicit opens the implicit transaction around a query string or an
// extended batch; many says that it is a string of several statements, whose
// definitions and writes are carried out together at its end. A block that is
// open already stays.
func (s *Session) BeginImplicit(many bool) {
	if s.tx.many = many; many {
		s.beginMany()
	}
}

// BeginBatch opens the implicit transaction of messages up to Sync, as in
// PostgreSQL: what they write is written together at Sync.
func (s *Session) BeginBatch() {
	s.tx.many, s.tx.batch = true, true
	s.beginMany()
}

// EndImplicit closes it: outside a block it commits, or with ok false discards,
// what the batch had pending.
func (s *Session) EndImplicit(ctx context.Context, ok bool) error {
	many := s.tx.many
	s.tx.many, s.tx.batch = false, false
	if s.tx.block {
		return nil
	}
	pending, temp := s.tx.pending, s.tx.temp
	s.tx.reset()
	if !ok && many && (len(temp) > 0 || len(s.temp) > 0) {
		s.restoreTemp(temp)
	}
	if pending == nil {
		return nil
	}
	if !ok {
		pending.Truncate(0)
		return nil
	}
	ctx, cancel := s.withTimeout(ctx)
	defer cancel()
	if err := s.planner.engine.Commit(ctx, pending, s.notify); err != nil {
		return timedOut(ctx, err)
	}
	return nil
}

// beginMany marks what a failure of several statements together undoes.
func (s *Session) beginMany() {
	if !s.tx.block {
		s.tx.temp = nil
		if len(s.temp) > 0 {
			s.tx.temp = s.markTemp()
		}
	}
}

// Failed tells the session that a statement of it failed: a block is aborted.
func (s *Session) Failed(error) {
	if s.tx.block {
		s.tx.status = 'E'
	}
}

// InBlock says whether an explicit transaction block is open.
func (s *Session) InBlock() bool { return s.tx.block }

// pin makes the transaction's catalog the one that statements see from now on.
func (s *Session) pin() {
	if s.tx.catalog == nil {
		s.tx.catalog = s.planner.engine.Catalog()
	}
}

func (s *Session) runTransaction(ctx context.Context, st *plan.Transaction) (*Result, error) {
	tag := st.Tag
	warn := func(code, msg string) {
		s.options.Notice(Notice{Severity: "WARNING", Code: code, Message: msg})
	}
	switch st.Kind {
	case plan.Begin:
		if s.tx.block {
			warn("25001", "there is already a transaction in progress")
			break
		}
		s.tx.block, s.tx.status, s.tx.temp = true, 'T', s.markTemp()
		s.pin()
		if st.ReadOnly != nil {
			v := "off"
			if *st.ReadOnly {
				v = "on"
			}
			if err := s.set("transaction_read_only", v, true); err != nil {
				return nil, err
			}
		}
	case plan.Commit, plan.Rollback:
		if !s.tx.block {
			warn("25P01", "there is no transaction in progress")
			break
		}
		failed, pending, temp := s.tx.status == 'E', s.tx.pending, s.tx.temp
		many, batch := s.tx.many, s.tx.batch
		s.tx.reset()
		s.tx.many, s.tx.batch = many, batch
		commit := st.Kind == plan.Commit && !failed
		s.settings.end(s, commit)
		if !commit {
			s.restoreTemp(temp)
		}
		if failed && st.Kind == plan.Commit {
			tag = "ROLLBACK"
		}
		if commit && pending != nil {
			if err := s.planner.engine.Commit(ctx, pending, s.notify); err != nil {
				return nil, err
			}
		} else if pending != nil {
			pending.Truncate(0)
		}
	default:
		if err := s.runSavepoint(st); err != nil {
			return nil, err
		}
	}
	return &Result{Tag: fixedTag(tag)}, nil
}

func (s *Session) runSavepoint(st *plan.Transaction) error {
	verb := map[plan.TransactionKind]string{plan.Savepoint: "SAVEPOINT", plan.Release: "RELEASE SAVEPOINT", plan.RollbackTo: "ROLLBACK TO SAVEPOINT"}[st.Kind]
	if !s.tx.block {
		return fqgw.Errorf(fqgw.CodeNoTransaction, "%s can only be used in transaction blocks", verb)
	}
	if st.Kind == plan.Savepoint {
		s.tx.savepoints = append(s.tx.savepoints, savepoint{st.Name, s.tx.pending.Len(), s.tx.catalog, s.markTemp()})
		return nil
	}
	for i := len(s.tx.savepoints) - 1; i >= 0; i-- {
		sp := s.tx.savepoints[i]
		if sp.name != st.Name {
			continue
		}
		if st.Kind == plan.Release {
			s.tx.savepoints = s.tx.savepoints[:i]
			return nil
		}
		s.tx.savepoints = s.tx.savepoints[:i+1]
		s.tx.status, s.tx.catalog = 'T', sp.catalog
		s.tx.pending.Truncate(sp.pending)
		s.restoreTemp(sp.temp)
		return nil
	}
	return fqgw.Errorf("3B001", "savepoint \"%s\" does not exist", st.Name)
}

// aborted is the error for a statement in an aborted block, nil when it may run.
func (s *Session) aborted(st plan.Statement) error {
	if s.tx.status != 'E' {
		return nil
	}
	if t, ok := st.(*plan.Transaction); ok && (t.Kind == plan.Commit || t.Kind == plan.Rollback || t.Kind == plan.RollbackTo) {
		return nil
	}
	return fqgw.Errorf(fqgw.CodeFailedTransaction, "current transaction is aborted, commands ignored until end of transaction block")
}

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
	if s.settings.values["transaction_read_only"] == "on" {
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
