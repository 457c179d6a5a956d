package decode

import (
	"encoding/hex"
	"math"
	"strconv"

	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/stream/decode/internal/protobuf"
)

// maxJSON bounds how long a document may become: a message of two bytes has all the
// defaults of its type.
const maxJSON = 16 << 20

// jsonOne appends a value as JSON to d.json: integers as numbers, messages with the names
// of the schema, without the fields that have presence and are not there; what has no
// JSON of its own as PostgreSQL's text of the nearest type.
func (d *protoRun) jsonOne(f *protobuf.Field, v protobuf.Value) error {
	switch f.Kind {
	case protoreflect.StringKind:
		if err := readable(fqgw.TextValue(text(v.B))); err != nil {
			return readable(fqgw.TextValue(string(v.B)))
		}
		d.json = appendJSONString(d.json, text(v.B))
		return nil
	case protoreflect.EnumKind:
		if f.Enum.Null {
			d.json = append(d.json, "null"...)
			return nil
		}
		d.json = appendJSONString(d.json, f.Enum.Text(int32(v.N)))
		return nil
	case protoreflect.MessageKind, protoreflect.GroupKind:
		return d.jsonMessage(f, v.B)
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		d.json = strconv.AppendUint(d.json, v.N, 10)
		return nil
	}
	out, err := d.protoItself(f, v)
	d.jsonValue(f, out)
	return err
}

// jsonValue appends a value of the nearest type of f.
func (d *protoRun) jsonValue(f *protobuf.Field, v fqgw.Value) {
	switch v.Kind() {
	case fqgw.KindBool:
		d.json = strconv.AppendBool(d.json, v.Bool())
		return
	case fqgw.KindInt:
		d.json = strconv.AppendInt(d.json, v.Int(), 10)
		return
	case fqgw.KindFloat:
		if x := v.Float(); !math.IsNaN(x) && !math.IsInf(x, 0) {
			d.json = append(d.json, expr.Text(v, protoNearest(f), nil)...)
			return
		}
	case fqgw.KindNumeric:
		d.json = v.Numeric().AppendText(d.json)
		return
	case fqgw.KindBytes:
		d.json = append(hex.AppendEncode(append(d.json, `"\\x`...), []byte(v.Str())), '"')
		return
	case fqgw.KindTimestamp, fqgw.KindDate:
		d.json = appendMoment(d.json, v)
		return
	}
	d.json = appendJSONString(d.json, expr.Text(v, protoNearest(f).Base(), nil))
}

// jsonItems is a list, or a map.
func (d *protoRun) jsonItems(f *protobuf.Field, first int32) error {
	open, end := byte('['), byte(']')
	if f.Map {
		open, end = '{', '}'
	}
	d.json = append(d.json, open)
	from := len(d.json)
	err := d.each(f, first, func(v protobuf.Value) error {
		if len(d.json) > from {
			d.json = append(d.json, ',')
		}
		if f.Map {
			return d.jsonEntry(f, v.B)
		}
		return d.jsonOne(f, v)
	})
	d.json = append(d.json, end)
	return err
}

// jsonEntry is an entry of a map.
func (d *protoRun) jsonEntry(f *protobuf.Field, b []byte) error {
	key, of := f.Key(), f.Value()
	k, ok := lastOf(key, b)
	if !ok {
		return errProto(f)
	}
	d.scratch = appendProtoKey(d.scratch[:0], key.Kind, k)
	if err := readable(fqgw.TextValue(text(d.scratch))); err != nil {
		return readable(fqgw.TextValue(string(d.scratch)))
	}
	d.json = append(appendJSONString(d.json, text(d.scratch)), ':')
	if of.Message == nil {
		v, _ := lastOf(of, b)
		return d.jsonOne(of, v)
	}
	var whole protoPlace // of a message that may have come in parts
	items, wire := len(d.items), of.Wire()
	for len(b) > 0 {
		number, as, v, rest, _ := protoField(b)
		if b = rest; number == of.Number && as == wire {
			d.add(&whole, true, false, v)
		}
	}
	v := protobuf.Value{B: d.merged(&whole)}
	d.items = d.items[:items]
	return d.jsonOne(of, v)
}

// jsonMessage is a message.
func (d *protoRun) jsonMessage(f *protobuf.Field, b []byte) error {
	m := f.Message
	if protoNearest(f).OID != fqgw.JSONB.OID { // a value of its own
		if m.Known != protobuf.Wrapper {
			v, err := protoKnown(f, b)
			if err == nil {
				d.jsonValue(f, v)
			}
			return err
		}
		v, ok := lastOf(&m.Fields[0], b)
		if !ok {
			return errProto(f)
		}
		return d.jsonOne(&m.Fields[0], v)
	}
	if d.deep++; d.deep > maxDocument {
		d.deep--
		return errDeepDocument()
	}
	places, items := len(d.fields), len(d.items)
	for range m.Fields {
		d.fields = append(d.fields, protoPlace{})
	}
	err := d.gather(f, b, places)
	if err == nil {
		err = d.jsonFields(m, places)
	}
	d.fields, d.items = d.fields[:places], d.items[:items]
	d.deep--
	if err == nil && len(d.json) > maxJSON {
		err = fqgw.Errorf(fqgw.CodeTooComplex, "the document is longer than %d MB", maxJSON>>20)
	}
	return err
}

// gather puts the fields of a message into the places from there on.
func (d *protoRun) gather(f *protobuf.Field, b []byte, places int) error {
	m := f.Message
	for len(b) > 0 {
		number, wire, v, rest, ok := protoField(b)
		if b = rest; !ok {
			return errProto(f)
		}
		i := m.Numbered(number)
		if i < 0 {
			continue
		}
		field := &m.Fields[i]
		run := wire != field.Wire()
		if run && (wire != wireOfRuns || !field.Packs()) {
			continue
		}
		if field.Oneof >= 0 {
			for other := range m.Fields {
				if other != i && m.Fields[other].Oneof == field.Oneof {
					d.fields[places+other] = protoPlace{}
				}
			}
		}
		d.add(&d.fields[places+i], field.Many(), run, v)
	}
	return nil
}

// jsonFields is the message whose fields are in the places from there on.
func (d *protoRun) jsonFields(m *protobuf.Message, places int) error {
	switch m.Known {
	case protobuf.Struct, protobuf.List:
		return d.jsonItems(&m.Fields[0], d.fields[places].first)
	case protobuf.Any:
		for i := range m.Fields {
			if p := &d.fields[places+i]; p.set {
				return d.jsonField(&m.Fields[i], p)
			}
		}
		d.json = append(d.json, "null"...)
		return nil
	}
	d.json = append(d.json, '{')
	from := len(d.json)
	for i := range m.Fields {
		f, p := &m.Fields[i], d.fields[places+i]
		if !p.set {
			if f.Presence {
				continue
			}
			p = protoPlace{v: *f.Default}
		}
		if len(d.json) > from {
			d.json = append(d.json, ',')
		}
		d.json = append(appendJSONString(d.json, f.Name), ':')
		if err := d.jsonField(f, &p); err != nil {
			return err
		}
	}
	d.json = append(d.json, '}')
	return nil
}

func (d *protoRun) jsonField(f *protobuf.Field, p *protoPlace) error {
	switch {
	case f.List || f.Map:
		return d.jsonItems(f, p.first)
	case f.Message != nil:
		return d.jsonOne(f, protobuf.Value{B: d.merged(p)})
	}
	return d.jsonOne(f, p.v)
}
