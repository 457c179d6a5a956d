package planner

import (
	"context"
	"fmt"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/exec"
	"github.com/fqgw/fqgw/planner/plan"
)

// runInsert runs INSERT; in a block the rows are checked and written at COMMIT.
func (s *Session) runInsert(env *fqgw.Env, st *plan.Insert) (int64, error) {
	t := exec.Target{Source: st.Source, Table: st.Table, Fields: st.Fields}
	if err := s.mayWrite(t, "INSERT"); err != nil {
		return 0, err
	}
	rows, err := s.planner.engine.Run(env, st.Query)
	if err != nil {
		return 0, err
	}
	return s.insert(env.Ctx, t, rows, !s.tx.many)
}

// mayWrite is nil unless the transaction is read-only and the target is no
// temporary table.
func (s *Session) mayWrite(t exec.Target, command string) error {
	if t.Table != nil && s.TempTable(t.Table) != nil {
		return nil
	}
	return s.writable(command)
}

// insert writes rows now, where alone says that the statement is its whole
// transaction, or with the transaction.
func (s *Session) insert(ctx context.Context, t exec.Target, rows fqgw.Rows, alone bool) (int64, error) {
	defer s.settle()
	e := s.planner.engine
	if t.Table != nil && s.TempTable(t.Table) != nil {
		return e.Insert(ctx, s, t, rows)
	}
	if !s.tx.block && alone {
		return e.Insert(ctx, s, t, rows)
	}
	w, err := e.Place(ctx, s, t, rows)
	if err != nil {
		return 0, err
	}
	return int64(len(w.Rows)), s.change(ctx, exec.Change{Tag: "INSERT", Rows: w})
}

// copyIn is the part of COPY … FROM STDIN that the session does: the caller
// decodes the client's data.
func (s *Session) copyIn(st *plan.CopyFrom) (*CopyIn, error) {
	t := exec.Target{Source: st.Source, Table: st.Table, Fields: st.Fields}
	if err := s.mayWrite(t, "COPY FROM"); err != nil {
		return nil, err
	}
	return &CopyIn{Format: st.Format, Types: t.Types(), Run: func(ctx context.Context, rows fqgw.Rows) (int64, error) {
		return s.insert(ctx, t, rows, !s.tx.many)
	}}, nil
}

// runCopyTo runs COPY … TO: to the client, or to a Parquet file.
func (s *Session) runCopyTo(env *fqgw.Env, st *plan.CopyTo) (*Result, error) {
	e := s.planner.engine
	if st.Path == "" {
		rows, err := e.Run(env, st.Query)
		if err != nil {
			return nil, err
		}
		return &Result{CopyOut: &CopyOut{Format: st.Format, Columns: st.Query.Columns(), Rows: rows}, Tag: countTag("COPY")}, nil
	}
	if st.Format.Name != "parquet" {
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "COPY to a file writes Parquet only").
			WithHint("Write (FORMAT parquet), or COPY … TO STDOUT.")
	}
	file := fileColumns(st.Query)
	var wide []string
	for _, c := range file {
		if c.Type == fqgw.Numeric {
			wide = append(wide, c.Name)
		}
	}
	if len(wide) > 0 {
		s.notify("numeric without a precision is written to Parquet as double precision: "+strings.Join(wide, ", "), "Cast to numeric(p,s) to keep every digit.")
	}
	t, err := s.training(env, st.Kept, st.Query)
	if err != nil {
		return nil, err
	}
	n, err := e.CopyToParquet(env, exec.CopyTo{Query: st.Query, Path: st.Path, Columns: file, Layout: st.Layout, Training: t})
	if err != nil {
		return nil, err
	}
	return &Result{Tag: fixedTag(fmt.Sprintf("COPY %d", n))}, nil
}

// fileColumns are the columns of the rows of a query.
func fileColumns(query plan.Node) []fqgw.Column {
	cols := query.Columns()
	out := make([]fqgw.Column, len(cols))
	for i, c := range cols {
		out[i] = fqgw.Column{Name: c.Name, Type: c.Type}
	}
	return out
}
