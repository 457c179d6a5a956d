package stream

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode"
)

// lines is a format of the tests: a record has a JSON row in each line, so that it
// carries none, one or several changes; the letter before says what it is if it is not
// new: '-' gone, '<' before and '>' after an update, '^' an upsert, '~' gone by its key.
type lines struct {
	json decode.Decoder
	away func() bool // what it takes to read a record cannot be reached
}

func newLines(src *fqgw.Source) (decode.Decoder, error) {
	json, err := decode.New(src)
	return &lines{json, func() bool { return false }}, err
}

func (l *lines) Decode(r *fqgw.LogRecord, changes []fqgw.Event) ([]fqgw.Event, error) {
	if l.away() {
		return changes, fqgw.Errorf(fqgw.CodeConnectionFailure, "the schema registry does not answer")
	}
	for line := range bytes.SplitSeq(r.Value, []byte("\n")) {
		if len(line) == 0 {
			continue
		}
		one, op := *r, fqgw.Insert
		if i := strings.IndexByte("<>-^~*", line[0]); i >= 0 {
			op, line = fqgw.UpdateBefore+fqgw.Operation(i), line[1:]
		}
		one.Value = line
		var err error
		if changes, err = l.json.Decode(&one, changes); err != nil {
			return changes, err
		}
		changes[len(changes)-1].Op = op
	}
	return changes, nil
}

// several is a record with the rows of several.
func several(recs ...fqgw.LogRecord) fqgw.LogRecord {
	var values [][]byte
	for _, r := range recs {
		values = append(values, r.Value)
	}
	recs[0].Value = bytes.Join(values, []byte("\n"))
	return recs[0]
}

// TestSeveralChanges: each change of a record is an event with a place of its own;
// a record without changes is passed; one change that is refused, or that takes a row
// away, refuses its record.
func TestSeveralChanges(t *testing.T) {
	w := newWorld(1, 4, fqgw.SetClock(t0, 0))
	src := testSource()
	views := testViews(src)
	p := begin(t, w, src, views, func(o *Options) { o.Decoder = newLines })
	bad, gone := record("a", 0, 0), record("a", 0, 0)
	bad.Value = bytes.Replace(bad.Value, []byte("30"), []byte("-1"), 1)
	gone.Value = append([]byte("-"), gone.Value...)
	w.produce(t, several(record("a", -2, -1), record("a", -2, -1), record("b", -2, -1)), fqgw.LogRecord{Timestamp: t0, Value: []byte("\n")},
		several(record("b", -1, -1), bad), several(record("a", -1, -1), gone), record("b", -1, -1))
	p.sync(t)
	if a, b := w.count(t, views[0], "a"), w.count(t, views[0], "b"); a != 2 || b != 2 {
		t.Errorf("counted %d and %d, want 2 each", a, b)
	}
	w.registry.mu.Lock()
	var reasons []string
	for pos, l := range w.registry.letters {
		reasons = append(reasons, fmt.Sprint(pos.Offset, " ", l.Reason))
	}
	w.registry.mu.Unlock()
	if all := strings.Join(reasons, "; "); len(reasons) != 2 || !strings.Contains(all, "2 new row for relation") || !strings.Contains(all, "3 source \"s\" is append-only") {
		t.Errorf("dead letters: %s", all)
	}
	if st := p.Status()[0]; st.Applied != 5 || st.Landed != 5 {
		t.Errorf("applied %d, landed %d of 5 records", st.Applied, st.Landed)
	}
	p.stop()
	(&model{t: t, w: w, src: src, views: views, added: len(views), decoder: newLines}).check()
}

// TestRecordIsWhole: however little memory there is, all changes of a record to an
// entity become readable at once: its state says the offset after the record.
func TestRecordIsWhole(t *testing.T) {
	w := newWorld(1, 4, fqgw.SetClock(t0, 0))
	src := testSource()
	views := testViews(src)
	var reads, halves atomic.Int64
	p := begin(t, w, src, views, func(o *Options) {
		o.Decoder, o.Memory = newLines, within(4<<10)
		o.Fault = func(at string) {
			if at == "after-flush" {
				reads.Add(1)
				halves.Add(w.count(t, views[0], "a") % 3)
			}
		}
	})
	for range 20 {
		w.produce(t, several(record("a", -1, -1), record("b", -1, -1), record("a", -1, -1), record("a", -1, -1)))
	}
	p.sync(t)
	if n := halves.Load(); n != 0 || reads.Load() < 20 || w.count(t, views[0], "a") != 60 {
		t.Errorf("%d of %d reads saw a part of a record; in the end it is %d", n, reads.Load(), w.count(t, views[0], "a"))
	}
}

// TestDeadLetterIsTheRecord: a dead letter has all that the decoder had, and keeps it
// when the log's memory is used again.
func TestDeadLetterIsTheRecord(t *testing.T) {
	w, p, _, _ := setup(t, fqgw.SetClock(t0, 0), nil)
	bad := fqgw.LogRecord{Timestamp: t0, Key: []byte("key"), Value: []byte("no JSON"),
		Headers: []fqgw.Header{{Name: "schema", Value: []byte{0, 7}}, {Name: "schema"}, {Name: "empty", Value: []byte{}}}}
	w.produce(t, record("a", -1, -1), bad)
	p.sync(t)
	letter := w.registry.letters[fqgw.Position{Offset: 1}]
	for _, bytes := range [][]byte{bad.Key, bad.Value, bad.Headers[0].Value} {
		bytes[0] = '!'
	}
	bad.Headers[1].Name = "another"
	want := []fqgw.Header{{Name: "schema", Value: []byte{0, 7}}, {Name: "schema"}, {Name: "empty", Value: []byte{}}}
	if string(letter.Key) != "key" || string(letter.Payload) != "no JSON" || !reflect.DeepEqual(letter.Headers, want) {
		t.Errorf("the dead letter is %+v", letter)
	}
}

// TestRecordKnownWithItsLastChange: on a set clock a record is passed when all of
// its changes can be known.
func TestRecordKnownWithItsLastChange(t *testing.T) {
	w := newWorld(1, 4, fqgw.SetClock(t0, 0))
	src := testSource()
	src.Known = fqgw.KnownByEventTime
	views := testViews(src)
	p := begin(t, w, src, views, func(o *Options) { o.Decoder = newLines })
	w.produce(t, several(record("a", -5, 0), record("a", 5, 0)), record("a", -1, 0))
	p.sync(t)
	if n := w.count(t, views[0], "a"); n != 0 {
		t.Errorf("counted %d of a record that is known later", n)
	}
	if _, err := w.clock.Advance(5 * sec); err != nil {
		t.Fatal(err)
	}
	p.sync(t)
	if n := w.count(t, views[0], "a"); n != 3 {
		t.Errorf("counted %d, want 3", n)
	}
}

// TestRecordThatCannotBeReadForNow: what it takes to read a record is away. That
// is no verdict: the partition stands, says why, and goes on.
func TestRecordThatCannotBeReadForNow(t *testing.T) {
	w := newWorld(1, 4, fqgw.SetClock(t0, 0))
	src := testSource()
	views := testViews(src)
	var away atomic.Bool
	p := begin(t, w, src, views, func(o *Options) {
		o.Decoder = func(src *fqgw.Source) (decode.Decoder, error) {
			json, err := decode.New(src)
			return &lines{json, away.Load}, err
		}
	})
	w.produce(t, record("a", -1, -1))
	p.sync(t)
	away.Store(true)
	w.produce(t, record("a", -1, -1), record("a", -1, -1))
	eventually(t, "the partition stands", func() bool { return strings.Contains(p.Status()[0].Paused, "schema registry does not answer") })
	synced := make(chan error)
	go func() { synced <- p.Sync(t.Context()) }()
	select {
	case err := <-synced:
		t.Errorf("sync ended with %v", err)
	case <-time.After(2 * readAgain):
	}
	if n := w.count(t, views[0], "a"); n != 1 {
		t.Errorf("counted %d, want 1", n)
	}
	away.Store(false)
	if err := <-synced; err != nil {
		t.Error(err)
	}
	if n := w.count(t, views[0], "a"); n != 3 || len(w.registry.letters) != 0 || p.Status()[0].Paused != "" {
		t.Errorf("counted %d, want 3; %d dead letters; paused: %s", n, len(w.registry.letters), p.Status()[0].Paused)
	}
}
