package plan

import "sync/atomic"

// Compiled is where the executor keeps what it has compiled a node to, for all
// sessions that run the plan. A nil one keeps nothing. Copies of a node may share
// it: what was compiled of another node is not found.
type Compiled struct{ made atomic.Pointer[compiled] }

type compiled struct {
	of   Node
	what any
}

// Of is what was kept for n, nil for nothing.
func (c *Compiled) Of(n Node) any {
	if c == nil {
		return nil
	}
	if m := c.made.Load(); m != nil && m.of == n {
		return m.what
	}
	return nil
}

// Keep keeps what n was compiled to.
func (c *Compiled) Keep(n Node, what any) {
	if c != nil {
		c.made.Store(&compiled{n, what})
	}
}
