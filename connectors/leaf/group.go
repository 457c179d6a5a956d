package leaf

import (
	"context"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/decode"
)

// Group is a row group as an fqgw.Piece. A panic of what reads the file is In's to catch.
type Group struct {
	Ctx    context.Context
	Source *fqgw.Source
	Rows   int
	// In calls do while the file is open, with what begins to read columns of the source, by
	// their places, from the row group alone.
	In func(do func(open func(fields []int) (*Rows, error)) error) error
}

// Len implements fqgw.Piece.
func (g *Group) Len() int { return g.Rows }

// Read implements fqgw.Piece.
func (g *Group) Read(columns ...string) fqgw.Records {
	return func(yield func(arrow.RecordBatch, error) bool) {
		fields, err := decode.Fields(g.Source, columns)
		if err != nil {
			yield(nil, err)
			return
		}
		var in *Rows
		err = g.In(func(open func([]int) (*Rows, error)) (err error) {
			in, err = open(fields)
			return err
		})
		if err != nil {
			yield(nil, err)
			return
		}
		defer in.Close()
		within := func(do func() error) error { return g.In(func(func([]int) (*Rows, error)) error { return do() }) }
		decode.NewCut(g.Source, fields, fqgw.Scan{}).Rows(g.Ctx, g.Rows, within, in.Next, yield)
	}
}

// Pick implements fqgw.Piece.
func (g *Group) Pick(rows []int32, column string) (out arrow.Array, err error) {
	fields, err := decode.Fields(g.Source, []string{column})
	if err != nil {
		return nil, err
	}
	err = g.In(func(open func([]int) (*Rows, error)) error {
		in, err := open(fields)
		if err != nil {
			return err
		}
		defer in.Close()
		out, err = in.Pick(rows)
		return err
	})
	return out, err
}
