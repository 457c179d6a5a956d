package planner

import (
	"sync"
	"time"

	"github.com/fqgw/fqgw"
)

// activity is what other sessions may see of one.
type activity struct {
	mu sync.Mutex
	a  fqgw.Activity
}

// does notes a statement that begins.
func (a *activity) does(query string, began time.Time) {
	now := began.UnixMicro()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.a.Query, a.a.State, a.a.QueryStart, a.a.Changed = query, "active", now, now
}

// Rest tells that the session has answered and waits for its client.
func (s *Session) Rest() {
	s.text.Set(0)
	state, now := "idle", time.Now().UnixMicro()
	switch s.TxStatus() {
	case 'T':
		state = "idle in transaction"
	case 'E':
		state = "idle in transaction (aborted)"
	}
	a := &s.activity
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.a.State != state {
		a.a.State, a.a.Changed = state, now
	}
	switch {
	case !s.tx.block:
		a.a.Block = 0
	case a.a.Block == 0:
		a.a.Block = a.a.QueryStart
	}
}

// Activities are what all sessions do, for pg_stat_activity.
func (s *Session) Activities() []fqgw.Activity {
	p := s.planner
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []fqgw.Activity
	for _, other := range p.sessions {
		other.activity.mu.Lock()
		out = append(out, other.activity.a)
		other.activity.mu.Unlock()
	}
	return out
}
