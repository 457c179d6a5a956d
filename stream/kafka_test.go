package stream

import (
	"fmt"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/embedded"
	"github.com/fqgw/fqgw/connectors/kafka"
)

// broker is an embedded Kafka with a topic "t" of one partition.
func broker(t *testing.T) (l *kafka.Log, brokers []string) {
	t.Helper()
	k, err := embedded.StartKafka("127.0.0.1:0", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.Close() })
	if l, err = kafka.Open(kafka.Options{Brokers: k.Brokers, Timeout: time.Second}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	if _, err := l.CreateTopic(t.Context(), "t", 1); err != nil {
		t.Fatal(err)
	}
	return l, k.Brokers
}

func fresh(partition int32) fqgw.LogRecord {
	now := time.Now().UnixMicro()
	return fqgw.LogRecord{Partition: partition, Timestamp: now, Value: fmt.Appendf(nil, `{"ts":%d,"k":"a","v":1,"n":30}`, now)}
}

// TestKafkaTopicChanges: someone else deletes the topic, makes it again and gives
// it another partition.
func TestKafkaTopicChanges(t *testing.T) {
	l, brokers := broker(t)
	w := newWorld(1, 1, fqgw.RealClock())
	src := testSource()
	v := testViews(src)[0]
	p := w.start(func(o *Options) { o.Logs = map[string]fqgw.Log{"kafka": l} })
	p.look = 20 * time.Millisecond
	t.Cleanup(p.kill)
	if err := p.AddSource(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	if err := p.AddView(t.Context(), v, nil); err != nil {
		t.Fatal(err)
	}
	check := func(want int) {
		t.Helper()
		p.sync(t)
		if n, rows := w.count(t, v, "a"), w.rows(); n != int64(want) || rows != want {
			t.Fatalf("counted %d, landed %d, want %d", n, rows, want)
		}
	}
	say := func(l *kafka.Log, recs ...fqgw.LogRecord) {
		t.Helper()
		if err := l.Produce(t.Context(), "t", recs); err != nil {
			t.Fatal(err)
		}
	}
	say(l, fresh(0), fresh(0), fresh(0))
	check(3)
	other, err := kafka.Open(kafka.Options{Brokers: brokers})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := other.DropTopic(t.Context(), "t"); err != nil {
		t.Fatal(err)
	}
	if _, err := other.CreateTopic(t.Context(), "t", 1); err != nil {
		t.Fatal(err)
	}
	say(other, fresh(0), fresh(0))
	eventually(t, "it is noticed", func() bool { return w.count(t, v, "a") == 5 })
	say(l, fresh(0)) // the producer that knew the old one
	check(6)
	client, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.MetadataMinAge(50*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreatePartitions(t.Context(), 1, "t"); err != nil {
		t.Fatal(err)
	}
	third, err := kafka.Open(kafka.Options{Brokers: brokers})
	if err != nil {
		t.Fatal(err)
	}
	defer third.Close()
	say(third, fresh(1), fresh(0))
	check(8)
}

// TestKafkaTransactions: the last record of a partition is the marker of a
// transaction, or lies in one that was aborted. Nobody waits for it in vain.
func TestKafkaTransactions(t *testing.T) {
	l, brokers := broker(t)
	w := newWorld(1, 1, fqgw.RealClock())
	src := testSource()
	v := testViews(src)[0]
	p := begin(t, w, src, []*fqgw.FeatureView{v}, func(o *Options) { o.Logs = map[string]fqgw.Log{"kafka": l} })
	tx, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.TransactionalID("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	for i, commit := range []kgo.TransactionEndTry{kgo.TryCommit, kgo.TryAbort, kgo.TryCommit} {
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := tx.ProduceSync(t.Context(), &kgo.Record{Topic: "t", Value: fresh(0).Value}).FirstErr(); err != nil {
			t.Fatal(err)
		}
		if err := tx.EndTransaction(t.Context(), commit); err != nil {
			t.Fatal(err)
		}
		p.sync(t)
		if err := p.WaitKnown(t.Context(), "s", time.Now().UnixMicro(), nil); err != nil {
			t.Error(err)
		}
		if n, rows, want := w.count(t, v, "a"), w.rows(), []int{1, 1, 2}[i]; n != int64(want) || rows != want {
			t.Errorf("counted %d, landed %d, want %d", n, rows, want)
		}
		if s := p.Status()[0]; s.Applied != s.End || s.Landed != s.End {
			t.Errorf("status %+v", s)
		}
	}
}
