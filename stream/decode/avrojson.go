package decode

import (
	"encoding/hex"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/stream/decode/internal/avro"
)

// appendJSON appends the next value as JSON to d.json: what has no JSON of its own as
// PostgreSQL's text of the nearest type, timestamps as RFC 3339 has them.
func (d *avroValues) appendJSON(t *avro.Type) error {
	switch {
	case t.Logical == avro.Scaled:
	case t.Kind == avro.Record, t.Kind == avro.Array, t.Kind == avro.Map:
		var err error
		if d.Enter() && d.Depth() > maxDocument {
			err = errDeepDocument()
			d.Skip(t)
		} else if t.Kind == avro.Record {
			err = d.jsonObject(t)
		} else {
			err = d.jsonItems(t)
		}
		d.Leave()
		return err
	case t.Kind == avro.Union:
		i := d.Index(len(t.Branches))
		if d.Bad() {
			return nil
		}
		return d.appendJSON(t.Branches[i])
	case t.Kind == avro.String, t.Kind == avro.Enum:
		b := d.bytes(t)
		if !utf8.Valid(b) || strings.IndexByte(text(b), 0) >= 0 {
			return readable(fqgw.TextValue(string(b)))
		}
		d.json = appendJSONString(d.json, text(b))
		return nil
	}
	v, err := d.itself(t)
	if err != nil {
		return err
	}
	d.json = appendJSONValue(d.json, v, t)
	return nil
}

func appendJSONValue(dst []byte, v fqgw.Value, t *avro.Type) []byte {
	switch v.Kind() {
	case fqgw.KindNull:
		return append(dst, "null"...)
	case fqgw.KindBool:
		return strconv.AppendBool(dst, v.Bool())
	case fqgw.KindInt:
		return strconv.AppendInt(dst, v.Int(), 10)
	case fqgw.KindFloat:
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return append(dst, expr.Text(v, avroNearest(t), nil)...)
		}
	case fqgw.KindNumeric:
		return v.Numeric().AppendText(dst)
	case fqgw.KindBytes:
		return append(hex.AppendEncode(append(dst, `"\\x`...), []byte(v.Str())), '"')
	case fqgw.KindTimestamp:
		if dst = appendMoment(dst, v); avroNearest(t) == fqgw.Timestamp {
			dst = append(dst[:len(dst)-2], '"') // without the Z
		}
		return dst
	case fqgw.KindDate:
		return appendMoment(dst, v)
	}
	return appendJSONString(dst, expr.Text(v, avroNearest(t).Base(), nil))
}

// jsonObject is a record. After an error the rest is passed over.
func (d *avroValues) jsonObject(t *avro.Type) error {
	var first error
	d.json = append(d.json, '{')
	for i := range t.Fields {
		f := &t.Fields[i]
		if first != nil || d.Bad() {
			d.Skip(f.Type)
			continue
		}
		if i > 0 {
			d.json = append(d.json, ',')
		}
		d.json = append(appendJSONString(d.json, f.Name), ':')
		first = d.appendJSON(f.Type)
	}
	d.json = append(d.json, '}')
	return first
}

// jsonItems is an array, or a map.
func (d *avroValues) jsonItems(t *avro.Type) error {
	var first error
	open, end := byte('['), byte(']')
	if t.Kind == avro.Map {
		open, end = '{', '}'
	}
	d.json = append(d.json, open)
	any := false
	for n, _ := d.Block(); n > 0; n, _ = d.Block() {
		for ; n > 0 && !d.Bad(); n-- {
			if any {
				d.json = append(d.json, ',')
			}
			any = true
			if t.Kind == avro.Map {
				key := d.Bytes()
				if err := readable(fqgw.TextValue(text(key))); err != nil && first == nil {
					first = err
				}
				d.json = append(appendJSONString(d.json, text(key)), ':')
			}
			if first != nil {
				d.Skip(t.Elem)
			} else {
				first = d.appendJSON(t.Elem)
			}
		}
	}
	d.json = append(d.json, end)
	return first
}
