package stream

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
)

// refusedOf are dead letters of every sort: below the CHECK, of a wrong type, no JSON.
func refusedOf(k string, n int) []fqgw.LogRecord {
	low, text := record(k, -1, -1), record(k, -1, -1)
	low.Value = fmt.Appendf(nil, `{"ts":%d,"k":%q,"v":1,"n":%d}`, t0-sec, k, -2-n)
	low.Key, low.Headers = []byte(k), []fqgw.Header{{Name: "trace", Value: []byte("x")}}
	text.Value = fmt.Appendf(nil, `{"ts":%d,"k":%q,"v":"?","n":%d}`, t0-sec, k, n)
	return []fqgw.LogRecord{low, text}
}

// corrected is the source with a CHECK less.
func corrected() *fqgw.Source {
	src := testSource()
	src.Checks, src.GateVersion = nil, 2
	return src
}

func (w *world) letters() (waiting, replayed int) {
	w.registry.mu.Lock()
	defer w.registry.mu.Unlock()
	for _, l := range w.registry.letters {
		if l.Replayed == 0 {
			waiting++
		} else {
			replayed++
		}
	}
	return waiting, replayed
}

// TestReplay: dead letters that a corrected gate accepts come once more as new
// records, known now; the others stay (SEMANTICS §3.6).
func TestReplay(t *testing.T) {
	w, p, _, _ := setup(t, fqgw.SetClock(t0, 0), nil)
	for i := range 3 {
		w.produce(t, record("a", -1, -1))
		w.produce(t, refusedOf("a", i)...)
	}
	p.sync(t)
	done, err := p.Replay(t.Context(), "s")
	if err != nil || done.Records != 0 || done.Refused != 6 || done.Reason == "" {
		t.Fatalf("the gate that refused them: %+v, %v", done, err)
	}
	p.stop()

	if _, err := w.clock.Advance(30 * sec); err != nil {
		t.Fatal(err)
	}
	src := corrected()
	views := testViews(src)
	p = begin(t, w, src, views, nil)
	for range 2 { // the second time there is nothing left to do
		if done, err = p.Replay(t.Context(), "s"); err != nil {
			t.Fatal(err)
		}
		p.sync(t)
		if n := w.count(t, views[0], "a"); n != 6 {
			t.Errorf("counted %d, want 6", n)
		}
		if waiting, replayed := w.letters(); waiting != 3 || replayed != 3 {
			t.Errorf("%d wait, %d are replayed", waiting, replayed)
		}
	}
	if done.Records != 0 || done.Refused != 3 || !strings.Contains(done.Reason, "double precision") {
		t.Errorf("the second time: %+v", done)
	}
	var known []int64
	for _, row := range w.history.rows {
		if row[3].Int() < 0 {
			known = append(known, row[len(src.Columns)+fqgw.HiddenKnownAt].Int())
		}
	}
	if !slices.Equal(known, []int64{t0 + 30*sec, t0 + 30*sec, t0 + 30*sec}) {
		t.Errorf("known at %v", known)
	}
	var again []fqgw.LogRecord
	for _, part := range w.log.parts {
		for _, r := range part {
			if r.Timestamp == t0+30*sec {
				again = append(again, r)
			}
		}
	}
	for _, r := range again {
		at, source, ok := parseReplay(r.Headers[1].Value)
		if len(r.Headers) != 2 || string(r.Key) != "a" || r.Headers[0].Name != "trace" || !ok || source != "s" || at.Partition != r.Partition {
			t.Errorf("produced again: %+v of %+v, %v", r, at, ok)
		}
	}
}

// TestReplayOnce: whenever a replay is cut off, the next one makes each record count once.
func TestReplayOnce(t *testing.T) {
	for _, point := range []string{"before-replay", "after-replay"} {
		for _, lands := range []bool{true, false} {
			t.Run(fmt.Sprint(point, " ", lands), func(t *testing.T) {
				w, p, _, _ := setup(t, fqgw.SetClock(t0, 0), nil)
				for i := range 3 {
					w.produce(t, refusedOf("a", i)...)
				}
				p.sync(t)
				p.stop()
				src := corrected()
				views := testViews(src)
				p = begin(t, w, src, views, nil)
				p.plug.fault.Store(&fault{point: point, struck: make(chan struct{})})
				p.plug.fault.Load().left.Store(1)
				if lands || point == "after-replay" {
					if _, err := p.Replay(t.Context(), "s"); !errors.Is(err, errDead) {
						t.Fatalf("cut off: %v", err)
					}
				} else { // it ends before anything was produced
					w.log.fails.Store(true)
					if _, err := p.Replay(t.Context(), "s"); err == nil {
						t.Fatal("the log takes nothing")
					}
					w.log.fails.Store(false)
				}
				p.kill()
				p = begin(t, w, src, views, nil)
				for range 2 {
					if _, err := p.Replay(t.Context(), "s"); err != nil {
						t.Fatal(err)
					}
				}
				p.sync(t)
				if n := w.count(t, views[0], "a"); n != 3 {
					t.Errorf("counted %d, want 3", n)
				}
				if waiting, replayed := w.letters(); waiting != 3 || replayed != 3 {
					t.Errorf("%d wait, %d are replayed", waiting, replayed)
				}
			})
		}
	}
}

// TestJudgedAnew: a source that is made again over a topic, and has no history, reads
// it from its beginning: what it refused before is no dead letter of it.
func TestJudgedAnew(t *testing.T) {
	w, p, _, _ := setup(t, fqgw.SetClock(t0, 0), nil)
	w.produce(t, refusedOf("a", 0)...)
	p.sync(t)
	if err := p.DropSource(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	p.stop()
	w.history, w.online = &memHistory{}, newOnline(4)
	src := corrected()
	views := testViews(src)
	p = begin(t, w, src, views, nil)
	p.sync(t)
	if n := w.count(t, views[0], "a"); n != 1 {
		t.Errorf("counted %d, want 1", n)
	}
	done, err := p.Replay(t.Context(), "s")
	if waiting, replayed := w.letters(); err != nil || done.Records != 0 || waiting != 1 || replayed != 0 {
		t.Errorf("%+v, %v; %d wait, %d are replayed", done, err, waiting, replayed)
	}
}

// TestReplayTexts: what outlives the process, version 1.
func TestReplayTexts(t *testing.T) {
	d := fqgw.DeadLetter{Source: `"a b".c`, Pos: fqgw.Position{Epoch: 1, Partition: 2, Offset: 3}}
	const header = `1 1 2 3 "a b".c`
	if text := string(replayText(d)); text != header {
		t.Errorf("the header is %q", text)
	}
	if at, source, ok := parseReplay([]byte(header)); at != d.Pos || source != d.Source || !ok {
		t.Errorf("read as %v of %s, %v", at, source, ok)
	}
	for _, text := range []string{"", "1", "2 1 2 3 s", "1 a 2 3 s", "1 1 2 3"} {
		if at, source, ok := parseReplay([]byte(text)); ok {
			t.Errorf("%q is read as %v of %s", text, at, source)
		}
	}
	const intent = "1 -5 000102030405060708090a0b0c0d0e0f 7 0 9"
	id := [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	if text := intentText(-5, id, []int64{7, 0, 9}); text != intent {
		t.Errorf("the note is %q", text)
	}
	when, read, end, err := parseIntent(intent)
	if when != -5 || read != id || !slices.Equal(end, []int64{7, 0, 9}) || err != nil {
		t.Errorf("read as %d %x %v, %v", when, read, end, err)
	}
	for _, text := range []string{"1", "2 5 00 7", "1 5 00 7", "1 x 000102030405060708090a0b0c0d0e0f 7", "1 5 000102030405060708090a0b0c0d0e0f x"} {
		if _, _, _, err := parseIntent(text); !fqgw.HasCode(err, fqgw.CodeDataCorrupted) {
			t.Errorf("%q: %v", text, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, p, _, _ := setup(t, fqgw.SetClock(t0, 0), nil)
	if _, err := p.Replay(ctx, "s"); err == nil {
		t.Error("a replay that was cancelled at once has no error")
	}
	if _, err := p.Replay(t.Context(), "none"); !fqgw.HasCode(err, fqgw.CodeUndefinedTable) {
		t.Errorf("no such source: %v", err)
	}
}
