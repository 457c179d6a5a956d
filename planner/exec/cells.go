package exec

import (
	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/decimal128"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/window"
)

// cells are the values of a column of a chunk, to be written one by one as they lie
// there: what has a plain form is never a fqgw.Value. They are valid as long as the
// chunk.
type cells struct {
	typ     fqgw.Type
	form    cellForm
	kind    fqgw.Kind      // of whole numbers
	array   arrow.Array    // nil: filled
	nulls   bool           // there are some in array
	made    *window.Filled // of windows that are no array
	instead fqgw.Value     // of NULL

	ints    []int64
	ints32  []int32
	floats  []float64
	texts   []byte
	offsets []int32 // of the texts
	decs    []decimal128.Num
	scale   int32
}

// cellForm is how the values of a column lie there.
type cellForm uint8

const (
	asValues cellForm = iota // in any way
	asInts
	asInts32
	asFloats
	asText
	asBytes
	asDecimals
	asNumerals // numerics as text
)

// cellsOf are the values of an array, read as type t, with a default.
func cellsOf(a arrow.Array, t fqgw.Type, instead fqgw.Value) cells {
	c := cells{typ: t, instead: instead, array: a, nulls: a.NullN() > 0, kind: t.Kind()}
	switch a := a.(type) {
	case *array.Int64:
		if c.kind == fqgw.KindInt {
			c.form, c.ints = asInts, a.Int64Values()
		}
	case *array.Int32:
		if c.kind == fqgw.KindInt {
			c.form, c.ints32 = asInts32, a.Int32Values()
		}
	case *array.Timestamp:
		if c.kind == fqgw.KindTimestamp && a.DataType().(*arrow.TimestampType).Unit == arrow.Microsecond {
			c.form, c.ints = asInts, arrow.GetData[int64](arrow.GetBytes(a.TimestampValues()))
		}
	case *array.Float64:
		if t == fqgw.Float8 {
			c.form, c.floats = asFloats, a.Float64Values()
		}
	case *array.String:
		switch {
		case c.kind == fqgw.KindNumeric:
			c.form = asNumerals
		case c.kind == fqgw.KindText:
			c.form, c.texts, c.offsets = asText, a.ValueBytes(), a.ValueOffsets()
		}
	case *array.Binary:
		if c.kind == fqgw.KindBytes {
			c.form, c.texts, c.offsets = asBytes, a.ValueBytes(), a.ValueOffsets()
		}
	case *array.Decimal128:
		if c.scale = a.DataType().(*arrow.Decimal128Type).Scale; c.kind == fqgw.KindNumeric && c.scale >= 0 {
			c.form, c.decs = asDecimals, a.Values()
		}
	}
	return c
}

// write writes the i-th value.
func (c *cells) write(w fqgw.RowWriter, i int) {
	switch {
	case c.isNull(i):
		w.Value(c.instead)
		return
	case c.made != nil:
		writeFilled(w, c.made, i)
		return
	}
	switch c.form {
	case asInts:
		w.Int(c.kind, c.ints[i])
	case asInts32:
		w.Int(c.kind, int64(c.ints32[i]))
	case asFloats:
		w.Float(c.floats[i])
	case asText:
		first := c.offsets[0]
		w.Bytes(fqgw.KindText, c.texts[c.offsets[i]-first:c.offsets[i+1]-first])
	case asBytes:
		first := c.offsets[0]
		w.Bytes(fqgw.KindBytes, c.texts[c.offsets[i]-first:c.offsets[i+1]-first])
	case asDecimals:
		w.Numeric(shortOf(c.decs[i], c.scale))
	case asNumerals:
		if d, ok := fqgw.ParseShort(c.array.(*array.String).Value(i)); ok {
			w.Numeric(d)
			return
		}
		w.Value(fqgw.ArrowView(c.array, i, c.typ))
	default:
		w.Value(fqgw.ArrowView(c.array, i, c.typ))
	}
}

// isNull says whether there is no value but the default.
func (c *cells) isNull(i int) bool {
	if c.made != nil {
		return c.made.Null[i]
	}
	return c.nulls && c.array.IsNull(i)
}

// value is the i-th value; it keeps nothing of the chunk.
func (c *cells) value(i int) fqgw.Value {
	switch {
	case c.isNull(i):
		return c.instead
	case c.made != nil:
		return c.made.Value(i)
	}
	return fqgw.ArrowValue(c.array, i, c.typ)
}

func shortOf(n decimal128.Num, scale int32) fqgw.ShortDecimal {
	d := fqgw.ShortDecimal{Negative: n.Sign() < 0, Scale: scale}
	if d.Negative {
		n = n.Negate()
	}
	d.High, d.Low = uint64(n.HighBits()), n.LowBits()
	return d
}

// writeFilled writes a value of a slot of windows that is not NULL.
func writeFilled(w fqgw.RowWriter, f *window.Filled, i int) {
	switch d, short := f.Short(i); {
	case short:
		w.Numeric(d)
	case f.Ints != nil:
		w.Int(fqgw.KindInt, f.Ints[i])
	case f.Floats != nil:
		w.Float(f.Floats[i])
	default:
		w.Value(f.Value(i))
	}
}
