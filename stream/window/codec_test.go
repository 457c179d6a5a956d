package window

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
)

var update = flag.Bool("update", false, "write the golden files anew")

// goldenViews are layouts whose states together use every part of the codec.
func goldenViews() map[string]*fqgw.FeatureView {
	paid := sourceCol(colBool)
	var all []fqgw.Aggregate
	for i, a := range everyAggregate {
		f := paid
		if i%2 == 0 {
			f = nil
		}
		all = append(all, agg(a.fn, a.col, i%2, f))
	}
	inFrames := []fqgw.Aggregate{agg("array_agg", colText, 0, nil), agg("last_n", colInt, 1, paid)}
	for i, a := range everyAggregate {
		f := paid
		if i%2 == 0 {
			f = nil
		}
		inFrames = append(inFrames, agg(a.fn, a.col, 2*(i%2), f))
	}
	inFrames = append(inFrames, agg("count", -1, 0, nil), agg("count", -1, 2, paid), agg("array_agg", colNumeric, 2, paid))
	var later []fqgw.Aggregate
	for i, a := range laterAggregates {
		f := paid
		if i%2 == 0 {
			f = nil
		}
		later = append(later, agg(a.fn, a.col, i%2, f))
	}
	return map[string]*fqgw.FeatureView{
		"later":    newView([]fqgw.Window{win(hour), win(day)}, later...),
		"rows":     newView([]fqgw.Window{rowsOf(3), win(hour), rowsOf(20)}, inFrames...),
		"count":    newView([]fqgw.Window{win(hour)}, agg("count", -1, 0, nil)),
		"all":      newView([]fqgw.Window{win(hour), win(day)}, all...),
		"lifetime": newView([]fqgw.Window{win(0), win(5 * minute)}, agg("sum", colInt, 0, paid), agg("first_value", colText, 0, nil), agg("max", colFloat, 1, nil)),
		"latest":   newLatest(0),
		"stub":     newLatest(minute),
		"version":  newVersions(nil),
		"deleted":  newVersions(nil),
		"table": overTable(newView([]fqgw.Window{win(hour), win(0)}, agg("count", -1, 0, nil), agg("sum", colNumeric, 0, paid), agg("avg", colFloat, 1, nil),
			agg("stddev_pop", colInt, 1, paid))),
		"everywhere": keyless(newView([]fqgw.Window{win(hour), win(0)}, agg("count", -1, 0, nil), agg("sum", colFloat, 1, paid), agg("last_value", colText, 0, nil))),
	}
}

// goldenState is a state after a few events, some of them kept singly.
func goldenState(t testing.TB, l *Layout) *State {
	const start = 1_362_700_000_000_000 // 2013-03-07 23:46:40
	s := l.New()
	l.Advance(s, start)
	num := func(coef int64, scale int32) fqgw.Value {
		return fqgw.NumericValue(fqgw.NewDecimal(big.NewInt(coef), scale))
	}
	for i, n := range []fqgw.Value{num(150, 2), num(-7, 0), fqgw.Null, fqgw.NumericValue(fqgw.DecimalNaN), num(123456789, 4), num(0, 1)} {
		e := ev(int64(i), start-int64(5-i)*7*minute, partition(int32(i%2)), integer(int64(i*i)-3), float8([]float64{1.5, 0.1, -1e100, 0, 1e-300, 7}[i]), str(fmt.Sprint("tail", i%4)))
		e.Row[colNumeric], e.Row[colBool] = n, fqgw.BoolValue(i%3 != 0)
		apply(t, l, s, e)
	}
	apply(t, l, s, ev(6, start+minute, float8(2)), ev(7, start, known(start+2*minute), str("later")),
		ev(7, start, known(start+2*minute), str("its second change"), change(1)), ev(0, start-minute, noOffset, integer(5)))
	return s
}

// TestGolden: the bytes outlive the process. A change of any of these files is
// a new format version and needs a migration.
func TestGolden(t *testing.T) {
	for name, v := range goldenViews() {
		l := layout(t, v)
		s := goldenState(t, l)
		if name == "stub" {
			l.Advance(s, s.Horizon()+hour)
		}
		if name == "deleted" || name == "table" {
			apply(t, l, s, ev(8, s.Horizon(), changed(fqgw.Delete)), ev(9, s.Horizon()+minute, changed(fqgw.DeleteKey)))
		}
		b := l.Encode(nil, s)
		path := "testdata/state-" + name + ".golden"
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
			t.Errorf("%s: the state's bytes have changed\n%s", name, got)
		}
		back, err := l.Decode(undump(t, string(want)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if r, q := l.Read(s, s.Horizon()), l.Read(back, s.Horizon()); shows(r.Slots) != shows(q.Slots) {
			t.Errorf("%s: read as %s before packing, %s after", name, shows(r.Slots), shows(q.Slots))
		}
	}
}

// undump is the bytes of a hex.Dump.
func undump(t *testing.T, dump string) []byte {
	var out []byte
	for _, line := range strings.Split(strings.TrimSpace(dump), "\n") {
		digits, _, _ := strings.Cut(line[10:], "|")
		b, err := hex.DecodeString(strings.ReplaceAll(digits, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, b...)
	}
	return out
}

func TestDecodeRefuses(t *testing.T) {
	views := goldenViews()
	l := layout(t, views["all"])
	b := l.Encode(nil, goldenState(t, l))
	cases := map[string][]byte{
		"too short":     b[:4],
		"version 2":     append([]byte{2}, b[1:]...),
		"a byte behind": append(bytes.Clone(b), 0),
		"empty":         {1, b[1], b[2], b[3], b[4], 0, 0, 0, 0, 0},
	}
	for i := 5; i < len(b); i++ {
		cases[fmt.Sprint("cut at ", i)] = b[:i]
	}
	old := goldenState(t, l)
	old.horizon += 10 * day // without having dropped its tiles
	old.own, old.held = nil, nil
	cases["out of reach"] = l.Encode(nil, old)
	for what, b := range cases {
		if _, err := l.Decode(b); fqgw.AsError(err).Code != fqgw.CodeDataCorrupted {
			t.Errorf("%s: %v", what, err)
		}
	}
	for name, v := range views {
		other := layout(t, v)
		if name == "all" {
			continue
		}
		if _, err := other.Decode(b); err == nil || !strings.Contains(err.Error(), "another layout") {
			t.Errorf("a state of \"all\" read as %s: %v", name, err)
		}
	}
}

// TestLayoutHash: what changes the state's meaning changes the hash; what only
// changes how it is read does not.
func TestLayoutHash(t *testing.T) {
	base := func() *fqgw.FeatureView {
		return newView([]fqgw.Window{win(hour)}, agg("sum", colFloat, 0, nil))
	}
	hash := layout(t, base()).hash
	yes := sourceCol(colBool)
	for what, change := range map[string]func(*fqgw.FeatureView){
		"where":    func(v *fqgw.FeatureView) { v.Where = yes },
		"length":   func(v *fqgw.FeatureView) { v.Windows[0].Length += minute },
		"hop":      func(v *fqgw.FeatureView) { v.Windows[0].Hop = second },
		"filter":   func(v *fqgw.FeatureView) { v.Aggregates[0].Filter = yes },
		"argument": func(v *fqgw.FeatureView) { v.Aggregates[0].Args[0] = sourceCol(colInt) },
		"function": func(v *fqgw.FeatureView) { v.Aggregates[0].Func = "max" },
	} {
		v := base()
		if change(v); layout(t, v).hash == hash {
			t.Errorf("another %s gives the same hash", what)
		}
	}
	shown := base() // a release that prints an expression otherwise, or a column that is shown under another name
	shown.Where = op(col(colInt, "other.i", fqgw.Int8), ">", whole(5))
	plain := base()
	plain.Where = op(sourceCol(colInt), ">", whole(5))
	if shown.Where.String() == plain.Where.String() || layout(t, shown).hash != layout(t, plain).hash {
		t.Errorf("%s and %s give two hashes", shown.Where, plain.Where)
	}
	v := base()
	v.Features[0].Default, v.Name, v.Version = fqgw.FloatValue(1), "w", 2
	v.Aggregates[0].Func = "avg" // reads the same accumulator
	if layout(t, v).hash != hash {
		t.Error("a change at read changes the hash")
	}
}

func TestCut(t *testing.T) {
	l := layout(t, goldenViews()["count"])
	s := goldenState(t, l)
	b := l.Encode(nil, s)
	h := s.Horizon() + 10*minute
	l.Advance(s, h)
	if cut, err := l.Cut(b, h); err != nil || !bytes.Equal(cut, l.Encode(nil, s)) {
		t.Errorf("cut to %x, %v", cut, err)
	}
	if cut, err := l.Cut(b, h+day); err != nil || len(cut) != 0 {
		t.Errorf("cut a day later to %x, %v", cut, err)
	}
}

// FuzzDecode: no bytes make the codec panic, and whatever it accepts is written
// as the same bytes again and can be read, advanced and folded into; Answer
// says the same of it as Decode and Read.
func FuzzDecode(f *testing.F) {
	names := []string{"count", "all", "lifetime", "latest", "stub", "rows", "later"}
	views := goldenViews()
	var layouts []*Layout
	for i, name := range names {
		l := layout(f, views[name])
		layouts = append(layouts, l)
		s := goldenState(f, l)
		f.Add(uint8(i), l.Encode(nil, s)[5:])
		l.Advance(s, s.Horizon()+5*minute)
		f.Add(uint8(i), l.Encode(nil, s)[5:])
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		l := layouts[int(which)%len(layouts)]
		b := append([]byte{codecVersion, byte(l.hash >> 24), byte(l.hash >> 16), byte(l.hash >> 8), byte(l.hash)}, body...)
		sameAnswer(t, l.View().Name, l, b)
		s, err := l.Decode(b)
		if err != nil {
			return
		}
		if again := l.Encode(nil, s); !bytes.Equal(again, b) {
			t.Fatalf("accepted %x, wrote %x", b, again)
		}
		h := s.Horizon()
		r := l.Read(s, h)
		naiveFeatures(l.View(), []fqgw.Value{fqgw.TextValue("a")}, &r, &fqgw.Env{})
		l.Read(s, h+hour)
		apply(t, l, s, ev(1<<40, h, float8(1), integer(1)))
		l.Advance(s, h+5*minute)
		if _, err := l.Decode(l.Encode(nil, s)); err != nil {
			t.Fatalf("after %x: %v", b, err)
		}
	})
}
