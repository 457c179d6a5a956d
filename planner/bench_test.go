package planner

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/define"
	"github.com/fqgw/fqgw/planner/exec"
)

// known is a small catalog: a source, a feature view, a table and a plain view.
func known(t testing.TB) *fqgw.Catalog {
	cat, err := define.Load(fqgw.Definitions{Version: 1, Objects: []fqgw.Object{
		{OID: 20001, Kind: "source", Name: "clicks", Version: 1, SQL: `CREATE SOURCE clicks (user_id bigint NOT NULL, price double precision, ts timestamptz NOT NULL)
			WITH (connector = 'kafka', topic = 'clicks', format = 'json', event_time = 'ts')`, Props: map[string]string{"history": "lake.clicks_1"}},
		{OID: 20002, Kind: "table", Name: "labels", Version: 1, SQL: `CREATE TABLE labels (id integer, user_id bigint, ts timestamptz)`,
			Props: map[string]string{"history": "lake.labels_20002"}},
		{OID: 20003, Kind: "feature view", Name: "user_clicks", Version: 1, State: 1, SQL: `CREATE FEATURE VIEW user_clicks AS SELECT user_id, count(*) OVER w AS n,
			avg(price) OVER w AS mean FROM clicks WINDOW w AS (PARTITION BY user_id ORDER BY ts RANGE '1 hour' PRECEDING)`},
		{OID: 20004, Kind: "view", Name: "plain", Version: 1, SQL: "CREATE VIEW plain AS SELECT id, ts FROM labels"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return cat
}

// BenchmarkPlan is what a statement costs before it is carried out: a query string
// (simple), and Parse of the extended protocol (parse), each time the same text.
func BenchmarkPlan(b *testing.B) {
	p := New(exec.New(exec.Options{Catalog: known(b), Clock: fqgw.RealClock(), Logger: slog.New(slog.DiscardHandler)}))
	s, err := p.NewSession(SessionOptions{User: "bench", PID: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	b.Run("simple", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			texts, err := s.Split("SELECT n, mean FROM user_clicks WHERE user_id = 4711")
			if err == nil {
				_, err = s.PrepareQuery(texts[0])
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			texts, err := s.Split("SELECT n, mean FROM user_clicks WHERE user_id = $1")
			if err == nil {
				_, err = s.Prepare(texts[0], nil)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("select 1", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			texts, err := s.Split("SELECT 1")
			var q *Prepared
			if err == nil {
				q, err = s.PrepareQuery(texts[0])
			}
			var res *Result
			if err == nil {
				res, err = s.Execute(ctx, q, nil)
			}
			for err == nil {
				_, err = res.Rows.Next()
			}
			if err != io.EOF {
				b.Fatal(err)
			}
			res.Rows.Close()
		}
	})
}

// BenchmarkInsertInBlock is one INSERT of a transaction block, by a prepared statement
// that was prepared before it.
func BenchmarkInsertInBlock(b *testing.B) {
	cat := known(b).Clone()
	for i := range 200 { // others' relations
		t := &fqgw.Table{OID: uint32(30000 + i), Name: fmt.Sprintf("t%d", i), Schema: fqgw.PublicSchema}
		cat.Tables[t.Qualified()] = t
	}
	p := New(exec.New(exec.Options{Catalog: cat, Clock: fqgw.RealClock(), Logger: slog.New(slog.DiscardHandler)}))
	s, err := p.NewSession(SessionOptions{User: "bench", PID: 1})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	prepare := func(sql string) *Prepared {
		texts, err := s.Split(sql)
		var q *Prepared
		if err == nil {
			q, err = s.Prepare(texts[0], nil)
		}
		if err != nil {
			b.Fatal(err)
		}
		return q
	}
	insert := prepare("INSERT INTO labels (id, user_id) VALUES ($1, $2)")
	args := []fqgw.Value{fqgw.IntValue(1), fqgw.IntValue(2)}
	if _, err := s.Execute(ctx, prepare("BEGIN"), nil); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Execute(ctx, insert, args); err != nil {
			b.Fatal(err)
		}
	}
}
