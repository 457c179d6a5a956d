package fqgw

// Rows is a stream of rows. Next gives io.EOF at the end; the row is valid
// until the following Next. Close may be called at any time, more than once.
type Rows interface {
	Next() ([]Value, error)
	Close() error
}

// RowWriter takes the columns of one row, in order. Who has a column in a plain
// form gives it so, and no Value is made of it on the way.
type RowWriter interface {
	Null()
	// Int is a value of KindInt, KindDate, KindTime or KindTimestamp.
	Int(k Kind, n int64)
	Float(f float64)
	// Numeric is a value of KindNumeric that is short.
	Numeric(d ShortDecimal)
	// Bytes is a value of KindText, KindBytes or KindUUID; b may change after the call.
	Bytes(k Kind, b []byte)
	Value(v Value)
}

// DirectRows are Rows that can write a row to its reader without making a []Value
// of it. The two ways may take turns: each gives the next row.
type DirectRows interface {
	Rows
	// WriteRow writes the next row; io.EOF, and nothing written, at the end. After
	// another error part of the row may be written.
	WriteRow(w RowWriter) error
}

// WriteRow writes the next row of any rows.
func WriteRow(rows Rows, w RowWriter) error {
	if d, ok := rows.(DirectRows); ok {
		return d.WriteRow(w)
	}
	row, err := rows.Next()
	if err != nil {
		return err
	}
	for i := range row {
		w.Value(row[i])
	}
	return nil
}
