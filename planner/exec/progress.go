package exec

import (
	"fmt"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
)

// progressEvery is how often a statement that keeps its rows says how far it is.
const progressEvery = 5 * time.Second

// progress are rows that are kept: their number is told from time to time.
func (e *Engine) progress(env *fqgw.Env, rows fqgw.Rows) fqgw.Rows {
	p, n, next := pinsOf(env.Ctx), int64(0), time.Now().Add(progressEvery)
	return passing(rows, func(more int64) {
		before := n
		if n += more; before>>10 != n>>10 {
			if now := time.Now(); now.After(next) {
				next = now.Add(progressEvery)
				notify(env, progressText(n, p), "")
			}
		}
	})
}

// passing are rows of which it is told how many were taken.
func passing(rows fqgw.Rows, taken func(n int64)) fqgw.Rows {
	s := &stream{close: rows.Close, next: func() ([]fqgw.Value, error) {
		row, err := rows.Next()
		if err == nil {
			taken(1)
		}
		return row, err
	}}
	if batches, ok := batchesOf(rows); ok {
		s.records = func(yield func(arrow.RecordBatch, error) bool) {
			for b, err := range batches {
				if err == nil {
					taken(b.NumRows())
				}
				if !yield(b, err) {
					return
				}
			}
		}
	}
	return s
}

// progressText says how many rows there are, and how much of the table has been read
// where there is just one.
func progressText(n int64, p *pins) string {
	text := fmt.Sprintf("%d rows so far", n)
	if p == nil {
		return text
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.tables) != 1 || p.total == 0 {
		return text
	}
	return fmt.Sprintf("%s, %d %% of table \"%s\" are read", text, min(100, 100*p.read.Load()/p.total), p.tables[0].Table)
}

// counted counts rows of a table towards what a statement that keeps its rows has read.
func counted(env *fqgw.Env, rows fqgw.Rows) fqgw.Rows {
	p := pinsOf(env.Ctx)
	if p == nil {
		return rows
	}
	return passing(rows, func(n int64) { p.read.Add(n) })
}
