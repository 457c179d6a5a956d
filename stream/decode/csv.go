package decode

import (
	"bufio"
	"bytes"
	"io"

	"github.com/fqgw/fqgw"
)

// maxLine bounds a record of a file of lines.
const maxLine = 64 << 20

// CSV says how records of CSV are written; PostgreSQL's COPY has the same rules.
type CSV struct {
	Delimiter, Quote byte
	Null             string // a cell that is this, and has no quotes, is NULL
}

// Cell is a cell of a record. Text is valid until the next record is read.
type Cell struct {
	Text []byte
	Null bool
}

// CSVReader reads records of CSV. Not safe for concurrent use.
type CSVReader struct {
	CSV
	Lines
	text  []byte
	ends  []int
	quote []bool
	cells []Cell
}

// NewCSVReader reads records from in.
func NewCSVReader(in io.Reader, how CSV) *CSVReader { return &CSVReader{CSV: how, Lines: NewLines(in)} }

// Next is the next record; io.EOF behind the last, 22P04 for a quote that does not end.
func (r *CSVReader) Next() ([]Cell, error) {
	line, err := r.Line()
	if err != nil {
		return nil, err
	}
	r.text, r.ends, r.quote = r.text[:0], r.ends[:0], r.quote[:0]
	began, inside, quoted := r.At, false, false
	end := func() {
		r.ends, r.quote = append(r.ends, len(r.text)), append(r.quote, quoted)
		quoted = false
	}
	for {
		for i := 0; i < len(line); i++ {
			switch b := line[i]; {
			case inside && b == r.Quote && i+1 < len(line) && line[i+1] == r.Quote:
				i++
				r.text = append(r.text, b)
			case b == r.Quote:
				inside, quoted = !inside, true
			case !inside && b == r.Delimiter:
				end()
			default:
				r.text = append(r.text, b)
			}
		}
		if !inside {
			break
		}
		r.text = append(r.text, '\n') // the end of the line belongs to the cell
		if line, err = r.Line(); err == io.EOF {
			return nil, fqgw.Errorf(fqgw.CodeBadCopyFormat, "unterminated CSV quoted field").WithDetail("Line %d.", began)
		} else if err != nil {
			return nil, err
		}
		if len(r.text)+len(line) > maxLine {
			return nil, tooLong(began)
		}
	}
	end()
	r.cells = r.cells[:0]
	from := 0
	for i, to := range r.ends {
		text := r.text[from:to]
		r.cells = append(r.cells, Cell{Text: text, Null: !r.quote[i] && string(text) == r.Null})
		from = to
	}
	return r.cells, nil
}

// Lines reads lines. Not safe for concurrent use.
type Lines struct {
	in  *bufio.Reader
	buf []byte
	At  int // the number of the line that was read last, from 1
}

// NewLines reads lines from in.
func NewLines(in io.Reader) Lines { return Lines{in: bufio.NewReaderSize(in, 256<<10)} }

// Line is the next line without its end, \n or \r\n, valid until the next call;
// io.EOF behind the last. A mark of the byte order before the first is passed over.
func (l *Lines) Line() ([]byte, error) {
	l.buf = l.buf[:0]
	for {
		part, err := l.in.ReadSlice('\n')
		if len(l.buf) == 0 && err == nil {
			return l.line(part), nil
		}
		l.buf = append(l.buf, part...)
		switch {
		case err == io.EOF && len(l.buf) == 0:
			return nil, io.EOF
		case err == nil || err == io.EOF:
			return l.line(l.buf), nil
		case err != bufio.ErrBufferFull:
			return nil, err
		case len(l.buf) > maxLine:
			return nil, tooLong(l.At + 1)
		}
	}
}

func (l *Lines) line(b []byte) []byte {
	if l.At++; l.At == 1 {
		b = bytes.TrimPrefix(b, []byte("\xef\xbb\xbf"))
	}
	return bytes.TrimSuffix(bytes.TrimSuffix(b, []byte("\n")), []byte("\r"))
}

func tooLong(line int) error {
	return fqgw.Errorf(fqgw.CodeLimitExceeded, "a line is longer than %d bytes", maxLine).WithDetail("Line %d.", line)
}
