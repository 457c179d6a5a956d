package define

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/planner/plan"
)

// transaction is BEGIN, COMMIT, ROLLBACK and the savepoints.
func (d *Definer) transaction(n *pg.TransactionStmt) (plan.Statement, error) {
	if n.Chain {
		return nil, d.unsupported(n.Location, "AND CHAIN")
	}
	st := &plan.Transaction{Name: n.SavepointName}
	switch n.Kind {
	case pg.TransactionStmtKind_TRANS_STMT_BEGIN:
		st.Kind, st.Tag = plan.Begin, "BEGIN"
	case pg.TransactionStmtKind_TRANS_STMT_START:
		st.Kind, st.Tag = plan.Begin, "START TRANSACTION"
	case pg.TransactionStmtKind_TRANS_STMT_COMMIT:
		st.Kind, st.Tag = plan.Commit, "COMMIT"
	case pg.TransactionStmtKind_TRANS_STMT_ROLLBACK:
		st.Kind, st.Tag = plan.Rollback, "ROLLBACK"
	case pg.TransactionStmtKind_TRANS_STMT_SAVEPOINT:
		st.Kind, st.Tag = plan.Savepoint, "SAVEPOINT"
	case pg.TransactionStmtKind_TRANS_STMT_RELEASE:
		st.Kind, st.Tag = plan.Release, "RELEASE"
	case pg.TransactionStmtKind_TRANS_STMT_ROLLBACK_TO:
		st.Kind, st.Tag = plan.RollbackTo, "ROLLBACK"
	default:
		return nil, d.unsupported(n.Location, "a prepared transaction")
	}
	st.Modes = transactionModes(n.Options)
	return st, nil
}

// transactionModes are the options of BEGIN or of SET TRANSACTION.
func transactionModes(options []*pg.Node) []plan.Mode {
	var out []plan.Mode
	for _, o := range options {
		e := o.GetDefElem()
		m := plan.Mode{Name: e.Defname, Value: optionValue(e.Arg)}
		if e.Defname != "transaction_isolation" {
			m.Value = map[bool]string{true: "off", false: "on"}[m.Value == "0"]
		}
		out = append(out, m)
	}
	return out
}

// setTransaction is SET TRANSACTION and SET SESSION CHARACTERISTICS.
func (d *Definer) setTransaction(n *pg.VariableSetStmt) (plan.Statement, error) {
	switch n.Name {
	case "SESSION CHARACTERISTICS":
		return &plan.SetTransaction{Modes: transactionModes(n.Args), Session: true}, nil
	case "TRANSACTION":
		return &plan.SetTransaction{Modes: transactionModes(n.Args)}, nil
	}
	return nil, d.unsupported(-1, "SET %s", n.Name)
}

// EndsBlock says whether a statement may run in a block that is aborted: COMMIT,
// ROLLBACK and ROLLBACK TO.
func EndsBlock(st *parse.Statement) bool {
	switch st.Node.GetTransactionStmt().GetKind() {
	case pg.TransactionStmtKind_TRANS_STMT_COMMIT, pg.TransactionStmtKind_TRANS_STMT_ROLLBACK, pg.TransactionStmtKind_TRANS_STMT_ROLLBACK_TO,
		pg.TransactionStmtKind_TRANS_STMT_PREPARE:
		return true
	}
	return false
}

// Analysed says whether a statement is a query already where its names are
// looked up: the modes of a transaction cannot be changed after one.
func Analysed(st *parse.Statement) bool {
	switch st.Node.Node.(type) {
	case *pg.Node_SelectStmt, *pg.Node_InsertStmt, *pg.Node_UpdateStmt, *pg.Node_DeleteStmt, *pg.Node_MergeStmt,
		*pg.Node_ExplainStmt, *pg.Node_CreateTableAsStmt, *pg.Node_DeclareCursorStmt:
		return true
	}
	return false
}

// Deferred says whether PostgreSQL looks into a statement only when it is carried
// out, so that Parse takes one over things that are not there.
func Deferred(st *parse.Statement) bool {
	_, show := st.Node.Node.(*pg.Node_VariableShowStmt)
	return !show && !Analysed(st)
}
