package fqgw

import (
	"math"
	"math/big"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"
	"github.com/apache/arrow-go/v18/arrow/decimal256"
	"github.com/apache/arrow-go/v18/arrow/extensions"
)

// ArrowType is the Arrow type in which columns of type t travel: the narrowest
// that holds every value of t and that Parquet and Iceberg know too. numeric
// without a modifier (and with one beyond 38 digits) and types without an Arrow
// counterpart are strings.
func ArrowType(t Type) arrow.DataType {
	if t.IsArray() {
		return arrow.ListOf(ArrowType(t.Elem()))
	}
	switch t.Base() {
	case Bool:
		return arrow.FixedWidthTypes.Boolean
	case Int2, Int4:
		return arrow.PrimitiveTypes.Int32
	case Float4:
		return arrow.PrimitiveTypes.Float32
	case Float8:
		return arrow.PrimitiveTypes.Float64
	case Bytea:
		return arrow.BinaryTypes.Binary
	case Date:
		return arrow.FixedWidthTypes.Date32
	case Time:
		return arrow.FixedWidthTypes.Time64us
	case Timestamp:
		return &arrow.TimestampType{Unit: arrow.Microsecond}
	case Timestamptz:
		return &arrow.TimestampType{Unit: arrow.Microsecond, TimeZone: "UTC"}
	case UUID:
		return extensions.NewUUIDType()
	case Interval:
		return arrow.FixedWidthTypes.MonthDayNanoInterval
	case Numeric:
		if p, s := t.NumericMod(); t.Mod >= 0 && 0 <= s && s <= p && p <= 38 {
			return &arrow.Decimal128Type{Precision: int32(p), Scale: int32(s)}
		}
	}
	if t.Kind() == KindInt {
		return arrow.PrimitiveTypes.Int64
	}
	return arrow.BinaryTypes.String
}

// ArrowSchema is the schema of rows with those columns.
func ArrowSchema(cols []Column) *arrow.Schema {
	fields := make([]arrow.Field, len(cols))
	for i, c := range cols {
		fields[i] = arrow.Field{Name: c.Name, Type: ArrowType(c.Type), Nullable: !c.NotNull}
	}
	return arrow.NewSchema(fields, nil)
}

// AppendValue appends v, a value of type t, to a builder of ArrowType(t) or of a
// wider or narrower type of its kind. 22003 when v does not fit, 42804 when the
// builder is of another kind; then nothing is appended.
func AppendValue(b array.Builder, v Value, t Type) error {
	if v.IsNull() {
		b.AppendNull()
		return nil
	}
	tooBig := func() error {
		return Errorf(CodeOutOfRange, "value of type %s does not fit a column of type %s", t, b.Type())
	}
	fits := func(lo, hi int64) bool { return v.Kind() == KindInt && lo <= v.Int() && v.Int() <= hi }
	switch b := b.(type) {
	case *array.BooleanBuilder:
		if v.Kind() == KindBool {
			b.Append(v.Bool())
			return nil
		}
	case *array.Int64Builder:
		if v.Kind() == KindInt {
			b.Append(v.Int())
			return nil
		}
	case *array.Int32Builder:
		if fits(math.MinInt32, math.MaxInt32) {
			b.Append(int32(v.Int()))
			return nil
		} else if v.Kind() == KindInt {
			return tooBig()
		}
	case *array.Int16Builder:
		if fits(math.MinInt16, math.MaxInt16) {
			b.Append(int16(v.Int()))
			return nil
		} else if v.Kind() == KindInt {
			return tooBig()
		}
	case *array.Float64Builder:
		if v.Kind() == KindFloat {
			b.Append(v.Float())
			return nil
		}
	case *array.Float32Builder:
		if v.Kind() == KindFloat {
			b.Append(float32(v.Float()))
			return nil
		}
	case *array.Decimal128Builder:
		if v.Kind() == KindNumeric {
			typ := b.Type().(*arrow.Decimal128Type)
			d := v.Numeric()
			if !d.Finite() {
				return Errorf(CodeOutOfRange, "numeric %s cannot be stored in a column of type %s", d, t)
			}
			d = d.Round(typ.Scale)
			if new(big.Int).Abs(d.Coef()).Cmp(pow10(typ.Precision)) >= 0 {
				return tooBig()
			}
			b.Append(decimal128.FromBigInt(d.Coef()))
			return nil
		}
	case array.StringLikeBuilder:
		switch v.Kind() {
		case KindText:
			b.Append(v.Str())
			return nil
		case KindNumeric:
			b.Append(v.Numeric().String())
			return nil
		}
	case array.BinaryLikeBuilder:
		if v.Kind() == KindBytes || v.Kind() == KindText {
			b.Append([]byte(v.Str()))
			return nil
		}
	case *array.Date32Builder:
		if v.Kind() == KindDate {
			b.Append(arrow.Date32(min(max(v.Int(), math.MinInt32), math.MaxInt32))) // the ends are the infinities
			return nil
		}
	case *array.Time64Builder:
		if v.Kind() == KindTime {
			b.Append(arrow.Time64(v.Int()))
			return nil
		}
	case *array.TimestampBuilder:
		if v.Kind() == KindTimestamp {
			b.Append(arrow.Timestamp(v.Int()))
			return nil
		}
	case *array.FixedSizeBinaryBuilder:
		if v.Kind() == KindUUID {
			b.Append([]byte(v.Str()))
			return nil
		}
	case *extensions.UUIDBuilder:
		if v.Kind() == KindUUID {
			b.AppendBytes([16]byte([]byte(v.Str())))
			return nil
		}
	case *array.MonthDayNanoIntervalBuilder:
		if v.Kind() == KindInterval {
			s := v.Span()
			if s.Micros > math.MaxInt64/1000 || s.Micros < math.MinInt64/1000 {
				return tooBig()
			}
			b.Append(arrow.MonthDayNanoInterval{Months: s.Months, Days: s.Days, Nanoseconds: s.Micros * 1000})
			return nil
		}
	case array.ListLikeBuilder:
		if v.Kind() == KindArray {
			return appendList(b, v.List(), t)
		}
	}
	return Errorf(CodeDatatypeMismatch, "a value of type %s cannot be stored in a column of type %s", t, b.Type())
}

func appendList(b array.ListLikeBuilder, l *List, t Type) error {
	if len(l.Dims) > 1 {
		return Errorf(CodeFeatureNotSupported, "arrays of more than one dimension cannot be stored")
	}
	b.Append(true)
	for _, item := range l.Items {
		if err := AppendValue(b.ValueBuilder(), item, t.Elem()); err != nil {
			return err
		}
	}
	return nil
}

// ArrowValue is the value of a[i] as type t. It reads what ArrowType(t) gives
// and whatever other writers use for such a column: dictionaries, extensions,
// wider or narrower numbers, other units of time (floored), decimals. What
// cannot be a t is NULL (ArrowReads tells beforehand). The value keeps nothing
// of the array.
func ArrowValue(a arrow.Array, i int, t Type) Value {
	v := ArrowView(a, i, t)
	if v.str != "" {
		v.str = strings.Clone(v.str)
	}
	return v
}

// ArrowView is ArrowValue without a copy: the value may refer to the array's
// memory and is valid until the array is released.
func ArrowView(a arrow.Array, i int, t Type) Value {
	if a.IsNull(i) {
		return Null
	}
	switch a := a.(type) {
	case *array.Dictionary:
		return ArrowView(a.Dictionary(), a.GetValueIndex(i), t)
	case array.ExtensionArray:
		return ArrowView(a.Storage(), i, t)
	}
	switch t.Kind() {
	case KindBool:
		if a, ok := a.(*array.Boolean); ok {
			return BoolValue(a.Value(i))
		}
	case KindInt:
		if n, ok := arrowInt(a, i); ok {
			return IntValue(n)
		}
	case KindFloat:
		if f, ok := arrowFloat(a, i); ok {
			if t.OID == Float4.OID {
				f = float64(float32(f))
			}
			return FloatValue(f)
		}
	case KindNumeric:
		return arrowNumeric(a, i)
	case KindText:
		if s, ok := arrowBytes(a, i); ok {
			return TextValue(s)
		}
	case KindBytes:
		if s, ok := arrowBytes(a, i); ok {
			return BytesValue(s)
		}
	case KindUUID:
		if s, ok := arrowBytes(a, i); ok && len(s) == 16 {
			return Value{kind: KindUUID, str: s}
		}
	case KindDate:
		if d, ok := arrowDate(a, i); ok {
			return DateValue(d)
		}
	case KindTimestamp:
		if t, ok := arrowTime(a, i); ok {
			return TimestampValue(t)
		}
	case KindTime:
		switch a := a.(type) {
		case *array.Time64:
			return TimeValue(inMicros(int64(a.Value(i)), a.DataType().(*arrow.Time64Type).Unit))
		case *array.Time32:
			return TimeValue(inMicros(int64(a.Value(i)), a.DataType().(*arrow.Time32Type).Unit))
		}
	case KindInterval:
		if a, ok := a.(*array.MonthDayNanoInterval); ok {
			s := a.Value(i)
			return SpanValue(Span{Months: s.Months, Days: s.Days, Micros: s.Nanoseconds / 1000})
		}
	case KindArray:
		if a, ok := a.(array.ListLike); ok {
			start, end := a.ValueOffsets(i)
			l := &List{Elem: t.Elem()}
			for j := start; j < end; j++ {
				l.Items = append(l.Items, ArrowValue(a.ListValues(), int(j), t.Elem()))
			}
			return ListValue(l)
		}
	}
	return Null
}

// ArrowReads says whether ArrowValue can read a column of the Arrow type as t.
func ArrowReads(d arrow.DataType, t Type) bool {
	switch d := d.(type) {
	case *arrow.DictionaryType:
		return ArrowReads(d.ValueType, t)
	case arrow.ExtensionType:
		return ArrowReads(d.StorageType(), t)
	}
	number := arrow.IsInteger(d.ID()) || arrow.IsFloating(d.ID()) || arrow.IsDecimal(d.ID())
	text := arrow.IsBaseBinary(d.ID()) || d.ID() == arrow.STRING_VIEW || d.ID() == arrow.BINARY_VIEW
	switch t.Kind() {
	case KindBool:
		return d.ID() == arrow.BOOL
	case KindInt:
		return arrow.IsInteger(d.ID())
	case KindFloat:
		return number
	case KindNumeric:
		return number || text
	case KindText, KindBytes:
		return text
	case KindUUID:
		return text || d.ID() == arrow.FIXED_SIZE_BINARY
	case KindDate, KindTimestamp:
		return d.ID() == arrow.DATE32 || d.ID() == arrow.DATE64 || d.ID() == arrow.TIMESTAMP
	case KindTime:
		return d.ID() == arrow.TIME32 || d.ID() == arrow.TIME64
	case KindInterval:
		return d.ID() == arrow.INTERVAL_MONTH_DAY_NANO
	case KindArray:
		l, ok := d.(arrow.ListLikeType)
		return ok && ArrowReads(l.Elem(), t.Elem())
	}
	return false
}

func arrowInt(a arrow.Array, i int) (int64, bool) {
	switch a := a.(type) {
	case *array.Int64:
		return a.Value(i), true
	case *array.Int32:
		return int64(a.Value(i)), true
	case *array.Int16:
		return int64(a.Value(i)), true
	case *array.Int8:
		return int64(a.Value(i)), true
	case *array.Uint8:
		return int64(a.Value(i)), true
	case *array.Uint16:
		return int64(a.Value(i)), true
	case *array.Uint32:
		return int64(a.Value(i)), true
	case *array.Uint64:
		return int64(a.Value(i)), a.Value(i) <= math.MaxInt64
	}
	return 0, false
}

func arrowFloat(a arrow.Array, i int) (float64, bool) {
	switch a := a.(type) {
	case *array.Float64:
		return a.Value(i), true
	case *array.Float32:
		return float64(a.Value(i)), true
	case *array.Float16:
		return float64(a.Value(i).Float32()), true
	}
	if n, ok := arrowInt(a, i); ok {
		return float64(n), true
	}
	if v := arrowNumeric(a, i); !v.IsNull() {
		return v.Numeric().Float(), true
	}
	return 0, false
}

func arrowNumeric(a arrow.Array, i int) Value {
	switch a := a.(type) {
	case *array.Decimal128:
		return scaled(a.Value(i).BigInt(), a.DataType())
	case *array.Decimal256:
		return scaled(decimal256.Num(a.Value(i)).BigInt(), a.DataType())
	case *array.Decimal64:
		return scaled(big.NewInt(int64(a.Value(i))), a.DataType())
	case *array.Decimal32:
		return scaled(big.NewInt(int64(a.Value(i))), a.DataType())
	case *array.Float64:
		return NumericValue(DecimalFromFloat(a.Value(i)))
	case *array.Float32:
		return NumericValue(DecimalFromFloat4(float64(a.Value(i))))
	}
	if n, ok := arrowInt(a, i); ok {
		return NumericValue(DecimalFromInt(n))
	}
	if s, ok := arrowBytes(a, i); ok {
		if d, ok := ParseDecimal(s); ok {
			return NumericValue(d)
		}
	}
	return Null
}

func scaled(coef *big.Int, typ arrow.DataType) Value {
	scale := typ.(arrow.DecimalType).GetScale()
	if scale < 0 {
		coef, scale = coef.Mul(coef, pow10(-scale)), 0
	}
	return NumericValue(NewDecimal(coef, scale))
}

func arrowBytes(a arrow.Array, i int) (string, bool) {
	switch a := a.(type) {
	case array.StringLike: // String, LargeString, StringView
		return a.Value(i), true
	case *array.Binary:
		return a.ValueString(i), true
	case *array.LargeBinary:
		return a.ValueString(i), true
	case *array.BinaryView:
		return a.ValueString(i), true
	case *array.FixedSizeBinary:
		return string(a.Value(i)), true
	}
	return "", false
}

const dayMicros = 86_400_000_000

// arrowDate reads a date or timestamp as days; the ends of the range are the infinities.
func arrowDate(a arrow.Array, i int) (int64, bool) {
	if a, ok := a.(*array.Date32); ok {
		switch d := int64(a.Value(i)); d {
		case math.MaxInt32:
			return InfinityTime, true
		case math.MinInt32:
			return NegInfinityTime, true
		default:
			return d, true
		}
	}
	us, ok := arrowTime(a, i)
	if us == InfinityTime || us == NegInfinityTime {
		return us, ok
	}
	return Floor(us, dayMicros) / dayMicros, ok
}

// arrowTime reads a date or timestamp as microseconds.
func arrowTime(a arrow.Array, i int) (int64, bool) {
	switch a := a.(type) {
	case *array.Timestamp:
		return inMicros(int64(a.Value(i)), a.DataType().(*arrow.TimestampType).Unit), true
	case *array.Date32:
		return saturate(int64(a.Value(i)), dayMicros), true
	case *array.Date64:
		return inMicros(int64(a.Value(i)), arrow.Millisecond), true
	}
	return 0, false
}

// inMicros floors finer units; what overflows becomes infinite.
func inMicros(n int64, unit arrow.TimeUnit) int64 {
	switch unit {
	case arrow.Nanosecond:
		return Floor(n, 1000) / 1000
	case arrow.Millisecond:
		return saturate(n, 1000)
	case arrow.Second:
		return saturate(n, 1_000_000)
	}
	return n
}

// saturate is n*f for f > 0, or the infinity on its side.
func saturate(n, f int64) int64 {
	switch {
	case n > math.MaxInt64/f:
		return InfinityTime
	case n < math.MinInt64/f:
		return NegInfinityTime
	}
	return n * f
}

// RecordBytes is about what the arrays of a batch take in memory.
func RecordBytes(b arrow.RecordBatch) (n int64) {
	for _, c := range b.Columns() {
		n += int64(c.Data().SizeInBytes())
	}
	return n
}
