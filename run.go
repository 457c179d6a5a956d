package fqgw

import (
	"bytes"
	"context"
	"math"
	"math/bits"

	"github.com/apache/arrow-go/v18/arrow"
)

// RunGroup is how many rows a group of a run has; the last has what is left.
const RunGroup = 1 << 17

// Run is a part of a source's history in the order of its entities under some join
// keys: by (entity key, event time, known time, position, canonical bytes of the
// row), of each position one row. Rows without an entity or an event time are not
// in it, and _fq_known_at says when each was known, whoever wrote it. Its rows lie
// in groups of RunGroup. Immutable; safe for concurrent use. What it returns is
// valid until its Sorted is closed.
type Run interface {
	Entities() *RunEntities
	// Times are the event times of a group's rows, microseconds UTC.
	Times(group int) []int64
	// Known are the known times; nil where each row of the run was known at its
	// event time.
	Known(group int) []int64
	// Passed says that Times and Known of a group, which stay valid, are not read for
	// some time: they need not be in memory until then.
	Passed(group int)
	// Column is a column of a group, which the caller releases. 58030 when it
	// cannot be read.
	Column(group int, name string) (arrow.Array, error)
	// Packed is a column of a group with NULLs by its values alone; ok is false where
	// Column is to be asked.
	Packed(group int, name string) (p PackedColumn, ok bool)
}

// PackedColumn is a column whose rows that are not NULL lie one behind the other.
type PackedColumn struct {
	Values arrow.Array // which the caller releases
	Valid  []uint64    // a bit for each row
	Before []uint32    // how many bits are set before each word of Valid
}

// At is where the value of a row is; false for NULL.
func (p *PackedColumn) At(row int) (int, bool) {
	word, bit := p.Valid[row>>6], uint(row)&63
	return int(p.Before[row>>6]) + bits.OnesCount64(word&(1<<bit-1)), word>>bit&1 == 1
}

// RunKeys says in what order runs are: by the entities of the join keys in those
// columns, and by the event time in another.
type RunKeys struct {
	Keys []string
	Time string
}

// RunFile is a file that WriteRun wrote. It is given to CommitRuns, or discarded.
type RunFile interface {
	Rows() int64
	// Discard removes it.
	Discard()
}

// SortedHistory is a History that keeps runs of it beside. Implemented by
// connectors/iceberg.
type SortedHistory interface {
	History
	// Sorted is what Scan reads, by the runs of the source's history under those join
	// keys: Columns, Time, From and To are for what the runs do not cover, which is all
	// of it where there are none, or where the history was changed by others since. It
	// is to be closed.
	Sorted(ctx context.Context, s Scan, k RunKeys) (*Sorted, error)
	// WriteRun writes rows that are in the order of a run to a file, which nobody reads
	// before CommitRuns.
	WriteRun(ctx context.Context, table string, k RunKeys, rows Records) (RunFile, error)
	// CommitRuns makes the runs that were read as base less those in remove, and those
	// in add behind them, the runs under those keys, covering upto. Others may commit
	// runs at the same time: when the version is not that of base any more, or the
	// history not what upto says, nothing changes, and ok is false. XX001 when a file of add is not
	// in order. The files of add belong to the lake in each case.
	CommitRuns(ctx context.Context, table string, k RunKeys, base *Sorted, remove []Run, add []RunFile, upto Coverage) (ok bool, err error)
	// Files lists the files that a table has now, and those of its runs.
	Files(ctx context.Context, table string, each func(LakeFile) error) error
	// MergeFiles makes few files of many small ones, of the history of a source; nothing
	// of other tables. Runs go on covering what they cover.
	MergeFiles(ctx context.Context, table string) error
	// Maintain drops old snapshots of a table and of its runs, except tagged ones, and
	// the files that only they needed; files that a failed commit left a day ago; and
	// runs whose history is gone.
	Maintain(ctx context.Context, table string) error
}

// LakeFile is a file of a table of the lake.
type LakeFile struct {
	Kind     string // data; fresh: of a history, not in all of its runs yet; run
	Path     string
	Rows     int64
	Bytes    int64
	Keys     []string // of a run: the columns of the join keys
	Sequence int64    // of the commit that added the file; up to which a run covers the history
	Covered  Marks    // of a run: the positions that it covers, with the others under its keys
	Written  int64    // microseconds UTC; 0 where it is not known
	Used     bool     // false of runs that do not cover the history any more
}

// RunEntities is the index of a run: its entities in the order of their keys' bytes,
// with their rows.
type RunEntities struct {
	keys []byte
	ends []uint32 // of each key in keys
	from []uint32 // the first row of each
	rows int
}

// Append adds an entity and how many rows it has; false when its key does not come
// behind the last one's, or there is no room for more.
func (e *RunEntities) Append(key []byte, rows int) bool {
	if n := e.Len(); n > 0 && bytes.Compare(e.Key(n-1), key) >= 0 || len(e.keys)+len(key) > math.MaxUint32 || e.rows+rows > math.MaxUint32 {
		return false
	}
	e.keys = append(e.keys, key...)
	e.ends = append(e.ends, uint32(len(e.keys)))
	e.from = append(e.from, uint32(e.rows))
	e.rows += rows
	return true
}

// Len is the number of entities, NumRows that of rows.
func (e *RunEntities) Len() int     { return len(e.ends) }
func (e *RunEntities) NumRows() int { return e.rows }

// Bytes is about what the index takes in memory.
func (e *RunEntities) Bytes() int64 { return int64(cap(e.keys)) + 4*int64(cap(e.ends)+cap(e.from)) }

// Key is the key of an entity, not to be written to.
func (e *RunEntities) Key(i int) []byte {
	from := uint32(0)
	if i > 0 {
		from = e.ends[i-1]
	}
	return e.keys[from:e.ends[i]]
}

// Rows are those of an entity: from from to before to.
func (e *RunEntities) Rows(i int) (from, to int) {
	if i+1 < len(e.from) {
		return int(e.from[i]), int(e.from[i+1])
	}
	return int(e.from[i]), e.rows
}

// Find is the first entity at or behind at whose key is not less than key; whose
// keys are before at are less. It takes time in the logarithm of how far that is.
func (e *RunEntities) Find(key EntityKey, at int) (i int, found bool) {
	n := e.Len()
	less := func(i int) bool { return string(e.Key(i)) < string(key) }
	if at >= n {
		return n, false
	}
	step := 1
	for at+step < n && less(at+step) {
		step <<= 1
	}
	from, to := at+step>>1, min(at+step, n)
	if step == 1 {
		from = at
	}
	for from < to {
		if m := int(uint(from+to) >> 1); less(m) {
			from = m + 1
		} else {
			to = m
		}
	}
	return from, from < n && string(e.Key(from)) == string(key)
}

// Sorted is the history of a source for point-in-time joins by some join keys: runs,
// and what they do not cover.
type Sorted struct {
	Runs []Run
	// Covered are the positions in the runs: a row of Fresh that is below them came
	// twice.
	Covered Marks
	Fresh   Records
	// Pieces are the rows of Fresh once more, where they can be had in pieces and there
	// are no runs; nil elsewhere.
	Pieces Pieces
	// FreshRows is about how many rows Fresh has, before they are filtered.
	FreshRows int64
	// Covers is what the runs cover, Upto what they and Fresh cover together.
	Covers, Upto Coverage
	// Version tells the runs that the history had, used or not, from those that it has
	// later.
	Version string
	close   func()
}

// Coverage says of which rows of a history runs were made: of those in the files that
// were committed up to a snapshot. A history whose files are not the same any more is
// not covered.
type Coverage struct {
	Table    string // identifies the table, however it is called
	Sequence int64  // of the snapshot
	Files    int    // how many files, and a sum of their names
	Sum      uint64
	Marks    Marks
}

// Close releases what was read of it.
func (s *Sorted) Close() {
	if s.close != nil {
		s.close()
		s.close = nil
	}
}

// OnClose is called by Close.
func (s *Sorted) OnClose(f func()) { s.close = f }
