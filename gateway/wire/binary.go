package wire

import (
	"encoding/binary"
	"math"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// PostgreSQL counts days and microseconds from 2000-01-01.
const (
	epochDays   = 10957
	epochMicros = int64(epochDays) * 86_400_000_000
)

// appendBinary appends the send function's bytes; 0A000 for a type without one.
func appendBinary(dst []byte, v fqgw.Value, t fqgw.Type, env *fqgw.Env) ([]byte, error) {
	be := binary.BigEndian
	switch v.Kind() {
	case fqgw.KindBool:
		if v.Bool() {
			return append(dst, 1), nil
		}
		return append(dst, 0), nil
	case fqgw.KindInt:
		for shift := 8 * (int(t.Size()) - 1); shift >= 0; shift -= 8 {
			dst = append(dst, byte(v.Int()>>shift))
		}
		return dst, nil
	case fqgw.KindFloat:
		if t.Base() == fqgw.Float4 {
			return be.AppendUint32(dst, math.Float32bits(float32(v.Float()))), nil
		}
		return be.AppendUint64(dst, math.Float64bits(v.Float())), nil
	case fqgw.KindNumeric:
		return appendNumeric(dst, v.Numeric()), nil
	case fqgw.KindText:
		switch {
		case t.Base() == fqgw.JSONB:
			dst = append(dst, 1)
		case t.Base() == fqgw.CharType && v.Str() == "":
			dst = append(dst, 0)
		}
		return append(dst, v.Str()...), nil
	case fqgw.KindBytes, fqgw.KindUUID:
		return append(dst, v.Str()...), nil
	case fqgw.KindDate:
		switch d := v.Int(); d {
		case fqgw.InfinityTime:
			return be.AppendUint32(dst, math.MaxInt32), nil
		case fqgw.NegInfinityTime:
			return be.AppendUint32(dst, 1<<31), nil
		default:
			return be.AppendUint32(dst, uint32(d-epochDays)), nil
		}
	case fqgw.KindTime:
		return be.AppendUint64(dst, uint64(v.Int())), nil
	case fqgw.KindTimestamp:
		if u := v.Int(); u == fqgw.InfinityTime || u == fqgw.NegInfinityTime {
			return be.AppendUint64(dst, uint64(u)), nil
		}
		return be.AppendUint64(dst, uint64(v.Int()-epochMicros)), nil
	case fqgw.KindInterval:
		s := v.Span()
		dst = be.AppendUint64(dst, uint64(s.Micros))
		return be.AppendUint32(be.AppendUint32(dst, uint32(s.Days)), uint32(s.Months)), nil
	case fqgw.KindArray:
		return appendArray(dst, v.List(), t, env)
	case fqgw.KindRecord:
		return appendRecord(dst, v, env)
	}
	return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "no binary output function available for type %s", t)
}

func appendArray(dst []byte, l *fqgw.List, t fqgw.Type, env *fqgw.Env) ([]byte, error) {
	be := binary.BigEndian
	elem := t.Elem()
	if elem.OID == 0 {
		elem = l.Elem
	}
	dims := l.Dims
	if dims == nil && len(l.Items) > 0 {
		dims = []int{len(l.Items)}
	}
	nulls := uint32(0)
	for _, it := range l.Items {
		if it.IsNull() {
			nulls = 1
		}
	}
	dst = be.AppendUint32(dst, uint32(len(dims)))
	dst = be.AppendUint32(dst, nulls)
	dst = be.AppendUint32(dst, elem.OID)
	lower := uint32(1)
	if t.Base() == fqgw.Int2Vector || t.Base() == fqgw.OIDVector {
		lower = 0
	}
	for _, d := range dims {
		dst = be.AppendUint32(be.AppendUint32(dst, uint32(d)), lower)
	}
	var err error
	for _, it := range l.Items {
		if dst, err = appendSized(dst, it, elem, env); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

// appendSized appends a value behind its length, -1 for NULL.
func appendSized(dst []byte, v fqgw.Value, t fqgw.Type, env *fqgw.Env) ([]byte, error) {
	if v.IsNull() {
		return binary.BigEndian.AppendUint32(dst, math.MaxUint32), nil
	}
	at := len(dst)
	dst, err := appendBinary(append(dst, 0, 0, 0, 0), v, t, env)
	if err != nil {
		return nil, err
	}
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return dst, nil
}

// appendRecord sends the fields of a row, each behind its type.
func appendRecord(dst []byte, v fqgw.Value, env *fqgw.Env) ([]byte, error) {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(v.Fields())))
	var err error
	for i, f := range v.Fields() {
		t := v.RowType().Type(i)
		dst = binary.BigEndian.AppendUint32(dst, t.OID)
		if dst, err = appendSized(dst, f, t, env); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func badBinary(t fqgw.Type) error {
	return fqgw.Errorf(fqgw.CodeInvalidBinary, "incorrect binary data format for type %s", t)
}

// decodeBinary reads the receive function's bytes.
func decodeBinary(b []byte, t fqgw.Type) (fqgw.Value, error) {
	be := binary.BigEndian
	if n := int(t.Size()); n > 0 && t.Kind() != fqgw.KindText && t.Base() != fqgw.Void && len(b) != n {
		return fqgw.Null, badBinary(t)
	}
	switch t.Kind() {
	case fqgw.KindBool:
		return fqgw.BoolValue(b[0] != 0), nil
	case fqgw.KindInt:
		n := int64(0)
		for _, c := range b {
			n = n<<8 | int64(c)
		}
		switch t.Base() { // the others have no sign
		case fqgw.Int2:
			n = int64(int16(n))
		case fqgw.Int4:
			n = int64(int32(n))
		}
		return fqgw.IntValue(n), nil
	case fqgw.KindFloat:
		if t.Base() == fqgw.Float4 {
			return fqgw.FloatValue(float64(math.Float32frombits(be.Uint32(b)))), nil
		}
		return fqgw.FloatValue(math.Float64frombits(be.Uint64(b))), nil
	case fqgw.KindNumeric:
		d, ok := decodeNumeric(b)
		if !ok {
			return fqgw.Null, badBinary(t)
		}
		return expr.Coerce(fqgw.NumericValue(d), fqgw.Numeric, t, nil)
	case fqgw.KindText:
		if t.Base() == fqgw.CharType {
			if len(b) != 1 {
				return fqgw.Null, badBinary(t)
			}
			return fqgw.TextValue(strings.TrimPrefix(string(b), "\x00")), nil
		}
		if t.Base() == fqgw.JSONB {
			if len(b) == 0 || b[0] != 1 {
				return fqgw.Null, badBinary(t)
			}
			b = b[1:]
		}
		s, err := text(b)
		if err != nil {
			return fqgw.Null, err
		}
		return expr.Parse(s, t, nil)
	case fqgw.KindBytes:
		return fqgw.BytesValue(string(b)), nil
	case fqgw.KindUUID:
		return fqgw.UUIDValue([16]byte(b)), nil
	case fqgw.KindDate:
		switch d := int32(be.Uint32(b)); d {
		case math.MaxInt32:
			return fqgw.DateValue(fqgw.InfinityTime), nil
		case math.MinInt32:
			return fqgw.DateValue(fqgw.NegInfinityTime), nil
		default:
			return fqgw.DateValue(int64(d) + epochDays), nil
		}
	case fqgw.KindTime:
		us := int64(be.Uint64(b))
		if us < 0 || us > 86_400_000_000 {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "time out of range")
		}
		return fqgw.TimeValue(us), nil
	case fqgw.KindTimestamp:
		us := int64(be.Uint64(b))
		if us == math.MaxInt64 || us == math.MinInt64 {
			return fqgw.TimestampValue(us), nil
		}
		if us > math.MaxInt64-epochMicros {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "timestamp out of range")
		}
		return fqgw.TimestampValue(us + epochMicros), nil
	case fqgw.KindInterval:
		return fqgw.SpanValue(fqgw.Span{Micros: int64(be.Uint64(b)), Days: int32(be.Uint32(b[8:])), Months: int32(be.Uint32(b[12:]))}), nil
	case fqgw.KindArray:
		return decodeArray(b, t)
	}
	return fqgw.Null, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "no binary input function available for type %s", t)
}

func decodeArray(b []byte, t fqgw.Type) (fqgw.Value, error) {
	be := binary.BigEndian
	bad := badBinary(t)
	if len(b) < 12 {
		return fqgw.Null, bad
	}
	ndim := be.Uint32(b)
	elem := t.Elem()
	sent, known := fqgw.TypeByOID(be.Uint32(b[8:]))
	if !known || sent.Kind() != elem.Kind() {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "wrong element type")
	}
	b = b[12:]
	if ndim > 6 || len(b) < int(ndim)*8 {
		return fqgw.Null, bad
	}
	count, dims := 1, make([]int, ndim)
	for i := range dims {
		dims[i] = int(int32(be.Uint32(b)))
		b = b[8:]
		if dims[i] < 0 || dims[i] > len(b) || count*max(dims[i], 1) > len(b)+1 {
			return fqgw.Null, bad
		}
		count *= dims[i]
	}
	if ndim == 0 {
		count = 0
	}
	l := &fqgw.List{Elem: elem, Items: make([]fqgw.Value, 0, count)}
	if ndim > 1 && count > 0 {
		l.Dims = dims
	}
	for range count {
		if len(b) < 4 {
			return fqgw.Null, bad
		}
		n := int32(be.Uint32(b))
		b = b[4:]
		if n == -1 {
			l.Items = append(l.Items, fqgw.Null)
			continue
		}
		if n < 0 || int(n) > len(b) {
			return fqgw.Null, bad
		}
		v, err := decodeBinary(b[:n], sent)
		if err != nil {
			return fqgw.Null, err
		}
		l.Items = append(l.Items, v)
		b = b[n:]
	}
	if len(b) > 0 {
		return fqgw.Null, bad
	}
	return fqgw.ListValue(l), nil
}
