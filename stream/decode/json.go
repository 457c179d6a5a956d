package decode

import (
	"errors"
	"strings"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// jsonDecoder reads JSON: a record is one row, an insert. A field is read as
// PostgreSQL reads (payload ->> 'field')::type and then assigns it to the column:
// what the cast takes is taken with the same value, what it refuses is refused. The
// exceptions:
//   - an integer may be the JSON number 1.0 or 1e3;
//   - a timestamp may be a JSON number of Source.TimeUnits since the epoch, floored
//     to a microsecond; as text, one with a zone is that instant also in a column
//     without time zone; now, today and their like, which are another time at each
//     reading, are refused;
//   - an array is a JSON array of fields of its element type, or the text of an array;
//   - a column of type json or jsonb is the field itself (payload -> 'field').
type jsonDecoder struct {
	rows
	columns []column
	want    []field
	places  []span
	scratch []byte
	one     [1]fqgw.Value // a row for column.fit
	shared  lately
}

// column is how one column is read and written.
type column struct {
	name string
	typ  fqgw.Type
	unit int64 // microseconds per unit of numeric timestamps
	elem *column
	as   fqgw.Type // what a text is cast to
	// clock: the type reads words that mean another time at each reading.
	clock bool
	coded func(dst, text []byte) ([]byte, bool) // what a text of Avro stands for, of a bytea; nil: its own bytes
	keeps bool                                  // a value keeps bytes of the text that it is cast from
	// fit assigns a value of the type without its modifier; nil: it has none.
	fit     fqgw.Expr
	decimal bool // the lake stores it as a decimal, which has no NaN
}

// field is a node of the tree of wanted fields.
type field struct {
	name    string
	columns []int // the columns that are this field's value
	inner   []field
	below   []int // every column in inner, at any depth
}

func newJSON(s *fqgw.Source) (*jsonDecoder, error) {
	columns, want, err := compile(s)
	if err != nil {
		return nil, err
	}
	return &jsonDecoder{rows: rows{width: len(columns)}, columns: columns, want: want, places: make([]span, len(columns))}, nil
}

func compile(s *fqgw.Source) ([]column, []field, error) {
	unit := s.TimeUnit
	if unit <= 0 {
		unit = 1000
	}
	var columns []column
	root := field{}
	for i, c := range s.Columns {
		col := column{name: c.Name, typ: c.Type, unit: unit}
		base := c.Type
		if c.Type.IsArray() {
			base = c.Type.Elem()
			col.elem = &column{name: c.Name, typ: base, unit: unit}
			col.elem.casts()
		}
		col.casts()
		if !c.Type.InRecords() {
			return nil, nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "column %q: a record cannot carry type %s", c.Name, c.Type)
		}
		if c.Type.Mod >= 0 {
			var err error
			if col.fit, err = expr.Cast(&expr.Column{Typ: c.Type.Base(), Name: c.Name}, c.Type, expr.Assignment); err != nil {
				return nil, nil, err
			}
			if base.OID == fqgw.Numeric.OID {
				p, s := base.NumericMod()
				col.decimal = 0 <= s && s <= p && p <= 38
			}
			if col.elem != nil { // the array is assigned as a whole
				col.elem.typ = base.Base()
			}
		}
		columns = append(columns, col)
		path := []string{c.Name}
		if c.Field != "" {
			path = strings.Split(c.Field, ".")
		}
		root.add(path, i)
	}
	return columns, root.inner, nil
}

// casts says how a text becomes a value. One of a timestamp that has a zone is that instant.
func (c *column) casts() {
	base := c.typ.Base()
	if c.as = base; base == fqgw.Timestamp {
		c.as = fqgw.Timestamptz
	}
	if c.typ.IsArray() {
		if base = c.typ.Elem().Base(); base == fqgw.Timestamp {
			c.as = fqgw.Timestamptz.Array()
		}
	}
	c.keeps = c.typ.IsArray() || base == fqgw.Name
	c.clock = base == fqgw.Date || base == fqgw.Time || base == fqgw.Timestamp || base == fqgw.Timestamptz
}

func (f *field) add(path []string, column int) {
	if len(path) == 0 {
		f.columns = append(f.columns, column)
		return
	}
	f.below = append(f.below, column)
	for i := range f.inner {
		if f.inner[i].name == path[0] {
			f.inner[i].add(path[1:], column)
			return
		}
	}
	f.inner = append(f.inner, field{name: path[0]})
	f.inner[len(f.inner)-1].add(path[1:], column)
}

// Decode implements Decoder.
func (d *jsonDecoder) Decode(r *fqgw.LogRecord, changes []fqgw.Event) ([]fqgw.Event, error) {
	row := d.next(len(r.Value))
	err := d.decode(r.Value, row)
	return append(changes, fqgw.Event{Row: row}), err
}

// decode reads one payload into row, which has one place per column. An error has
// the first column that could not be read, if it was one; the columns that can be
// read are in row, the others NULL.
func (d *jsonDecoder) decode(payload []byte, row []fqgw.Value) error {
	clear(row)
	if len(payload) == 0 {
		return fqgw.Errorf(fqgw.CodeInvalidText, "record has no payload")
	}
	if !utf8.Valid(payload) {
		return fqgw.Errorf(fqgw.CodeNotInRepertoire, "record is not valid UTF-8")
	}
	clear(d.places)
	s := scanner{b: payload}
	ok := s.fields(d.want, d.places, 0)
	if s.deep {
		return fqgw.Errorf(fqgw.CodeTooComplex, "record is nested more than %d levels deep", maxDepth)
	}
	if s.space(); !ok || s.i != len(payload) {
		return fqgw.Errorf(fqgw.CodeInvalidText, "record is not a JSON object").WithDetail("Unexpected byte at offset %d.", s.i)
	}
	var first error
	for i := range d.columns {
		v, err := d.read(&d.columns[i], payload, d.places[i])
		if row[i] = v; err != nil {
			row[i] = fqgw.Null
			if first == nil {
				first = inColumn(err, d.columns[i].name)
			}
		}
	}
	return first
}

func inColumn(err error, column string) error {
	var e *fqgw.Error
	if errors.As(err, &e) {
		e.Column = column
	}
	return err
}

// lately has the texts seen last, so that categories are allocated once.
type lately [256]string

// of is the string of b; known: it is one of those.
func (t *lately) of(b []byte) (s string, known bool) {
	if len(b) == 0 || len(b) > 32 {
		return string(b), false
	}
	h := uint32(len(b))
	for _, c := range b {
		h = h*31 + uint32(c)
	}
	p := &t[(h^h>>8)&255]
	if *p == string(b) {
		return *p, true
	}
	*p = string(b)
	return *p, false
}

// share is the string of b, from memory when it was met lately.
func (d *jsonDecoder) share(b []byte) string {
	s, _ := d.shared.of(b)
	return s
}
