package decode

import (
	"math"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/stream/decode/internal/avro"
)

// avroNearest is the PostgreSQL type that has the values of an Avro type: records,
// maps, lists of them and unions of several types are jsonb.
func avroNearest(t *avro.Type) fqgw.Type {
	switch t.Logical {
	case avro.Decimal:
		return fqgw.NumericOf(t.Precision, t.Scale)
	case avro.UUID:
		return fqgw.UUID
	case avro.Date:
		return fqgw.Date
	case avro.TimeMillis, avro.TimeMicros:
		return fqgw.Time
	case avro.TimestampMillis, avro.TimestampMicros, avro.TimestampNanos:
		return fqgw.Timestamptz
	case avro.LocalTimestampMillis, avro.LocalTimestampMicros, avro.LocalTimestampNanos:
		return fqgw.Timestamp
	case avro.Duration: // no record carries an interval
		return fqgw.Text
	}
	switch t.Kind {
	case avro.Null, avro.String, avro.Enum:
		return fqgw.Text
	case avro.Boolean:
		return fqgw.Bool
	case avro.Int:
		return fqgw.Int4
	case avro.Long:
		return fqgw.Int8
	case avro.Float:
		return fqgw.Float4
	case avro.Double:
		return fqgw.Float8
	case avro.Bytes, avro.Fixed:
		return fqgw.Bytea
	case avro.Array:
		of := avroNearest(t.Elem)
		if of.OID == fqgw.JSONB.OID || of.IsArray() {
			return fqgw.JSONB
		}
		return of.Array()
	case avro.Union:
		if of, _ := t.Branch(); of != nil {
			return avroNearest(of)
		}
	}
	return fqgw.JSONB
}

// avroHow is how a value of an Avro type becomes one of a column.
type avroHow uint8

const (
	avroItself   avroHow = iota // the value of the nearest type, which fit assigns to the column's
	avroText                    // of bytes or a string: a text
	avroRaw                     // of bytes, a string or a fixed: bytea
	avroParsed                  // of a string: what PostgreSQL reads in it as the column's type
	avroEpoch                   // of an int or a long: time units since the epoch
	avroDocument                // JSON
	avroArray                   // an array
	avroBranch                  // of a union: what its branch says
	avroRefused                 // not at all
)

// avroRead reads values of one type of the writer's as one column.
type avroRead struct {
	typ      *avro.Type
	column   *column
	how      avroHow
	fit      fqgw.Expr // nil: nothing more to do
	whole    bool      // of numbers those alone that are integers
	decimal  bool      // which the lake stores as a decimal
	elem     *avroRead
	branches []*avroRead
}

// newAvroRead is how values of type t are read as c; among several branches of a
// union a string is no document that is written as text.
func newAvroRead(t *avro.Type, c *column, among bool) *avroRead {
	x := &avroRead{typ: t, column: c, fit: c.fit, decimal: c.decimal}
	base, nearest := c.typ.Base(), avroNearest(t)
	document := base == fqgw.JSON || base == fqgw.JSONB
	stringy := base == fqgw.Text || base == fqgw.Varchar || base == fqgw.BPChar
	text := t.Kind == avro.String && (t.Logical == avro.None || stringy) || t.Kind == avro.Enum
	switch {
	case t.Kind == avro.Null:
	case t.Kind == avro.Union:
		x.how = avroBranch
		of, _ := t.Branch()
		for _, b := range t.Branches {
			x.branches = append(x.branches, newAvroRead(b, c, of == nil))
		}
		x.fit = nil
	case document && (among || !text || t.Kind == avro.Enum):
		x.how = avroDocument
	case text && stringy, (t.Kind == avro.Bytes || t.Kind == avro.Fixed) && t.Logical == avro.None && stringy:
		x.how = avroText
	case base == fqgw.Bytea && (t.Kind == avro.Bytes || t.Kind == avro.Fixed || t.Kind == avro.String) && t.Logical == avro.None:
		x.how = avroRaw
	case text:
		x.how = avroParsed
	case (t.Kind == avro.Int || t.Kind == avro.Long) && t.Logical == avro.None && (base == fqgw.Timestamp || base == fqgw.Timestamptz):
		x.how = avroEpoch
	case t.Kind == avro.Array && c.elem != nil:
		x.how, x.elem = avroArray, newAvroRead(t.Elem, c.elem, false)
	case nearest.Base() != base && !moments(nearest, base):
		x.assign(nearest, stringy)
	}
	return x
}

// assign has values of the nearest type assigned to the column's.
func (x *avroRead) assign(nearest fqgw.Type, stringy bool) {
	if nearest.OID == fqgw.JSONB.OID {
		if x.how = avroDocument; stringy { // its text
			return
		}
	}
	fit, err := expr.Cast(&expr.Column{Typ: nearest.Base(), Name: x.column.name}, x.column.typ, expr.Assignment)
	if err != nil || x.column.typ.IsArray() {
		x.how = avroRefused
		return
	}
	from := nearest.Kind()
	x.fit, x.whole = fit, (from == fqgw.KindFloat || from == fqgw.KindNumeric) && x.column.typ.Kind() == fqgw.KindInt
}

// avroValues reads the values of one record. An error is about one value: the next one
// can be read.
type avroValues struct {
	avro.Reader
	shared  lately
	one     [1]fqgw.Value // a row for fit
	scratch []byte
	json    []byte
}

func (d *avroValues) read(x *avroRead) (fqgw.Value, error) {
	v, err := d.unfitted(x)
	if err != nil || v.IsNull() || x.fit == nil {
		return v, err
	}
	if x.decimal && hasNaN(v) {
		return fqgw.Null, errNoNaN(x.column)
	}
	if x.whole && fraction(v) {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "%s is no %s: it has a fraction", expr.Text(v, avroNearest(x.typ), nil), x.column.typ).
			WithHint("Declare the column as double precision, or numeric.")
	}
	d.one[0] = v
	return x.fit.Eval(nil, d.one[:])
}

func fraction(v fqgw.Value) bool {
	if v.Kind() == fqgw.KindNumeric {
		n := v.Numeric()
		return n.Finite() && n.Floor().Cmp(n) != 0
	}
	f := v.Float()
	return f != math.Trunc(f) && !math.IsNaN(f)
}

// unfitted is the value before it is assigned to the column's type.
func (d *avroValues) unfitted(x *avroRead) (fqgw.Value, error) {
	switch x.how {
	case avroBranch:
		if i := d.Index(len(x.branches)); !d.Bad() {
			return d.read(x.branches[i])
		}
		return fqgw.Null, nil
	case avroText, avroParsed:
		return d.text(x)
	case avroRaw:
		return fqgw.BytesValue(string(d.bytes(x.typ))), nil
	case avroEpoch:
		n := d.Long()
		t, ok := times(n, x.column.unit)
		if !ok {
			return fqgw.Null, errEpoch(x.column, expr.Text(fqgw.IntValue(n), fqgw.Int8, nil))
		}
		return fqgw.TimestampValue(t), nil
	case avroDocument:
		return d.document(x)
	case avroArray:
		return d.array(x)
	case avroRefused:
		d.Skip(x.typ)
		return fqgw.Null, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "column \"%s\" is of type %s but the record has a value of Avro's type %s",
			x.column.name, x.column.typ, x.typ)
	}
	return d.itself(x.typ)
}

// bytes are those of bytes, a string, a fixed or an enum; they stay the record's.
func (d *avroValues) bytes(t *avro.Type) []byte {
	switch t.Kind {
	case avro.Fixed:
		return d.Fixed(t.Size)
	case avro.Enum:
		return []byte(t.Symbols[d.Index(len(t.Symbols))])
	}
	return d.Bytes()
}

// text is a string, an enum or bytes as text, or as what PostgreSQL reads in it.
func (d *avroValues) text(x *avroRead) (fqgw.Value, error) {
	if x.typ.Kind == avro.Enum && x.how == avroText {
		return fqgw.TextValue(x.typ.Symbols[d.Index(len(x.typ.Symbols))]), nil
	}
	b := d.bytes(x.typ)
	if x.how == avroText {
		s, known := d.shared.of(b)
		v := fqgw.TextValue(s)
		if known {
			return v, nil
		}
		return v, readable(v)
	}
	if err := readable(fqgw.TextValue(text(b))); err != nil {
		return fqgw.Null, err
	}
	if oid := x.column.typ.OID; oid == fqgw.JSON.OID || oid == fqgw.JSONB.OID {
		return d.written(x.column, b)
	}
	if x.column.keeps {
		return cast(x.column, string(b))
	}
	return cast(x.column, text(b))
}

// itself is a value of the nearest type of t, which is no jsonb.
func (d *avroValues) itself(t *avro.Type) (fqgw.Value, error) {
	switch t.Logical {
	case avro.Decimal:
		return fqgw.NumericValue(decimalOf(d.bytes(t), int32(t.Scale))), nil
	case avro.UUID:
		if t.Kind == avro.String {
			return expr.Parse(text(d.Bytes()), fqgw.UUID, nil)
		}
		var id [16]byte
		copy(id[:], d.Fixed(16))
		return fqgw.UUIDValue(id), nil
	case avro.Date:
		return dayValue(d.Int())
	case avro.TimeMillis:
		return timeOfDay(d.Int(), 1000)
	case avro.TimeMicros:
		return timeOfDay(d.Long(), 1)
	case avro.TimestampMillis, avro.LocalTimestampMillis:
		return timeValue(d.Long(), 1000)
	case avro.TimestampMicros, avro.LocalTimestampMicros:
		return timeValue(d.Long(), 1)
	case avro.TimestampNanos, avro.LocalTimestampNanos:
		return timeValue(fqgw.FloorDiv(d.Long(), 1000), 1)
	case avro.Duration:
		return fqgw.TextValue(expr.Text(fqgw.SpanValue(span3(d.Fixed(12))), fqgw.Interval, nil)), nil
	}
	switch t.Kind {
	case avro.Boolean:
		return fqgw.BoolValue(d.Boolean()), nil
	case avro.Int:
		return fqgw.IntValue(d.Int()), nil
	case avro.Long:
		return fqgw.IntValue(d.Long()), nil
	case avro.Float:
		return fqgw.FloatValue(d.Float()), nil
	case avro.Double:
		return fqgw.FloatValue(d.Double()), nil
	case avro.Bytes, avro.Fixed:
		return fqgw.BytesValue(string(d.bytes(t))), nil
	}
	return fqgw.Null, nil // null
}

// span3 is a duration: months, days and milliseconds, without signs.
func span3(b []byte) (s fqgw.Span) {
	if b == nil {
		return s
	}
	word := func(i int) int64 {
		return int64(b[i]) | int64(b[i+1])<<8 | int64(b[i+2])<<16 | int64(b[i+3])<<24
	}
	s.Months, s.Days, s.Micros = int32(min(word(0), math.MaxInt32)), int32(min(word(4), math.MaxInt32)), word(8)*1000
	return s
}

// times is n units of so many microseconds as a timestamp.
func times(n, unit int64) (t int64, ok bool) {
	t = n * unit
	return t, (n == 0 || t/n == unit) && t >= leastTime && t < math.MaxInt64
}

func timeValue(n, unit int64) (fqgw.Value, error) {
	t, ok := times(n, unit)
	if !ok {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "timestamp out of range: %d times %d microseconds since 1970", n, unit)
	}
	return fqgw.TimestampValue(t), nil
}

func dayValue(n int64) (fqgw.Value, error) {
	if n < leastDay || n > lastDay {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "date out of range: %d days since 1970", n)
	}
	return fqgw.DateValue(n), nil
}

// timeOfDay is a time of day, 24:00 the last.
func timeOfDay(n, unit int64) (fqgw.Value, error) {
	const day = 86_400_000_000
	if n < 0 || n > day/unit {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "time out of range: %d times %d microseconds since midnight", n, unit)
	}
	return fqgw.TimeValue(n * unit), nil
}

// array is an array of what PostgreSQL has arrays of.
func (d *avroValues) array(x *avroRead) (fqgw.Value, error) {
	l := &fqgw.List{Elem: x.column.elem.typ.Base()}
	var first error
	if d.Enter() {
		for n, _ := d.Block(); n > 0; n, _ = d.Block() {
			for ; n > 0 && !d.Bad(); n-- {
				v, err := d.read(x.elem)
				if err != nil && first == nil {
					first = err
				}
				l.Items = append(l.Items, v)
			}
		}
	}
	d.Leave()
	if first != nil || d.Bad() {
		return fqgw.Null, first
	}
	return fqgw.ListValue(l), nil
}

// written is a document that a string is the text of.
func (d *avroValues) written(c *column, b []byte) (fqgw.Value, error) {
	s := scanner{b: b}
	s.space()
	_, ok := s.value(maxDepth - maxDocument)
	if s.deep {
		return fqgw.Null, errDeepDocument()
	}
	if s.space(); !ok || s.i != len(b) {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type json: %s", quote(string(b)))
	}
	return d.canonical(c, b)
}

// document is a value as JSON.
func (d *avroValues) document(x *avroRead) (fqgw.Value, error) {
	d.json = d.json[:0]
	err := d.appendJSON(x.typ)
	if err != nil || d.Bad() {
		return fqgw.Null, err
	}
	if !utf8.Valid(d.json) {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeNotInRepertoire, "invalid byte sequence for encoding \"UTF8\"")
	}
	return d.canonical(x.column, d.json)
}

// canonical is valid JSON as the column has it: json as it is written, anything else as jsonb.
func (d *avroValues) canonical(c *column, b []byte) (fqgw.Value, error) {
	if c.typ.OID != fqgw.JSON.OID {
		var err error
		if d.scratch, err = appendJSONB(d.scratch[:0], b); err != nil {
			return fqgw.Null, err
		}
		b = d.scratch
	}
	s, _ := d.shared.of(b)
	return fqgw.TextValue(s), nil
}
