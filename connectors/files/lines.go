package files

import (
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/leaf"
	"github.com/fqgw/fqgw/stream/decode"
)

// guessRows are how many rows a schema is guessed from.
const guessRows = 10_000

// content is a file's content, unpacked where its name ends in .gz.
type content struct {
	io.Reader
	file *os.File
}

func (x file) content() (*content, error) {
	f, err := x.folder.root.Open(x.name)
	if err != nil {
		return nil, err
	}
	c := &content{f, f}
	if strings.HasSuffix(x.name, ".gz") {
		if c.Reader, err = gzip.NewReader(f); err != nil {
			f.Close()
			return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "the file is not gzip: %w", err)
		}
	}
	return c, nil
}

// rowReader reads the rows of a file one by one.
type rowReader interface {
	// row is valid until the next call; io.EOF behind the last.
	row() ([]fqgw.Value, error)
	line() int
}

// lineReader makes batches of rows.
type lineReader struct {
	content *content
	rows    rowReader
	schema  *arrow.Schema
	cols    []fqgw.Column
	batch   int64
	ended   bool
}

func newLineReader(c *content, rows rowReader, s *fqgw.Source, fields []int, sc fqgw.Scan) *lineReader {
	r := &lineReader{content: c, rows: rows, schema: decode.Schema(s, fields), batch: sc.Batch}
	for _, f := range fields {
		r.cols = append(r.cols, s.Columns[f])
	}
	if r.batch == 0 {
		r.batch = leaf.BatchBytes
	}
	return r
}

func (r *lineReader) next() (arrow.RecordBatch, error) {
	if r.ended {
		return nil, io.EOF
	}
	b := array.NewRecordBuilder(memory.DefaultAllocator, r.schema)
	defer b.Release()
	n := int64(0)
	for size := int64(0); size < r.batch && n < 1<<16; n++ {
		row, err := r.rows.row()
		if err == io.EOF {
			r.ended = true
			break
		}
		if err != nil {
			return nil, r.at(err)
		}
		for i, v := range row {
			if err := fqgw.AppendValue(b.Field(i), v, r.cols[i].Type); err != nil {
				e := *fqgw.AsError(err)
				e.Column = r.cols[i].Name
				return nil, r.at(&e)
			}
		}
		size += fqgw.RowBytes(row)
	}
	if n == 0 {
		return nil, io.EOF
	}
	if len(r.cols) == 0 { // only their number is wanted
		return array.NewRecordBatch(r.schema, nil, n), nil
	}
	return b.NewRecordBatch(), nil
}

// at says on which line an error was.
func (r *lineReader) at(err error) error {
	var known *fqgw.Error
	if !errors.As(err, &known) {
		if errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
			return fqgw.Errorf(fqgw.CodeDataCorrupted, "the file is damaged: %w", err)
		}
		return err
	}
	if strings.HasPrefix(known.Detail, "Line ") {
		return err
	}
	e := *known
	where := fmt.Sprintf("Line %d", r.rows.line())
	if e.Column != "" {
		where += ", column \"" + e.Column + "\""
	}
	return e.WithDetail("%s", strings.TrimSpace(where+". "+e.Detail))
}

func (r *lineReader) close() { r.content.file.Close() }

// ndjson reads files that have a JSON object on each line; empty lines are passed over.
type ndjson struct {
	source *fqgw.Source
}

func (n *ndjson) columns(_ context.Context, x file) ([]fqgw.Column, error) {
	c, err := x.content()
	if err != nil {
		return nil, err
	}
	defer c.file.Close()
	lines := decode.NewLines(c)
	out, err := decode.GuessJSON(&lines, guessRows)
	if err == nil && len(out) == 0 {
		err = fqgw.Errorf(fqgw.CodeInvalidDefinition, "the file has no rows to tell the columns by").
			WithHint("Write the columns: CREATE SOURCE %s (column type, …) WITH (…).", n.source.Name)
	}
	return out, err
}

func (n *ndjson) check(_ context.Context, x file) error {
	_, err := decode.NewJSONRows(n.source, nil)
	return err
}

func (n *ndjson) open(_ context.Context, x file, fields []int, sc fqgw.Scan) (reader, error) {
	rows, err := decode.NewJSONRows(n.source, fields)
	if err != nil {
		return nil, err
	}
	c, err := x.content()
	if err != nil {
		return nil, err
	}
	return newLineReader(c, &jsonLines{decode.NewLines(c), rows}, n.source, fields, sc), nil
}

type jsonLines struct {
	lines decode.Lines
	rows  *decode.JSONRows
}

func (j *jsonLines) row() ([]fqgw.Value, error) {
	for {
		line, err := j.lines.Line()
		if err != nil || len(line) > 0 {
			if err != nil {
				return nil, err
			}
			return j.rows.Row(line)
		}
	}
}

func (j *jsonLines) line() int { return j.lines.At }

// csv reads files of CSV. With a header, which is the default, columns are found by
// their names in it, without one by their places.
type csv struct {
	source *fqgw.Source
	how    decode.CSV
	header bool
}

func newCSV(s *fqgw.Source) *csv {
	c := &csv{source: s, how: decode.CSV{Delimiter: ',', Quote: '"', Null: option(s, "null")}, header: option(s, "header") != "false"}
	if d := option(s, "delimiter"); d != "" {
		c.how.Delimiter = d[0]
	}
	if q := option(s, "quote"); q != "" {
		c.how.Quote = q[0]
	}
	return c
}

// begin opens a file behind its header, whose names it returns.
func (c *csv) begin(x file) (*content, *decode.CSVReader, []string, error) {
	in, err := x.content()
	if err != nil {
		return nil, nil, nil, err
	}
	r := decode.NewCSVReader(in, c.how)
	if !c.header {
		return in, r, nil, nil
	}
	cells, err := r.Next()
	if err == io.EOF {
		err = fqgw.Errorf(fqgw.CodeBadCopyFormat, "the file is empty: it has no header").
			WithHint("WITH (header = false) says that files have none.")
	}
	if err != nil {
		in.file.Close()
		return nil, nil, nil, err
	}
	var names []string
	for _, cell := range cells {
		names = append(names, string(cell.Text))
	}
	return in, r, names, nil
}

func (c *csv) columns(_ context.Context, x file) ([]fqgw.Column, error) {
	if !c.header {
		return nil, fqgw.Errorf(fqgw.CodeInvalidDefinition, "files of CSV without a header do not say what their columns are called").
			WithHint("Write the columns: CREATE SOURCE %s (column type, …) WITH (…).", c.source.Name)
	}
	in, r, names, err := c.begin(x)
	if err != nil {
		return nil, err
	}
	defer in.file.Close()
	types, err := decode.GuessCSV(r, len(names), guessRows)
	if err != nil {
		return nil, err
	}
	out := make([]fqgw.Column, len(names))
	for i, name := range names {
		if name == "" || slices.Index(names, name) < i {
			return nil, fqgw.Errorf(fqgw.CodeBadCopyFormat, "column %d of the header has no name, or that of another: \"%s\"", i+1, name)
		}
		out[i] = fqgw.Column{Name: name, Type: types[i]}
	}
	return out, nil
}

func (c *csv) check(_ context.Context, x file) error {
	in, _, names, err := c.begin(x)
	if err != nil {
		return err
	}
	defer in.file.Close()
	for i := range c.source.Columns {
		if _, err := c.place(names, i); err != nil {
			return err
		}
	}
	return nil
}

// place is where column i of the source is in a record.
func (c *csv) place(names []string, i int) (int, error) {
	if !c.header {
		return i, nil
	}
	name := c.source.Columns[i].Name
	if f := c.source.Columns[i].Field; f != "" {
		name = f
	}
	at := slices.Index(names, name)
	if at >= 0 {
		return at, nil
	}
	e := fqgw.Errorf(fqgw.CodeUndefinedColumn, "the file has no column \"%s\"", name)
	if near := fqgw.Nearest(name, names); near != "" {
		return 0, e.WithHint("It has \"%s\"; WITH (field.%s = '%[1]s') reads that.", near, c.source.Columns[i].Name)
	}
	return 0, e.WithHint("The header has %s.", strings.Join(names, ", "))
}

func (c *csv) open(_ context.Context, x file, fields []int, sc fqgw.Scan) (reader, error) {
	if x.size == 0 { // as writers leave one of a part without rows
		return noRows{}, nil
	}
	in, r, names, err := c.begin(x)
	if err != nil {
		return nil, err
	}
	rows := &csvRows{in: r, width: len(names), out: make([]fqgw.Value, len(fields))}
	if !c.header {
		rows.width = len(c.source.Columns)
	}
	for _, i := range fields {
		at, err := c.place(names, i)
		var column *decode.Column
		if err == nil {
			column, err = decode.NewTextColumn(c.source.Columns[i])
		}
		if err != nil {
			in.file.Close()
			return nil, err
		}
		rows.places, rows.columns = append(rows.places, at), append(rows.columns, column)
	}
	return newLineReader(in, rows, c.source, fields, sc), nil
}

// noRows reads a file that is empty.
type noRows struct{}

func (noRows) next() (arrow.RecordBatch, error) { return nil, io.EOF }
func (noRows) close()                           {}

type csvRows struct {
	in      *decode.CSVReader
	width   int
	places  []int
	columns []*decode.Column
	out     []fqgw.Value
}

func (c *csvRows) row() ([]fqgw.Value, error) {
	cells, err := c.in.Next()
	if err != nil {
		return nil, err
	}
	switch {
	case len(cells) > c.width:
		return nil, fqgw.Errorf(fqgw.CodeBadCopyFormat, "extra data after last expected column")
	case len(cells) < c.width:
		return nil, fqgw.Errorf(fqgw.CodeBadCopyFormat, "missing data for column %d", len(cells)+1)
	}
	for i, at := range c.places {
		if c.out[i] = fqgw.Null; !cells[at].Null {
			if c.out[i], err = c.columns[i].Text(cells[at].Text); err != nil {
				return nil, err
			}
		}
	}
	return c.out, nil
}

func (c *csvRows) line() int { return c.in.At }
