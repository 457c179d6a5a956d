package stream

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/fqgw/fqgw"
)

// memLog is one topic.
type memLog struct {
	mu      sync.Mutex
	parts   [][]fqgw.LogRecord
	past    [][][]fqgw.LogRecord // of topics that were deleted
	first   []int64              // what lies below is gone
	grown   chan struct{}
	created bool
	name    string
	id      byte
	fails   atomic.Bool // it takes no records
}

func newLog(partitions int) *memLog {
	return &memLog{parts: make([][]fqgw.LogRecord, partitions), first: make([]int64, partitions), grown: make(chan struct{}), created: true, name: "t", id: 1}
}

func (l *memLog) topic() fqgw.Topic {
	return fqgw.Topic{Name: l.name, ID: [16]byte{l.id}, Partitions: len(l.parts), CreateTime: true}
}
func (l *memLog) Topics(context.Context) ([]string, error) { return []string{l.name}, nil }
func (l *memLog) Topic(_ context.Context, name string) (fqgw.Topic, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if name != l.name || !l.created {
		return fqgw.Topic{}, fqgw.Errorf(fqgw.CodeUndefinedTable, "no topic")
	}
	return l.topic(), nil
}
func (l *memLog) CreateTopic(_ context.Context, _ string, n int) (fqgw.Topic, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.parts, l.first, l.created = make([][]fqgw.LogRecord, n), make([]int64, n), true
	return l.topic(), nil
}
func (l *memLog) DropTopic(context.Context, string) error { return nil }
func (l *memLog) Close() error                            { return nil }

func (l *memLog) Produce(_ context.Context, _ string, recs []fqgw.LogRecord) error {
	if l.fails.Load() {
		return fqgw.Errorf(fqgw.CodeIO, "the log takes no records")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, r := range recs {
		if r.Partition < 0 {
			r.Partition = 0
			for _, b := range r.Key {
				r.Partition = (r.Partition*31 + int32(b)) % int32(len(l.parts))
			}
		}
		r.Offset = int64(len(l.parts[r.Partition]))
		l.parts[r.Partition] = append(l.parts[r.Partition], r)
	}
	close(l.grown)
	l.grown = make(chan struct{})
	return nil
}

// Writer writes as one producer does after the other: nobody is fenced here.
func (l *memLog) Writer(_ context.Context, topic, _ string) (fqgw.LogWriter, error) {
	return memWriter{l, topic}, nil
}

type memWriter struct {
	log   *memLog
	topic string
}

func (w memWriter) Write(ctx context.Context, recs []fqgw.LogRecord) error {
	return w.log.Produce(ctx, w.topic, recs)
}
func (w memWriter) Close() {}

func (l *memLog) Offsets(context.Context, string) (first, end []int64, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for p := range l.parts {
		first = append(first, l.first[p])
		end = append(end, int64(len(l.parts[p])))
	}
	return first, end, nil
}

func (l *memLog) Consume(_ context.Context, _ string, from []int64, _ int64) (fqgw.Consumer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(from) != len(l.parts) {
		return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "%d offsets for %d partitions", len(from), len(l.parts))
	}
	return &memConsumer{log: l, id: l.id, next: slices.Clone(from), paused: make([]bool, len(from))}, nil
}

// again makes the topic again; grow gives it more partitions.
func (l *memLog) again(partitions int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.id++
	l.past = append(l.past, l.parts)
	l.parts, l.first = make([][]fqgw.LogRecord, partitions), make([]int64, partitions)
}

func (l *memLog) grow(partitions int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(l.parts) < partitions {
		l.parts, l.first = append(l.parts, nil), append(l.first, 0)
	}
}

type memConsumer struct {
	log    *memLog
	id     byte
	next   []int64
	paused []bool
}

func (c *memConsumer) Poll(ctx context.Context) ([]fqgw.LogRecord, error) {
	for {
		c.log.mu.Lock()
		var out []fqgw.LogRecord
		if c.id != c.log.id {
			c.log.mu.Unlock()
			return nil, fqgw.Errorf(fqgw.CodeUndefinedTable, "no such topic any more")
		}
		for p, recs := range c.log.parts[:len(c.next)] {
			if c.next[p] < c.log.first[p] {
				c.log.mu.Unlock()
				return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "offset %d of partition %d is out of range", c.next[p], p)
			}
			for !c.paused[p] && c.next[p] < int64(len(recs)) && len(out) < 300*(p+1) {
				out = append(out, recs[c.next[p]])
				c.next[p]++
			}
		}
		grown := c.log.grown
		c.log.mu.Unlock()
		if len(out) > 0 {
			return out, nil
		}
		select {
		case <-grown:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

func (c *memConsumer) Pause(partitions ...int32) {
	for _, p := range partitions {
		c.paused[p] = true
	}
}

func (c *memConsumer) Resume(p int32, offset int64) { c.paused[p], c.next[p] = false, offset }
func (c *memConsumer) Close()                       {}
