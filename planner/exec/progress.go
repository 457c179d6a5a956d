package exec

import (
	"fmt"
	"time"

	"github.com/fqgw/fqgw"
)

// progressEvery is how often a statement that keeps its rows says how far it is.
const progressEvery = 5 * time.Second

// progress are rows that are kept: their number is told from time to time.
func (e *Engine) progress(env *fqgw.Env, rows fqgw.Rows) fqgw.Rows {
	p, n, next := pinsOf(env.Ctx), int64(0), time.Now().Add(progressEvery)
	return &stream{close: rows.Close, next: func() ([]fqgw.Value, error) {
		row, err := rows.Next()
		if n++; n&1023 == 0 && err == nil {
			if now := time.Now(); now.After(next) {
				next = now.Add(progressEvery)
				notify(env, progressText(n, p), "")
			}
		}
		return row, err
	}}
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
	return &stream{close: rows.Close, next: func() ([]fqgw.Value, error) {
		row, err := rows.Next()
		if err == nil {
			p.read.Add(1)
		}
		return row, err
	}}
}
