package decode

import (
	"math"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/stream/decode/internal/protobuf"
)

// protoNearest is the PostgreSQL type that has the values of a field: messages, maps and
// lists of them are jsonb.
func protoNearest(f *protobuf.Field) fqgw.Type {
	switch {
	case f.Map:
		return fqgw.JSONB
	case f.List:
		of := protoNearest(f.One())
		if of.OID == fqgw.JSONB.OID {
			return of
		}
		return of.Array()
	}
	switch f.Kind {
	case protoreflect.BoolKind:
		return fqgw.Bool
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return fqgw.Int4
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind, protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return fqgw.Int8
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return fqgw.NumericOf(20, 0)
	case protoreflect.FloatKind:
		return fqgw.Float4
	case protoreflect.DoubleKind:
		return fqgw.Float8
	case protoreflect.StringKind, protoreflect.EnumKind:
		return fqgw.Text
	case protoreflect.BytesKind:
		return fqgw.Bytea
	}
	switch f.Message.Known {
	case protobuf.Timestamp:
		return fqgw.Timestamptz
	case protobuf.Duration: // no record carries an interval
		return fqgw.Text
	case protobuf.Wrapper:
		return protoNearest(&f.Message.Fields[0])
	case protobuf.Date:
		return fqgw.Date
	case protobuf.TimeOfDay:
		return fqgw.Time
	case protobuf.Decimal:
		return fqgw.Numeric
	}
	return fqgw.JSONB
}

// protoHow is how a field becomes a value of a column.
type protoHow uint8

const (
	protoItself   protoHow = iota // the value of the nearest type, which fit assigns to the column's
	protoText                     // of bytes, a string or an enum: a text
	protoParsed                   // of a string or an enum: what PostgreSQL reads in it as the column's type
	protoRaw                      // of bytes or a string: bytea
	protoEpoch                    // of an integer: time units since the epoch
	protoDocument                 // JSON
	protoArray                    // an array
	protoRefused                  // not at all
)

// protoRead reads one field as one column.
type protoRead struct {
	assigning
	field   *protobuf.Field
	how     protoHow
	wrapped bool // the value is in a message of its own
	elem    *protoRead
	big     *protoRead // of unsigned integers that no bigint is
}

func newProtoRead(f *protobuf.Field, c *column) *protoRead {
	if f.Message != nil && !f.List && f.Message.Known == protobuf.Wrapper {
		x := newProtoRead(f.Message.Fields[0].One(), c)
		x.wrapped = true
		return x
	}
	nearest := protoNearest(f)
	if unsigned(f) && nearest != fqgw.Int8 {
		x := protoReadAs(f, c, fqgw.Int8)
		if x.how != protoEpoch {
			x.big = protoReadAs(f, c, fqgw.Numeric)
		}
		return x
	}
	return protoReadAs(f, c, nearest)
}

// unsigned says that a field may have integers that no bigint is.
func unsigned(f *protobuf.Field) bool {
	return !f.List && !f.Map && (f.Kind == protoreflect.Uint64Kind || f.Kind == protoreflect.Fixed64Kind)
}

// protoReadAs is how values of the nearest type are read as c.
func protoReadAs(f *protobuf.Field, c *column, nearest fqgw.Type) *protoRead {
	x := &protoRead{field: f, assigning: assigningTo(c)}
	base := c.typ.Base()
	document := base == fqgw.JSON || base == fqgw.JSONB
	stringy := base == fqgw.Text || base == fqgw.Varchar || base == fqgw.BPChar
	one := !f.List && !f.Map
	text := one && (f.Kind == protoreflect.StringKind || f.Kind == protoreflect.EnumKind)
	raw := one && f.Kind == protoreflect.BytesKind
	switch {
	case document && (!text || f.Kind == protoreflect.EnumKind):
		x.how = protoDocument
	case (text || raw) && stringy:
		x.how = protoText
	case base == fqgw.Bytea && one && (raw || f.Kind == protoreflect.StringKind):
		x.how = protoRaw
	case text:
		x.how = protoParsed
	case one && nearest.Kind() == fqgw.KindInt && (base == fqgw.Timestamp || base == fqgw.Timestamptz):
		x.how = protoEpoch
	case f.List && c.elem != nil:
		x.how, x.elem = protoArray, newProtoRead(f.One(), c.elem)
	case nearest.Base() != base && !moments(nearest, base):
		x.assign(nearest, stringy)
	}
	return x
}

// assign has values of the nearest type assigned to the column's.
func (x *protoRead) assign(nearest fqgw.Type, stringy bool) {
	if stringy && (nearest.OID == fqgw.JSONB.OID || nearest.IsArray()) { // its text
		x.how = protoDocument
		return
	}
	if nearest.OID == fqgw.JSONB.OID || nearest.IsArray() || !x.as(nearest) {
		x.how = protoRefused
	}
}

// read is what came of a field as a column has it.
func (d *protoRun) read(x *protoRead, p *protoPlace) (fqgw.Value, error) {
	f := x.field
	switch {
	case x.how == protoArray:
		return d.list(x, p)
	case x.how == protoDocument && (f.List || f.Map):
		d.json = d.json[:0]
		if err := d.jsonItems(f, p.first); err != nil {
			return fqgw.Null, err
		}
		return d.assigned(x)
	case x.wrapped || f.Message != nil:
		return d.one(x, protobuf.Value{B: d.merged(p)})
	}
	return d.one(x, p.v)
}

// merged is the message that came in several parts: all of them, one behind the other.
func (d *protoRun) merged(p *protoPlace) []byte {
	if p.first == p.last {
		if p.first == 0 {
			return nil
		}
		return d.items[p.first-1].v.B
	}
	var out []byte
	for i := p.first; i != 0; i = d.items[i-1].next {
		out = append(out, d.items[i-1].v.B...)
	}
	return out
}

// each gives every value of a field, those of runs too; it ends with the first error.
func (d *protoRun) each(f *protobuf.Field, first int32, to func(protobuf.Value) error) error {
	wire := f.Wire()
	for i := first; i != 0; i = d.items[i-1].next {
		it := d.items[i-1]
		if !it.run {
			if err := to(it.v); err != nil {
				return err
			}
			continue
		}
		for b := it.v.B; len(b) > 0; {
			v, n := protoValue(f.Number, wire, b)
			if n < 0 {
				return errProto(f)
			}
			if err := to(v); err != nil {
				return err
			}
			b = b[n:]
		}
	}
	return nil
}

func errProto(f *protobuf.Field) error {
	return fqgw.Errorf(fqgw.CodeInvalidBinary, "field \"%s\" is no %s", f.Name, f)
}

// list is an array.
func (d *protoRun) list(x *protoRead, p *protoPlace) (fqgw.Value, error) {
	l := &fqgw.List{Elem: x.column.elem.typ.Base()}
	err := d.each(x.field, p.first, func(v protobuf.Value) error {
		out, err := d.one(x.elem, v)
		l.Items = append(l.Items, out)
		return err
	})
	if err != nil {
		return fqgw.Null, err
	}
	return x.assigning.value(fqgw.ListValue(l), &d.avroValues.one)
}

// one reads one value.
func (d *protoRun) one(x *protoRead, v protobuf.Value) (fqgw.Value, error) {
	if x.wrapped {
		var ok bool
		if v, ok = lastOf(x.field, v.B); !ok {
			return fqgw.Null, errProto(x.field)
		}
	}
	if x.big != nil && v.N > math.MaxInt64 {
		x = x.big
	}
	out, err := d.unfittedProto(x, v)
	if err != nil {
		return fqgw.Null, err
	}
	return x.assigning.value(out, &d.avroValues.one)
}

// lastOf is the value of the only field of a message.
func lastOf(f *protobuf.Field, b []byte) (last protobuf.Value, ok bool) {
	want := f.Wire()
	for len(b) > 0 {
		number, wire, v, rest, ok := protoField(b)
		if b = rest; !ok {
			return last, false
		}
		if number == f.Number && wire == want {
			last = v
		}
	}
	return last, true
}

// unfittedProto is the value before it is assigned to the column's type.
func (d *protoRun) unfittedProto(x *protoRead, v protobuf.Value) (fqgw.Value, error) {
	f := x.field
	switch x.how {
	case protoText, protoParsed:
		return d.protoText(x, v)
	case protoRaw:
		return fqgw.BytesValue(string(v.B)), nil
	case protoEpoch:
		if v.N > math.MaxInt64 && unsigned(f) {
			return fqgw.Null, errEpoch(x.column, strconv.FormatUint(v.N, 10))
		}
		n := protobuf.Integer(f.Kind, v.N)
		t, ok := times(n, x.column.unit)
		if !ok {
			return fqgw.Null, errEpoch(x.column, strconv.FormatInt(n, 10))
		}
		return fqgw.TimestampValue(t), nil
	case protoDocument:
		d.json = d.json[:0]
		if err := d.jsonOne(f, v); err != nil {
			return fqgw.Null, err
		}
		return d.canonical(x.column, d.json)
	case protoRefused:
		return fqgw.Null, fqgw.Errorf(fqgw.CodeDatatypeMismatch, "column \"%s\" is of type %s but the field of the record is %s",
			x.column.name, x.column.typ, f)
	}
	return d.protoItself(f, v)
}

// assigned is the document in d.json as the column has it.
func (d *protoRun) assigned(x *protoRead) (fqgw.Value, error) {
	v, err := d.canonical(x.column, d.json)
	if err != nil {
		return v, err
	}
	return x.assigning.value(v, &d.avroValues.one)
}

// protoText is a string, an enum or bytes as text, or as what PostgreSQL reads in it.
func (d *protoRun) protoText(x *protoRead, v protobuf.Value) (fqgw.Value, error) {
	if x.field.Kind == protoreflect.EnumKind {
		name := x.field.Enum.Text(int32(v.N))
		if x.how == protoText {
			return fqgw.TextValue(name), nil
		}
		return cast(x.column, name)
	}
	if x.how == protoText {
		s, known := d.shared.of(v.B)
		out := fqgw.TextValue(s)
		if known {
			return out, nil
		}
		return out, readable(out)
	}
	if err := readable(fqgw.TextValue(text(v.B))); err != nil {
		return fqgw.Null, err
	}
	if oid := x.column.typ.OID; oid == fqgw.JSON.OID || oid == fqgw.JSONB.OID {
		return d.written(x.column, v.B)
	}
	if x.column.keeps {
		return cast(x.column, string(v.B))
	}
	return cast(x.column, text(v.B))
}

// protoItself is a value of the nearest type of f, which is no jsonb and no array. Of
// an unsigned integer of 64 bits it is a bigint if it can be one.
func (d *protoRun) protoItself(f *protobuf.Field, v protobuf.Value) (fqgw.Value, error) {
	switch f.Kind {
	case protoreflect.BoolKind:
		return fqgw.BoolValue(v.N != 0), nil
	case protoreflect.FloatKind, protoreflect.DoubleKind:
		return fqgw.FloatValue(protobuf.Float(f.Kind, v.N)), nil
	case protoreflect.BytesKind:
		return fqgw.BytesValue(string(v.B)), nil
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return protoKnown(f, v.B)
	}
	if v.N > math.MaxInt64 && unsigned(f) {
		n, _ := fqgw.ParseDecimal(strconv.FormatUint(v.N, 10))
		return fqgw.NumericValue(n), nil
	}
	return fqgw.IntValue(protobuf.Integer(f.Kind, v.N)), nil
}

// protoKnown is a message that is a value of its own.
func protoKnown(f *protobuf.Field, b []byte) (fqgw.Value, error) {
	var at [5]protobuf.Value // by number
	for len(b) > 0 {
		number, _, v, rest, ok := protoField(b)
		if b = rest; !ok {
			return fqgw.Null, errProto(f)
		}
		if int(number) < len(at) {
			at[number] = v
		}
	}
	micros := fqgw.FloorDiv(int64(int32(at[2].N)), 1000)
	switch f.Message.Known {
	case protobuf.Timestamp:
		t, ok := times(int64(at[1].N), 1_000_000)
		if !ok || !inRange(t+micros) {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "timestamp out of range: %d seconds since 1970", int64(at[1].N))
		}
		return fqgw.TimestampValue(t + micros), nil
	case protobuf.Duration:
		const most = math.MaxInt64 / 1_000_000 / 2
		if s := int64(at[1].N); s > most || s < -most {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "interval out of range: %d seconds", s)
		}
		span := fqgw.Span{Micros: int64(at[1].N)*1_000_000 + micros}
		return fqgw.TextValue(expr.Text(fqgw.SpanValue(span), fqgw.Interval, nil)), nil
	case protobuf.Date:
		y, m, day := int32(at[1].N), int32(at[2].N), int32(at[3].N)
		if y < 1 || y > 9999 || m < 1 || m > 12 || day < 1 || day > 31 {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "date out of range: year %d, month %d, day %d", y, m, day)
		}
		return expr.Parse(string(appendDay(nil, y, m, day)), fqgw.Date, nil)
	case protobuf.TimeOfDay:
		seconds := (int64(int32(at[1].N))*60+int64(int32(at[2].N)))*60 + int64(int32(at[3].N))
		return timeOfDay(seconds*1_000_000+fqgw.FloorDiv(int64(int32(at[4].N)), 1000), 1)
	}
	scale := int32(at[3].N)
	if scale < -fqgw.MaxScale || scale > fqgw.MaxScale {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeOutOfRange, "a decimal has the scale %d", scale)
	}
	return fqgw.NumericValue(decimalOf(at[1].B, scale)), nil
}

// appendDay appends a day as 2013-03-01.
func appendDay(dst []byte, y, m, d int32) []byte {
	for _, n := range [...]struct{ v, least int32 }{{y, 1000}, {m, 10}, {d, 10}} {
		if len(dst) > 0 {
			dst = append(dst, '-')
		}
		for p := n.least; p > 1 && n.v < p; p /= 10 {
			dst = append(dst, '0')
		}
		dst = strconv.AppendInt(dst, int64(n.v), 10)
	}
	return dst
}
