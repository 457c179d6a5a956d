package wire

import (
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// copying is what a RowEncoder needs for COPY … TO beside the columns.
type copying struct {
	format    plan.CopyFormat
	delimited bool // text or csv
	csv       bool
	first     []byte    // what the first message begins with: a binary header
	special   [256]bool // bytes that make a cell one to be escaped or quoted
	force     []bool    // by column: csv that is always quoted
	cell      []byte
}

var binarySignature = []byte("PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00")

// ResetCopy sets the columns of a COPY … TO in text, csv or binary, and the session in
// which text is printed; 0A000 for another format. The columns are kept and must not
// change. Its rows are CopyData messages, behind Header and before Trailer.
func (e *RowEncoder) ResetCopy(f plan.CopyFormat, columns []plan.Column, env *fqgw.Env) error {
	c := &copying{format: f, csv: f.Name == "csv", delimited: f.Name != "binary"}
	var formats []int16
	switch f.Name {
	case "binary":
		// The header goes with what follows it, as PostgreSQL sends it: some clients
		// take a message for a row.
		c.first, formats = binarySignature, []int16{1}
	case "text":
		for _, b := range []byte{'\b', '\f', '\n', '\r', '\t', '\v', '\\', f.Delimiter} {
			c.special[b] = true
		}
	case "csv":
		for _, b := range []byte{f.Delimiter, f.Quote, '\n', '\r'} {
			c.special[b] = true
		}
	default:
		return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "COPY to the client cannot write format \"%s\"", f.Name).
			WithHint("Use text, csv or binary, or COPY … TO 'file' for Parquet.")
	}
	for _, col := range columns {
		c.force = append(c.force, len(f.ForceQuote) == 1 && f.ForceQuote[0] == "*" || slices.Contains(f.ForceQuote, col.Name))
	}
	e.env, e.copy = env, c
	e.reset(columns, formats)
	return nil
}

// Header adds what comes before the rows as a message of its own, if there is one, and
// says how long it is.
func (e *RowEncoder) Header() int {
	if !e.copy.delimited || !e.copy.format.Header {
		return 0
	}
	e.Begin()
	force := e.copy.force
	e.copy.force = make([]bool, len(force)) // names are quoted where they must be
	for i := range e.of {
		e.at++
		at := e.open()
		e.buf = append(e.buf, e.of[i].Name...)
		e.close(at)
	}
	e.copy.force = force
	e.buf = append(e.buf, '\n')
	from := e.start
	e.ended()
	return e.start - from
}

// Trailer adds what comes behind the rows, if there is something.
func (e *RowEncoder) Trailer() {
	if e.copy.delimited {
		return
	}
	e.buf = append(append(append(e.buf[:e.start], 'd', 0, 0, 0, 0), e.copy.first...), 0xff, 0xff)
	e.ended()
}

// escape makes the text behind at what the format has for the cell of a column.
func (c *copying) escape(buf []byte, at, column int) []byte {
	cell := buf[at:]
	special := false
	for _, b := range cell {
		special = special || c.special[b]
	}
	switch {
	case c.csv:
		special = special || column < len(c.force) && c.force[column] || string(cell) == c.format.Null ||
			len(c.force) == 1 && string(cell) == `\.`
		if special {
			c.cell = append(c.cell[:0], cell...)
			return c.quoted(buf[:at], c.cell)
		}
	case special:
		c.cell = append(c.cell[:0], cell...)
		return c.escaped(buf[:at], c.cell)
	}
	return buf
}

// escaped appends a cell of the text format.
func (c *copying) escaped(dst, cell []byte) []byte {
	for _, b := range cell {
		if c.special[b] {
			dst = append(dst, '\\')
			if i := strings.IndexByte("\b\f\n\r\t\v", b); i >= 0 {
				b = "bfnrtv"[i]
			}
		}
		dst = append(dst, b)
	}
	return dst
}

// quoted appends a cell of the csv format in quotes.
func (c *copying) quoted(dst, cell []byte) []byte {
	f := &c.format
	dst = append(dst, f.Quote)
	for _, b := range cell {
		if b == f.Quote || b == f.Escape {
			dst = append(dst, f.Escape)
		}
		dst = append(dst, b)
	}
	return append(dst, f.Quote)
}
