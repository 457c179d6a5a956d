package decode

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// value reads the value at p, which is written in that form, as one of the column; have
// is false where Debezium did not have it. Absent and null are NULL.
func (d *debeziumJSON) value(c *column, f *form, b []byte, p span) (v fqgw.Value, have bool, err error) {
	if p.kind == absent || p.kind == null {
		return fqgw.Null, true, nil
	}
	if p.holds(b, placeholder) || f.kind == formList && p.kind == sequence && onlyPlaceholder(b[p.from:p.to]) {
		return fqgw.Null, false, nil
	}
	if v, err = d.formed(c, f, b, p); err != nil {
		return v, true, err
	}
	if k := v.Kind(); (k == fqgw.KindBytes || k == fqgw.KindArray || f.kind == formJSON) && unavailable(v) {
		return fqgw.Null, false, nil
	}
	switch {
	case f.to != nil:
		f.one[0] = v
		v, err = f.to.Eval(nil, f.one)
	case c.fit != nil && c.decimal && hasNaN(v):
		return fqgw.Null, true, errNoNaN(c)
	case c.fit != nil:
		d.one[0] = v
		v, err = c.fit.Eval(nil, d.one[:])
	}
	return v, true, err
}

// holds says that the value is that text, which is written without escapes.
func (p span) holds(b []byte, word string) bool {
	return p.kind == plain && p.to-p.from == len(word) && text(b[p.from:p.to]) == word
}

// onlyPlaceholder says that a JSON array has the placeholder and nothing else: of whatever
// type the elements are, Debezium did not have the array. Beside others it is a value.
func onlyPlaceholder(raw []byte) bool {
	s := scanner{b: raw, i: 1}
	p, ok := s.value(0)
	return ok && p.holds(raw, placeholder) && s.take(']')
}

// formed is the value before it is assigned to the column.
func (d *debeziumJSON) formed(c *column, f *form, b []byte, p span) (fqgw.Value, error) {
	raw := b[p.from:p.to]
	isText := p.kind == plain || p.kind == escaped
	switch f.kind {
	case formDays, formTicks, formClock:
		if p.kind == number {
			return moment(c, f, raw)
		}
		if isText && len(raw) > 0 && (raw[0] == '-' || raw[0] == '+' || raw[0] == '0') {
			return cast(c, gregorian(string(raw)))
		}
	case formDecimal:
		switch p.kind {
		case plain:
			if f.guessed && digits(raw) {
				return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidText, "%s is a decimal as text or in base64: nothing says which", quote(string(raw))).
					WithHint("Write decimal_handling = 'string' or 'precise', as the connector's decimal.handling.mode is.")
			}
			return d.decimal(c, raw, f.scale)
		case object:
			return d.variable(c, raw)
		}
	case formBase64, formHex:
		if isText {
			return d.bytes(c, f, raw, p.kind)
		}
	case formJSON:
		if p.kind == escaped {
			var err error
			if d.inner, err = unescape(d.inner[:0], raw); err != nil {
				return fqgw.Null, err
			}
			raw = d.inner
		}
		if isText && !valid(raw) {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type json: %s", quote(string(raw)))
		}
		return d.document(c, raw)
	case formList:
		if p.kind == sequence {
			return d.list(c, f, raw)
		}
	}
	return d.unfitted(c, b, p)
}

// moment is a date or a time that is written as a number.
func moment(c *column, f *form, raw []byte) (fqgw.Value, error) {
	n, ok := integer(raw)
	var v fqgw.Value
	switch {
	case !ok:
	case f.kind == formDays:
		v, ok = days(n)
	case f.kind == formTicks:
		n, ok = ticks(n, f.perSecond)
		if ok && f.guessed && doubtful(n, f.perSecond) {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "%s is read as %s, which is rather a number of another unit",
				quote(string(raw)), fqgw.TimeText(n)).
				WithHint("Declare the column with the precision that it has in the table: of three digits at most they are milliseconds; " +
					"or write time_unit = 'ms' or 'us'.")
		}
		v = fqgw.TimestampValue(n)
	case n >= 0 && n <= 86_400*f.perSecond:
		n, _ = ticks(n, f.perSecond)
		v = fqgw.TimeValue(n)
	default:
		ok = false
	}
	if !ok {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeDatetimeOverflow, "%s out of range: %s", c.typ.Base(), quote(string(raw))).
			WithHint("Declare the column with the precision that it has in the table, or write time_unit.")
	}
	return v, nil
}

// integer is a JSON number, floored.
func integer(raw []byte) (int64, bool) {
	if n, ok := expr.ShortInt(text(raw)); ok {
		return n, true
	}
	d, ok := fqgw.ParseDecimal(text(raw))
	if !ok {
		return 0, false
	}
	return d.Floor().Int64()
}

// digits says that a text is a number as people write it.
func digits(raw []byte) bool {
	for _, c := range raw {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(raw) > 0
}

// decimal is a decimal as the base64 of its coefficient.
func (d *debeziumJSON) decimal(c *column, raw []byte, scale int32) (fqgw.Value, error) {
	var ok bool
	if d.scratch, ok = base64Of(d.scratch[:0], raw); !ok {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidText, "%s is no decimal in base64", quote(string(raw))).
			WithHint("Write decimal_handling = 'string' where the connector has decimal.handling.mode=string.")
	}
	if scale == unknownScale {
		return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidText, "the record does not say the scale of %s", quote(string(raw))).
			WithHint("Declare the column as numeric(precision, scale), as it is in the table.")
	}
	return fqgw.NumericValue(decimalOf(d.scratch, scale)), nil
}

var scaled = []field{{name: "scale", columns: []int{0}}, {name: "value", columns: []int{1}}}

// variable is a decimal that says its scale.
func (d *debeziumJSON) variable(c *column, raw []byte) (fqgw.Value, error) {
	var at [2]span
	s := scanner{b: raw}
	if s.fields(scaled, at[:], 0) && at[0].kind == number && at[1].kind == plain {
		if n, ok := expr.ShortInt(text(raw[at[0].from:at[0].to])); ok && max(n, -n) <= fqgw.MaxScale {
			return d.decimal(c, raw[at[1].from:at[1].to], int32(n))
		}
	}
	return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type numeric: %s", quote(string(raw)))
}

// bytes is a bytea in base64 or in hexadecimal digits.
func (d *debeziumJSON) bytes(c *column, f *form, raw []byte, kind byte) (fqgw.Value, error) {
	how, ok := base64Of, kind == plain
	if f.kind == formHex {
		how = hexOf
	}
	if ok {
		d.scratch, ok = how(d.scratch[:0], raw)
	}
	if !ok {
		return fqgw.Null, errCoded(c, raw)
	}
	return fqgw.BytesValue(string(d.scratch)), nil
}

// list reads a JSON array of values in the form of its elements.
func (d *debeziumJSON) list(c *column, f *form, raw []byte) (fqgw.Value, error) {
	l := &fqgw.List{Elem: c.elem.typ.Base()}
	s := scanner{b: raw, i: 1}
	for more := !s.take(']'); more; more = s.take(',') {
		p, ok := s.value(0)
		if !ok {
			return fqgw.Null, fqgw.Errorf(fqgw.CodeInvalidText, "malformed array: %s", quote(string(raw)))
		}
		if p.kind == sequence && f.elem.kind != formJSON {
			return fqgw.Null, errDimensions()
		}
		v, err := fqgw.Null, error(nil)
		if p.kind != null {
			if v, err = d.formed(c.elem, f.elem, raw, p); err == nil && f.elem.to != nil {
				f.elem.one[0] = v
				v, err = f.elem.to.Eval(nil, f.elem.one)
			}
		}
		if err != nil {
			return fqgw.Null, err
		}
		l.Items = append(l.Items, v)
	}
	return fqgw.ListValue(l), nil
}

func errCoded(c *column, text []byte) error {
	return fqgw.Errorf(fqgw.CodeInvalidText, "invalid input syntax for type %s: %s", c.typ.Base(), quote(string(text))).
		WithHint("It is read as base64, or with binary_handling = 'hex' as hexadecimal digits.")
}

func errNoNaN(c *column) error {
	return fqgw.Errorf(fqgw.CodeOutOfRange, "NaN cannot be stored as %s: the decimals of the lake have none", c.typ).
		WithHint("Declare the column as numeric, which is stored as text, or as double precision.")
}
