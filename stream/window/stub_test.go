package window

import (
	"bytes"
	"encoding/hex"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/fqgw/fqgw"
)

// stubEvents are events of several partitions and epochs, in the order in which they
// come: some late, some again with an offset of before, some known late.
func stubEvents(r *rand.Rand, start int64, n int) (out []*fqgw.Event) {
	var next [3]int64
	now := start
	for range n {
		now += r.Int64N(2 * minute)
		p := r.Int32N(3)
		e := ev(next[p], now-r.Int64N(30*minute), partition(p), integer(r.Int64N(100)), float8(randomFloat(r)), str("some text of a row"))
		e.Known = now
		e.Row[colNumeric], e.Row[colBool] = randomValue(r, fqgw.Numeric), fqgw.BoolValue(r.IntN(3) > 0)
		next[p]++
		out = append(out, e)
	}
	return out
}

// TestStub: the events that a state had, in any order and among later ones, make its
// bytes again; other events do not.
func TestStub(t *testing.T) {
	views := goldenViews()
	for name, v := range views {
		l := layout(t, v)
		stubs := 0
		for seed := range uint64(200) {
			r := rand.New(rand.NewPCG(seed, 3))
			const start = 1_362_700_000_000_000
			events := stubEvents(r, start, 1+r.IntN(60))
			had := 1 + r.IntN(len(events))
			s := l.New()
			l.Advance(s, start)
			h := int64(start)
			for _, e := range events[:had] {
				if r.IntN(2) == 0 { // else it is held for a while
					h = max(h, e.Known)
				}
				l.Advance(s, h)
				apply(t, l, s, e)
			}
			l.Advance(s, h+r.Int64N(40*minute))
			packed := l.Encode(nil, s)
			if len(packed) == 0 {
				continue
			}
			b, err := l.Stub(packed)
			if err != nil {
				t.Fatal(err)
			}
			if b == nil {
				continue
			}
			stubs++
			if !IsStub(b) || IsStub(packed) {
				t.Fatalf("%s: a stub is not told from a state", name)
			}
			stub, err := l.OpenStub(b)
			if err != nil {
				t.Fatal(err)
			}
			revive := func(events []*fqgw.Event) []byte {
				again := stub.Revive()
				for _, i := range r.Perm(len(events)) {
					if in, keep, _ := l.Input(events[i]); keep {
						again.Load(&in)
					}
				}
				return again.Packed()
			}
			if got := revive(events); !bytes.Equal(got, packed) {
				t.Fatalf("%s seed %d: %x became %x", name, seed, packed, got)
			}
			newest := slices.MaxFunc(events[:had], func(a, b *fqgw.Event) int { return int(a.Time - b.Time) })
			if l.versions() {
				newest = slices.MaxFunc(events[:had], func(a, b *fqgw.Event) int { return int(a.Known - b.Known) })
			}
			var less []*fqgw.Event
			for _, e := range events {
				if e != newest {
					less = append(less, e)
				}
			}
			if got := revive(less); got != nil {
				t.Fatalf("%s seed %d: without an event that counts it is %x", name, seed, got)
			}
			g, ok := l.Glance(b)
			whole, ok2 := l.Glance(packed[:min(len(packed), 64)])
			if !ok || !ok2 || !g.Stub || whole.Stub || g.Newest != whole.Newest || g.Size != int64(len(packed)) {
				t.Fatalf("%s seed %d: a glance gives %+v of the stub and %+v of the state", name, seed, g, whole)
			}
			for _, at := range []int64{s.horizon, g.Newest + 10*minute, g.Newest + hour + 2*minute, g.Newest + 2*day} {
				at = max(at, s.horizon)
				cut, err := l.Cut(packed, at)
				if err != nil {
					t.Fatal(err)
				}
				if stub.Over(at) != (len(cut) == 0) {
					t.Fatalf("%s seed %d: over is %t, and the state has %d bytes", name, seed, stub.Over(at), len(cut))
				}
			}
		}
		if stubs == 0 && name != "stub" {
			t.Errorf("%s: no state left a stub", name)
		}
	}
}

// TestStubStays: what history could not give again leaves no stub, nor what is small.
func TestStubStays(t *testing.T) {
	l := layout(t, goldenViews()["all"])
	if b, err := l.Stub(l.Encode(nil, goldenState(t, l))); err != nil || b != nil {
		t.Errorf("a state with events ahead of H leaves %x, %v", b, err)
	}
	s := l.New()
	l.Advance(s, hour)
	for range 50 {
		apply(t, l, s, ev(0, hour-minute, noOffset, integer(5)))
	}
	if b, err := l.Stub(l.Encode(nil, s)); err != nil || b != nil {
		t.Errorf("a state of rows without a position leaves %x, %v", b, err)
	}
	small := layout(t, goldenViews()["count"])
	s = small.New()
	small.Advance(s, hour)
	apply(t, small, s, ev(0, hour-minute))
	if b, err := small.Stub(small.Encode(nil, s)); err != nil || b != nil {
		t.Errorf("a state of %d bytes leaves %x, %v", len(small.Encode(nil, s)), b, err)
	}
}

func TestStubBatches(t *testing.T) {
	var stubs []*Stub
	for _, size := range []int{1, 1, 1, 9 << 20, 1, 7 << 20, 7 << 20, 1} {
		stubs = append(stubs, &Stub{size: size})
	}
	got := StubBatches(stubs, 2)
	if want := [][2]int{{0, 2}, {2, 3}, {3, 4}, {4, 6}, {6, 8}}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestStubGolden: the bytes outlive the process.
func TestStubGolden(t *testing.T) {
	l := layout(t, goldenViews()["all"])
	s := goldenState(t, l)
	l.Advance(s, s.horizon+3*minute)
	b, err := l.Stub(l.Encode(nil, s))
	if err != nil || b == nil {
		t.Fatalf("no stub: %v", err)
	}
	const path = "testdata/stub.golden"
	if *update {
		if err := os.WriteFile(path, []byte(hex.Dump(b)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := hex.Dump(b); got != string(want) {
		t.Errorf("the stub's bytes have changed\n%s", got)
	}
	stub, err := l.OpenStub(undump(t, string(want)))
	five := fqgw.Position{Partition: 1, Offset: 5}
	six := fqgw.Position{Partition: 1, Offset: 6}
	if err != nil || stub.Horizon() != s.horizon || !stub.Has(five) || stub.Has(six) {
		t.Errorf("read as %+v, %v", stub, err)
	}
	if _, err := l.Decode(b); !fqgw.HasCode(err, fqgw.CodeDataCorrupted) {
		t.Errorf("read as a state: %v", err)
	}
	for i := range b {
		if _, err := l.OpenStub(b[:i]); !fqgw.HasCode(err, fqgw.CodeDataCorrupted) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
}

// TestGlanceManyPartitions: where the first bytes do not tell of all partitions, the last
// event is not taken for an earlier one than it is.
func TestGlanceManyPartitions(t *testing.T) {
	l := layout(t, goldenViews()["all"])
	s := l.New()
	const start = 1_362_700_000_000_000
	l.Advance(s, start+40*minute)
	for p := range int32(20) {
		apply(t, l, s, ev(1_000_000, start+int64(p)*2*minute, partition(p), integer(5)))
	}
	packed := l.Encode(nil, s)
	b, err := l.Stub(packed)
	if err != nil || b == nil {
		t.Fatalf("no stub: %v", err)
	}
	newest := int64(start + 38*minute)
	for _, whole := range [][]byte{packed, b} {
		for n := range whole {
			if g, ok := l.Glance(whole[:n]); ok && n > 15 && g.Newest < newest {
				t.Fatalf("by %d bytes of %d the last event was %d s before it was", n, len(whole), (newest-g.Newest)/1_000_000)
			}
		}
		if g, ok := l.Glance(whole); !ok || g.Newest != newest {
			t.Errorf("the last event is at %d, want %d", g.Newest, newest)
		}
	}
}
