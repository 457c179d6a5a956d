package stream

import (
	"maps"
	"sync"
	"sync/atomic"

	"github.com/fqgw/fqgw"
)

// counters are the pipeline's running totals.
type counters struct {
	events, applied, deadLetters, nullKeys, evalErrors atomic.Int64
	flushes, flushKeys, flushBytes, flushMicros        atomic.Int64
	landings, landedRows, fences                       atomic.Int64
	derived, derivedFrom                               atomic.Int64

	mu       sync.Mutex
	rejected map[string]int64
}

func (c *counters) reject(code fqgw.Code) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.rejected == nil {
		c.rejected = map[string]int64{}
	}
	c.rejected[string(code)]++
}

// Metrics are totals since the pipeline was made, over all sources.
type Metrics struct {
	Events      int64            // records accepted by the gate; again when the stream goes back
	Applied     int64            // (event, view) pairs that were folded
	Rejected    map[string]int64 // records refused, by SQLSTATE
	DeadLetters int64            // records buried
	NullKeys    int64            // (event, join key) pairs without an entity
	EvalErrors  int64            // row expressions that raised
	Flushes     int64
	FlushKeys   int64
	FlushBytes  int64 // of packed states
	FlushMicros int64 // time that flushes took
	Landings    int64
	LandedRows  int64
	Derived     int64 // records written for derived sources
	DerivedFrom int64 // records of their origins that passed, written or dropped
	Fences      int64 // restarts because a store stood elsewhere than it was left
}

// Metrics are the totals now.
func (p *Pipeline) Metrics() Metrics {
	c := &p.metrics
	c.mu.Lock()
	defer c.mu.Unlock()
	return Metrics{Events: c.events.Load(), Applied: c.applied.Load(), Rejected: maps.Clone(c.rejected), DeadLetters: c.deadLetters.Load(),
		NullKeys: c.nullKeys.Load(), EvalErrors: c.evalErrors.Load(), Flushes: c.flushes.Load(), FlushKeys: c.flushKeys.Load(),
		FlushBytes: c.flushBytes.Load(), FlushMicros: c.flushMicros.Load(), Landings: c.landings.Load(), LandedRows: c.landedRows.Load(),
		Derived: c.derived.Load(), DerivedFrom: c.derivedFrom.Load(), Fences: c.fences.Load()}
}
