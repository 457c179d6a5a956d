package decode

import (
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
)

// rowBits are the last bits of a place in MySQL's log: which row it is of an event that
// has several, and an event is in the log as one.
const rowBits = 20

// placeOf is where in the log of its database a change was: PostgreSQL says so by an LSN,
// MySQL by a file, whose name ends in a number, a place in it and a row there. Others do
// not.
func placeOf(lsn int64, file string, pos, row int64) fqgw.SourcePos {
	if lsn > 0 {
		return fqgw.SourcePos{Pos: lsn}
	}
	n, err := strconv.ParseInt(file[strings.LastIndexByte(file, '.')+1:], 10, 64)
	if err != nil || n < 0 || pos < 0 || pos >= 1<<(63-rowBits) || row < 0 || row >= 1<<rowBits {
		return fqgw.SourcePos{}
	}
	return fqgw.SourcePos{File: n, Pos: pos<<rowBits | row}
}

// partOf is what source.snapshot says.
func partOf(snapshot string) fqgw.SnapshotPart {
	switch snapshot {
	case "last", "last_in_data_collection":
		return fqgw.SnapshotLast
	case "incremental":
		return fqgw.SnapshotChunk
	}
	return fqgw.SnapshotSome
}
