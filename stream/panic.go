package stream

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/fqgw/fqgw"
)

// panicked is a panic of one of the stream's goroutines. The session ends with it
// and the next one begins, as after any other doubt; the process lives.
type panicked struct {
	what  any
	stack []byte
	at    *fqgw.Position // the record at hand, nil when there was none
}

func panickedAt(what any, at fqgw.Position) *panicked { return &panicked{what, debug.Stack(), &at} }

func (p *panicked) Error() string { return fmt.Sprintf("panic: %v", p.what) }

// guarded is what f returns, or its panic.
func guarded(f func() error) error { return guardedAt(func() *fqgw.Position { return nil }, f) }

// guardedAt is guarded that asks for the record at hand when f panics.
func guardedAt(at func() *fqgw.Position, f func() error) (err error) {
	defer func() {
		if what := recover(); what != nil {
			err = &panicked{what, debug.Stack(), at()}
		}
	}()
	return f()
}

// broke notes a panic: it is logged, and the record at hand stops its partition
// from here on.
func (s *source) broke(err error) {
	var p *panicked
	if !errors.As(err, &p) {
		return
	}
	log := s.p.o.Logger.With("source", s.src().Name, "panic", p.what, "stack", string(p.stack))
	if p.at == nil {
		log.Error("the stream panicked")
		return
	}
	log.Error("a record makes the stream panic: its partition stands", "partition", p.at.Partition, "offset", p.at.Offset)
	s.mu.Lock()
	defer s.mu.Unlock()
	if old, ok := s.breaks[p.at.Partition]; !ok || old.Epoch != p.at.Epoch || p.at.Offset < old.Offset {
		s.breaks[p.at.Partition] = broken{*p.at, fmt.Sprintf("the record at offset %d makes a panic: %v", p.at.Offset, p.what)}
	}
}

// broken is a record that made a panic.
type broken struct {
	fqgw.Position
	why string
}

// stops says whether a position is not reached because of the record.
func (b *broken) stops(at fqgw.Position) bool { return b.Epoch == at.Epoch && at.Offset >= b.Offset }
