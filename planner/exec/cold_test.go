package exec

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// tied is a context that counts those that hang on it.
type tied struct {
	context.Context
	n atomic.Int64
}

func (c *tied) AfterFunc(func()) func() bool {
	c.n.Add(1)
	return func() bool { c.n.Add(-1); return true }
}

// TestColdFails: a read of the lake that fails says so, and leaves nothing behind.
func TestColdFails(t *testing.T) {
	for _, within := range []time.Duration{0, time.Second} {
		life, statement := &tied{Context: t.Context()}, &tied{Context: t.Context()}
		e := &Engine{cold: newCold(), life: life}
		env := &fqgw.Env{Ctx: statement, LakeDeadline: within}
		for range 100 {
			c := &coldRead{keys: make([]fqgw.EntityKey, 1), bytes: make([][]byte, 1), stubs: []*window.Stub{{}}}
			if _, err := e.fetchCold(statement, env, nil, c); err == nil { // there is no lake
				t.Fatal("no error")
			}
		}
		e.fills.Wait()
		if n, m := life.n.Load(), statement.n.Load(); n != 0 || m != 0 {
			t.Errorf("within %s: %d contexts hang on the engine and %d on the statement", within, n, m)
		}
	}
}
