package fqgw

import (
	"context"
	"errors"
	"iter"

	"github.com/apache/arrow-go/v18/arrow"
)

// Piece is a part of the rows of a source that others wrote, such as a row group of a
// file: its columns are read by themselves, and of some rows alone. Used by one goroutine.
type Piece interface {
	// Len is the number of its rows.
	Len() int
	// Read reads columns of the source's own, of all rows, in their order.
	Read(columns ...string) Records
	// Pick is a column of some rows, whose numbers ascend. The caller releases it.
	Pick(rows []int32, column string) (arrow.Array, error)
}

// Pieces are the pieces of a source's rows. A piece can be used until they are closed.
type Pieces = iter.Seq2[Piece, error]

// ErrNoPieces ends pieces where it is seen with some of them only that a source has none.
var ErrNoPieces = errors.New("the source has no pieces")

// PieceForeign is a Foreign whose rows may be had in pieces.
type PieceForeign interface {
	Foreign
	// Pieces are what Scan reads: Columns are not looked at, and rows of other times than
	// Time, From and To say may be among them. nil where a source has no pieces. done,
	// which is never nil, is to be called.
	Pieces(ctx context.Context, s *Source, sc Scan) (all Pieces, done func(), err error)
}
