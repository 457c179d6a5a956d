package iceberg

import (
	"context"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// inPieces are the rows of a table's pieces, read and picked; there says whether it has some.
func (a *another) inPieces(s *fqgw.Source, sc fqgw.Scan, columns ...string) (read, picked []string, there bool, err error) {
	a.t.Helper()
	all, done, err := a.lake.Tables().Pieces(context.Background(), s, sc)
	if err != nil || all == nil {
		return nil, nil, false, err
	}
	defer done()
	var kept []fqgw.Piece
	for p, err := range all {
		if err != nil {
			return nil, nil, !errors.Is(err, fqgw.ErrNoPieces), err
		}
		kept = append(kept, p)
	}
	for _, p := range kept {
		for b, err := range p.Read(columns...) {
			if err != nil {
				return nil, nil, true, err
			}
			for i := range int(b.NumRows()) {
				var row []string
				for _, c := range b.Columns() {
					row = append(row, c.ValueStr(i))
				}
				read = append(read, strings.Join(row, "|"))
			}
			b.Release()
		}
		for i := range p.Len() {
			var row []string
			for _, name := range columns {
				v, err := p.Pick([]int32{int32(i)}, name)
				if err != nil {
					return nil, nil, true, err
				}
				row = append(row, v.ValueStr(0))
				v.Release()
			}
			picked = append(picked, strings.Join(row, "|"))
		}
	}
	slices.Sort(read)
	slices.Sort(picked)
	return read, picked, true, nil
}

// Pieces have the rows of a scan, or there are none: where rows were deleted, and where a
// file does not have the columns as the table has them now.
func TestForeignPieces(t *testing.T) {
	columns := []fqgw.Column{{Name: "ts", Type: fqgw.Timestamptz}, {Name: "id", Type: fqgw.Int8}, {Name: "who", Type: fqgw.Text}}
	same := func(a *another, s *fqgw.Source, sc fqgw.Scan, want int) {
		t.Helper()
		read, picked, there, err := a.inPieces(s, sc, "id", "who", "ts")
		rows, err2 := a.rows(s, fqgw.Scan{Columns: []string{"id", "who", "ts"}, Snapshot: sc.Snapshot})
		slices.Sort(rows)
		if err = errors.Join(err, err2); err != nil || !there || len(read) != want || !slices.Equal(read, picked) ||
			sc.Time == "" && !slices.Equal(read, rows) {
			t.Errorf("%v, pieces %v: %d rows %q, picked %q, want %q", err, there, len(read), read, picked, rows)
		}
	}
	none := func(a *another, s *fqgw.Source, sc fqgw.Scan) {
		t.Helper()
		if read, _, there, err := a.inPieces(s, sc, "id", "ts"); there || err != nil && !errors.Is(err, fqgw.ErrNoPieces) {
			t.Errorf("there are pieces: %q, %v", read, err)
		}
	}
	a := newAnother(t, "t", iceberg.Properties{"write.delete.mode": "merge-on-read", "format-version": "2"})
	s := a.source(columns...)
	same(a, s, fqgw.Scan{}, 0)
	a.numbered(0, 11)
	first := a.load().CurrentSnapshot().SnapshotID
	a.numbered(11, 24)
	same(a, s, fqgw.Scan{}, 24)
	same(a, s, fqgw.Scan{Snapshot: first}, 11)
	same(a, s, fqgw.Scan{Time: "ts", From: math.MinInt64, To: january.From}, 4) // files and row groups are pruned

	deep := a.source(append(columns, fqgw.Column{Name: "zip", Type: fqgw.Int4, Field: "place.zip"})...)
	none(a, deep, fqgw.Scan{})
	a.change(func(_ context.Context, tx *table.Transaction) error {
		return tx.UpdateSchema(true, false).RenameColumn([]string{"who"}, "customer").AddColumn([]string{"extra"}, iceberg.PrimitiveTypes.Float64, "", false, nil).Commit()
	})
	renamed := slices.Clone(columns)
	renamed[2].Field = "customer"
	s = a.source(renamed...)
	same(a, s, fqgw.Scan{}, 24)
	none(a, a.source(append(columns[:2:2], fqgw.Column{Name: "extra", Type: fqgw.Float8})...), fqgw.Scan{})
	a.change(func(_ context.Context, tx *table.Transaction) error {
		return tx.UpdateSchema(true, false).UpdateColumn([]string{"id"}, table.ColumnUpdate{FieldType: iceberg.Optional[iceberg.Type]{Val: iceberg.PrimitiveTypes.Int64, Valid: true}}).Commit()
	})
	none(a, s, fqgw.Scan{})
	none(a, s, fqgw.Scan{Snapshot: first})
}

// A file that iceberg-go plans in several parts has each of its rows in one piece.
func TestForeignPiecesOfParts(t *testing.T) {
	a := newAnother(t, "t", iceberg.Properties{table.ParquetRowGroupLimitKey: "4", table.ReadSplitTargetSizeKey: "1"})
	a.numbered(0, 10)
	if tasks, err := a.load().Scan().PlanFiles(context.Background()); err != nil || len(tasks) != 3 || tasks[0].File.FilePath() != tasks[2].File.FilePath() {
		t.Fatalf("%d parts, %v", len(tasks), err)
	}
	read, picked, there, err := a.inPieces(a.source(fqgw.Column{Name: "ts", Type: fqgw.Timestamptz}, fqgw.Column{Name: "id", Type: fqgw.Int8}), fqgw.Scan{}, "id")
	if want := "0 1 2 3 4 5 6 7 8 9"; err != nil || !there || strings.Join(read, " ") != want || strings.Join(picked, " ") != want {
		t.Errorf("%v, %v: %q, %q", there, err, read, picked)
	}
}

// A row that was deleted is in no piece; a file that is gone is told of.
func TestForeignPiecesOfDamage(t *testing.T) {
	a := newAnother(t, "t", iceberg.Properties{"write.delete.mode": "merge-on-read", "format-version": "2"})
	s := a.source()
	s.Columns = s.Columns[:3]
	a.numbered(0, 8)
	tasks, err := a.load().Scan().PlanFiles(context.Background())
	if err != nil || len(tasks) == 0 {
		t.Fatal(len(tasks), err)
	}
	for _, planned := range tasks {
		task := planned.File.FilePath()
		path := strings.TrimPrefix(task, "file://")
		if err := os.Rename(path, path+".gone"); err != nil {
			t.Fatal(err)
		}
		_, _, _, err := a.inPieces(s, fqgw.Scan{}, "id")
		if code(err) != "58P01" || !strings.Contains(fqgw.AsError(err).Detail, task) {
			t.Errorf("%v (%s)", err, fqgw.AsError(err).Detail)
		}
		if err := os.WriteFile(path, []byte("PAR1 nothing PAR1"), 0o644); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err = a.inPieces(s, fqgw.Scan{}, "id"); code(err) != fqgw.CodeDataCorrupted || !strings.Contains(fqgw.AsError(err).Detail, task) {
			t.Errorf("%v", err)
		}
		if err := os.Rename(path+".gone", path); err != nil {
			t.Fatal(err)
		}
	}
	a.change(func(ctx context.Context, tx *table.Transaction) error {
		return tx.Delete(ctx, iceberg.IsIn(iceberg.Reference("id"), int32(2), int32(5)), nil)
	})
	if _, _, there, err := a.inPieces(s, fqgw.Scan{}, "id"); there || err != nil {
		t.Error(there, err)
	}
}
