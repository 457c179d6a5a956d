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
	case avro.TimeMillis, avro.TimeMicros, avro.TimeNanos:
		return fqgw.Time
	case avro.Scaled:
		return fqgw.Numeric
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
	avroThere                   // true, if it is not null
)

// avroRead reads values of one type of the writer's as one column.
type avroRead struct {
	assigning
	typ      *avro.Type
	how      avroHow
	again    bool // the value is passed over once more behind it, for what lies in it
	elem     *avroRead
	branches []*avroRead
}

// newAvroRead is how values of type t are read as c; among several branches of a
// union a string is no document that is written as text.
func newAvroRead(t *avro.Type, c *column, among bool) *avroRead {
	if c.typ == (fqgw.Type{}) {
		return &avroRead{typ: t, assigning: assigning{column: c}, how: avroThere}
	}
	if t.Debezium && c.typ.Kind() == fqgw.KindInt { // the bare number
		t = &avro.Type{Kind: t.Kind}
	}
	x := &avroRead{typ: t, assigning: assigningTo(c)}
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
	if !x.as(nearest) {
		x.how = avroRefused
	}
}

// avroValues reads the values of one record. An error is about one value: the next one
// can be read.
type avroValues struct {
	avro.Reader
	shared  lately
	one     [1]fqgw.Value // a row for fit
	scratch []byte
	json    []byte
	fillers bool // records are Debezium's, with a text for values that it does not have
	lacking bool // the value has it
}

func (d *avroValues) value(x *avroRead) (fqgw.Value, error) {
	v, err := d.unfitted(x)
	if err != nil {
		return v, err
	}
	return x.assigning.value(v, &d.one)
}

// unfitted is the value before it is assigned to the column's type.
func (d *avroValues) unfitted(x *avroRead) (fqgw.Value, error) {
	switch x.how {
	case avroBranch:
		if i := d.Index(len(x.branches)); !d.Bad() {
			return d.value(x.branches[i])
		}
		return fqgw.Null, nil
	case avroText, avroParsed:
		return d.text(x)
	case avroRaw:
		return d.raw(x)
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
	case avroThere:
		of := x.typ
		if of.Kind == avro.Union {
			i := d.Index(len(of.Branches))
			if d.Bad() {
				return fqgw.Null, nil
			}
			of = of.Branches[i]
		}
		if !x.again {
			d.Skip(of)
		}
		return fqgw.BoolValue(of.Kind != avro.Null), nil
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
	if d.fillers && string(b) == placeholder {
		d.lacking = true
		return fqgw.Null, nil
	}
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
	if t.Debezium {
		return d.debezium(t)
	}
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

// raw is a bytea: the bytes, or of a string of Debezium those that it stands for.
func (d *avroValues) raw(x *avroRead) (fqgw.Value, error) {
	b := d.bytes(x.typ)
	if x.column.coded == nil || x.typ.Kind != avro.String {
		return fqgw.BytesValue(string(b)), nil
	}
	if string(b) == placeholder {
		d.lacking = true
		return fqgw.Null, nil
	}
	var ok bool
	if d.scratch, ok = x.column.coded(d.scratch[:0], b); !ok {
		return fqgw.Null, errCoded(x.column, b)
	}
	return fqgw.BytesValue(string(d.scratch)), nil
}

// debezium is a value of one of Debezium's types: its times may be infinite.
func (d *avroValues) debezium(t *avro.Type) (fqgw.Value, error) {
	perSecond := int64(1e6)
	switch t.Logical {
	case avro.LocalTimestampMillis:
		perSecond = 1e3
	case avro.LocalTimestampNanos:
		perSecond = 1e9

	case avro.Scaled:
		scale, coef := d.Int(), d.Bytes()
		if scale < -fqgw.MaxScale || scale > fqgw.MaxScale {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "a decimal has the scale %d", scale)
		}
		return fqgw.NumericValue(decimalOf(coef, int32(scale))), nil
	case avro.Date:
		n := d.Int()
		v, ok := days(n)
		if !ok {
			return dayValue(n)
		}
		return v, nil
	case avro.TimeMillis:
		return timeOfDay(d.Int(), 1000)
	case avro.TimeMicros:
		return timeOfDay(d.Long(), 1)
	case avro.TimeNanos:
		return timeOfDay(fqgw.FloorDiv(d.Long(), 1000), 1)
	case avro.UUID:
		return expr.Parse(text(d.Bytes()), fqgw.UUID, nil)
	}
	n := d.Long()
	us, ok := ticks(n, perSecond)
	if !ok {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "timestamp out of range: %d of %d in a second since 1970", n, perSecond)
	}
	return fqgw.TimestampValue(us), nil
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

// times is n units of so many microseconds as a timestamp; of a negative unit so many are
// a microsecond, and what is finer is floored.
func times(n, unit int64) (t int64, ok bool) {
	if unit < 0 {
		n, unit = fqgw.FloorDiv(n, -unit), 1
	}
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
				v, err := d.value(x.elem)
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
