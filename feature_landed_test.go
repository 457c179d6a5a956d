package fqgw

import (
	"strings"
	"testing"
)

// TestLandedColumns: the columns of a history, which outlive the process. One of a
// changelog has the place of each change in the log of its database besides.
func TestLandedColumns(t *testing.T) {
	s := &Source{Columns: []Column{{Name: "id", Type: Int8}, {Name: "at", Type: Timestamptz}}}
	const hidden = "_fq_epoch integer, _fq_partition integer, _fq_offset bigint, _fq_sub integer, _fq_operation text, _fq_known_at timestamp with time zone"
	text := func() string {
		var out []string
		for _, c := range s.Landed() {
			out = append(out, c.Name+" "+c.Type.String())
		}
		return strings.Join(out, ", ")
	}
	if got, want := text(), "id bigint, at timestamp with time zone, "+hidden; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	s.PrimaryKey = []int{0}
	if got, want := text(), "id bigint, at timestamp with time zone, _fq_source_file bigint, _fq_source_pos bigint, "+hidden; got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}
