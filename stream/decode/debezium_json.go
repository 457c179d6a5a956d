package decode

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
)

// debeziumJSON reads what Debezium writes as JSON: envelopes, with the schema of each
// record or without, or the rows that ExtractNewRecordState makes of them (flat). It
// reads the columns of the source and no more; a column that a row does not have is NULL.
// A path that begins with "source." or "transaction." is one of the envelope.
type debeziumJSON struct {
	jsonDecoder
	changelog
	flat   bool
	paths  [][]string // of the columns
	meta   []int      // columns that are the envelope's
	record wanted
	keyed  wanted
	plain  []form // without a schema
	mysql  []form // the same for records of MySQL
	values plan   // of records with a schema
	keys   plan
	inner  []byte // a document that was in a text
	handling
}

// wanted is what is read of a record, or of its key, as it is and in the wrapper that has
// its schema: {"schema": …, "payload": …}.
type wanted struct {
	plain, wrapped             []field
	plainShapes, wrappedShapes *shapes // nil: they are not remembered
}

// The places in the record of what is no column, behind those of the row before, of the
// row after, and of the columns that are the envelope's.
const (
	placeSchema = iota
	placePayload
	placeBefore
	placeAfter
	placeOp
	placeMicros
	placeMillis
	placeNanos
	placeConnector
	placeDeleted
	placeHeartbeat
	placeStatus
	placeID
	placesBehind
)

func newDebeziumJSON(s *fqgw.Source) (Decoder, error) {
	columns, _, err := compile(s)
	if err != nil {
		return nil, err
	}
	n := len(columns)
	d := &debeziumJSON{
		jsonDecoder: jsonDecoder{rows: rows{width: n}, columns: columns, places: make([]span, 3*n+placesBehind)},
		flat:        s.Options["unwrapped"] == "true",
		handling:    handling{unit: s.TimeUnit, decimals: s.Options["decimal_handling"], bytes: s.Options["binary_handling"]},
	}
	record, key := d.tree(s)
	wrap := func(f field) wanted {
		return wanted{plain: f.inner, wrapped: []field{
			{name: "schema", columns: []int{3*n + placeSchema}},
			{name: "payload", columns: []int{3*n + placePayload}, inner: f.inner, below: f.below},
		}}
	}
	d.record, d.keyed = wrap(record), wrap(key)
	d.record.plainShapes, d.record.wrappedShapes = &shapes{}, &shapes{}
	d.changelog = newChangelog(s, func(i int) bool { return !slices.Contains(d.meta, i) })
	d.plain = d.forms(nil)
	d.mysql = d.forms(&d.handling.mysql)
	return d, nil
}

// forms are those of records without a schema, with a fact set while they are made.
func (d *debeziumJSON) forms(fact *bool) []form {
	if fact != nil {
		*fact = true
		defer func() { *fact = false }()
	}
	out := make([]form, len(d.columns))
	for i := range d.columns {
		out[i], _ = d.formAt(i, nil)
	}
	return out
}

// formAt is how the values of a column are written. What is the envelope's says its unit.
func (d *debeziumJSON) formAt(column int, t *connectType) (form, error) {
	f, err := d.form(&d.columns[column], t)
	if f.kind == formTicks && slices.Contains(d.meta, column) {
		last := d.paths[column][len(d.paths[column])-1]
		f.perSecond, f.guessed = 1e3, false
		for suffix, perSecond := range map[string]int64{"_us": 1e6, "_usec": 1e6, "_ns": 1e9} {
			if strings.HasSuffix(last, suffix) {
				f.perSecond = perSecond
			}
		}
	}
	return f, err
}

// tree is what is read of a record, and of its key.
func (d *debeziumJSON) tree(s *fqgw.Source) (record, key field) {
	n := len(s.Columns)
	for _, c := range s.Columns {
		path := []string{c.Name}
		if c.Field != "" {
			path = strings.Split(c.Field, ".")
		}
		d.paths = append(d.paths, path)
	}
	add := func(place int, path ...string) { record.add(path, 3*n+place) }
	for _, side := range []struct {
		name  string
		from  int
		place int
	}{{"before", 0, placeBefore}, {"after", n, placeAfter}} {
		var row field
		for i, path := range d.paths {
			if !d.ofEnvelope(path) {
				row.add(path, side.from+i)
			} else if side.from == 0 {
				d.meta = append(d.meta, i)
			}
		}
		if d.flat {
			if side.from > 0 {
				record = row
			}
			continue
		}
		row.name, row.columns = side.name, []int{3*n + side.place}
		record.inner = append(record.inner, row)
		record.below = append(append(record.below, row.below...), row.columns...)
	}
	if d.flat {
		add(placeDeleted, "__deleted")
		add(placeOp, "__op")
		add(placeMicros, "__source_ts_us")
		add(placeMillis, "__source_ts_ms")
		add(placeNanos, "__source_ts_ns")
	} else {
		for _, i := range d.meta {
			record.add(d.paths[i], 2*n+i)
		}
		add(placeMillis, "source", "ts_ms")
		add(placeConnector, "source", "connector")
		add(placeMicros, "source", "ts_us")
		add(placeNanos, "source", "ts_ns")
		add(placeOp, "op")
		add(placeHeartbeat, "ts_ms")
		add(placeStatus, "status")
		add(placeID, "id")
	}
	for _, i := range s.PrimaryKey {
		key.add(d.paths[i], i)
	}
	return record, key
}

func (d *debeziumJSON) ofEnvelope(path []string) bool {
	return !d.flat && len(path) > 1 && (path[0] == "source" || path[0] == "transaction")
}

// Decode implements Decoder.
func (d *debeziumJSON) Decode(r *fqgw.LogRecord, changes []fqgw.Event) ([]fqgw.Event, error) {
	if len(r.Value) == 0 {
		return d.tombstone(r, changes)
	}
	wrapped, err := d.locate(r.Value, &d.record)
	if err != nil {
		return changes, err
	}
	if wrapped && d.at(placePayload).kind == null {
		return d.tombstone(r, changes)
	}
	var e envelope
	if d.flat {
		return d.row(r, &e, changes)
	}
	switch op := d.at(placeOp); {
	case op.kind == plain && op.to-op.from == 1:
		e.op = r.Value[op.from]
	case op.kind != absent && op.kind != null:
		return changes, fqgw.Errorf(
			fqgw.CodeInvalidText,
			"the record has the operation %s, which Debezium does not have",
			quote(string(r.Value[op.from:op.to])),
		)
	case d.aside(r.Value):
		return changes, nil
	default:
		return changes, errNoChange()
	}
	if ok, err := tells(e.op); !ok {
		return changes, err
	}
	forms, err := d.formsOf(r.Value, wrapped)
	if err != nil {
		return changes, err
	}
	n := len(d.columns)
	if e.op == 'u' || e.op == 'd' {
		e.committed = d.committed(r)
	}
	if d.at(placeBefore).kind == object && (e.op == 'u' || e.op == 'd') {
		e.before = d.image(r.Value, d.places[:n], forms)
	}
	if d.at(placeAfter).kind == object && e.op != 'd' {
		e.after = d.image(r.Value, d.places[n:2*n], forms)
	}
	if d.lacksKey(&e) {
		e.key = d.keyOf(r)
	}
	return d.changes(&e, changes)
}

// tombstone is a record without a value: of flat records it is the delete of its key, and
// else the delete has come before it.
func (d *debeziumJSON) tombstone(r *fqgw.LogRecord, changes []fqgw.Event) ([]fqgw.Event, error) {
	if !d.flat || len(r.Key) == 0 {
		return changes, nil
	}
	return d.changes(&envelope{op: 'd', key: d.keyOf(r), committed: r.Timestamp}, changes)
}

// row is a record that is the row itself.
func (d *debeziumJSON) row(r *fqgw.LogRecord, e *envelope, changes []fqgw.Event) ([]fqgw.Event, error) {
	text := func(place int) string {
		if p := d.at(place); p.kind == plain || p.kind == boolean {
			return string(r.Value[p.from:p.to])
		}
		return ""
	}
	forms, err := d.formsOf(r.Value, d.wrapped())
	if err != nil {
		return changes, err
	}
	e.committed = d.committed(r)
	n := len(d.columns)
	at := d.image(r.Value, d.places[n:2*n], forms)
	switch op := text(placeOp); {
	case text(placeDeleted) == "true", op == "d":
		if e.op = 'd'; at.keyErr == nil && d.hasKey(at.row) {
			return append(changes, d.deleteKey(at.row, e.committed)), nil
		}
		e.key = d.keyOf(r)
	case op == "c", op == "r":
		e.op, e.after = op[0], at
	default: // of which nothing says whether it is new
		e.op, e.after = 'u', at
	}
	return d.changes(e, changes)
}

// locate finds the wanted fields of a record, or of its payload where it is wrapped
// with its schema.
func (d *debeziumJSON) locate(b []byte, of *wanted) (wrapped bool, err error) {
	if !utf8.Valid(b) {
		return false, fqgw.Errorf(fqgw.CodeNotInRepertoire, "record is not valid UTF-8")
	}
	clear(d.places)
	want, known := of.plain, of.plainShapes
	if name, ok := firstKey(b); ok && isWrapper(name) {
		if of.wrappedShapes.read(b, d.places) && d.wrapped() {
			return true, nil
		}
		if clear(d.places); wraps(b) {
			want, known = of.wrapped, of.wrappedShapes
		}
	}
	if known.read(b, d.places) {
		return d.wrapped(), nil
	}
	s := scanner{b: b}
	ok := s.fields(want, d.places, 0)
	if s.deep {
		return false, fqgw.Errorf(fqgw.CodeTooComplex, "record is nested more than %d levels deep", maxDepth)
	}
	if s.space(); !ok || s.i != len(b) {
		return false, fqgw.Errorf(fqgw.CodeInvalidText, "record is not a JSON object").WithDetail("Unexpected byte at offset %d.", s.i)
	}
	known.learn(b, want, 3*len(d.columns), 3*len(d.columns)+placeSchema)
	return d.wrapped(), nil
}

func (d *debeziumJSON) at(place int) span { return d.places[3*len(d.columns)+place] }

// wrapped says that the located record has its schema beside it.
func (d *debeziumJSON) wrapped() bool {
	return wrapperKind(d.at(placeSchema).kind) && wrapperKind(d.at(placePayload).kind)
}

func wrapperKind(kind byte) bool { return kind == object || kind == null }

func isWrapper(name string) bool { return name == "schema" || name == "payload" }

// firstKey is the name of an object's first member.
func firstKey(b []byte) (name string, ok bool) {
	s := scanner{b: b}
	if !s.take('{') || !s.take('"') {
		return "", false
	}
	key, ok := s.text()
	if !ok {
		return "", false
	}
	return text(b[key.from:key.to]), true
}

// wraps says that an object is a wrapper: it has a schema and a payload, each an object or
// null, and nothing else. Any other is a row, which may have columns of these names.
func wraps(b []byte) bool {
	var schema, payload byte
	s := scanner{b: b}
	for more := s.take('{'); more; more = s.take(',') {
		if !s.take('"') {
			return false
		}
		key, ok := s.text()
		if !ok || !s.take(':') {
			return false
		}
		v, ok := s.value(1)
		if !ok {
			return false
		}
		switch text(b[key.from:key.to]) {
		case "schema":
			schema = v.kind
		case "payload":
			payload = v.kind
		default:
			return false
		}
	}
	return wrapperKind(schema) && wrapperKind(payload)
}

// committed is when the source committed the change; the record's own time where it does
// not say so.
func (d *debeziumJSON) committed(r *fqgw.LogRecord) int64 {
	for _, c := range []struct {
		place     int
		perSecond int64
	}{{placeMicros, 1e6}, {placeMillis, 1e3}, {placeNanos, 1e9}} {
		if p := d.at(c.place); p.kind == number {
			if n, ok := integer(r.Value[p.from:p.to]); ok {
				if t, ok := ticks(n, c.perSecond); ok && t != fqgw.InfinityTime && t != fqgw.NegInfinityTime {
					return t
				}
			}
		}
	}
	return r.Timestamp
}

// aside says that the record is a heartbeat, or the begin or end of a transaction.
func (d *debeziumJSON) aside(b []byte) bool {
	if d.at(placeBefore).kind != absent || d.at(placeAfter).kind != absent {
		return false
	}
	if p := d.at(placeStatus); p.kind == plain && d.at(placeID).kind == plain {
		status := string(b[p.from:p.to])
		return status == "BEGIN" || status == "END"
	}
	p := d.at(placeHeartbeat)
	if p.kind != number || d.at(placeStatus).kind != absent || d.at(placeID).kind != absent {
		return false
	}
	from := bytes.LastIndexByte(b[:p.from], '{') // the object that has it has nothing else
	return from >= 0 && bytes.Count(b[from:p.from], []byte{'"'}) == 2 && bytes.HasPrefix(bytes.TrimLeft(b[p.to:], " \t\r\n"), []byte{'}'})
}

// plan is the forms that a schema gives, which records repeat.
type plan struct {
	schema []byte
	forms  []form
	err    error
}

// formsOf is how the values of the located record are written.
func (d *debeziumJSON) formsOf(b []byte, wrapped bool) ([]form, error) {
	if p := d.at(placeSchema); wrapped && p.kind == object {
		return d.planned(&d.values, b[p.from:p.to])
	}
	if p := d.at(placeConnector); p.kind == plain {
		if name := text(b[p.from:p.to]); name == "mysql" || name == "mariadb" {
			return d.mysql, nil
		}
	}
	return d.plain, nil
}

func (d *debeziumJSON) planned(p *plan, schema []byte) ([]form, error) {
	if bytes.Equal(p.schema, schema) {
		return p.forms, p.err
	}
	*p = plan{schema: bytes.Clone(schema), forms: make([]form, len(d.columns))}
	var root connectType
	if err := json.Unmarshal(p.schema, &root); err != nil {
		p.err = fqgw.Errorf(fqgw.CodeInvalidText, "the record's schema cannot be read: %w", err)
		return nil, p.err
	}
	of := &root
	if p == &d.values && !d.flat {
		if of = root.member("after"); of == nil {
			of = root.member("before")
		}
	}
	for i := range d.columns {
		var t *connectType
		if path := d.paths[i]; d.ofEnvelope(path) {
			t = root.member(path...)
		} else if of != nil {
			t = of.member(path...)
		}
		var err error
		if p.forms[i], err = d.formAt(i, t); err != nil && p.err == nil {
			p.err = inColumn(err, d.columns[i].name)
		}
	}
	return p.forms, p.err
}

// keyOf is the primary key that the record's key has.
func (d *debeziumJSON) keyOf(r *fqgw.LogRecord) image {
	key := r.Key
	if s := bytes.TrimLeft(key, " \t\r\n"); len(s) == 0 || s[0] != '{' {
		return d.bareKey(key)
	}
	wrapped, err := d.locate(key, &d.keyed)
	if err != nil {
		return image{}
	}
	forms := d.plain
	if p := d.at(placeSchema); wrapped && p.kind == object {
		if forms, err = d.planned(&d.keys, key[p.from:p.to]); err != nil {
			return image{}
		}
	}
	at := d.image(key, d.places[:len(d.columns)], forms)
	if at.keyErr == nil && !d.hasKey(at.row) {
		return image{}
	}
	return at
}

// bareKey is a key of one column that is the value itself, as JSON or as its text: what
// begins with white space, or says null, is no JSON that a converter wrote.
func (d *debeziumJSON) bareKey(key []byte) image {
	if len(d.key) != 1 || len(key) == 0 || !utf8.Valid(key) {
		return image{}
	}
	p := span{to: len(key), kind: plain}
	s := scanner{b: key}
	if v, ok := s.value(0); ok && s.i == len(key) && key[0] > ' ' && v.kind != null {
		p = v
	}
	clear(d.places)
	d.places[d.key[0]] = p
	return d.image(key, d.places[:len(d.columns)], d.plain)
}

// image reads a row, whose fields lie in places.
func (d *debeziumJSON) image(b []byte, places []span, forms []form) image {
	at := image{row: d.next(len(b))}
	for i := range d.columns {
		p := places[i]
		if slices.Contains(d.meta, i) {
			p = d.places[2*len(d.columns)+i]
		}
		v, have, err := d.value(&d.columns[i], &forms[i], b, p)
		switch {
		case err != nil:
			err = inColumn(err, d.columns[i].name)
			if at.err == nil {
				at.err = err
			}
			if at.keyErr == nil && slices.Contains(d.key, i) {
				at.keyErr = err
			}
		case !have:
			at.missing = append(at.missing, i)
		default:
			at.row[i] = v
		}
	}
	return at
}
