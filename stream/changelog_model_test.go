package stream

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/quality"
	"github.com/fqgw/fqgw/stream/window"
)

// database is a table of the model that a connector tells of: with every row before or
// without any, with whole snapshots or with records that are refused; it sends again what it
// sent, loses changes, and tells rows that it has told.
type database struct {
	r         *rand.Rand
	rows      map[string]string
	lsn       int64
	stamp     int64
	sent      []sent
	partial   bool // rows before changes are not told
	refuses   bool // and snapshots have no end
	truncates bool
	loses     bool // changes
	// What windows cannot follow, until a snapshot.
	lost, refused, moved bool
}

type sent struct{ key, value string }

func newDatabase(r *rand.Rand) *database {
	return &database{r: r, rows: map[string]string{}, partial: r.IntN(4) == 0, refuses: r.IntN(3) == 0, truncates: r.IntN(2) == 0, loses: r.IntN(3) == 0}
}

func (d *database) row(k string, now int64, v string) string {
	at := now - d.r.Int64N(5*sec)
	switch d.r.IntN(12) {
	case 0:
		at -= d.r.Int64N(7200 * sec)
	case 1:
		at = now + d.r.Int64N(200*sec)
	}
	return fmt.Sprintf(`{"ts":%d,"k":%q,%q:%d,"n":%d}`, at, k, v, d.r.IntN(50), 14+d.r.IntN(26)) // the gate's condition raises on 13
}

func (d *database) tell(k, format string, args ...any) {
	d.sent = append(d.sent, sent{k, fmt.Sprintf(format, args...)})
}

// step changes something and tells of it.
func (d *database) step(now int64) {
	d.lsn += 1 + d.r.Int64N(5)
	k := fmt.Sprintf("k%d", d.r.IntN(12))
	was, there := d.rows[k]
	switch {
	case d.r.IntN(60) == 0: // a connector was killed
		from := max(0, len(d.sent)-1-d.r.IntN(40))
		d.sent = append(d.sent, d.sent[from:]...)
	case d.truncates && d.r.IntN(60) == 0:
		clear(d.rows)
		d.tell("", "!@%d ", d.lsn)
	case d.loses && d.r.IntN(200) == 0: // it is lost
		if d.rows[k] = d.row(k, now, "v"); there {
			delete(d.rows, k)
		}
		d.lost = true
	case d.r.IntN(100) == 0: // the table is read again
		if d.loses && d.r.IntN(2) == 0 { // after a while when nobody watched
			for range d.r.IntN(5) {
				if k := fmt.Sprintf("k%d", d.r.IntN(12)); d.rows[k] != "" && d.r.IntN(2) == 0 {
					delete(d.rows, k)
				} else {
					d.rows[k] = d.row(k, now, "v")
				}
				d.lost = true
			}
		}
		n := 0
		for k, row := range d.rows {
			end := ""
			if n++; n == len(d.rows) && !d.refuses {
				end = "."
			}
			d.tell(k, "*@%d%s %s", d.lsn, end, row)
		}
	case d.r.IntN(100) == 0 && there:
		d.tell(k, "*@%d+ %s", d.lsn, was)
	case d.refuses && d.r.IntN(150) == 0:
		d.tell(k, "@%d %s", d.lsn, fmt.Sprintf(`{"ts":%d,"k":%q,"v":1,"n":-1}`, now, k))
		d.refused = true
	case !there:
		d.rows[k] = d.row(k, now, "v")
		d.tell(k, "@%d %s", d.lsn, d.rows[k])
	case d.r.IntN(5) == 0:
		if delete(d.rows, k); d.partial {
			d.tell(k, `~@%d {"k":%q}`, d.lsn, k)
		} else {
			d.tell(k, "-@%d %s", d.lsn, was)
		}
	case d.partial && d.r.IntN(3) == 0: // a value that is as it was, of which only the log knows
		told := d.row(k, now, "?v")
		d.rows[k] = strings.Replace(told, value.FindString(told), `"v"`+strings.TrimPrefix(value.FindString(was), `"v"`), 1)
		d.tell(k, "^@%d %s", d.lsn, told)
	case d.partial:
		d.rows[k] = d.row(k, now, "v")
		d.tell(k, "^@%d %s", d.lsn, d.rows[k])
	default:
		d.rows[k] = d.row(k, now, "v")
		d.tell(k, "<@%d %s\n>@%[1]d %[3]s", d.lsn, was, d.rows[k])
	}
}

// records are those of some changes.
func (d *database) records(n int, now int64, partitions int) (out []fqgw.LogRecord) {
	from := len(d.sent)
	for range n {
		d.step(now)
	}
	for _, s := range d.sent[from:] {
		d.stamp = max(d.stamp, fqgw.Floor(now-d.r.Int64N(2*sec), 1000))
		h := fnv.New32a()
		_, _ = h.Write([]byte(s.key))
		p := int32(h.Sum32() % uint32(partitions))
		if s.key == "" {
			p = d.r.Int32N(int32(partitions))
		}
		out = append(out, fqgw.LogRecord{Timestamp: d.stamp, Partition: p, Value: []byte(s.value)})
	}
	return out
}

var value = regexp.MustCompile(`"\??v":\d+`)

// told is what a record says that a row is.
type told struct {
	at      place
	row     []fqgw.Value // nil: gone
	missing []int
}

// naiveTable is the law without a pipeline: of each primary key the version that is last in
// the log of the database, by what was known at k.
func (m *model) naiveTable(k int64) map[string][]fqgw.Value {
	d, err := m.decoder(m.src)
	if err != nil {
		m.t.Fatal(err)
	}
	gate := quality.New(m.src)
	versions := map[string][]told{}
	var gone []place // of all rows
	type end struct{ epoch, partition int }
	ends, streamed := map[place]end{}, map[end]place{}
	log := m.w.log
	logs := append(slices.Clone(log.past), log.parts)
	for epoch, parts := range logs {
		for p, recs := range parts {
			for _, r := range recs {
				if r.Timestamp > k {
					break
				}
				changes, err := d.Decode(&r, nil)
				for i := range changes {
					changes[i].Missing = slices.Clone(changes[i].Missing)
					missing := changes[i].Missing
					changes[i].Missing = nil
					if err == nil {
						err = gate.Judge(&changes[i], r.Timestamp)
					}
					changes[i].Missing = missing
				}
				if err != nil {
					continue
				}
				for _, ev := range changes {
					at := place{int32(epoch), ev.Source, ev.Op == fqgw.SnapshotRow}
					if !at.snapshot {
						if was := streamed[end{epoch, p}]; was.compare(at) < 0 {
							streamed[end{epoch, p}] = at
						}
					}
					if ev.Part == fqgw.SnapshotLast {
						ends[at] = end{epoch, p}
					}
					switch row := ev.Row; {
					case ev.Op == fqgw.Truncate:
						gone = append(gone, at)
					case ev.Op == fqgw.UpdateBefore:
					case ev.Op.Retracts():
						versions[row[1].Str()] = append(versions[row[1].Str()], told{at, nil, nil})
					default:
						versions[row[1].Str()] = append(versions[row[1].Str()], told{at, row, ev.Missing})
					}
				}
			}
		}
	}
	for at, by := range ends { // snapshots that are complete
		complete := true
		for p := range logs[by.epoch] {
			complete = complete && (p == by.partition || streamed[end{by.epoch, p}].compare(at) > 0)
		}
		if complete {
			gone = append(gone, at)
		}
	}
	table := map[string][]fqgw.Value{}
	for key, list := range versions {
		for _, at := range gone {
			list = append(list, told{at, nil, nil})
		}
		slices.SortStableFunc(list, func(a, b told) int {
			return cmp.Or(
				cmp.Compare(a.at.epoch, b.at.epoch),
				a.at.pos.Compare(b.at.pos),
				-cmp.Compare(bit(a.at.snapshot), bit(b.at.snapshot)),
				cmp.Compare(bit(a.row != nil), bit(b.row != nil)),
			)
		})
		var row []fqgw.Value
		for i, v := range list {
			if i > 0 && v.at == list[i-1].at && list[i-1].row != nil { // again
				continue
			}
			now := slices.Clone(v.row)
			for _, c := range v.missing {
				if row == nil {
					now = nil
					break
				}
				now[c] = row[c]
			}
			if len(v.missing) == 0 || now != nil {
				row = now
			}
		}
		if row != nil {
			table[key] = row
		}
	}
	return table
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// answers are the rows of a view at t, by its states.
func answers(l *window.Layout, states map[fqgw.EntityKey]*window.State, t int64) map[fqgw.EntityKey]string {
	out := map[fqgw.EntityKey]string{}
	for k, s := range states {
		if r := l.Read(s, t); r.Exists {
			out[k] = fmt.Sprint(r.Slots, r.Errors)
		}
	}
	return out
}

// fold is the states that events give, in any order.
func (m *model) fold(l *window.Layout, events []fqgw.Event, h int64) map[fqgw.EntityKey]*window.State {
	out := map[fqgw.EntityKey]*window.State{}
	for i := range events {
		in, keep, _ := l.Input(&events[i])
		k, ok := l.Key(events[i].Row)
		if !keep || !ok {
			continue
		}
		if out[k] == nil {
			out[k] = l.New()
			l.Advance(out[k], h)
		}
		l.Load(out[k], &in)
	}
	return out
}

// rowsOf are the events of rows that nothing happened to.
func rowsOf(table map[string][]fqgw.Value) (out []fqgw.Event) {
	for k, row := range table {
		out = append(out, fqgw.Event{Time: row[0].Int(), Known: math.MinInt64 + 1, Pos: fqgw.Position{Offset: int64(len(k))}, Row: row})
	}
	return out
}

// checkTable compares what views say now, and what the history says at some times, with the
// table that the records denote.
func (m *model) checkTable() {
	t, h := m.t, m.w.clock.Now()
	events := m.historyEvents()
	whole, table := m.follows(h), m.naiveTable(h)
	if !whole && !m.db.lost && !m.db.refused && !m.db.partial && !m.db.moved && (!m.db.truncates || len(m.w.log.parts) == 1 && len(m.w.log.past) == 0) {
		t.Errorf("windows are not read: %v", m.p.Follows(m.views[1], h))
	}
	if whole {
		m.exact++
	}
	m.w.online.mu.Lock()
	defer m.w.online.mu.Unlock()
	for _, v := range m.views[:m.added] {
		l, err := window.NewLayout(v)
		if err != nil {
			t.Fatal(err)
		}
		if !v.Latest && !whole {
			continue
		}
		states := map[fqgw.EntityKey]*window.State{}
		for u, packed := range m.w.online.states {
			for k, b := range packed {
				if u.State != v.State {
					continue
				}
				if b, err = m.w.whole(l, k, b); err == nil {
					states[k], err = l.Decode(b)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		want := answers(l, m.fold(l, rowsOf(table), h), h)
		if got := answers(l, states, h); !reflect.DeepEqual(got, want) {
			t.Errorf("%s online:\n got %v\nwant %v", v.Name, got, want)
		}
		if got := answers(l, m.fold(l, events, h), h); !reflect.DeepEqual(got, want) {
			t.Errorf("%s of the history:\n got %v\nwant %v", v.Name, got, want)
		}
	}
	for range 3 {
		// Of what one partition had overtaken when another brought it, or that another
		// partition's record ended, the history knows the end.
		apart := m.db.moved || !m.db.refuses || m.db.truncates
		if k := t0 + m.r.Int64N(max(h-t0, 1)); len(m.w.log.past) == 0 && (len(m.w.log.parts) == 1 || !apart) {
			m.checkAsOf(events, k)
		}
	}
}

// checkAsOf compares what was known at a time.
func (m *model) checkAsOf(events []fqgw.Event, k int64) {
	known := slices.DeleteFunc(slices.Clone(events), func(ev fqgw.Event) bool { return ev.Known > k })
	table := m.naiveTable(k)
	for _, v := range m.views {
		if !v.Latest && !m.follows(k) {
			continue
		}
		l, err := window.NewLayout(v)
		if err != nil {
			m.t.Fatal(err)
		}
		want := answers(l, m.fold(l, rowsOf(table), k), k)
		if got := answers(l, m.fold(l, known, k), k); !reflect.DeepEqual(got, want) {
			m.t.Errorf("%s AS OF %d:\n got %v\nwant %v", v.Name, k, got, want)
		}
	}
}

func (m *model) follows(k int64) bool { return m.p.Follows(m.views[1], k) == nil }

// historyEvents are the changes of the history; no position may come twice, and known times
// may not go back in a partition.
func (m *model) historyEvents() (out []fqgw.Event) {
	m.w.history.mu.Lock()
	defer m.w.history.mu.Unlock()
	s := &source{}
	s.define(m.src)
	for _, row := range m.w.history.rows {
		ev, ok, err := s.eventOf(unplaced(m.src, row))
		if err != nil || !ok {
			m.t.Fatal(ok, err)
		}
		out = append(out, ev)
	}
	slices.SortFunc(out, func(a, b fqgw.Event) int { return a.Pos.Compare(b.Pos) })
	for i := 1; i < len(out); i++ {
		a, b := &out[i-1], &out[i]
		if a.Pos == b.Pos || a.Pos.Partition == b.Pos.Partition && a.Pos.Epoch == b.Pos.Epoch && a.Known > b.Known {
			m.t.Errorf("%v known at %d, then %v at %d", a.Pos, a.Known, b.Pos, b.Known)
		}
		if (b.Op == fqgw.Upsert || b.Op == fqgw.DeleteKey && m.db.partial) && m.follows(b.Known) {
			m.t.Errorf("a change %s known at %d goes unnoticed", b.Op, b.Known)
		}
	}
	return out
}

// produceChanges has the table changed, and told of.
func (m *model) produceChanges(n int) {
	recs := m.db.records(n, m.w.clock.Now(), len(m.w.log.parts))
	if err := m.w.log.Produce(context.Background(), "t", recs); err != nil {
		m.t.Fatal(err)
	}
}
