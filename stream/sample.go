package stream

import (
	"bytes"
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/fqgw/fqgw"
)

// sampleAtOnce bounds the records that are read for a sample, and sampleWithin the time: a topic
// that is compacted may have no record at its end.
const (
	sampleAtOnce = 100_000
	sampleWithin = 10 * time.Second
)

// Sample is the n newest records of a topic by their timestamps, in the order of partition
// and offset; no source need be defined over it. 42P01 when there is no such topic.
func (p *Pipeline) Sample(ctx context.Context, topic string, n int) ([]fqgw.LogRecord, error) {
	log := p.o.Logs["kafka"]
	if _, err := log.Topic(ctx, topic); err != nil {
		return nil, err
	}
	first, end, err := log.Offsets(ctx, topic)
	if err != nil {
		return nil, err
	}
	each := int64(min(n, max(sampleAtOnce/max(len(end), 1), 1)))
	from := make([]int64, len(end))
	for i := range from {
		from[i] = max(first[i], end[i]-each)
	}
	var out []fqgw.LogRecord
	within, cancel := context.WithTimeout(ctx, sampleWithin)
	defer cancel()
	err = readTo(within, log, topic, from, end, p.budget.fetchBytes(), func(r *fqgw.LogRecord) {
		c := *r
		c.Key, c.Value, c.Headers = bytes.Clone(r.Key), bytes.Clone(r.Value), cloned(r.Headers)
		out = append(out, c)
	})
	if ctx.Err() == nil && within.Err() != nil {
		err = nil
	}
	slices.SortStableFunc(out, func(a, b fqgw.LogRecord) int {
		return cmp.Or(cmp.Compare(b.Timestamp, a.Timestamp), cmp.Compare(b.Offset, a.Offset))
	})
	out = out[:min(len(out), n)]
	slices.SortFunc(out, func(a, b fqgw.LogRecord) int {
		return fqgw.Position{Partition: a.Partition, Offset: a.Offset}.Compare(fqgw.Position{Partition: b.Partition, Offset: b.Offset})
	})
	return out, err
}

// readTo reads what lies between two vectors of offsets; each gets every record that is
// one, whose bytes are the log's.
func readTo(ctx context.Context, log fqgw.Log, topic string, from, end []int64, fetch int64, each func(*fqgw.LogRecord)) error {
	next := slices.Clone(from)
	behind := func() bool {
		for p := range end {
			if next[p] < end[p] {
				return true
			}
		}
		return false
	}
	if !behind() {
		return nil
	}
	c, err := log.Consume(ctx, topic, from, fetch)
	if err != nil {
		return err
	}
	defer c.Close()
	for behind() {
		recs, err := c.Poll(ctx)
		if err != nil {
			return err
		}
		for i := range recs {
			r := &recs[i]
			if next[r.Partition] = r.Offset + 1; !r.Control && r.Offset < end[r.Partition] {
				each(r)
			}
		}
	}
	return nil
}
