package kafka

import (
	"context"
	"errors"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fqgw/fqgw"
)

// pollRecords is the most that one Poll gives, so that a full buffer does not
// hold up a flush.
const pollRecords = 10_000

// What one fetch may bring, in bytes, whatever there is memory for.
const (
	leastFetch = 16 << 10
	mostFetch  = 50 << 20
)

// consumer is an fqgw.Consumer.
type consumer struct {
	log    *Log
	client *kgo.Client
	topic  string
	parts  []partition
	// What the last Poll gave.
	out     []fqgw.LogRecord
	headers []fqgw.Header
}

// partition is what the consumer knows of one: what was fetched for another
// place than next, or for a paused partition, is not shown.
type partition struct {
	next   int64
	paused bool
}

// Consume implements fqgw.Log. An offset that the broker does not have is XX001.
func (l *Log) Consume(ctx context.Context, topic string, from []int64, ahead int64) (fqgw.Consumer, error) {
	// Asked for an offset below the log's first, the client would begin at the
	// first without a word.
	first, end, err := l.Offsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	if len(from) != len(first) {
		return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "topic \"%s\" has %d partitions, not %d", topic, len(first), len(from))
	}
	c := &consumer{log: l, topic: topic, parts: make([]partition, len(from))}
	offsets := map[int32]kgo.Offset{}
	for p, o := range from {
		if o < first[p] || o > end[p] {
			return nil, c.outOfRange(int32(p), o, nil).WithDetail("It has the offsets %d to %d.", first[p], end[p])
		}
		c.parts[p].next = o
		offsets[int32(p)] = kgo.NewOffset().At(o)
	}
	// Each broker that leads a partition is asked for a fetch of its own.
	leaders := max(min(len(l.client.DiscoveredBrokers()), len(from)), 1)
	most := int32(min(max(ahead/int64(leaders), leastFetch), mostFetch))
	c.client, err = kgo.NewClient(append(base(l.o),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.KeepControlRecords(),
		kgo.FetchMaxWait(50*time.Millisecond),
		kgo.FetchMinBytes(1),
		kgo.FetchMaxBytes(most),
		kgo.FetchMaxPartitionBytes(min(most, 4<<20)),
	)...)
	if err != nil {
		return nil, l.o.fail(ctx, err)
	}
	return c, nil
}

// Poll implements fqgw.Consumer. A broker that is away is waited for.
func (c *consumer) Poll(ctx context.Context) ([]fqgw.LogRecord, error) {
	for {
		fetches := c.client.PollRecords(ctx, pollRecords)
		if fetches.IsClientClosed() {
			return nil, fqgw.Errorf(fqgw.CodeNotInState, "the consumer of topic \"%s\" is closed", c.topic)
		}
		c.out, c.headers = c.out[:0], c.headers[:0]
		fetches.EachRecord(func(r *kgo.Record) {
			p := &c.parts[r.Partition]
			if p.paused || r.Offset < p.next {
				return
			}
			p.next = r.Offset + 1
			if r.Attrs.IsControl() {
				c.out = append(c.out, fqgw.LogRecord{Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp.UnixMicro(), Control: true})
				return
			}
			c.out = append(c.out, fqgw.LogRecord{Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp.UnixMicro(),
				Key: r.Key, Value: r.Value, Headers: c.headersOf(r)})
		})
		if len(c.out) > 0 {
			return c.out, nil // an error that lasts comes again
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		// The fetch that stands for ctx's end has partition -1.
		var bad error
		fetches.EachError(func(_ string, p int32, err error) {
			switch {
			case p < 0 || bad != nil:
			case lost(err):
				bad = c.outOfRange(p, c.parts[p].next, err)
			case errors.Is(err, kerr.UnknownTopicID): // the client does not read the next topic of the name
				bad = onTopic(c.topic, c.log.o.fail(ctx, err))
			}
		})
		if bad != nil {
			return nil, bad
		}
	}
}

func (c *consumer) headersOf(r *kgo.Record) []fqgw.Header {
	if len(r.Headers) == 0 {
		return nil
	}
	from := len(c.headers)
	for _, h := range r.Headers {
		c.headers = append(c.headers, fqgw.Header{Name: h.Key, Value: h.Value})
	}
	return c.headers[from:len(c.headers):len(c.headers)]
}

// lost says whether asking again cannot help: the records are gone.
func lost(err error) bool {
	var loss *kgo.ErrDataLoss
	return errors.Is(err, kerr.OffsetOutOfRange) || errors.As(err, &loss)
}

func (c *consumer) outOfRange(partition int32, offset int64, cause error) *fqgw.Error {
	e := fqgw.Errorf(fqgw.CodeDataCorrupted, "partition %d of topic \"%s\" does not have the recorded offset %d", partition, c.topic, offset).
		WithHint("Kafka has deleted those records, or the topic was made anew. Topics that fqgw creates keep their records; set retention.ms=-1 on others.")
	e.Err = cause
	return e
}

// Pause implements fqgw.Consumer. What was fetched ahead is dropped.
func (c *consumer) Pause(partitions ...int32) {
	for _, p := range partitions {
		c.parts[p].paused = true
	}
	c.client.RemoveConsumePartitions(map[string][]int32{c.topic: partitions})
}

// Resume implements fqgw.Consumer. The client's SetOffsets would not do: it
// skips a partition whose leader it does not know yet.
func (c *consumer) Resume(p int32, offset int64) {
	c.client.RemoveConsumePartitions(map[string][]int32{c.topic: {p}})
	c.parts[p] = partition{next: offset}
	c.client.AddConsumePartitions(map[string]map[int32]kgo.Offset{c.topic: {p: kgo.NewOffset().At(offset)}})
}

// Close implements fqgw.Consumer.
func (c *consumer) Close() { c.client.Close() }
