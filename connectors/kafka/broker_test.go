package kafka_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/embedded"
	"github.com/fqgw/fqgw/connectors/kafka"
)

// The broker goes away and comes back: a poll waits for it, a produce gives up
// in time, and both go on afterwards.
func TestBrokerGone(t *testing.T) {
	dir := t.TempDir()
	k, err := embedded.StartKafka("127.0.0.1:0", dir)
	if err != nil {
		t.Fatal(err)
	}
	address := k.Brokers[0]
	l, err := kafka.Open(kafka.Options{Brokers: k.Brokers, Timeout: time.Second})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.CreateTopic(t.Context(), "t", 1); err != nil {
		t.Fatal(err)
	}
	say := func(s string) error { return l.Produce(t.Context(), "t", []fqgw.LogRecord{{Value: []byte(s)}}) }
	if err := say("before"); err != nil {
		t.Fatal(err)
	}
	c, err := l.Consume(t.Context(), "t", []int64{0}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got, err := c.Poll(t.Context()); err != nil || string(got[0].Value) != "before" {
		t.Fatalf("read %v, %v", got, err)
	}
	k.Close()
	short, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	var wg sync.WaitGroup
	for name, f := range map[string]func() error{
		"produce":           func() error { return say("meanwhile") },
		"produce cancelled": func() error { return l.Produce(short, "t", []fqgw.LogRecord{{Value: []byte("x")}}) },
		"topic":             func() error { return second(l.Topic(t.Context(), "t")) },
		"offsets":           func() error { _, _, err := l.Offsets(t.Context(), "t"); return err },
		"consume":           func() error { return second(l.Consume(t.Context(), "t", []int64{0}, 1<<20)) },
	} {
		wg.Go(func() {
			start := time.Now()
			err := f()
			want := fqgw.CodeConnectionFailure
			if name == "produce cancelled" {
				want = fqgw.CodeQueryCanceled
			}
			if took := time.Since(start); err == nil || fqgw.AsError(err).Code != want || took > 5*time.Second {
				t.Errorf("%s: %v after %v", name, err, took)
			}
		})
	}
	wg.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if got, err := c.Poll(ctx); len(got) > 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("polled %v, %v", got, err)
	}
	if k, err = embedded.StartKafka(address, dir); err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	// What was given up is not written after all; its outcome was unknown to the
	// caller, who may have said it again.
	for i := range 3 {
		if err := say(fmt.Sprint("after ", i)); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel = context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for want := 0; want < 3; {
		got, err := c.Poll(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range got {
			if string(r.Value) != fmt.Sprint("after ", want) || r.Offset != int64(want)+1 {
				t.Fatalf("offset %d: %s", r.Offset, r.Value)
			}
			want++
		}
	}
}

// Records of an aborted transaction are nobody's, those of an open one not yet.
func TestReadCommitted(t *testing.T) {
	k, err := embedded.StartKafka("127.0.0.1:0", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	l := open(t, k.Brokers...)
	if _, err := l.CreateTopic(t.Context(), "t", 1); err != nil {
		t.Fatal(err)
	}
	tx, err := kgo.NewClient(kgo.SeedBrokers(k.Brokers...), kgo.TransactionalID("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	write := func(value string) {
		t.Helper()
		if err := tx.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		if err := tx.ProduceSync(ctx, &kgo.Record{Topic: "t", Value: []byte(value)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	end := func(how kgo.TransactionEndTry) {
		t.Helper()
		if err := tx.EndTransaction(ctx, how); err != nil {
			t.Fatal(err)
		}
	}
	write("aborted")
	end(kgo.TryAbort)
	write("committed")
	end(kgo.TryCommit)
	write("open")
	_, before, err := l.Offsets(ctx, "t")
	if err != nil {
		t.Fatal(err)
	}
	c, err := l.Consume(ctx, "t", []int64{0}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	poll := func() (out []fqgw.LogRecord, err error) {
		for len(out) == 0 && err == nil {
			out, err = c.Poll(ctx)
			out = slices.DeleteFunc(out, func(r fqgw.LogRecord) bool { return r.Control })
		}
		return out, err
	}
	got, err := poll()
	if err != nil || len(got) != 1 || string(got[0].Value) != "committed" || got[0].Offset >= before[0] {
		t.Fatalf("read %v, %v; the end is %v", got, err, before)
	}
	end(kgo.TryCommit)
	if got, err = poll(); err != nil || len(got) != 1 || string(got[0].Value) != "open" || got[0].Offset < before[0] {
		t.Errorf("read %v, %v; the end was %v", got, err, before)
	}
}

// Records that Kafka deleted before they were read are an error, not a gap.
func TestTruncated(t *testing.T) {
	k, err := embedded.StartKafka("127.0.0.1:0", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer k.Close()
	l := open(t, k.Brokers...)
	if _, err := l.CreateTopic(t.Context(), "t", 1); err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(k.Brokers...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for range 10 { // a batch each
		if err := l.Produce(ctx, "t", []fqgw.LogRecord{{Value: []byte("x")}}); err != nil {
			t.Fatal(err)
		}
	}
	c, err := l.Consume(ctx, "t", []int64{0}, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Pause(0)
	offsets := kadm.Offsets{}
	offsets.Add(kadm.Offset{Topic: "t", Partition: 0, At: 5})
	if _, err := kadm.NewClient(client).DeleteRecords(ctx, offsets); err != nil {
		t.Fatal(err)
	}
	if first, _, err := l.Offsets(ctx, "t"); err != nil || first[0] != 5 {
		t.Fatalf("the first offset is %v, %v", first, err)
	}
	if _, err := l.Consume(ctx, "t", []int64{4}, 1<<20); err == nil || fqgw.AsError(err).Code != fqgw.CodeDataCorrupted || fqgw.AsError(err).Hint == "" {
		t.Errorf("from a deleted offset: %v", err)
	}
	c.Resume(0, 2)
	got, err := c.Poll(ctx)
	if err == nil || fqgw.AsError(err).Code != fqgw.CodeDataCorrupted {
		t.Errorf("resumed at a deleted offset: %v, %v", got, err)
	}
}

func second[T any](_ T, err error) error { return err }
