package kafka_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/embedded"
	"github.com/fqgw/fqgw/connectors/kafka"
	"github.com/fqgw/fqgw/connectors/storetest"
)

func open(t *testing.T, brokers ...string) *kafka.Log {
	t.Helper()
	l, err := kafka.Open(kafka.Options{Brokers: brokers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func TestConformance(t *testing.T) {
	k, err := embedded.StartKafka("127.0.0.1:0", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	storetest.Log(t, open(t, k.Brokers...), transact(k.Brokers))
}

// TestConformanceReal runs on the brokers that FQGW_TEST_KAFKA names.
func TestConformanceReal(t *testing.T) {
	brokers := os.Getenv("FQGW_TEST_KAFKA")
	if brokers == "" {
		t.Log("FQGW_TEST_KAFKA names no broker: only the embedded run")
		return
	}
	list := strings.Split(brokers, ",")
	storetest.Log(t, open(t, list...), transact(list))
}

// transact is a transactional producer, as other programs use them.
func transact(brokers []string) storetest.Transact {
	return func(ctx context.Context, topic string, commit bool, recs []fqgw.LogRecord) error {
		c, err := kgo.NewClient(kgo.SeedBrokers(brokers...), kgo.TransactionalID("fqgw.storetest "+topic), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err != nil {
			return err
		}
		defer c.Close()
		if err := c.BeginTransaction(); err != nil {
			return err
		}
		for _, r := range recs {
			if err := c.ProduceSync(ctx, &kgo.Record{Topic: topic, Partition: r.Partition, Value: r.Value}).FirstErr(); err != nil {
				return err
			}
		}
		return c.EndTransaction(ctx, kgo.TransactionEndTry(commit))
	}
}

func TestNoBroker(t *testing.T) {
	l, err := kafka.Open(kafka.Options{Brokers: []string{"127.0.0.1:1"}, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := l.Ping(t.Context()); fqgw.AsError(err).Code != fqgw.CodeConnectionFailure {
		t.Errorf("no broker: %v", err)
	}
}

// TestEmbeddedSurvivesKill kills a process that runs the embedded broker and
// checks that what it acknowledged is there.
func TestEmbeddedSurvivesKill(t *testing.T) {
	if dir := os.Getenv("FQGW_TEST_KAFKA_CHILD"); dir != "" {
		child(t, dir)
		return
	}
	dir := t.TempDir()
	for round := range 3 {
		cmd := exec.Command(os.Args[0], "-test.run", "TestEmbeddedSurvivesKill")
		cmd.Env = append(os.Environ(), "FQGW_TEST_KAFKA_CHILD="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		acked := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			if _, err := fmt.Sscanf(lines.Text(), "acked %d", &acked); err == nil && acked >= (round+1)*20 {
				break
			}
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		k, err := embedded.StartKafka("127.0.0.1:0", dir)
		if err != nil {
			t.Fatal(err)
		}
		l := open(t, k.Brokers...)
		_, end, err := l.Offsets(t.Context(), "t")
		if err != nil || end[0] < int64(acked) {
			t.Errorf("round %d: %d records were acknowledged, %v are there, %v", round, acked, end, err)
		}
		l.Close()
		k.Close()
	}
}

func child(t *testing.T, dir string) {
	k, err := embedded.StartKafka("127.0.0.1:0", dir)
	if err != nil {
		t.Fatal(err)
	}
	l := open(t, k.Brokers...)
	if _, err := l.CreateTopic(t.Context(), "t", 1); err != nil && fqgw.AsError(err).Code != fqgw.CodeDuplicateTable {
		t.Fatal(err)
	}
	_, end, err := l.Offsets(t.Context(), "t")
	if err != nil {
		t.Fatal(err)
	}
	for n := end[0] + 1; n < 1000; n++ {
		if err := l.Produce(t.Context(), "t", []fqgw.LogRecord{{Value: []byte("x")}}); err != nil {
			t.Fatal(err)
		}
		fmt.Printf("acked %d\n", n)
	}
}
