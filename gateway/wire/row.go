package wire

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// RowEncoder makes DataRow messages, or COPY's CopyData, of rows that are given to
// it column by column, as fqgw.RowWriter, and collects them. The zero value is ready
// for Reset and ResetCopy; it is used again and again without allocating.
type RowEncoder struct {
	of      []plan.Column
	formats []int16 // as in Bind
	columns []column
	env     *fqgw.Env
	copy    *copying // nil: DataRow
	buf     []byte
	start   int // of the row that is being made: behind those that ended
	at      int // its column that comes next
	err     error
}

// column is a column's type, and how its plain values are written.
type column struct {
	typ    fqgw.Type
	format int16
	plain  plain
}

// plain says for which plain values the bytes are known without the type's
// output function.
type plain uint8

const (
	byValue   plain = iota // for none
	intText                // integers in decimal
	int2Bytes              // integers of 2, 4 and 8 bytes
	int4Bytes
	int8Bytes
	floatBytes // doubles
	numericText
	numericBytes
	asIs     // text that is its own output
	rawBytes // bytea in binary
)

func plainOf(t fqgw.Type, format int16) plain {
	if format == 1 {
		switch t.Base() {
		case fqgw.Int2:
			return int2Bytes
		case fqgw.Int4:
			return int4Bytes
		case fqgw.Int8:
			return int8Bytes
		case fqgw.Float8:
			return floatBytes
		case fqgw.Numeric:
			return numericBytes
		case fqgw.Bytea:
			return rawBytes
		}
	}
	switch t.Base() {
	case fqgw.Int2, fqgw.Int4, fqgw.Int8:
		return intText
	case fqgw.Text, fqgw.Varchar, fqgw.BPChar, fqgw.JSON:
		return asIs
	case fqgw.Numeric:
		return numericText
	}
	return byValue
}

// Reset sets the columns, their formats as in Bind, and the session in which text
// is printed. The columns are kept and must not change.
func (e *RowEncoder) Reset(columns []plan.Column, formats []int16, env *fqgw.Env) {
	e.env = env
	if e.copy == nil && len(columns) == len(e.of) && (len(columns) == 0 || &columns[0] == &e.of[0]) && slices.Equal(formats, e.formats) {
		return // mostly it is the statement of before
	}
	e.copy = nil
	e.reset(columns, formats)
}

func (e *RowEncoder) reset(columns []plan.Column, formats []int16) {
	e.of, e.formats, e.columns = columns, append(e.formats[:0], formats...), e.columns[:0]
	for i := range columns {
		f := Format(formats, i)
		e.columns = append(e.columns, column{columns[i].Type, f, plainOf(columns[i].Type, f)})
	}
}

// maxRow is the longest row that PostgreSQL's protocol knows.
const maxRow = 0x3fffffff

// Begin begins a row. One that was begun and has not ended is forgotten.
func (e *RowEncoder) Begin() {
	e.at, e.err = 0, nil
	tag := byte('D')
	if e.copy != nil {
		tag = 'd'
	}
	e.buf = append(e.buf[:e.start], tag, 0, 0, 0, 0)
	if e.copy != nil {
		if e.buf = append(e.buf, e.copy.first...); e.copy.delimited {
			return
		}
	}
	e.buf = binary.BigEndian.AppendUint16(e.buf, uint16(len(e.columns)))
}

// End ends the row and says how long its message is.
func (e *RowEncoder) End() (size int, err error) {
	if e.copy != nil && e.copy.delimited {
		e.buf = append(e.buf, '\n')
	}
	size = len(e.buf) - e.start
	switch {
	case e.err != nil:
		return 0, e.err
	case e.at != len(e.columns):
		return 0, fqgw.Errorf(fqgw.CodeInternal, "a row of %d columns where there are %d", e.at, len(e.columns))
	case size > maxRow:
		return 0, fqgw.Errorf(fqgw.CodeLimitExceeded, "a row of %d bytes is longer than the limit of %d", size, maxRow)
	}
	if e.ended(); e.copy != nil {
		e.copy.first = nil
	}
	return size, nil
}

// ended ends the message that is being made.
func (e *RowEncoder) ended() {
	binary.BigEndian.PutUint32(e.buf[e.start+1:], uint32(len(e.buf)-e.start-1))
	e.start = len(e.buf)
}

// Add adds a message that is made already.
func (e *RowEncoder) Add(message []byte) {
	e.buf = append(e.buf[:e.start], message...)
	e.start = len(e.buf)
}

// Messages are the rows that ended, and what was added, since Clear.
func (e *RowEncoder) Messages() []byte { return e.buf[:e.start] }

// keptBytes is the largest buffer that is kept for the next rows.
const keptBytes = 1 << 20

// Clear forgets all rows.
func (e *RowEncoder) Clear() {
	if e.buf, e.start = e.buf[:0], 0; cap(e.buf) > keptBytes {
		e.buf = nil
	}
}

// nowhere stands for the columns that a row has too many.
var nowhere column

func (e *RowEncoder) next() *column {
	i := e.at
	e.at++
	if i >= len(e.columns) {
		return &nowhere
	}
	return &e.columns[i]
}

// open begins the bytes of the column that next gave.
func (e *RowEncoder) open() (at int) {
	if e.copy == nil || !e.copy.delimited {
		e.buf = append(e.buf, 0, 0, 0, 0)
	} else if e.at > 1 {
		e.buf = append(e.buf, e.copy.format.Delimiter)
	}
	return len(e.buf)
}

// close ends them.
func (e *RowEncoder) close(at int) {
	if e.copy == nil || !e.copy.delimited {
		binary.BigEndian.PutUint32(e.buf[at-4:], uint32(len(e.buf)-at))
		return
	}
	e.buf = e.copy.escape(e.buf, at, e.at-1)
}

// Null implements fqgw.RowWriter.
func (e *RowEncoder) Null() {
	e.at++
	if e.copy == nil || !e.copy.delimited {
		e.buf = append(e.buf, 0xff, 0xff, 0xff, 0xff)
		return
	}
	e.open()
	e.buf = append(e.buf, e.copy.format.Null...)
}

// Int implements fqgw.RowWriter.
func (e *RowEncoder) Int(k fqgw.Kind, n int64) {
	c := e.next()
	be := binary.BigEndian
	if k == fqgw.KindInt {
		switch c.plain {
		case intText:
			at := e.open()
			e.buf = strconv.AppendInt(e.buf, n, 10)
			e.close(at)
			return
		case int2Bytes:
			e.buf = be.AppendUint16(append(e.buf, 0, 0, 0, 2), uint16(n))
			return
		case int4Bytes:
			e.buf = be.AppendUint32(append(e.buf, 0, 0, 0, 4), uint32(n))
			return
		case int8Bytes:
			e.buf = be.AppendUint64(append(e.buf, 0, 0, 0, 8), uint64(n))
			return
		}
	}
	switch k {
	case fqgw.KindDate:
		e.value(c, fqgw.DateValue(n))
	case fqgw.KindTime:
		e.value(c, fqgw.TimeValue(n))
	case fqgw.KindTimestamp:
		e.value(c, fqgw.TimestampValue(n))
	default:
		e.value(c, fqgw.IntValue(n))
	}
}

// Float implements fqgw.RowWriter.
func (e *RowEncoder) Float(f float64) {
	c := e.next()
	if c.plain == floatBytes && f == f { // there is one NaN alone, and it is a Value's
		e.buf = binary.BigEndian.AppendUint64(append(e.buf, 0, 0, 0, 8), math.Float64bits(f))
		return
	}
	e.value(c, fqgw.FloatValue(f))
}

// Numeric implements fqgw.RowWriter.
func (e *RowEncoder) Numeric(d fqgw.ShortDecimal) {
	c := e.next()
	switch c.plain {
	case numericText:
		at := e.open()
		e.buf = d.AppendText(e.buf)
		e.close(at)
	case numericBytes:
		at := e.open()
		e.buf = appendShort(e.buf, d)
		e.close(at)
	default:
		e.value(c, fqgw.NumericValue(d.Decimal()))
	}
}

// Bytes implements fqgw.RowWriter.
func (e *RowEncoder) Bytes(k fqgw.Kind, b []byte) {
	c := e.next()
	switch {
	case k == fqgw.KindText && c.plain == asIs, k == fqgw.KindBytes && c.plain == rawBytes:
		at := e.open()
		e.buf = append(e.buf, b...)
		e.close(at)
	case k == fqgw.KindText:
		e.value(c, fqgw.TextValue(string(b)))
	case k == fqgw.KindBytes:
		e.value(c, fqgw.BytesValue(string(b)))
	default:
		e.value(c, fqgw.UUIDValue([16]byte(b)))
	}
}

// Value implements fqgw.RowWriter.
func (e *RowEncoder) Value(v fqgw.Value) {
	if v.IsNull() {
		e.Null()
		return
	}
	e.value(e.next(), v)
}

// value appends a value that is not NULL.
func (e *RowEncoder) value(c *column, v fqgw.Value) {
	at := e.open()
	buf, err := AppendValue(e.buf, v, c.typ, c.format, e.env)
	if err != nil {
		if e.err == nil {
			e.err = err
		}
		return
	}
	e.buf = buf
	e.close(at)
}
