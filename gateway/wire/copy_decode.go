package wire

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"io"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// maxLine bounds one row of COPY … FROM.
const maxLine = 64 << 20

// copyDecoder reads rows of COPY … FROM STDIN.
type copyDecoder struct {
	in     *bufio.Reader
	format plan.CopyFormat
	types  []fqgw.Type
	env    *fqgw.Env
	line   int64
	begun  bool
	ended  bool
	row    []fqgw.Value
	cells  []cell
	text   []byte // the unescaped cells of a line, end to end
}

// cell is one column of a line: where it lies in text, and whether it is NULL.
type cell struct {
	from, to int
	null     bool
}

// NewCopyDecoder reads text, csv or binary from r as rows of the types. Errors
// are 22P04 for the format and those of the types' input functions, with the
// line in their detail.
func NewCopyDecoder(r io.Reader, f plan.CopyFormat, types []fqgw.Type, env *fqgw.Env) (fqgw.Rows, error) {
	switch f.Name {
	case "text", "csv", "binary":
	default:
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "COPY from the client cannot read format \"%s\"", f.Name)
	}
	return &copyDecoder{in: bufio.NewReaderSize(r, 64<<10), format: f, types: types, env: env, row: make([]fqgw.Value, len(types))}, nil
}

func (d *copyDecoder) Close() error { return nil }

func (d *copyDecoder) Next() ([]fqgw.Value, error) {
	if d.ended {
		return nil, io.EOF
	}
	var err error
	if d.format.Name == "binary" {
		err = d.nextBinary()
	} else {
		err = d.nextLine()
	}
	if err == io.EOF {
		d.ended = true
		return nil, io.EOF
	}
	if err != nil {
		return nil, err
	}
	return d.row, nil
}

func (d *copyDecoder) bad(format string, args ...any) error {
	return fqgw.Errorf(fqgw.CodeBadCopyFormat, format, args...).WithDetail("COPY, line %d.", d.line)
}

func (d *copyDecoder) nextLine() error {
	for {
		d.line++
		split := d.splitText
		if d.format.Name == "csv" {
			split = d.splitCSV
		}
		if err := split(); err != nil {
			return err
		}
		if !d.begun {
			d.begun = true
			if d.format.Header {
				continue
			}
		}
		break
	}
	if len(d.cells) > len(d.types) {
		return d.bad("extra data after last expected column")
	}
	for i, c := range d.cells {
		d.row[i] = fqgw.Null
		if c.null {
			continue
		}
		s, err := text(d.text[c.from:c.to])
		if err == nil {
			d.row[i], err = expr.Parse(s, d.types[i], d.env)
		}
		if err != nil {
			e := *fqgw.AsError(err)
			return (&e).WithDetail("COPY, line %d, column %d.", d.line, i+1)
		}
	}
	if n := len(d.cells); n < len(d.types) {
		return d.bad("missing data for column %d", n+1)
	}
	return nil
}

// readLine reads up to a newline, which it cuts off; io.EOF when there is
// nothing more.
func (d *copyDecoder) readLine(dst []byte) ([]byte, error) {
	start := len(dst)
	for {
		part, err := d.in.ReadSlice('\n')
		dst = append(dst, part...)
		if len(dst) > maxLine {
			return nil, d.bad("a line is longer than %d bytes", maxLine)
		}
		switch {
		case err == nil:
			return dst[:len(dst)-1], nil
		case err == bufio.ErrBufferFull:
		case err == io.EOF && len(dst) > start:
			return dst, nil
		default:
			return nil, err
		}
	}
}

// splitText reads a line of the text format into cells.
func (d *copyDecoder) splitText() error {
	d.cells, d.text = d.cells[:0], d.text[:0]
	line, err := d.readLine(nil)
	if err != nil {
		return err
	}
	line = bytes.TrimSuffix(line, []byte("\r"))
	if string(line) == `\.` {
		return io.EOF
	}
	from, raw := 0, 0
	end := func(i int) {
		null := string(line[raw:i]) == d.format.Null
		d.cells = append(d.cells, cell{from, len(d.text), null})
		from, raw = len(d.text), i+1
	}
	for i := 0; i < len(line); i++ {
		switch b := line[i]; {
		case b == d.format.Delimiter:
			end(i)
		case b == '\\' && i+1 < len(line):
			i++
			i += d.unescape(line[i:])
		default:
			d.text = append(d.text, b)
		}
	}
	end(len(line))
	return nil
}

// unescape appends what the escape behind a backslash means and returns how
// many bytes beyond the first it took.
func (d *copyDecoder) unescape(s []byte) int {
	simple := map[byte]byte{'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}
	if b, ok := simple[s[0]]; ok {
		d.text = append(d.text, b)
		return 0
	}
	digits := func(from, most int, base byte) (v, n int) {
		for n < most && from+n < len(s) {
			x, ok := digit(s[from+n])
			if !ok || x >= base {
				break
			}
			v, n = v*int(base)+int(x), n+1
		}
		return v, n
	}
	if s[0] >= '0' && s[0] <= '7' {
		v, n := digits(0, 3, 8)
		d.text = append(d.text, byte(v))
		return n - 1
	}
	if s[0] == 'x' {
		if v, n := digits(1, 2, 16); n > 0 {
			d.text = append(d.text, byte(v))
			return n
		}
	}
	d.text = append(d.text, s[0])
	return 0
}

func digit(b byte) (byte, bool) {
	switch {
	case b >= '0' && b <= '9':
		return b - '0', true
	case b >= 'a' && b <= 'f':
		return b - 'a' + 10, true
	case b >= 'A' && b <= 'F':
		return b - 'A' + 10, true
	}
	return 0, false
}

// splitCSV reads a record of the csv format, which may span lines.
func (d *copyDecoder) splitCSV() error {
	d.cells, d.text = d.cells[:0], d.text[:0]
	line, err := d.readLine(nil)
	if err != nil {
		return err
	}
	if string(bytes.TrimSuffix(line, []byte("\r"))) == `\.` {
		return io.EOF
	}
	f := &d.format
	from, quoted, inside := 0, false, false
	end := func() {
		null := !quoted && string(d.text[from:]) == f.Null
		d.cells = append(d.cells, cell{from, len(d.text), null})
		from, quoted = len(d.text), false
	}
	for i := 0; ; i++ {
		if i >= len(line) {
			if !inside {
				break
			}
			// The newline belongs to the quoted cell.
			more, err := d.readLine(append(line, '\n'))
			if err == io.EOF {
				return d.bad("unterminated CSV quoted field")
			}
			if err != nil {
				return err
			}
			d.line++
			line = more
		}
		switch b := line[i]; {
		case inside && b == f.Escape && i+1 < len(line) && (line[i+1] == f.Quote || line[i+1] == f.Escape):
			i++
			d.text = append(d.text, line[i])
		case b == f.Quote:
			inside, quoted = !inside, true
		case !inside && b == f.Delimiter:
			end()
		case !inside && b == '\r' && i == len(line)-1: // a line that ends in CRLF
		default:
			d.text = append(d.text, b)
		}
	}
	end()
	return nil
}

func (d *copyDecoder) nextBinary() error {
	if !d.begun {
		d.begun = true
		head := make([]byte, len(binarySignature))
		if _, err := io.ReadFull(d.in, head); err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
			return err
		} else if err != nil || !bytes.Equal(head[:11], binarySignature[:11]) {
			return d.bad("COPY file signature not recognized")
		}
		if _, err := d.in.Discard(int(binary.BigEndian.Uint32(head[15:]))); err != nil {
			return d.bad("invalid COPY file header (wrong length)")
		}
	}
	d.line++
	var word [4]byte
	if _, err := io.ReadFull(d.in, word[:2]); err != nil {
		if err == io.EOF {
			return io.EOF // PostgreSQL takes data without the trailer too, and pgx sends none
		}
		return d.cut(err)
	}
	n := int16(binary.BigEndian.Uint16(word[:2]))
	if n == -1 {
		return io.EOF
	}
	if int(n) != len(d.types) {
		return d.bad("row field count is %d, expected %d", n, len(d.types))
	}
	for i, t := range d.types {
		if _, err := io.ReadFull(d.in, word[:]); err != nil {
			return d.cut(err)
		}
		size := int32(binary.BigEndian.Uint32(word[:]))
		if size == -1 {
			d.row[i] = fqgw.Null
			continue
		}
		if size < 0 || size > maxLine {
			return d.bad("invalid field size")
		}
		if cap(d.text) < int(size) {
			d.text = make([]byte, size)
		}
		raw := d.text[:size]
		if _, err := io.ReadFull(d.in, raw); err != nil {
			return d.cut(err)
		}
		v, err := decodeBinary(raw, t)
		if err != nil {
			e := *fqgw.AsError(err)
			return (&e).WithDetail("COPY, row %d, column %d.", d.line, i+1)
		}
		d.row[i] = v
	}
	return nil
}

// cut is the error for data that ends inside a row: the reader's own, such as
// the client's CopyFail, or that of an end too early.
func (d *copyDecoder) cut(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return d.bad("unexpected EOF in COPY data")
	}
	return err
}
