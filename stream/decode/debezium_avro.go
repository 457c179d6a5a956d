package decode

import (
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

// debeziumAvro reads what Debezium writes as Avro: envelopes, or the rows that
// ExtractNewRecordState makes of them (flat), each in Confluent's frame and by its
// writer's schema, which says how values are written. Paths are as in debeziumJSON.
type debeziumAvro struct {
	rows
	avroRun
	changelog
	flat   bool
	n      int
	meta   []int // columns that are the envelope's
	values avroWriters
	keys   avroWriters
	all    []fqgw.Value // rows before and after, the envelope's columns, and those behind them
}

// What is read of an envelope besides the columns before, after, and its own.
const (
	readBefore = iota
	readAfter
	readOp
	readDeleted
	readMicros
	readMillis
	readNanos
	readsBehind
)

func newDebeziumAvro(s *fqgw.Source, m Maker) (Decoder, error) {
	columns, _, err := compile(s)
	if err != nil {
		return nil, err
	}
	n := len(columns)
	d := &debeziumAvro{rows: rows{width: n}, avroRun: newAvroRun(3*n + readsBehind), flat: s.Options["unwrapped"] == "true", n: n,
		all: make([]fqgw.Value, 3*n+readsBehind)}
	d.fillers = true
	own := make([][][]string, n)
	paths := make([][][]string, 3*n+readsBehind)
	for i := range s.Columns {
		own[i] = avroPaths(&s.Columns[i])
		switch first := own[i][0]; {
		case d.flat:
			paths[n+i] = own[i]
		case len(first) > 1 && (first[0] == "source" || first[0] == "transaction"):
			d.meta = append(d.meta, i)
			paths[2*n+i] = own[i]
		default:
			for _, path := range own[i] {
				paths[i] = append(paths[i], append([]string{"before"}, path...))
				paths[n+i] = append(paths[n+i], append([]string{"after"}, path...))
			}
		}
	}
	for at, path := range map[int][]string{readBefore: {"before"}, readAfter: {"after"}, readOp: {"op"}, readMicros: {"source", "ts_us"},
		readMillis: {"source", "ts_ms"}, readNanos: {"source", "ts_ns"}} {
		if !d.flat {
			paths[3*n+at] = [][]string{path}
		}
	}
	if d.flat {
		for at, name := range map[int]string{readOp: "__op", readDeleted: "__deleted", readMicros: "__source_ts_us", readMillis: "__source_ts_ms", readNanos: "__source_ts_ns"} {
			paths[3*n+at] = [][]string{{name}}
		}
	}
	long, word := column{typ: fqgw.Int8}, column{typ: fqgw.Text}
	for i := range columns {
		c := &columns[i]
		if c.coded = base64Of; s.Options["binary_handling"] == "hex" {
			c.coded = hexOf
		}
		if c.elem != nil {
			c.elem.coded = c.coded
		}
	}
	ofEnvelope := slices.Clone(columns)
	for _, i := range d.meta { // whose times are numbers of the unit that their names say
		switch name := own[i][0][len(own[i][0])-1]; {
		case strings.HasSuffix(name, "_us"), strings.HasSuffix(name, "_usec"):
			ofEnvelope[i].unit = 1
		case strings.HasSuffix(name, "_ns"):
			ofEnvelope[i].unit = -1000
		default:
			ofEnvelope[i].unit = 1000
		}
	}
	wide := slices.Concat(columns, columns, ofEnvelope, []column{{}, {}, word, word, long, long, long})
	d.values = newAvroWriters(m, func(w *avroWriter) { d.plan(w, paths, wide) })
	d.keys = newAvroWriters(m, func(w *avroWriter) { w.plan = newAvroPlan(w.typ, own, columns) })
	d.changelog = newChangelog(s, func(i int) bool { return !slices.Contains(d.meta, i) })
	return d, nil
}

// plan is how records of a schema are read. Heartbeats and the begin and end of
// transactions have schemas of their own, and tell of no row.
func (d *debeziumAvro) plan(w *avroWriter, paths [][][]string, wide []column) {
	w.plan = newAvroPlan(w.typ, paths, wide)
	if d.flat || w.typ.Field("op") >= 0 {
		return
	}
	heartbeat := len(w.typ.Fields) == 1 && w.typ.Field("ts_ms") == 0
	transaction := w.typ.Field("status") >= 0 && w.typ.Field("id") >= 0 && w.typ.Field("event_count") >= 0
	if w.aside = heartbeat || transaction; !w.aside {
		w.bad = errNoChange()
	}
}

// Decode implements Decoder.
func (d *debeziumAvro) Decode(r *fqgw.LogRecord, changes []fqgw.Event) ([]fqgw.Event, error) {
	e := envelope{committed: r.Timestamp}
	if len(r.Value) == 0 {
		if !d.flat || len(r.Key) == 0 {
			return changes, nil // a tombstone: the delete came before it
		}
		e.op = 'd'
		return d.keyed(r, &e, changes)
	}
	clear(d.all)
	w, err := d.read(&d.values, r.Value, d.all)
	if err != nil || w.aside {
		return changes, err
	}
	e.committed = d.committed(r)
	op := d.said(readOp).Str()
	if d.flat {
		return d.flatRow(r, &e, op, changes)
	}
	if len(op) != 1 {
		return changes, fqgw.Errorf(fqgw.CodeInvalidText, "the record has the operation %s, which Debezium does not have", quote(op))
	}
	e.op = op[0]
	if ok, err := tells(e.op); !ok {
		return changes, err
	}
	if d.said(readBefore).True() && (e.op == 'u' || e.op == 'd') {
		e.before = d.image(0, len(r.Value))
	}
	if d.said(readAfter).True() && e.op != 'd' {
		e.after = d.image(d.n, len(r.Value))
	}
	return d.keyed(r, &e, changes)
}

// flatRow is a record that is the row itself.
func (d *debeziumAvro) flatRow(r *fqgw.LogRecord, e *envelope, op string, changes []fqgw.Event) ([]fqgw.Event, error) {
	at := d.image(d.n, len(r.Value))
	switch {
	case d.said(readDeleted).Str() == "true", op == "d":
		if e.op = 'd'; at.keyErr == nil && d.hasKey(at.row) {
			return append(changes, d.deleteKey(at.row, e.committed)), nil
		}
	case op == "c", op == "r":
		e.op, e.after = op[0], at
	default: // of which nothing says whether it is new
		e.op, e.after = 'u', at
	}
	return d.keyed(r, e, changes)
}

// keyed are the changes of an envelope, with the record's key where that is needed.
func (d *debeziumAvro) keyed(r *fqgw.LogRecord, e *envelope, changes []fqgw.Event) ([]fqgw.Event, error) {
	if d.lacksKey(e) && len(r.Key) > 0 {
		clear(d.all)
		_, err := d.read(&d.keys, r.Key, d.all[:d.n])
		if away(err) {
			return changes, err
		}
		if err == nil {
			if at := d.image(0, len(r.Key)); at.keyErr != nil || d.hasKey(at.row) {
				e.key = at
			}
		}
	}
	return d.changelog.changes(e, changes)
}

func (d *debeziumAvro) said(at int) fqgw.Value { return d.all[3*d.n+at] }

// committed is when the source committed the change; the record's own time where it does
// not say so.
func (d *debeziumAvro) committed(r *fqgw.LogRecord) int64 {
	for _, c := range []struct {
		at        int
		perSecond int64
	}{{readMicros, 1e6}, {readMillis, 1e3}, {readNanos, 1e9}} {
		if v := d.said(c.at); !v.IsNull() {
			if t, ok := ticks(v.Int(), c.perSecond); ok && t != fqgw.InfinityTime && t != fqgw.NegInfinityTime {
				return t
			}
		}
	}
	return r.Timestamp
}

// image is the row whose columns were read from there on.
func (d *debeziumAvro) image(from, bytes int) image {
	at := image{row: d.next(bytes)}
	for i := range d.n {
		place := from + i
		if slices.Contains(d.meta, i) {
			place = 2*d.n + i
		}
		at.row[i] = d.all[place]
		switch {
		case d.lacks[place]:
			at.missing = append(at.missing, i)
		case d.errs[place] != nil:
			if at.err == nil {
				at.err = d.errs[place]
			}
			if at.keyErr == nil && slices.Contains(d.key, i) {
				at.keyErr = d.errs[place]
			}
		}
	}
	return at
}
