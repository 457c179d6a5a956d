package iceberg

import (
	"context"
	"fmt"
	"strings"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/apache/iceberg-go"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/leaf"
	"github.com/fqgw/fqgw/stream/decode"
)

// Pieces implements fqgw.PieceForeign: the row groups of the files of a snapshot, where
// nothing was deleted of them and each has every column of the source as the table has it.
func (f *Tables) Pieces(ctx context.Context, s *fqgw.Source, sc fqgw.Scan) (fqgw.Pieces, func(), error) {
	none := func() {}
	fields, err := decode.Fields(s, nil)
	if err != nil {
		return nil, none, err
	}
	t, err := f.open(ctx, s)
	if err != nil {
		return nil, none, err
	}
	r := &foreignReading{tables: f, source: s, table: t}
	for _, i := range fields {
		w, err := findField(t.Schema(), s, i)
		if err != nil {
			return nil, none, err
		}
		if w.deep > 0 {
			return nil, none, nil
		}
		r.wanted = append(r.wanted, w)
	}
	if r.at, err = f.at(t, s, sc); err != nil {
		return nil, none, err
	}
	if r.at == nil {
		return func(func(fqgw.Piece, error) bool) {}, none, nil
	}
	_, tasks, err := r.plan(ctx, fields, sc)
	if err != nil {
		return nil, none, broken(s, r.at.SnapshotID, err)
	}
	for _, task := range tasks {
		if len(task.DeleteFiles)+len(task.EqualityDeleteFiles)+len(task.DeletionVectorFiles) > 0 || task.File.FileFormat() != iceberg.ParquetFile {
			return nil, none, nil
		}
	}
	files, err := t.FS(ctx)
	if err != nil {
		return nil, none, broken(s, r.at.SnapshotID, err)
	}
	p := &foreignPieces{ctx: ctx, of: r, files: files, scan: sc}
	return func(yield func(fqgw.Piece, error) bool) {
		for i := range tasks {
			if tasks[i].Start != 0 { // more of a file all of whose row groups came with its first part
				continue
			}
			if !p.task(&tasks[i], yield) {
				return
			}
		}
	}, p.close, nil
}

// foreignPieces reads pieces of files, of which it keeps one open.
type foreignPieces struct {
	ctx     context.Context
	of      *foreignReading
	files   iceio.IO
	scan    fqgw.Scan
	path    string // of the file that is open
	opened  iceio.File
	arrow   *pqarrow.FileReader
	columns []*leaf.Column // of the source, in that file
}

// task yields the row groups of a file that may have rows of the scan's times; false when no more is wanted.
func (p *foreignPieces) task(t *table.FileScanTask, yield func(fqgw.Piece, error) bool) bool {
	path := t.File.FilePath()
	var groups []*leaf.Group
	err := p.in(path, func() error {
		md := p.arrow.ParquetReader().MetaData()
		for g := range md.RowGroups {
			if p.wants(g) {
				groups = append(groups, p.group(path, g, int(md.RowGroup(g).NumRows())))
			}
		}
		return nil
	})
	if err != nil {
		return yield(nil, err) && false
	}
	for _, g := range groups {
		if !yield(g, nil) {
			return false
		}
	}
	return true
}

// wants says whether a row group of the open file may have rows of the scan's times.
func (p *foreignPieces) wants(group int) bool {
	if p.scan.Time == "" {
		return true
	}
	low, high, ok := leaf.Times(p.arrow, group, p.columns[p.of.source.EventTime])
	return !ok || high >= p.scan.From && low <= p.scan.To
}

// in calls do while the file is open.
func (p *foreignPieces) in(path string, do func() error) (err error) {
	defer func() {
		if x := recover(); x != nil { // libraries panic over damaged files
			err = fqgw.Errorf(fqgw.CodeDataCorrupted, "the file is damaged: %v", x)
		}
		if err != nil && err != fqgw.ErrNoPieces {
			known := *fqgw.AsError(broken(p.of.source, p.of.at.SnapshotID, err))
			where := fmt.Sprintf("File \"%s\" of table \"%s\" at snapshot %d.", path, name(p.of.source), p.of.at.SnapshotID)
			err = known.WithDetail("%s", strings.TrimSpace(where+" "+known.Detail))
		}
	}()
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if p.path != path {
		p.close()
		if err := p.open(path); err != nil {
			p.close()
			return err
		}
		p.path = path
	}
	return do()
}

func (p *foreignPieces) open(path string) (err error) {
	if p.opened, err = p.files.Open(path); err != nil {
		return err
	}
	in, err := file.NewParquetReader(p.opened)
	if err != nil {
		return fqgw.Errorf(fqgw.CodeDataCorrupted, "the file is no whole Parquet file: %w", err)
	}
	in.MetaData().FileMetaData.KeyValueMetadata = nil // Arrow's own schema is not needed, and may be damaged
	if p.arrow, err = pqarrow.NewFileReader(in, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator); err != nil {
		return fqgw.Errorf(fqgw.CodeDataCorrupted, "the schema of the Parquet file cannot be read: %w", err)
	}
	p.columns = nil
	root := in.MetaData().Schema.Root()
	for _, w := range p.of.wanted {
		at := -1
		for i := range root.NumFields() {
			if root.Field(i).FieldID() == int32(w.top.ID) {
				at = i
			}
		}
		want, err := arrowType(w.top)
		if at < 0 || err != nil || !p.arrow.Manifest.Fields[at].IsLeaf() || !arrow.TypeEqual(p.arrow.Manifest.Fields[at].Field.Type, want) {
			return fqgw.ErrNoPieces
		}
		leaves := map[int]bool{p.arrow.Manifest.Fields[at].ColIndex: true}
		p.columns = append(p.columns, &leaf.Column{At: at, Leaves: leaves, As: w.read})
	}
	return nil
}

func (p *foreignPieces) close() {
	if p.opened != nil {
		p.opened.Close()
	}
	p.path, p.opened, p.arrow = "", nil, nil
}

// group is a piece.
func (p *foreignPieces) group(path string, g, rows int) *leaf.Group {
	s := p.of.source
	in := func(do func(open func([]int) (*leaf.Rows, error)) error) error {
		return p.in(path, func() error {
			return do(func(fields []int) (*leaf.Rows, error) {
				columns := make([]*leaf.Column, len(fields))
				for i, f := range fields {
					columns[i] = p.columns[f]
				}
				return leaf.NewRows(p.ctx, p.arrow, []int{g}, decode.Schema(s, fields), columns, p.scan.Batch), nil
			})
		})
	}
	return &leaf.Group{Ctx: p.ctx, Source: s, Rows: rows, In: in}
}
