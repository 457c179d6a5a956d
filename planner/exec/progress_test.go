package exec

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/fqgw/fqgw"
)

// told is a session that keeps its notices.
type told struct {
	Session
	notices []string
}

func (s *told) Notify(message, _ string) { s.notices = append(s.notices, message) }

// A statement that keeps its rows says every five seconds how far it is, and which part
// of its only table has been read.
func TestProgress(t *testing.T) {
	run := func(p *pins) []string {
		s := &told{}
		synctest.Test(t, func(t *testing.T) {
			env := &fqgw.Env{Ctx: context.WithValue(t.Context(), pinsKey{}, p), Session: s}
			b := array.NewRecordBatch(arrow.NewSchema(nil, nil), nil, 1024)
			rows := &stream{records: func(yield func(arrow.RecordBatch, error) bool) {
				for range 20 {
					if time.Sleep(1001 * time.Millisecond); !yield(b, nil) {
						return
					}
				}
			}}
			batches, ok := batchesOf((&Engine{}).progress(env, counted(env, rows)))
			if !ok {
				t.Fatal("rows that came as batches do so no more")
			}
			for range batches {
			}
		})
		return s.notices
	}
	want := []string{"5120 rows so far", "10240 rows so far", "15360 rows so far", "20480 rows so far"}
	if got := run(nil); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	one := fqgw.TrainingTable{Table: "lake.labels"}
	for i, part := range []string{"12", "25", "37", "50"} {
		want[i] += ", " + part + ` % of table "lake.labels" are read`
	}
	if got := run(&pins{tables: []fqgw.TrainingTable{one}, total: 40_960}); !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
	if got := run(&pins{tables: []fqgw.TrainingTable{one, one}, total: 40_960}); len(got) != 4 || got[0] != "5120 rows so far" {
		t.Errorf("of two tables: %q", got)
	}
}
