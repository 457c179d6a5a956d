package files

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode"
)

// Pieces implements fqgw.PieceForeign: of Parquet the row groups. The files are those
// that are there at the call; one that changed when a piece of it is read is 40001.
func (f *Files) Pieces(ctx context.Context, s *fqgw.Source, sc fqgw.Scan) (fqgw.Pieces, func(), error) {
	none := func() {}
	if s.Format != "parquet" {
		return nil, none, nil
	}
	all, err := f.listed(ctx, s, sc.Snapshot)
	if err != nil {
		return nil, none, err
	}
	r := &groupsReading{ctx: ctx, format: &parquetFormat{source: s}, scan: sc}
	return func(yield func(fqgw.Piece, error) bool) {
		for i := range all {
			if !r.file(&all[i], yield) {
				return
			}
		}
	}, r.close, nil
}

// groupsReading reads pieces of files, of which it keeps one open.
type groupsReading struct {
	ctx    context.Context
	format *parquetFormat
	scan   fqgw.Scan
	at     *file
	opened *opened
}

// file yields the row groups of a file that may have rows of the scan's times.
func (r *groupsReading) file(x *file, yield func(fqgw.Piece, error) bool) bool {
	var groups []*rowGroup
	err := r.in(x, func(o *opened) error {
		for g := range o.file.NumRowGroups() {
			if r.format.wants(o, g, r.scan) {
				groups = append(groups, &rowGroup{r, x, g, int(o.file.MetaData().RowGroup(g).NumRows())})
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

// in calls do with an open file that is what it was when it was listed, also after.
func (r *groupsReading) in(x *file, do func(o *opened) error) error {
	return failed(x.name, guarded(func() error {
		if err := r.ctx.Err(); err != nil {
			return err
		}
		if r.at != x {
			r.close()
			err := x.still()
			if err == nil {
				r.opened, err = x.parquet()
			}
			if err != nil {
				return err
			}
			r.at = x
		}
		if err := do(r.opened); err != nil {
			return err
		}
		return x.still()
	}))
}

func (r *groupsReading) close() {
	if r.opened != nil {
		r.opened.close()
	}
	r.at, r.opened = nil, nil
}

// rowGroup is a piece.
type rowGroup struct {
	of    *groupsReading
	file  *file
	group int
	rows  int
}

func (g *rowGroup) Len() int { return g.rows }

func (g *rowGroup) Read(columns ...string) fqgw.Records {
	r := g.of
	return func(yield func(arrow.RecordBatch, error) bool) {
		fields, err := decode.Fields(r.format.source, columns)
		if err != nil {
			yield(nil, err)
			return
		}
		cut := decode.NewCut(r.format.source, fields, fqgw.Scan{})
		var in *parquetReader
		err = r.in(g.file, func(o *opened) (err error) {
			in, err = r.format.reader(r.ctx, o, []int{g.group}, fields, r.scan.Batch)
			return err
		})
		if err != nil {
			yield(nil, err)
			return
		}
		defer in.close()
		cut.Rows(r.ctx, g.rows, func(do func() error) error { return r.in(g.file, func(*opened) error { return do() }) }, in.next, yield)
	}
}

func (g *rowGroup) Pick(rows []int32, column string) (out arrow.Array, err error) {
	r := g.of
	fields, err := decode.Fields(r.format.source, []string{column})
	if err != nil {
		return nil, err
	}
	err = r.in(g.file, func(o *opened) error {
		in, err := r.format.reader(r.ctx, o, []int{g.group}, fields, 0)
		if err != nil {
			return err
		}
		defer in.close()
		out, err = in.pick(rows)
		return err
	})
	return out, err
}
