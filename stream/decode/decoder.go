// Package decode turns the records of a source into changes of its rows, and rows
// into records.
package decode

import "github.com/fqgw/fqgw"

// Decoder reads the records of one source in its format. It may keep scratch space
// and what it learned from records before: one goroutine at a time.
type Decoder interface {
	// Decode appends the changes that a record carries, none, one or several: the
	// operation and the row of each, one value per column of the source; what else
	// an event has is the caller's to fill in. Rows and values own their memory: the
	// record's bytes may be used again.
	//
	// An error is an *fqgw.Error, with the column if it is about one. It refuses the
	// record, and the changes that came before it, the one with the column among
	// them, are appended as far as they can be read. An error of class 08 is no verdict: what it
	// takes to read the record, a schema for one, cannot be had at the moment, and
	// the record is to be decoded again later.
	Decode(r *fqgw.LogRecord, changes []fqgw.Event) ([]fqgw.Event, error)
}

// New makes the decoder of a source; 0A000 for a format that there is not and for
// a type that its records cannot carry.
func New(s *fqgw.Source) (Decoder, error) {
	switch s.Format {
	case "", "json":
		return newJSON(s)
	}
	return nil, noFormat(s)
}

func noFormat(s *fqgw.Source) error {
	return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "format %q is not supported", s.Format).WithHint("Use format = 'json'.")
}

// slabValues is how many values of rows are allocated together.
const slabValues = 8192

// rows hands out rows of NULLs.
type rows struct {
	width int
	slab  []fqgw.Value
}

func (r *rows) next() []fqgw.Value {
	if len(r.slab) < r.width {
		r.slab = make([]fqgw.Value, max(slabValues/max(r.width, 1), 1)*r.width)
	}
	row := r.slab[:r.width:r.width]
	r.slab = r.slab[r.width:]
	return row
}
