package decode

import (
	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
)

// JSONRows reads rows of a source that are a JSON object each, by the rules for
// records. Not safe for concurrent use.
type JSONRows struct {
	decoder *jsonDecoder
	row     []fqgw.Value
}

// NewJSONRows reads some columns of the source, by their index.
func NewJSONRows(s *fqgw.Source, fields []int) (*JSONRows, error) {
	some := *s
	some.Columns = make([]fqgw.Column, len(fields))
	for i, f := range fields {
		some.Columns[i] = s.Columns[f]
	}
	d, err := newJSON(&some)
	if err != nil {
		return nil, err
	}
	return &JSONRows{d, make([]fqgw.Value, len(fields))}, nil
}

// Row reads an object; the row is valid until the next call, its values are not bound to
// the text. An error has the column if it is about one.
func (r *JSONRows) Row(text []byte) ([]fqgw.Value, error) {
	err := r.decoder.decode(text, r.row)
	return r.row, err
}

// NewTextColumn is how texts are read as a column: as PostgreSQL's input function
// does, and then as it assigns.
func NewTextColumn(c fqgw.Column) (*Column, error) { return NewColumn(arrow.BinaryTypes.String, c) }

// Text reads a text, of a column that NewTextColumn made. The value keeps nothing of it.
func (c *Column) Text(s []byte) (fqgw.Value, error) {
	v := fqgw.TextValue(string(s))
	err := readable(v)
	if err == nil && c.text != nil && c.text.typ.OID != fqgw.Text.OID {
		v, err = cast(c.text, v.Str())
	}
	if err == nil && c.fit != nil {
		c.one[0] = v
		v, err = c.fit.Eval(nil, c.one[:])
	}
	if err != nil {
		return fqgw.Null, inColumn(shorten(err), c.name)
	}
	return v, nil
}
