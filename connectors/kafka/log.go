// Package kafka is the broker behind fqgw.Log, on franz-go.
package kafka

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/secure"
)

// Options say how to reach the brokers.
type Options struct {
	Brokers []string
	TLS     *secure.TLS   // nil: without
	Login   Login         // zero: none
	Timeout time.Duration // of one request, and of a Produce; 0: 15 s
}

// Log is an fqgw.Log. Safe for concurrent use.
type Log struct {
	o      Options
	client *kgo.Client // produces, and asks for metadata
	admin  *kadm.Client
}

// Open makes the client, which connects when it must; Ping says whether the
// brokers are there. A file of TLS that cannot be used is 22023.
func Open(o Options) (*Log, error) {
	if o.Timeout == 0 {
		o.Timeout = 15 * time.Second
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	client, err := kgo.NewClient(append(base(o),
		kgo.ProducerLinger(0),
		kgo.RecordPartitioner(partitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		// Without it a batch that may have reached the broker is waited for without
		// an end, whatever the context says.
		kgo.AllowIdempotentProduceCancellation(),
	)...)
	if err != nil {
		return nil, fqgw.Errorf(fqgw.CodeInvalidParameter, "kafka: %v", err)
	}
	return &Log{o: o, client: client, admin: kadm.NewClient(client)}, nil
}

// Ping is nil when a broker answers within a few seconds, otherwise 08006.
func (l *Log) Ping(ctx context.Context) error {
	timed, cancel := context.WithTimeout(ctx, min(l.o.Timeout, 5*time.Second))
	defer cancel()
	return l.o.fail(ctx, l.client.Ping(timed))
}

func base(o Options) []kgo.Opt {
	opts := []kgo.Opt{kgo.SeedBrokers(o.Brokers...), kgo.ClientID("fqgw"), kgo.RetryTimeout(o.Timeout), kgo.DialTimeout(dialWithin),
		kgo.MetadataMinAge(50 * time.Millisecond)} // a new topic and a resumed partition wait for it
	return append(opts, o.secured()...)
}

// partitioner sends a record to the partition that it names, or where its key
// hashes to as Kafka's own clients do.
func partitioner() kgo.Partitioner {
	byKey := kgo.StickyKeyPartitioner(nil)
	return kgo.BasicConsistentPartitioner(func(topic string) func(*kgo.Record, int) int {
		keyed := byKey.ForTopic(topic)
		return func(r *kgo.Record, n int) int {
			if r.Partition >= 0 {
				return int(r.Partition)
			}
			return keyed.Partition(r, n)
		}
	})
}

// onTopic puts the topic's name into the error for one that does not exist.
func onTopic(name string, err error) error {
	if fqgw.HasCode(err, fqgw.CodeUndefinedTable) {
		return wrap(fqgw.CodeUndefinedTable, fqgw.AsError(err).Err, "topic \"%s\" does not exist", name)
	}
	return err
}

// Topics implements fqgw.Log.
func (l *Log) Topics(ctx context.Context) ([]string, error) {
	details, err := l.admin.ListTopics(ctx)
	if err != nil {
		return nil, l.o.fail(ctx, err)
	}
	return slices.Sorted(slices.Values(details.Names())), nil
}

// Topic implements fqgw.Log.
func (l *Log) Topic(ctx context.Context, name string) (fqgw.Topic, error) {
	t, err := l.topic(ctx, name)
	if e := onTopic(name, err); fqgw.HasCode(e, fqgw.CodeUndefinedTable) {
		if all, err := l.Topics(ctx); err == nil {
			if near := fqgw.Nearest(name, all); near != "" {
				return fqgw.Topic{}, fqgw.AsError(e).WithHint("Perhaps you meant \"%s\".", near)
			}
		}
		return fqgw.Topic{}, e
	}
	return t, err
}

func (l *Log) topic(ctx context.Context, name string) (fqgw.Topic, error) {
	details, err := l.admin.ListTopics(asking(ctx), name)
	if err != nil {
		return fqgw.Topic{}, l.o.fail(ctx, err)
	}
	d, ok := details[name]
	if !ok {
		return fqgw.Topic{}, l.o.fail(ctx, kerr.UnknownTopicOrPartition)
	}
	if d.Err != nil {
		return fqgw.Topic{}, l.o.fail(ctx, d.Err)
	}
	t := fqgw.Topic{Name: name, ID: [16]byte(d.ID), Partitions: len(d.Partitions), CreateTime: true}
	configs, err := l.admin.DescribeTopicConfigs(ctx, name)
	if err != nil {
		return fqgw.Topic{}, l.o.fail(ctx, err)
	}
	for _, rc := range configs {
		// Who may not see the configuration gets Kafka's default, CreateTime.
		for _, c := range rc.Configs {
			if c.Key == "message.timestamp.type" && c.Value != nil {
				t.CreateTime = !strings.EqualFold(*c.Value, "LogAppendTime")
			}
		}
	}
	return t, nil
}

// asking makes the client ask which partitions a topic has, and not answer from
// what it knows.
func asking(ctx context.Context) context.Context { return kadm.WithAuthorizedOps(ctx) }

var topicName = regexp.MustCompile(`^[a-zA-Z0-9._-]{1,249}$`)

// CreateTopic implements fqgw.Log. The replication factor is the brokers' default.
func (l *Log) CreateTopic(ctx context.Context, name string, partitions int) (fqgw.Topic, error) {
	// Checked here: an embedded broker takes any name, and a count of -1 is the
	// broker's default.
	if !topicName.MatchString(name) || name == "." || name == ".." || partitions < 1 {
		return fqgw.Topic{}, fqgw.Errorf(fqgw.CodeInvalidParameter, "topic \"%s\" with %d partitions cannot be made", name, partitions).
			WithHint("A topic's name has up to 249 letters, digits, '.', '_' and '-'; it has at least one partition.")
	}
	forever := "-1"
	_, err := l.admin.CreateTopic(ctx, int32(partitions), -1, map[string]*string{"retention.ms": &forever, "retention.bytes": &forever}, name)
	switch {
	case errors.Is(err, kerr.TopicAlreadyExists):
		return fqgw.Topic{}, fqgw.Errorf(fqgw.CodeDuplicateTable, "topic \"%s\" already exists", name)
	case err != nil:
		return fqgw.Topic{}, l.o.fail(ctx, err)
	}
	// A real broker knows a new topic and its leaders a moment later.
	for wait := 10 * time.Millisecond; ; wait *= 2 {
		t, err := l.topic(ctx, name)
		if err == nil && t.Partitions == partitions {
			if _, _, err = l.Offsets(ctx, name); err == nil {
				return t, nil
			}
		}
		if wait > 2*time.Second {
			return t, err
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return t, ctx.Err()
		}
	}
}

// DropTopic implements fqgw.Log.
func (l *Log) DropTopic(ctx context.Context, name string) error {
	_, err := l.admin.DeleteTopic(ctx, name)
	// What the client remembers of the topic would be taken for the next of its name.
	l.client.PurgeTopicsFromClient(name)
	return onTopic(name, l.o.fail(ctx, err))
}

// Produce implements fqgw.Log. After an error some of the records may have been
// written. Timestamps are floored to Kafka's milliseconds.
func (l *Log) Produce(ctx context.Context, topic string, recs []fqgw.LogRecord) error {
	if len(recs) == 0 {
		return nil
	}
	batch := recordsOf(topic, recs)
	// Not RecordDeliveryTimeout: it counts from the record's timestamp, which may
	// lie years back.
	bounded, cancel := context.WithTimeout(ctx, l.o.Timeout)
	defer cancel()
	results := l.client.ProduceSync(bounded, batch...)
	if !slices.ContainsFunc(results, func(r kgo.ProduceResult) bool { return !errors.Is(r.Err, kerr.UnknownTopicID) }) {
		// The topic was made again, and the client clings to the old one.
		l.client.PurgeTopicsFromClient(topic)
		for i, r := range recs {
			batch[i].Partition = r.Partition // it was set to where the record went
		}
		results = l.client.ProduceSync(bounded, batch...)
	}
	return onTopic(topic, l.o.fail(ctx, results.FirstErr()))
}

// Offsets implements fqgw.Log.
func (l *Log) Offsets(ctx context.Context, topic string) (first, end []int64, err error) {
	starts, err := l.admin.ListStartOffsets(asking(ctx), topic)
	if err == nil {
		err = starts.Error()
	}
	if err != nil {
		return nil, nil, onTopic(topic, l.o.fail(ctx, err))
	}
	ends, err := l.admin.ListCommittedOffsets(asking(ctx), topic)
	if err == nil {
		err = ends.Error()
	}
	if err != nil {
		return nil, nil, onTopic(topic, l.o.fail(ctx, err))
	}
	n := len(starts[topic])
	first, end = make([]int64, n), make([]int64, n)
	for p := range int32(n) {
		s, ok1 := starts.Lookup(topic, p)
		e, ok2 := ends.Lookup(topic, p)
		if !ok1 || !ok2 {
			return nil, nil, l.o.fail(ctx, fmt.Errorf("no offsets of partition %d of %s", p, topic))
		}
		first[p], end[p] = s.Offset, e.Offset
	}
	return first, end, nil
}

// Close implements fqgw.Log.
func (l *Log) Close() error {
	l.client.Close()
	return nil
}
