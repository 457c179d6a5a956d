package planner

import (
	"sync"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/exec"
	"github.com/fqgw/fqgw/planner/plan"
)

// Meter counts the statements of all sessions. Safe for concurrent use.
type Meter struct {
	latency map[string]*fqgw.Histogram // by route; all are there from the start

	mu     sync.Mutex
	failed map[Failure]uint64
}

// Failure is a kind of statement that failed.
type Failure struct {
	Route string
	Code  fqgw.Code // SQLSTATE
}

// Routes of statements that no plan answers; those of queries are exec.Routes.
const (
	routeWrite      = "write"      // INSERT, COPY FROM, CREATE TABLE AS
	routeDefinition = "definition" // CREATE, ALTER, DROP, COMMENT …
	routeUtility    = "utility"    // SET, SHOW, BEGIN, PREPARE, EXPLAIN …
	routeNone       = "none"       // refused before it had a plan: a wrong name or type, a syntax error
)

func newMeter() *Meter {
	m := &Meter{latency: map[string]*fqgw.Histogram{}, failed: map[Failure]uint64{}}
	for _, r := range append([]string{routeWrite, routeDefinition, routeUtility, routeNone}, exec.Routes...) {
		m.latency[r] = &fqgw.Histogram{}
	}
	return m
}

// Latencies are the times that statements took, by route, those that failed
// among them.
func (m *Meter) Latencies() map[string]*fqgw.Histogram { return m.latency }

// Failures counts the statements that failed.
func (m *Meter) Failures() map[Failure]uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make(map[Failure]uint64, len(m.failed))
	for f, n := range m.failed {
		out[f] = n
	}
	return out
}

// count notes a statement that ended.
func (m *Meter) count(route string, began time.Time, err error) {
	if m.latency[route] == nil { // it was not bound
		route = routeNone
	}
	m.latency[route].Observe(time.Since(began))
	if err == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed[Failure{route, fqgw.AsError(err).Code}]++
}

// refused notes a statement that came to no plan.
func (m *Meter) refused(began time.Time, err error) {
	if err != nil {
		m.count(routeNone, began, err)
	}
}

// route is how a bound statement is answered.
func route(st plan.Statement) string {
	switch st := st.(type) {
	case *plan.Query:
		return exec.Route(st.Root)
	case *plan.CopyTo:
		return exec.Route(st.Query)
	case *plan.Insert, *plan.CopyFrom:
		return routeWrite
	case *plan.CreateTable:
		if st.Query != nil {
			return routeWrite
		}
		return routeDefinition
	case *plan.Explain, *plan.Set, *plan.SetTransaction, *plan.Show, *plan.Transaction, *plan.Prepare, *plan.Execute, *plan.Deallocate,
		*plan.Discard, *plan.NoOp, *plan.Vacuum:
		return routeUtility
	}
	return routeDefinition
}

// routeOf is the route of a statement, for EXECUTE that of what it executes.
func (s *Session) routeOf(p *Prepared) string {
	if st, ok := p.bound.statement.(*plan.Execute); ok {
		if named, err := s.Named(st.Name); err == nil && named.text != nil {
			return named.bound.route
		}
	}
	return p.bound.route
}
