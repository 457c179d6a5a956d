package gateway

import (
	"log/slog"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner"
	"github.com/fqgw/fqgw/planner/exec"
)

// TestPanics: an engine without stores panics where it needs one, in a statement
// or at the end of its transaction. Nothing of the transaction stays, and the
// session lives.
func TestPanics(t *testing.T) {
	cat := (*fqgw.Catalog)(nil).Clone()
	cat.Tables[fqgw.Public("lake")] = &fqgw.Table{OID: 20000, Name: "lake", Columns: []fqgw.Column{{Name: "a", Type: fqgw.Int4}}, History: "lake.lake"}
	engine := exec.New(exec.Options{Catalog: cat, Clock: fqgw.RealClock(), Logger: slog.New(slog.DiscardHandler), MemoryLimit: 1 << 20})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		done <- New(Options{Planner: planner.New(engine), Logger: slog.New(slog.DiscardHandler)}).Serve(t.Context(), l)
	}()
	t.Cleanup(func() { <-done })
	nc, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	fe := pgproto3.NewFrontend(nc, nc)
	ask := func(want string, msgs ...pgproto3.FrontendMessage) {
		t.Helper()
		for _, m := range msgs {
			fe.Send(m)
		}
		if err := fe.Flush(); err != nil {
			t.Fatal(err)
		}
		got := ""
		for {
			m, err := fe.Receive()
			if err != nil {
				t.Fatal(err)
			}
			switch m := m.(type) {
			case *pgproto3.CommandComplete:
				got += string(m.CommandTag) + "; "
			case *pgproto3.DataRow:
				got += "(" + string(m.Values[0]) + "); "
			case *pgproto3.ErrorResponse:
				got += m.Code + "; "
			case *pgproto3.ReadyForQuery:
				if got += string(m.TxStatus); got != want {
					t.Errorf("got %s, want %s", got, want)
				}
				return
			}
		}
	}
	query := func(sql string) pgproto3.FrontendMessage { return &pgproto3.Query{String: sql} }
	run := func(sqls ...string) []pgproto3.FrontendMessage {
		var out []pgproto3.FrontendMessage
		for _, sql := range sqls {
			out = append(out, &pgproto3.Parse{Query: sql}, &pgproto3.Bind{}, &pgproto3.Execute{})
		}
		return append(out, &pgproto3.Sync{})
	}
	ask("I", &pgproto3.StartupMessage{ProtocolVersion: 3 << 16, Parameters: map[string]string{"user": "test"}})
	ask("CREATE TABLE; I", query("CREATE TEMP TABLE t (a int)"))
	const writes = "INSERT INTO t VALUES (1); SET application_name = 'x'; "
	ask("INSERT 0 1; SET; XX000; I", query(writes+"CREATE TABLE other (a int); SELECT 1"))
	ask("(0); SELECT 1; (); SHOW; I", query("SELECT count(*) FROM t; SHOW application_name"))
	ask("INSERT 0 1; SET; XX000; I", query(writes+"INSERT INTO lake VALUES (1)")) // its commit panics
	ask("INSERT 0 1; XX000; I", run("INSERT INTO t VALUES (1)", "CREATE TABLE other (a int)", "SELECT 1")...)
	ask("INSERT 0 1; INSERT 0 1; XX000; I", run("INSERT INTO t VALUES (1)", "INSERT INTO lake VALUES (1)")...)
	ask("BEGIN; INSERT 0 1; SAVEPOINT; XX000; E", query("BEGIN; INSERT INTO t VALUES (1); SAVEPOINT a; CREATE TABLE other (a int)"))
	ask("ROLLBACK; (1); SELECT 1; COMMIT; I", query("ROLLBACK TO a; SELECT count(*) FROM t; COMMIT"))
	ask("(1); SELECT 1; (); SHOW; I", query("SELECT count(*) FROM t; SHOW application_name"))
	ask("BEGIN; INSERT 0 1; T", query("BEGIN; INSERT INTO t VALUES (1)"))
}
