package storetest

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
)

// Transact writes records in one transaction, which it then commits or aborts.
type Transact func(ctx context.Context, topic string, commit bool, recs []fqgw.LogRecord) error

// Log checks a log, with topics of names that are new each time; others may be
// there. transact is nil for a log without transactions.
func Log(t *testing.T, l fqgw.Log, transact Transact) {
	s := &logSuite{l, transact}
	t.Run("topics", s.topics)
	t.Run("produce and consume", s.roundTrip)
	t.Run("by key", s.byKey)
	t.Run("order", s.order)
	t.Run("pause", s.pause)
	t.Run("resume before the first poll", s.resumeEarly)
	t.Run("out of range", s.outOfRange)
	if transact != nil {
		t.Run("transactions", s.transactions)
	}
	t.Run("writer", s.writer)
	t.Run("cancelled", s.cancelled)
}

type logSuite struct {
	fqgw.Log
	transact Transact
}

// create makes a topic for the test.
func (l *logSuite) create(t *testing.T, partitions int) fqgw.Topic {
	t.Helper()
	name := fmt.Sprintf("fqgw.storetest-%x", rand.Uint64())
	topic, err := l.CreateTopic(t.Context(), name, partitions)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.DropTopic(context.Background(), name); err != nil && codeOf(err) != fqgw.CodeUndefinedTable {
			t.Errorf("drop: %v", err)
		}
	})
	return topic
}

func (l *logSuite) produce(t *testing.T, topic string, recs ...fqgw.LogRecord) {
	t.Helper()
	if err := l.Produce(t.Context(), topic, recs); err != nil {
		t.Fatal(err)
	}
}

func (l *logSuite) consume(t *testing.T, topic string, from ...int64) fqgw.Consumer {
	t.Helper()
	c, err := l.Consume(t.Context(), topic, from, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// polls gives what Poll gives until n records came; none for long fails the test.
func polls(t *testing.T, c fqgw.Consumer, n int) iter.Seq[[]fqgw.LogRecord] {
	return func(yield func([]fqgw.LogRecord) bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		for n > 0 {
			got, err := c.Poll(ctx)
			if err != nil {
				t.Fatalf("%d records short: %v", n, err)
			}
			if n -= len(got); !yield(got) {
				return
			}
		}
	}
}

// take polls until n records came and gives copies of them all.
func take(t *testing.T, c fqgw.Consumer, n int) []fqgw.LogRecord {
	t.Helper()
	var out []fqgw.LogRecord
	for got := range polls(t, c, n) {
		for _, r := range got {
			r.Key, r.Value, r.Headers = slices.Clone(r.Key), slices.Clone(r.Value), slices.Clone(r.Headers)
			out = append(out, r)
		}
	}
	return out
}

// silent checks that nothing comes for a while.
func silent(t *testing.T, c fqgw.Consumer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if got, err := c.Poll(ctx); len(got) > 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%d records where none should come, %v", len(got), err)
	}
}

func (l *logSuite) topics(t *testing.T) {
	ctx := t.Context()
	made := l.create(t, 3)
	if made.Partitions != 3 || made.ID == ([16]byte{}) {
		t.Errorf("made %+v", made)
	}
	if got, err := l.Topic(ctx, made.Name); err != nil || got != made {
		t.Errorf("described as %+v, %v", got, err)
	}
	if names, err := l.Topics(ctx); err != nil || !slices.Contains(names, made.Name) || !slices.IsSorted(names) {
		t.Errorf("listed %v, %v", names, err)
	}
	if _, err := l.CreateTopic(ctx, made.Name, 3); codeOf(err) != fqgw.CodeDuplicateTable {
		t.Errorf("a second create: %v", err)
	}
	for _, bad := range []struct {
		name       string
		partitions int
	}{{"no good name", 1}, {"", 1}, {"..", 1}, {strings.Repeat("x", 250), 1}, {made.Name + "0", 0}, {made.Name + "0", -1}} {
		if _, err := l.CreateTopic(ctx, bad.name, bad.partitions); codeOf(err) != fqgw.CodeInvalidParameter {
			t.Errorf("topic %q with %d partitions: %v", bad.name, bad.partitions, err)
		}
	}
	first, end, err := l.Offsets(ctx, made.Name)
	if err != nil || !slices.Equal(first, []int64{0, 0, 0}) || !slices.Equal(end, first) {
		t.Errorf("offsets %v to %v, %v", first, end, err)
	}
	l.produce(t, made.Name, fqgw.LogRecord{Partition: 2, Value: []byte("old")})
	if err := l.DropTopic(ctx, made.Name); err != nil {
		t.Fatal(err)
	}
	gone := made.Name
	for name, err := range map[string]error{
		"drop": l.DropTopic(ctx, gone), "topic": second(l.Topic(ctx, gone)), "offsets": third(l.Offsets(ctx, gone)),
		"produce": l.Produce(ctx, gone, []fqgw.LogRecord{{Value: []byte("x")}}), "consume": second(l.Consume(ctx, gone, []int64{0, 0, 0}, 1<<20)),
	} {
		if codeOf(err) != fqgw.CodeUndefinedTable {
			t.Errorf("%s of a topic that is gone: %v", name, err)
		}
	}
	// The next topic of that name is another one, and can be used at once.
	again, err := l.CreateTopic(ctx, gone, 1)
	if err != nil || again.ID == made.ID || again.Partitions != 1 {
		t.Fatalf("created again: %+v, %v", again, err)
	}
	l.produce(t, gone, fqgw.LogRecord{Value: []byte("new")})
	if got := take(t, l.consume(t, gone, 0), 1); string(got[0].Value) != "new" || got[0].Offset != 0 {
		t.Errorf("read %v", got)
	}
}

func (l *logSuite) roundTrip(t *testing.T) {
	topic := l.create(t, 2).Name
	at := int64(1_362_131_640_123_456)
	before := time.Now().UnixMicro() - 1_000_000
	l.produce(t, topic,
		fqgw.LogRecord{Partition: 1, Timestamp: at, Key: []byte("k"), Value: []byte("v\x00\xff"), Headers: []fqgw.Header{{Name: "h", Value: []byte{0, 1}}, {Name: "h"}, {}}},
		fqgw.LogRecord{Partition: 1, Value: []byte{}},
		fqgw.LogRecord{Partition: 1, Key: []byte("tombstone")},
		fqgw.LogRecord{Partition: 0, Value: []byte("zero")})
	byPlace := map[[2]int64]fqgw.LogRecord{}
	for _, r := range take(t, l.consume(t, topic, 0, 0), 4) {
		byPlace[[2]int64{int64(r.Partition), r.Offset}] = r
	}
	if r := byPlace[[2]int64{1, 0}]; r.Timestamp != fqgw.Floor(at, 1000) || string(r.Key) != "k" || string(r.Value) != "v\x00\xff" {
		t.Errorf("the first record came back as %+v", r)
	} else if h := r.Headers; len(h) != 3 || h[0].Name != "h" || string(h[0].Value) != "\x00\x01" || h[1].Name != "h" || len(h[1].Value) != 0 || h[2].Name != "" {
		t.Errorf("its headers came back as %+v", h)
	}
	if r := byPlace[[2]int64{1, 1}]; r.Key != nil || r.Value == nil || r.Headers != nil || r.Timestamp < before || r.Timestamp > time.Now().UnixMicro()+1_000_000 {
		t.Errorf("a record without key and time came back as %+v", r)
	}
	if r := byPlace[[2]int64{1, 2}]; r.Value != nil || string(r.Key) != "tombstone" {
		t.Errorf("a record without value came back as %+v", r)
	}
	if r := byPlace[[2]int64{0, 0}]; string(r.Value) != "zero" {
		t.Errorf("partition 0 has %+v", r)
	}
	first, end, err := l.Offsets(t.Context(), topic)
	if err != nil || !slices.Equal(first, []int64{0, 0}) || !slices.Equal(end, []int64{1, 3}) {
		t.Errorf("offsets %v to %v, %v", first, end, err)
	}
	if err := l.Produce(t.Context(), topic, []fqgw.LogRecord{{Partition: 2, Value: []byte("nowhere")}}); codeOf(err) != fqgw.CodeInvalidParameter {
		t.Errorf("a record to a partition that is not there: %v", err)
	}
	if err := l.Produce(t.Context(), topic, []fqgw.LogRecord{{Value: make([]byte, 3<<20)}}); codeOf(err) != fqgw.CodeLimitExceeded {
		t.Errorf("a record that is too large: %v", err)
	}
	if err := l.Produce(t.Context(), topic, nil); err != nil {
		t.Errorf("nothing: %v", err)
	}
}

func (l *logSuite) byKey(t *testing.T) {
	topic := l.create(t, 8).Name
	want := map[string]int32{"JFK": 5, "LGA": 0, "": 1, "ü": 2, "user-1": 4, "user-2": 0}
	var recs []fqgw.LogRecord
	for k, p := range want {
		if got := murmur2(k) & 0x7fffffff % 8; int32(got) != p {
			t.Errorf("the key %q belongs to %d", k, got)
		}
		recs = append(recs, fqgw.LogRecord{Partition: -1, Key: []byte(k), Value: []byte("1")}, fqgw.LogRecord{Partition: -1, Key: []byte(k), Value: []byte("2")})
	}
	l.produce(t, topic, recs...)
	l.produce(t, topic, fqgw.LogRecord{Partition: -1, Value: []byte("no key")})
	places := map[string][]int32{}
	for _, r := range take(t, l.consume(t, topic, make([]int64, 8)...), len(recs)+1) {
		if r.Key != nil {
			places[string(r.Key)] = append(places[string(r.Key)], r.Partition)
		}
	}
	for k, p := range want {
		if !slices.Equal(places[k], []int32{p, p}) {
			t.Errorf("the key %q lies in %v, not in %d", k, places[k], p)
		}
	}
}

// murmur2 is the hash by which Kafka's own clients choose the partition of a key.
func murmur2(key string) uint32 {
	const m = 0x5bd1e995
	h := 0x9747b28c ^ uint32(len(key))
	for ; len(key) >= 4; key = key[4:] {
		k := (uint32(key[0]) | uint32(key[1])<<8 | uint32(key[2])<<16 | uint32(key[3])<<24) * m
		h = h*m ^ (k^k>>24)*m
	}
	if len(key) > 0 {
		for i := len(key) - 1; i >= 0; i-- {
			h ^= uint32(key[i]) << (8 * i)
		}
		h *= m
	}
	h = (h ^ h>>13) * m
	return h ^ h>>15
}

func (l *logSuite) order(t *testing.T) {
	topic := l.create(t, 3).Name
	const n = 30_000 // more than one Poll gives
	recs := make([]fqgw.LogRecord, n)
	for i := range recs {
		recs[i] = fqgw.LogRecord{Partition: int32(i % 3), Value: fmt.Append(nil, i)}
	}
	l.produce(t, topic, recs...)
	c := l.consume(t, topic, 0, 5000, 10_000)
	next := []int64{0, 5000, 10_000}
	for got := range polls(t, c, n-15_000) {
		for _, r := range got {
			if r.Offset != next[r.Partition] || string(r.Value) != fmt.Sprint(3*r.Offset+int64(r.Partition)) {
				t.Fatalf("partition %d: offset %d with %s, not %d", r.Partition, r.Offset, r.Value, next[r.Partition])
			}
			next[r.Partition]++
		}
	}
	if !slices.Equal(next, []int64{10_000, 10_000, 10_000}) {
		t.Errorf("read up to %v", next)
	}
	// What comes later is seen soon.
	l.produce(t, topic, fqgw.LogRecord{Partition: 2, Value: []byte("late")})
	start := time.Now()
	if got := take(t, c, 1); got[0].Offset != 10_000 {
		t.Errorf("read %v", got)
	} else if took := time.Since(start); took > 2*time.Second {
		t.Errorf("a record was seen after %v", took)
	}
}

// fill makes a topic of two partitions with n records each.
func (l *logSuite) fill(t *testing.T, n int) (topic string) {
	t.Helper()
	topic = l.create(t, 2).Name
	var recs []fqgw.LogRecord
	for range n {
		recs = append(recs, fqgw.LogRecord{Partition: 0, Value: []byte("0")}, fqgw.LogRecord{Partition: 1, Value: []byte("1")})
	}
	l.produce(t, topic, recs...)
	return topic
}

func (l *logSuite) pause(t *testing.T) {
	const n = 30_000
	topic := l.fill(t, n)
	c := l.consume(t, topic, 0, 0)
	c.Pause(1)
	next := int64(0)
	for got := range polls(t, c, 200) {
		for _, r := range got {
			if r.Partition != 0 || r.Offset != next {
				t.Fatalf("partition %d offset %d, not 0 and %d", r.Partition, r.Offset, next)
			}
			next++
		}
	}
	// Much of partition 0 is fetched ahead now. It must not be seen, and the other
	// one begins where we say, forth and back again.
	c.Pause(0)
	for range 3 {
		c.Resume(1, 20_000)
		next := int64(20_000)
		for got := range polls(t, c, n-20_000) {
			for _, r := range got {
				if r.Partition != 1 || r.Offset != next {
					t.Fatalf("partition %d offset %d, not 1 and %d", r.Partition, r.Offset, next)
				}
				next++
			}
		}
		c.Pause(1)
	}
	silent(t, c)
	c.Resume(0, 7)
	if got := take(t, c, 1); got[0].Partition != 0 || got[0].Offset != 7 {
		t.Errorf("resumed at partition %d offset %d", got[0].Partition, got[0].Offset)
	}
}

func (l *logSuite) resumeEarly(t *testing.T) {
	topic := l.fill(t, 1000)
	c := l.consume(t, topic, 500, 500)
	c.Pause(0, 1)
	c.Resume(0, 100) // back
	c.Resume(1, 900) // forth
	next := []int64{100, 900}
	for got := range polls(t, c, 900+100) {
		for _, r := range got {
			if r.Offset != next[r.Partition] {
				t.Fatalf("partition %d offset %d, not %d", r.Partition, r.Offset, next[r.Partition])
			}
			next[r.Partition]++
		}
	}
}

func (l *logSuite) outOfRange(t *testing.T) {
	topic := l.create(t, 1).Name
	l.produce(t, topic, fqgw.LogRecord{Value: []byte("a")}, fqgw.LogRecord{Value: []byte("b")})
	for _, from := range []int64{3, -1} {
		c, err := l.Consume(t.Context(), topic, []int64{from}, 1<<20)
		if err == nil {
			_, err = c.Poll(t.Context())
			c.Close()
		}
		if codeOf(err) != fqgw.CodeDataCorrupted || fqgw.AsError(err).Hint == "" {
			t.Errorf("from %d: %v", from, err)
		}
	}
	for _, from := range [][]int64{{0, 0}, {}} {
		if _, err := l.Consume(t.Context(), topic, from, 1<<20); codeOf(err) != fqgw.CodeInvalidParameter {
			t.Errorf("%d offsets for one partition: %v", len(from), err)
		}
	}
	// The end itself is a place to begin.
	c := l.consume(t, topic, 2)
	silent(t, c)
	l.produce(t, topic, fqgw.LogRecord{Value: []byte("c")})
	if got := take(t, c, 1); string(got[0].Value) != "c" {
		t.Errorf("read %v", got)
	}
}

// transactions: what was committed comes, what was aborted does not, and with the
// control records the end is reached in every case.
// A writer's writes are read whole and in order; the next one of its id fences it.
func (l *logSuite) writer(t *testing.T) {
	topic := l.create(t, 2).Name
	id := topic + " writer"
	open := func() fqgw.LogWriter {
		w, err := l.Writer(t.Context(), topic, id)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(w.Close)
		return w
	}
	write := func(w fqgw.LogWriter, texts ...string) error {
		var recs []fqgw.LogRecord
		for i, text := range texts {
			recs = append(recs, fqgw.LogRecord{Partition: int32(i % 2), Timestamp: 1_000_000, Key: []byte("k"), Value: []byte(text), Headers: []fqgw.Header{{Name: "h", Value: []byte(text)}}})
		}
		err := w.Write(t.Context(), recs)
		for i := range recs {
			if at := recs[i].Offset; err == nil && i >= 2 && at <= recs[i-2].Offset {
				t.Errorf("%s is at offset %d, behind %d", texts[i], at, recs[i-2].Offset)
			}
		}
		return err
	}
	first := open()
	for _, err := range []error{write(first, "a", "b", "c"), write(first), write(first, "d")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	second := open()
	if err := write(first, "no", "no"); err == nil {
		t.Error("the one before writes on")
	}
	if err := write(second, "e", "f"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	c := l.consume(t, topic, 0, 0)
	got := [2][]string{}
	for len(got[0])+len(got[1]) < 6 {
		recs, err := c.Poll(ctx)
		if err != nil {
			t.Fatalf("read %v: %v", got, err)
		}
		for _, r := range recs {
			if r.Control {
				continue
			}
			got[r.Partition] = append(got[r.Partition], string(r.Value))
			if r.Timestamp != 1_000_000 || string(r.Key) != "k" || len(r.Headers) != 1 || string(r.Headers[0].Value) != string(r.Value) {
				t.Errorf("read %+v", r)
			}
		}
	}
	if !slices.Equal(got[0], []string{"a", "c", "d", "e"}) || !slices.Equal(got[1], []string{"b", "f"}) {
		t.Errorf("read %v", got)
	}
}

func (l *logSuite) transactions(t *testing.T) {
	topic := l.create(t, 2).Name
	rec := func(partition int32, text string) fqgw.LogRecord {
		return fqgw.LogRecord{Partition: partition, Value: []byte(text)}
	}
	c := l.consume(t, topic, 0, 0)
	next := []int64{0, 0}
	var got []string
	for _, step := range []struct {
		commit bool
		recs   []fqgw.LogRecord
		want   []string
	}{
		{true, []fqgw.LogRecord{rec(0, "a"), rec(0, "b"), rec(1, "c")}, []string{"a", "b", "c"}},
		{false, []fqgw.LogRecord{rec(0, "no"), rec(1, "no"), rec(1, "no")}, []string{"a", "b", "c"}},
		{true, []fqgw.LogRecord{rec(1, "d")}, []string{"a", "b", "c", "d"}},
	} {
		if err := l.transact(t.Context(), topic, step.commit, step.recs); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		// A broker writes the markers after it has answered.
		places := map[int32]int64{}
		for _, r := range step.recs {
			if places[r.Partition] == 0 {
				places[r.Partition]++ // of the marker
			}
			places[r.Partition]++
		}
		end := []int64{next[0] + places[0], next[1] + places[1]}
		for {
			_, now, err := l.Offsets(ctx, topic)
			if err != nil {
				t.Fatalf("the end is not at %v: %v", end, err)
			}
			if slices.Equal(now, end) {
				break
			}
		}
		for next[0] < end[0] || next[1] < end[1] {
			recs, err := c.Poll(ctx)
			if err != nil {
				t.Fatalf("read up to %v of %v: %v", next, end, err)
			}
			for _, r := range recs {
				if r.Offset < next[r.Partition] {
					t.Errorf("partition %d: offset %d after %d", r.Partition, r.Offset, next[r.Partition]-1)
				}
				if next[r.Partition] = r.Offset + 1; !r.Control {
					got = append(got, string(r.Value))
				} else if r.Key != nil || r.Value != nil {
					t.Errorf("a control record with content: %+v", r)
				}
			}
		}
		cancel()
		if slices.Sort(got); !slices.Equal(got, step.want) {
			t.Errorf("read %q, want %q", got, step.want)
		}
	}
	// A marker is a place to go on from, as any other.
	_, end, err := l.Offsets(t.Context(), topic)
	if err != nil {
		t.Fatal(err)
	}
	c = l.consume(t, topic, end[0]-1, end[1])
	if recs, err := c.Poll(t.Context()); err != nil || len(recs) != 1 || !recs[0].Control || recs[0].Offset != end[0]-1 {
		t.Errorf("the last marker: %+v, %v", recs, err)
	}
}

func (l *logSuite) cancelled(t *testing.T) {
	topic := l.create(t, 1).Name
	c := l.consume(t, topic, 0)
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := c.Poll(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("poll: %v", err)
	}
	for name, err := range map[string]error{"topic": second(l.Topic(ctx, topic)), "offsets": third(l.Offsets(ctx, topic)),
		"produce": l.Produce(ctx, topic, []fqgw.LogRecord{{Value: []byte("x")}}), "consume": second(l.Consume(ctx, topic, []int64{0}, 1<<20))} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The consumer outlives a cancelled poll, but not its close.
	l.produce(t, topic, fqgw.LogRecord{Value: []byte("x")})
	if got := take(t, c, 1); string(got[0].Value) != "x" {
		t.Errorf("read %v", got)
	}
	c.Close()
	ctx, cancel = context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if _, err := c.Poll(ctx); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a closed consumer polls: %v", err)
	}
}
