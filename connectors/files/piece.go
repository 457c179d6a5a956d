package files

import (
	"context"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/leaf"
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
	var groups []*leaf.Group
	err := r.in(x, func(o *opened) error {
		for g := range o.file.NumRowGroups() {
			if r.format.wants(o, g, r.scan) {
				groups = append(groups, r.group(x, g, int(o.file.MetaData().RowGroup(g).NumRows())))
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

// group is a piece.
func (r *groupsReading) group(x *file, g, rows int) *leaf.Group {
	in := func(do func(open func([]int) (*leaf.Rows, error)) error) error {
		return r.in(x, func(o *opened) error {
			return do(func(fields []int) (*leaf.Rows, error) { return r.format.rows(r.ctx, o, []int{g}, fields, r.scan.Batch) })
		})
	}
	return &leaf.Group{Ctx: r.ctx, Source: r.format.source, Rows: rows, In: in}
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
