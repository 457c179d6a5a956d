package stream

import (
	"bytes"
	"fmt"
	"hash/maphash"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
)

// testChangelog is testSource with the primary key k.
func testChangelog() *fqgw.Source {
	s := testSource()
	s.PrimaryKey, s.Columns[1].NotNull = []int{1}, true
	return s
}

// changelogViews are views of its rows.
func changelogViews(s *fqgw.Source) []*fqgw.FeatureView {
	v, n := column(2, fqgw.Float8), column(3, fqgw.Int8)
	key := []fqgw.KeyColumn{{Name: "k", Column: 1, Type: fqgw.Text}}
	return []*fqgw.FeatureView{
		{Name: "rows", State: 1, Source: s, Keys: key, Latest: true, Row: []fqgw.Expr{v, n}},
		{Name: "windows", State: 3, Source: s, Keys: []fqgw.KeyColumn{{Name: "n", Column: 3, Type: fqgw.Int8}}, Where: above(n, 5),
			Windows: []fqgw.Window{{Name: "w", Length: 600 * sec, Hop: 10 * sec}, {Name: "l"}}, Aggregates: []fqgw.Aggregate{
				{Func: "count", Star: true, Type: fqgw.Int8}, {Func: "sum", Args: []fqgw.Expr{v}, Type: fqgw.Float8, Filter: above(n, 20)},
				{Func: "avg", Args: []fqgw.Expr{v}, Window: 1, Type: fqgw.Float8}}},
		{Name: "some rows", State: 2, Source: s, Keys: key, Latest: true, Where: above(n, 20), Row: []fqgw.Expr{op(n, "+", n), n, v}},
	}
}

// changelogEverywhere is windows over all entities of the table.
func changelogEverywhere(s *fqgw.Source) *fqgw.FeatureView {
	return &fqgw.FeatureView{Name: "all", State: 4, Source: s, Windows: []fqgw.Window{{Name: "w", Length: 600 * sec, Hop: 10 * sec}}, Aggregates: []fqgw.Aggregate{
		{Func: "count", Star: true, Type: fqgw.Int8}, {Func: "sum", Args: []fqgw.Expr{column(2, fqgw.Float8)}, Type: fqgw.Float8, Filter: above(column(3, fqgw.Int8), 20)}}}
}

// changed makes changes of the rows of a record.
func changed(r *rand.Rand, value []byte) []byte {
	var out [][]byte
	for _, line := range bytes.Split(value, []byte("\n")) {
		switch i := r.IntN(8); {
		case len(line) == 0 || line[0] != '{' || i > 6:
			out = append(out, line)
		case i == 0: // an update
			out = append(out, append([]byte("<"), line...), append([]byte(">"), line...))
		case i == 6: // gone, and its row does not tell when it was
			out = append(out, slices.Concat([]byte("~"), bytes.Replace(line, []byte(`"ts":`), []byte(`"other":`), 1)))
		default:
			out = append(out, append([]byte{"<>-^~*"[i]}, line...))
		}
	}
	return bytes.Join(out, []byte("\n"))
}

// TestKnownTimesOfChangelog: they do not go back in a partition, from whatever position
// it is read again, and whatever the log still has (SEMANTICS §8).
func TestKnownTimesOfChangelog(t *testing.T) {
	w := newWorld(1, 4, fqgw.SetClock(t0, 0))
	src := testChangelog()
	views := changelogViews(src)
	p := begin(t, w, src, views, func(o *Options) { o.Decoder = newLines })
	at := func(back int64, value string) fqgw.LogRecord {
		return fqgw.LogRecord{Timestamp: t0 - back*sec, Value: []byte(value)}
	}
	w.produce(t, at(10, `{"ts":5,"k":"a","v":1,"n":30}`), at(3000, `-{"ts":5,"k":"a","v":1,"n":30}`), at(5, `{"ts":5,"k":"b","v":1,"n":-1}`),
		at(7000, `<{"ts":5,"k":"c","v":1,"n":30}`+"\n"+`>{"ts":6,"k":"c","v":2,"n":31}`))
	p.sync(t)
	known := func() (out []int64) {
		w.history.mu.Lock()
		defer w.history.mu.Unlock()
		for _, row := range w.history.rows {
			out = append(out, (t0-row[len(src.Columns)+fqgw.HiddenKnownAt].Int())/sec)
		}
		return out
	}
	if got, want := known(), []int64{10, 10, 10, 10}; !slices.Equal(got, want) {
		t.Errorf("known %v s before, want %v: a refused record does not count", got, want)
	}
	p.kill()
	p = begin(t, w, src, views, func(o *Options) { o.Decoder = newLines })
	w.produce(t, at(90*24*3600, `{"ts":5,"k":"a","v":1,"n":30}`))
	p.sync(t)
	if got, want := known(), []int64{10, 10, 10, 10, 10}; !slices.Equal(got, want) {
		t.Errorf("after a start: known %v s before, want %v", got, want)
	}
	if !w.exists(t, views[0], "a") || w.exists(t, views[0], "b") || !w.exists(t, views[0], "c") {
		t.Error("a and c are to be there, b was refused")
	}
}

// exists says whether the online store shows a row.
func (w *world) exists(t *testing.T, v *fqgw.FeatureView, k string) bool {
	t.Helper()
	return w.readNow(t, v, k).Exists
}

// TestDeletesFillAView: a view that is made later shows what one did that was there all
// the time, and a delete that comes before its insert in the history hides it.
func TestDeletesFillAView(t *testing.T) {
	w := newWorld(1, 4, fqgw.SetClock(t0, 0))
	src := testChangelog()
	views := changelogViews(src)
	p := begin(t, w, src, views[:1], func(o *Options) { o.Decoder, o.LandEvery = newLines, time.Millisecond })
	rec := func(value string) fqgw.LogRecord { return fqgw.LogRecord{Timestamp: t0, Value: []byte(value)} }
	w.produce(t, rec(`{"ts":5,"k":"a","v":1,"n":30}`), rec(`{"ts":5,"k":"b","v":1,"n":30}`), rec(`~{"k":"a"}`), rec(`^{"ts":7,"k":"b","v":1,"n":31}`))
	p.sync(t)
	w.history.mu.Lock()
	slices.Reverse(w.history.rows)
	w.history.mu.Unlock()
	if err := p.AddView(t.Context(), views[2], nil); err != nil {
		t.Fatal(err)
	}
	for _, v := range []*fqgw.FeatureView{views[0], views[2]} {
		if w.exists(t, v, "a") || !w.exists(t, v, "b") {
			t.Errorf("%s: a is to be gone, b to be there", v.Name)
		}
	}
	w.produce(t, rec(`{"ts":5,"k":"a","v":1,"n":32}`), rec(`>{"ts":5,"k":"b","v":1,"n":3}`))
	p.sync(t)
	if !w.exists(t, views[2], "a") || w.exists(t, views[2], "b") || !w.exists(t, views[0], "b") {
		t.Error("a is to be there again; b is not in WHERE any more, and a row all the same")
	}
}

// TestLapse: from the first change on that does not tell which row went, windows are not
// read; a process that starts knows it, and what a replay brings again is no news.
func TestLapse(t *testing.T) {
	row := func(k string, n int) string { return fmt.Sprintf(`{"ts":%d,"k":%q,"v":1,"n":%d}`, t0, k, n) }
	for _, c := range []struct {
		name string
		recs []string // each known a second after the one before
		at   int64    // when it lapses, -1: never
		why  string
	}{
		{"whole changes", []string{"*" + row("a", 30), "*" + row("b", 30), "<" + row("a", 30) + "\n>" + row("a", 31), "-" + row("b", 30), row("b", 30)}, -1, ""},
		{"a beginning in the midst", []string{"<" + row("a", 30) + "\n>" + row("a", 31), row("b", 30)}, 0, "is the first change of its partition and takes a row away"},
		{"an upsert", []string{row("a", 30), "^" + row("a", 31), "~" + row("a", 31)}, 1, "offset 1 of partition 0 does not have the row before its change (upsert)"},
		{"a delete by key", []string{row("a", 30), row("b", 30), `~{"k":"a"}`}, 2, "delete_key"},
		{"a record that is refused", []string{row("a", 30), row("a", -1)}, 1, "was refused"},
		{"one that cannot be read", []string{row("a", 30), "what"}, 1, "was refused"},
		{"another snapshot", []string{"*" + row("a", 30), row("b", 30), "*" + row("c", 30)}, 2, "is of a snapshot, behind changes"},
		{"an insert that is sent again", []string{row("a", 30), row("b", 30), row("a", 30)}, 2, "sent again"},
		{"an update that is sent again", []string{row("a", 30), "<" + row("a", 30) + "\n>" + row("a", 31), "<" + row("a", 30) + "\n>" + row("a", 31)}, 2, "sent again"},
		{"a delete that is sent again", []string{row("a", 30), "-" + row("a", 30), "-" + row("a", 30)}, 2, "sent again"},
		{"a change that never came", []string{row("a", 30), "<" + row("a", 32) + "\n>" + row("a", 33)}, 1, "is missing"},
		{"a row that comes and goes", []string{row("a", 30), "-" + row("a", 30), row("a", 30), "-" + row("a", 30), row("a", 31)}, -1, ""},
		{"a snapshot that began anew", []string{"*" + row("a", 30), "*" + row("b", 30), "*" + row("a", 30)}, 2, "a snapshot had before"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, restarts := range []bool{false, true} {
				w := newWorld(1, 4, fqgw.SetClock(t0+100*sec, 0))
				src := testChangelog()
				views := changelogViews(src)
				boot := func() *process { return begin(t, w, src, views, func(o *Options) { o.Decoder = newLines }) }
				p := boot()
				for i, rec := range c.recs {
					w.produce(t, fqgw.LogRecord{Timestamp: t0 + int64(i)*sec, Value: []byte(rec)})
					p.sync(t)
					if restarts {
						p.kill()
						w.online.lose() // all is read again
						p = boot()
						p.sync(t)
					}
				}
				for _, v := range views {
					for k := range int64(len(c.recs)) {
						err := p.Follows(v, t0+k*sec)
						if lapsed := v.Name == "windows" && c.at >= 0 && k >= c.at; lapsed != (err != nil) {
							t.Errorf("%s known at %d: %v", v.Name, k, err)
						} else if lapsed && (fqgw.AsError(err).Code != fqgw.CodeNotInState || !strings.Contains(err.Error(), c.why)) {
							t.Errorf("%s says %v", v.Name, err)
						}
					}
				}
			}
		})
	}
}

// TestLapseText: a lapse is kept by the registry, version 1.
func TestLapseText(t *testing.T) {
	const golden = "1 1700000000000000 the record at offset 1 of partition 0 was refused: no"
	if l := parseLapse(golden); l == nil || l.known != t0 || l.why != "the record at offset 1 of partition 0 was refused: no" || l.text() != golden {
		t.Errorf("%+v", l)
	}
	if l := parseLapse("2 what"); l == nil || l.known != math.MinInt64 || parseLapse("") != nil {
		t.Errorf("%+v", l)
	}
}

// TestFollowerLooksOnce: a record that is read again is no news.
func TestFollowerLooksOnce(t *testing.T) {
	f := &follower{src: testChangelog(), checked: make([]int64, 1), begun: make([]bool, 1), some: make([]bool, 1), rows: map[uint64]struct{}{}, chain: newChain(maphash.MakeSeed()), key: make([]fqgw.Value, 1)}
	rec := fqgw.LogRecord{Offset: 3}
	changes := []fqgw.Event{{Row: []fqgw.Value{fqgw.TimestampValue(t0), fqgw.TextValue("a"), fqgw.FloatValue(1), fqgw.IntValue(30)}}}
	for range 2 {
		if l := f.look(&rec, changes, t0, nil); l != nil {
			t.Error(l.why)
		}
	}
	if rec.Offset++; f.look(&rec, changes, t0, nil) == nil {
		t.Error("it came again in another record")
	}
	// A row that changed so many changes ago is not remembered, one that changed since is.
	key := func(k int64) []fqgw.Value { return []fqgw.Value{fqgw.IntValue(k)} }
	for k := range int64(chained) {
		f.chain.follow(key(k), &changes[0])
	}
	f.chain.follow(key(1), &fqgw.Event{Op: fqgw.Delete, Row: changes[0].Row})
	f.chain.follow(key(chained), &changes[0])
	if n := len(f.chain.last); n != chained || !f.chain.follow(key(1), &changes[0]) || f.chain.follow(key(1), &changes[0]) || !f.chain.follow(key(0), &changes[0]) {
		t.Errorf("%d rows are remembered", n)
	}
}
