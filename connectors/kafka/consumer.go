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

// consumer is an fqgw.Consumer.
type consumer struct {
	client *kgo.Client
	topic  string
	out    []fqgw.LogRecord
}

// Consume implements fqgw.Log.
func (l *Log) Consume(ctx context.Context, topic string, from []int64) (fqgw.Consumer, error) {
	offsets := map[int32]kgo.Offset{}
	for p, o := range from {
		offsets[int32(p)] = kgo.NewOffset().At(o)
	}
	client, err := kgo.NewClient(append(base(l.o),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}),
		kgo.ConsumeResetOffset(kgo.NoResetOffset()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.FetchMaxWait(50*time.Millisecond),
		kgo.FetchMinBytes(1),
		kgo.FetchMaxPartitionBytes(4<<20),
		kgo.MetadataMinAge(250*time.Millisecond),
	)...)
	if err != nil {
		return nil, fail(err)
	}
	return &consumer{client: client, topic: topic}, nil
}

// Poll implements fqgw.Consumer. A broker that is away is waited for.
func (c *consumer) Poll(ctx context.Context) ([]fqgw.LogRecord, error) {
	for {
		fetches := c.client.PollRecords(ctx, pollRecords)
		if err := ctx.Err(); err != nil && fetches.NumRecords() == 0 {
			return nil, err
		}
		var bad error
		fetches.EachError(func(_ string, p int32, err error) {
			if p >= 0 && fatal(err) {
				bad = fqgw.Errorf(fqgw.CodeDataCorrupted, "partition %d of topic %s cannot be read on: %w", p, c.topic, err).
					WithHint("Kafka no longer has the records behind the recorded offset.")
			}
		})
		if bad != nil {
			return nil, bad
		}
		c.out = c.out[:0]
		fetches.EachRecord(func(r *kgo.Record) {
			c.out = append(c.out, fqgw.LogRecord{Partition: r.Partition, Offset: r.Offset, Timestamp: r.Timestamp.UnixMicro(), Key: r.Key, Value: r.Value})
		})
		if len(c.out) > 0 {
			return c.out, nil
		}
	}
}

// fatal says whether asking again cannot help.
func fatal(err error) bool {
	var loss *kgo.ErrDataLoss
	return errors.Is(err, kerr.OffsetOutOfRange) || errors.As(err, &loss)
}

// Pause implements fqgw.Consumer.
func (c *consumer) Pause(partitions ...int32) {
	c.client.PauseFetchPartitions(map[string][]int32{c.topic: partitions})
}

// Resume implements fqgw.Consumer. What was fetched ahead before the pause is
// dropped: fetching begins at the offset again.
func (c *consumer) Resume(partition int32, offset int64) {
	c.client.SetOffsets(map[string]map[int32]kgo.EpochOffset{c.topic: {partition: {Epoch: -1, Offset: offset}}})
	c.client.ResumeFetchPartitions(map[string][]int32{c.topic: {partition}})
}

// Close implements fqgw.Consumer.
func (c *consumer) Close() { c.client.Close() }
