package stream

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fqgw/fqgw"
)

// incarnation is the source's topic as a session found it. A topic that is
// deleted and made again has another number, and its partitions may be others: the
// session ends and the next one takes up what is there.
type incarnation struct {
	fqgw.Topic
	epoch int32
	// owned is the partitions that a unit's positions speak of: those of now, and those
	// of before of which something is landed.
	owned int
}

// moved says that the topic is not what the session found.
type moved struct{ what string }

func (m *moved) Error() string { return m.what }

func hasMoved(err error) bool {
	var m *moved
	return errors.As(err, &m)
}

// takeUp describes the topic and numbers it.
func (s *source) takeUp(ctx context.Context) (*incarnation, error) {
	t, err := s.describe(ctx)
	old := s.at.Load()
	if err != nil || t == old.Topic {
		return old, err
	}
	now, err := s.p.number(ctx, s.src(), t)
	if err != nil {
		return nil, err
	}
	if t.ID != old.ID {
		s.kept = ""
		s.p.o.Logger.Warn("a topic was made again: its records count as new ones", "source", s.src().Name, "topic", t.Name)
	}
	if err := s.p.o.Registry.Put(ctx, topicFact(s.src().Qualified().String()), topicText(t)); err != nil {
		return nil, err
	}
	s.at.Store(now)
	return now, nil
}

func (s *source) describe(ctx context.Context) (t fqgw.Topic, err error) {
	err = retry(ctx, func(err error) { s.stats.trouble("log", err.Error()) }, func() (err error) {
		t, err = s.log.Topic(ctx, s.src().Topic)
		return err
	})
	return t, err
}

// still is nil while the topic is what it was.
func (s *source) still(ctx context.Context, at *incarnation) error {
	t, err := s.describe(ctx)
	switch {
	case err != nil:
		return err
	case t.ID != at.ID:
		return &moved{fmt.Sprintf("topic %s was deleted and made again", t.Name)}
	}
	return at.counts(t.Partitions)
}

// counts is nil if the topic has that many partitions.
func (at *incarnation) counts(partitions int) error {
	if partitions != at.Partitions {
		return &moved{fmt.Sprintf("topic %s has %d partitions now, it had %d", at.Name, partitions, at.Partitions)}
	}
	return nil
}

// retire ends the session gracefully: what was polled is flushed and landed.
func (ses *session) retire(err error) {
	if ses.retired.CompareAndSwap(nil, &err) {
		ses.feed.do(func() {})
		time.AfterFunc(stopWithin, func() { ses.fail(err) })
	}
}

// renewed waits for a session that knows so many partitions.
func (s *source) renewed(ctx context.Context, partitions int) error {
	return s.during(ctx, func(_ context.Context, ses *session) error { return ses.at.counts(partitions) })
}
