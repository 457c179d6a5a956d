package decode

import (
	"math"
	"math/big"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/stream/decode/internal/avro"
)

// avroWrite writes one value of a type.
type avroWrite struct {
	typ     *avro.Type
	field   string
	columns []int        // that have the value; they must be equal
	inner   []*avroWrite // of a record's fields
	branch  int          // of a union: the one that is not null,
	null    int          // and the one that is; -1: there is none
	of      *avroWrite   // what the branch writes
	always  []byte       // a value that no column has: the default
}

// newAvroWrite refuses (0A000) what columns cannot say.
func newAvroWrite(t *avro.Type, wants []avroWant, columns []column, field string) (*avroWrite, error) {
	w := &avroWrite{typ: t, field: field, branch: -1, null: -1}
	refuse := func(format string, args ...any) (*avroWrite, error) {
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, format, args...).WithHint("Such a source can be read, not written to.")
	}
	if t.Kind == avro.Union {
		return w.union(wants, columns)
	}
	for _, want := range wants {
		if len(want.path) == 0 {
			w.columns = append(w.columns, want.at)
		}
	}
	switch {
	case len(w.columns) == len(wants):
		for _, at := range w.columns {
			if !avroTakes(t, &columns[at]) {
				return refuse("column \"%s\" of type %s cannot be written as field \"%s\" of type %s", columns[at].name, columns[at].typ, field, t)
			}
		}
		return w, nil
	case len(w.columns) > 0 || t.Kind != avro.Record:
		return refuse("a part of field \"%s\" cannot be written by itself: it is %s", field, t)
	}
	for i := range t.Fields {
		f := &t.Fields[i]
		var of []avroWant
		for _, want := range wants {
			if t.Field(want.path[0]) == i {
				of = append(of, avroWant{want.at, want.path[1:]})
			}
		}
		in, err := newAvroWrite(f.Type, of, columns, f.Name)
		if len(of) == 0 {
			in = &avroWrite{typ: f.Type}
			in.always, err = nothing(f)
		}
		if err != nil {
			return nil, err
		}
		w.inner = append(w.inner, in)
	}
	return w, nil
}

// nothing is the value of a field that no column has.
func nothing(f *avro.Field) ([]byte, error) {
	value := f.Default
	if _, nullable := f.Type.Branch(); !f.HasDefault && !nullable {
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "field \"%s\" of the topic's schema has no column, and no default", f.Name).
			WithHint("Give the source a column for it, or the field a default.")
	}
	b, err := avro.AppendDefault([]byte{}, f.Type, value)
	if err != nil {
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "field \"%s\" of the topic's schema: %v", f.Name, err)
	}
	return b, nil
}

// union takes the first branch that can have what the columns say.
func (w *avroWrite) union(wants []avroWant, columns []column) (*avroWrite, error) {
	var refused error
	for i, b := range w.typ.Branches {
		if b.Kind == avro.Null {
			w.null = i
			continue
		}
		if w.of != nil || !slices.ContainsFunc(wants, func(want avroWant) bool { return avroHas(b, want.path) }) {
			continue
		}
		of, err := newAvroWrite(b, wants, columns, w.field)
		if err != nil {
			refused = err
			continue
		}
		w.branch, w.of, w.columns = i, of, nil
		for _, want := range wants {
			w.columns = append(w.columns, want.at)
		}
	}
	if w.of == nil {
		return nil, refused
	}
	return w, nil
}

// avroTakes says whether a type can have values of a column.
func avroTakes(t *avro.Type, c *column) bool {
	kind := c.typ.Kind()
	switch t.Logical {
	case avro.Decimal:
		return kind == fqgw.KindNumeric || kind == fqgw.KindInt
	case avro.UUID:
		return kind == fqgw.KindUUID || kind == fqgw.KindText && t.Kind == avro.String
	case avro.Date:
		return kind == fqgw.KindDate
	case avro.TimeMillis, avro.TimeMicros:
		return kind == fqgw.KindTime
	case avro.Duration:
		return false
	case avro.None:
	default:
		return kind == fqgw.KindTimestamp
	}
	switch t.Kind {
	case avro.Boolean:
		return kind == fqgw.KindBool
	case avro.Int, avro.Long:
		return kind == fqgw.KindInt || kind == fqgw.KindTimestamp
	case avro.Float, avro.Double:
		return kind == fqgw.KindFloat
	case avro.String:
		return true
	case avro.Bytes:
		return kind == fqgw.KindBytes || kind == fqgw.KindText
	case avro.Fixed:
		return kind == fqgw.KindBytes
	case avro.Enum:
		return kind == fqgw.KindText
	case avro.Array:
		if c.elem == nil {
			return false
		}
		of := t.Elem
		if of.Kind == avro.Union {
			of, _ = of.Branch()
		}
		return of != nil && avroTakes(of, c.elem)
	}
	return false
}

func (w *avroWrite) append(dst []byte, e *avroEncoder, row []fqgw.Value) ([]byte, error) {
	switch {
	case w.always != nil:
		return append(dst, w.always...), nil
	case w.typ.Kind == avro.Union:
		if w.null >= 0 && !slices.ContainsFunc(w.columns, func(at int) bool { return !row[at].IsNull() }) {
			return avro.AppendLong(dst, int64(w.null)), nil
		}
		return w.of.append(avro.AppendLong(dst, int64(w.branch)), e, row)
	case w.inner != nil || len(w.columns) == 0:
		var err error
		for _, in := range w.inner {
			if dst, err = in.append(dst, e, row); err != nil {
				return dst, err
			}
		}
		return dst, nil
	}
	first := w.columns[0]
	c := &e.columns[first]
	for _, at := range w.columns[1:] {
		if fqgw.Compare(row[first], row[at]) != 0 {
			return dst, fqgw.Errorf(fqgw.CodeInvalidParameter, "columns %q and %q are the same field of the record and must be equal",
				c.name, e.columns[at].name)
		}
	}
	if row[first].IsNull() {
		return dst, &fqgw.Error{Code: fqgw.CodeNotNullViolation, Column: c.name, Message: "null value in column \"" + c.name +
			"\": field \"" + w.field + "\" of the topic's schema has none"}
	}
	dst, err := appendAvro(dst, w.typ, c, row[first])
	if err != nil {
		return dst, inColumn(err, c.name)
	}
	return dst, nil
}

// appendAvro appends a value that is not NULL.
func appendAvro(dst []byte, t *avro.Type, c *column, v fqgw.Value) ([]byte, error) {
	inexact := func() ([]byte, error) {
		return dst, fqgw.Errorf(fqgw.CodeOutOfRange, "%s cannot be written as Avro's type %s", quote(expr.Text(v, c.typ, nil)), t).
			WithHint("It has no such value: round it first.")
	}
	switch v.Kind() {
	case fqgw.KindBool:
		if t.Kind == avro.Boolean {
			return append(dst, byte(v.Int())), nil
		}
	case fqgw.KindInt, fqgw.KindDate, fqgw.KindTime, fqgw.KindTimestamp:
		if t.Kind == avro.String {
			break
		}
		n, ok := avroNumber(t, c, v)
		switch {
		case !ok:
			return inexact()
		case t.Logical == avro.Decimal:
			if coef := big.NewInt(n); decimalFits(t, coef) {
				return appendDecimal(dst, t, coef), nil
			}
			return inexact()
		}
		return avro.AppendLong(dst, n), nil
	case fqgw.KindFloat:
		switch f := v.Float(); {
		case t.Kind == avro.Double:
			return avro.AppendDouble(dst, f), nil
		case t.Kind == avro.Float && float64(float32(f)) != f && f == f:
			return inexact()
		case t.Kind == avro.Float:
			return avro.AppendFloat(dst, float32(f)), nil
		}
	case fqgw.KindNumeric:
		if t.Logical == avro.Decimal {
			d := v.Numeric()
			if !d.Finite() || d.Round(int32(t.Scale)).Cmp(d) != 0 {
				return inexact()
			}
			coef := d.Round(int32(t.Scale)).Coef()
			if !decimalFits(t, coef) {
				return inexact()
			}
			return appendDecimal(dst, t, coef), nil
		}
	case fqgw.KindUUID:
		if t.Kind == avro.Fixed {
			return append(dst, v.Str()...), nil
		}
	case fqgw.KindBytes:
		switch t.Kind {
		case avro.Bytes:
			return avro.AppendBytes(dst, v.Str()), nil
		case avro.Fixed:
			if len(v.Str()) != t.Size {
				return inexact()
			}
			return append(dst, v.Str()...), nil
		}
		return avro.AppendBytes(dst, v.Str()), nil
	case fqgw.KindArray:
		if t.Kind == avro.Array {
			return appendAvroArray(dst, t, c, v.List())
		}
	}
	s := v.Str()
	if v.Kind() != fqgw.KindText {
		s = expr.Text(v, c.typ, nil)
	}
	if err := readable(fqgw.TextValue(s)); err != nil {
		return dst, err
	}
	if t.Kind == avro.Enum {
		i := slices.Index(t.Symbols, s)
		if i < 0 {
			return dst, fqgw.Errorf(fqgw.CodeInvalidText, "%s is no symbol of %s", quote(s), t)
		}
		return avro.AppendLong(dst, int64(i)), nil
	}
	return avro.AppendBytes(dst, s), nil
}

// avroNumber is what stands for a number or a time; ok is false where nothing does.
func avroNumber(t *avro.Type, c *column, v fqgw.Value) (n int64, ok bool) {
	n = v.Int()
	if t.Logical == avro.Decimal {
		for range t.Scale {
			if n > math.MaxInt64/10 || n < math.MinInt64/10 {
				return 0, false
			}
			n *= 10
		}
		return n, true
	}
	if v.Kind() == fqgw.KindTime || v.Kind() == fqgw.KindTimestamp {
		if v.Kind() == fqgw.KindTimestamp && (n < leastTime || n == math.MaxInt64) { // infinite
			return 0, false
		}
		unit := int64(1)
		switch t.Logical {
		case avro.TimeMillis, avro.TimestampMillis, avro.LocalTimestampMillis:
			unit = 1000
		case avro.TimestampNanos, avro.LocalTimestampNanos:
			return n * 1000, n <= math.MaxInt64/1000 && n >= math.MinInt64/1000
		case avro.None:
			unit = c.unit
		}
		if n%unit != 0 {
			return 0, false
		}
		n /= unit
	}
	if v.Kind() == fqgw.KindDate && (n < leastDay || n > lastDay) {
		return 0, false
	}
	return n, t.Kind == avro.Long || n == int64(int32(n))
}

func decimalFits(t *avro.Type, n *big.Int) bool {
	return len(new(big.Int).Abs(n).String()) <= t.Precision && (t.Kind != avro.Fixed || n.BitLen() < 8*t.Size)
}

// appendDecimal appends a number in two's complement, as short as it goes or as long as
// the fixed is.
func appendDecimal(dst []byte, t *avro.Type, n *big.Int) []byte {
	size := n.BitLen()/8 + 1
	if t.Kind == avro.Fixed {
		size = t.Size
	} else {
		dst = avro.AppendLong(dst, int64(size))
	}
	if n.Sign() < 0 {
		n = new(big.Int).Add(n, new(big.Int).Lsh(big.NewInt(1), uint(8*size)))
	}
	from := len(dst)
	dst = append(dst, make([]byte, size)...)
	n.FillBytes(dst[from:])
	return dst
}

func appendAvroArray(dst []byte, t *avro.Type, c *column, l *fqgw.List) ([]byte, error) {
	if len(l.Dims) > 1 {
		return dst, errDimensions()
	}
	of, null, branch := t.Elem, -1, -1
	if of.Kind == avro.Union {
		for i, b := range t.Elem.Branches {
			if b.Kind == avro.Null {
				null = i
			} else {
				of, branch = b, i
			}
		}
	}
	if len(l.Items) > 0 {
		dst = avro.AppendLong(dst, int64(len(l.Items)))
	}
	for _, v := range l.Items {
		if v.IsNull() {
			if null < 0 {
				return dst, fqgw.Errorf(fqgw.CodeNotNullViolation, "a NULL in an array cannot be written as Avro's type %s", t.Elem)
			}
			dst = avro.AppendLong(dst, int64(null))
			continue
		}
		if branch >= 0 {
			dst = avro.AppendLong(dst, int64(branch))
		}
		var err error
		if dst, err = appendAvro(dst, of, c.elem, v); err != nil {
			return dst, err
		}
	}
	return append(dst, 0), nil
}
