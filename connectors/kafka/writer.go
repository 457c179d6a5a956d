package kafka

import (
	"context"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fqgw/fqgw"
)

// writer is an fqgw.LogWriter: each write is a transaction.
type writer struct {
	log    *Log
	client *kgo.Client
	topic  string
}

// Writer implements fqgw.Log: id is a transactional id, whose next producer fences the one
// before and aborts what that has left open.
func (l *Log) Writer(ctx context.Context, topic, id string) (fqgw.LogWriter, error) {
	client, err := kgo.NewClient(append(base(l.o),
		kgo.TransactionalID(id),
		kgo.TransactionTimeout(max(2*l.o.Timeout, time.Minute)),
		kgo.ProducerLinger(0),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	)...)
	if err != nil {
		return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "kafka: %v", err)
	}
	bounded, cancel := context.WithTimeout(ctx, l.o.Timeout)
	defer cancel()
	if _, _, err := client.ProducerID(bounded); err != nil {
		client.Close()
		return nil, l.o.fail(ctx, err)
	}
	return &writer{log: l, client: client, topic: topic}, nil
}

// Write implements fqgw.LogWriter.
func (w *writer) Write(ctx context.Context, recs []fqgw.LogRecord) error {
	if len(recs) == 0 {
		return nil
	}
	bounded, cancel := context.WithTimeout(ctx, w.log.o.Timeout)
	defer cancel()
	// A batch that may have reached the broker is waited for without an end, but by a
	// client that is closed.
	defer context.AfterFunc(bounded, w.client.Close)()
	err := w.client.BeginTransaction()
	batch := recordsOf(w.topic, recs)
	if err == nil {
		err = w.client.ProduceSync(bounded, batch...).FirstErr()
	}
	if err == nil {
		err = w.client.EndTransaction(bounded, kgo.TryCommit)
	}
	for i := range recs {
		recs[i].Offset = batch[i].Offset
	}
	return onTopic(w.topic, w.log.o.fail(ctx, err))
}

// Close implements fqgw.LogWriter.
func (w *writer) Close() { w.client.Close() }

// recordsOf are records as the client has them.
func recordsOf(topic string, recs []fqgw.LogRecord) []*kgo.Record {
	batch := make([]*kgo.Record, len(recs))
	for i, r := range recs {
		batch[i] = &kgo.Record{Topic: topic, Partition: r.Partition, Key: r.Key, Value: r.Value}
		for _, h := range r.Headers {
			batch[i].Headers = append(batch[i].Headers, kgo.RecordHeader{Key: h.Name, Value: h.Value})
		}
		if r.Timestamp != 0 {
			batch[i].Timestamp = time.UnixMilli(fqgw.FloorDiv(r.Timestamp, 1000))
		}
	}
	return batch
}
