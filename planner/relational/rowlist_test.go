package relational

import (
	"io"
	"testing"

	"github.com/fqgw/fqgw"
)

// TestRowList keeps rows of several widths beyond a chunk, and reads them in place and
// as a stream with others behind them; a row that was given out stays as it was.
func TestRowList(t *testing.T) {
	for _, width := range []int{0, 1, 3, 1000, chunkValues + 1} {
		var l rowList
		row := make([]fqgw.Value, width)
		var first []fqgw.Value
		n := 3*chunkValues/max(width, 1) + 5
		for i := range n {
			for k := range row {
				row[k] = fqgw.IntValue(int64(i + k))
			}
			if l.add(row); i == 0 {
				first = l.at(0)
			}
		}
		if width > 0 && first[0].Int() != 0 {
			t.Errorf("the first row became %v", first)
		}
		rows := l.stream((&rowList{n: 1, chunks: [][]fqgw.Value{nil}}).stream(nil))
		for i := range n {
			got, err := rows.Next()
			if err != nil || len(got) != width || cap(got) != width || width > 0 && got[width-1].Int() != int64(i+width-1) {
				t.Fatalf("width %d, row %d: %v, %v", width, i, got, err)
			}
		}
		if _, err := rows.Next(); err != nil {
			t.Error("nothing follows:", err)
		}
		if _, err := rows.Next(); err != io.EOF {
			t.Error("no end:", err)
		}
	}
}
