package decode

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// NearestType is the PostgreSQL type of a column that others wrote: the narrowest
// that has all values of the Arrow type. Structs, maps and lists of them are jsonb.
// ok is false where there is none.
func NearestType(t arrow.DataType) (typ fqgw.Type, ok bool) {
	switch t := t.(type) {
	case *arrow.DictionaryType:
		return NearestType(t.ValueType)
	case arrow.ExtensionType:
		switch t.ExtensionName() {
		case "arrow.uuid":
			return fqgw.UUID, true
		case "arrow.json":
			return fqgw.JSONB, true
		}
		return NearestType(t.StorageType())
	case *arrow.TimestampType:
		if t.TimeZone == "" {
			return fqgw.Timestamp, true
		}
		return fqgw.Timestamptz, true
	case arrow.DecimalType:
		return fqgw.NumericOf(int(t.GetPrecision()), int(max(t.GetScale(), 0))), t.GetScale() >= 0
	case arrow.ListLikeType:
		if _, isMap := t.(*arrow.MapType); isMap {
			return fqgw.JSONB, true
		}
		elem, ok := NearestType(t.Elem())
		if ok && elem.OID != fqgw.JSONB.OID && !elem.IsArray() && elem.Array().OID != 0 {
			return elem.Array(), true
		}
		return fqgw.JSONB, ok
	case *arrow.StructType:
		return fqgw.JSONB, true
	}
	switch t.ID() {
	case arrow.BOOL:
		return fqgw.Bool, true
	case arrow.INT8, arrow.INT16, arrow.UINT8:
		return fqgw.Int2, true
	case arrow.INT32, arrow.UINT16:
		return fqgw.Int4, true
	case arrow.INT64, arrow.UINT32:
		return fqgw.Int8, true
	case arrow.UINT64:
		return fqgw.NumericOf(20, 0), true
	case arrow.FLOAT16, arrow.FLOAT32:
		return fqgw.Float4, true
	case arrow.FLOAT64:
		return fqgw.Float8, true
	case arrow.STRING, arrow.LARGE_STRING, arrow.STRING_VIEW, arrow.NULL:
		return fqgw.Text, true
	case arrow.BINARY, arrow.LARGE_BINARY, arrow.BINARY_VIEW, arrow.FIXED_SIZE_BINARY:
		return fqgw.Bytea, true
	case arrow.DATE32, arrow.DATE64:
		return fqgw.Date, true
	case arrow.TIME32, arrow.TIME64:
		return fqgw.Time, true
	}
	return fqgw.Type{}, false
}

// Column reads columns of one Arrow type, which others wrote, as a column of a
// source: as PostgreSQL assigns a value of the nearest type, and a text as it reads
// one of the column's type. Not safe for concurrent use.
type Column struct {
	of      fqgw.Column
	name    string
	to      fqgw.Type
	natural fqgw.Type
	text    *column // of texts that are read as another type
	fit     fqgw.Expr
	same    bool // values need no cast
	whole   bool // of doubles those alone that are integers: a cast would round others
	one     [1]fqgw.Value
	scratch []byte
}

// NewColumn is how columns of the Arrow type are read as c; 42804 when there is no
// such assignment in PostgreSQL.
func NewColumn(from arrow.DataType, c fqgw.Column) (*Column, error) {
	refused := func() (*Column, error) {
		return nil, fqgw.Errorf(
			fqgw.CodeDatatypeMismatch,
			"column \"%s\" is of type %s but what is stored there is %s",
			c.Name,
			c.Type,
			from,
		)
	}
	natural, ok := NearestType(from)
	if !ok {
		return refused()
	}
	out := &Column{of: c, name: c.Name, to: c.Type, natural: natural, same: natural == c.Type || moments(natural, c.Type)}
	if out.same {
		return out, nil
	}
	in := fqgw.Expr(&expr.Column{Typ: natural, Name: c.Name})
	if natural.OID == fqgw.Text.OID {
		out.text = &column{name: c.Name, typ: c.Type.Base()}
		if c.Type.IsArray() {
			out.text.typ = c.Type
		}
		out.text.casts()
		in = &expr.Column{Typ: out.text.typ, Name: c.Name}
	}
	fit, err := expr.Cast(in, c.Type, expr.Assignment)
	if err != nil {
		return refused()
	}
	if fit != in {
		out.fit = fit
	}
	out.whole = natural.Kind() == fqgw.KindFloat && c.Type.Kind() == fqgw.KindInt
	return out, nil
}

// moments says that both are times of whole precision, with a zone or without: what has
// none is UTC.
func moments(a, b fqgw.Type) bool {
	return (a == fqgw.Timestamp || a == fqgw.Timestamptz) && (b == fqgw.Timestamp || b == fqgw.Timestamptz)
}

// Of is the source's column.
func (c *Column) Of() fqgw.Column { return c.of }

// Read is a as a column of fqgw.ArrowType, or a dictionary of it; the caller releases
// it, and keeps a. An error has the column, and with row the index of the value that
// it is about.
func (c *Column) Read(a arrow.Array) (out arrow.Array, row int, err error) {
	to := fqgw.ArrowType(c.to)
	if c.same && c.text == nil {
		if arrow.TypeEqual(a.DataType(), to) {
			row, err := c.check(a)
			a.Retain()
			return a, row, err
		}
		if t, ok := a.(*array.Timestamp); ok {
			return c.times(t, to.(*arrow.TimestampType))
		}
	}
	b := array.NewBuilder(memory.DefaultAllocator, to)
	defer b.Release()
	b.Reserve(a.Len())
	for i := range a.Len() {
		v, err := c.value(a, i)
		if err == nil {
			err = fqgw.AppendValue(b, v, c.to)
		}
		if err != nil {
			return nil, i, inColumn(shorten(err), c.name)
		}
	}
	return b.NewArray(), 0, nil
}

// value is one value as one of the column's type.
func (c *Column) value(a arrow.Array, i int) (fqgw.Value, error) {
	if a.IsNull(i) || a.DataType().ID() == arrow.NULL {
		return fqgw.Null, nil
	}
	var v fqgw.Value
	switch {
	case c.natural.OID == fqgw.JSONB.OID:
		var err error
		if v, err = c.document(a, i); err != nil {
			return v, err
		}
	default:
		if v = fqgw.ArrowView(a, i, c.natural); v.IsNull() {
			return v, fqgw.Errorf(fqgw.CodeOutOfRange, "a value of type %s is out of range for type %s", a.DataType(), c.natural)
		}
	}
	if err := readable(v); err != nil {
		return v, err
	}
	if c.text != nil && c.text.typ.OID != fqgw.Text.OID {
		var err error
		if v, err = cast(c.text, v.Str()); err != nil {
			return v, err
		}
	}
	if c.fit == nil {
		return v, nil
	}
	if f := v.Float(); c.whole && f != math.Trunc(f) && !math.IsNaN(f) {
		return v, fqgw.Errorf(fqgw.CodeOutOfRange, "%v is no %s: it has a fraction", f, c.of.Type).
			WithHint("Write the column as double precision, or numeric.")
	}
	c.one[0] = v
	return c.fit.Eval(nil, c.one[:])
}

// document is nested data as jsonb.
func (c *Column) document(a arrow.Array, i int) (fqgw.Value, error) {
	var raw []byte
	if x, ok := a.(array.ExtensionArray); ok { // JSON as text
		v := fqgw.ArrowView(x, i, fqgw.Text)
		if raw = []byte(v.Str()); !json.Valid(raw) {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type json: %s", quote(v.Str()))
		}
	} else {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(a.GetOneForMarshal(i)); err != nil {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidText, "nested data cannot be read as jsonb: %w", err)
		}
		raw = b.Bytes()
	}
	var err error
	c.scratch, err = appendJSONB(c.scratch[:0], bytes.TrimSpace(raw))
	return fqgw.TextValue(string(c.scratch)), err
}

// check looks for values that PostgreSQL's type does not have.
func (c *Column) check(a arrow.Array) (int, error) {
	switch c.to.Kind() {
	case fqgw.KindText:
		for i := range a.Len() {
			if a.IsNull(i) {
				continue
			}
			if err := readable(fqgw.ArrowView(a, i, c.to)); err != nil {
				return i, inColumn(err, c.name)
			}
		}
	case fqgw.KindTimestamp:
		if t, ok := a.(*array.Timestamp); ok {
			for i, v := range t.TimestampValues() {
				if !inRange(int64(v)) && !t.IsNull(i) {
					return i, c.outOfRange()
				}
			}
		}
	}
	return 0, nil
}

// times are the timestamps of another unit, floored.
func (c *Column) times(t *array.Timestamp, to *arrow.TimestampType) (arrow.Array, int, error) {
	var per, each int64 = 1, 1
	switch t.DataType().(*arrow.TimestampType).Unit {
	case arrow.Microsecond:
		if row, err := c.check(t); err != nil {
			return nil, row, err
		}
		d := array.NewData(to, t.Len(), t.Data().Buffers(), nil, t.NullN(), t.Data().Offset())
		defer d.Release()
		return array.MakeFromData(d), 0, nil
	case arrow.Nanosecond:
		per = 1000
	case arrow.Millisecond:
		each = 1000
	case arrow.Second:
		each = 1_000_000
	}
	out := make([]arrow.Timestamp, t.Len())
	var set []bool // nil: all
	if t.NullN() > 0 {
		set = make([]bool, t.Len())
	}
	for i, v := range t.TimestampValues() {
		if t.IsNull(i) {
			continue
		}
		if set != nil {
			set[i] = true
		}
		n := fqgw.FloorDiv(int64(v), per)
		if each > 1 && (n > math.MaxInt64/each || n < math.MinInt64/each) || !inRange(n*each) {
			return nil, i, c.outOfRange()
		}
		out[i] = arrow.Timestamp(n * each)
	}
	b := array.NewTimestampBuilder(memory.DefaultAllocator, to)
	defer b.Release()
	b.AppendValues(out, set)
	return b.NewArray(), 0, nil
}

func inRange(micros int64) bool { return micros >= leastTime && micros < math.MaxInt64 }

func (c *Column) outOfRange() error {
	return inColumn(fqgw.Errorf(fqgw.CodeDatetimeOverflow, "timestamp out of range"), c.name)
}

// readable refuses texts that PostgreSQL's are not.
func readable(v fqgw.Value) error {
	if v.Kind() != fqgw.KindText {
		return nil
	}
	s := v.Str()
	if !utf8.ValidString(s) {
		return fqgw.Errorf(fqgw.CodeNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": %s", quote(s))
	}
	if strings.IndexByte(s, 0) >= 0 {
		return fqgw.Errorf(fqgw.CodeNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": 0x00")
	}
	return nil
}
