package fqgw

import (
	"cmp"
	"math"
	"slices"
)

// Position is the place of an event in its source (SEMANTICS §1): the number of
// the topic's incarnation, the partition, the offset of the record and, of a
// record that carries several changes, the number of the change, from 0. Rows of
// a history that no record brought have none (IsNone) and sort before all others.
type Position struct {
	Epoch     int32
	Partition int32
	Offset    int64
	Sub       int32
}

// NoOffset is the Offset of the position of a row that has none.
const NoOffset = -1

// IsNone says that the event has no position: it ties by the canonical bytes of
// its row, and nothing tells it from another with the same ones.
func (p Position) IsNone() bool { return p.Offset < 0 }

// Compare orders positions by (epoch, partition, offset, sub-position).
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Epoch, q.Epoch), cmp.Compare(p.Partition, q.Partition), cmp.Compare(p.Offset, q.Offset),
		cmp.Compare(p.Sub, q.Sub))
}

// Operation says what a change does with its row. An update is two changes of
// one record, next to each other: the row as it was and the row as it is.
type Operation uint8

const (
	Insert       Operation = iota // the row is new
	UpdateBefore                  // the row before an update
	UpdateAfter                   // the row after it
	Delete                        // the row that is gone
	// Changes of which the record does not have the row before.
	Upsert      // the row as it is now, whatever it was
	DeleteKey   // the row that is gone: its primary key, and no more of it
	SnapshotRow // the row as a snapshot of its table found it: changes before may have told of it
)

var operations = [...]string{"insert", "update_before", "update_after", "delete", "upsert", "delete_key", "snapshot"}

func (o Operation) String() string { return operations[o] }

// ParseOperation reads what String wrote; ok is false for another text.
func ParseOperation(s string) (o Operation, ok bool) {
	i := slices.Index(operations[:], s)
	return Operation(max(i, 0)), i >= 0
}

// Retracts says that the change takes its row away: it is the row before.
func (o Operation) Retracts() bool { return o == UpdateBefore || o == Delete || o == DeleteKey }

// Event is one accepted change of a source. A record carries none, one or several.
type Event struct {
	Time  int64 // event time
	Known int64 // known time
	Pos   Position
	Op    Operation
	Row   []Value // the row before or after, as Op says: one value per column of the source
	// Missing are the columns of an Upsert, by their index and ascending, of which the
	// record says nothing: they are as they were. They are NULL in Row.
	Missing []int
}

// Compare is the order of events (SEMANTICS §1): event time, known time, position.
func (e *Event) Compare(f *Event) int {
	return cmp.Or(cmp.Compare(e.Time, f.Time), cmp.Compare(e.Known, f.Known), e.Pos.Compare(f.Pos))
}

// VisibleAt is the least T at which a reader with K = T sees the event.
func (e *Event) VisibleAt() int64 { return max(e.Time, e.Known) }

// Mark is how far one partition was applied or landed: every position below
// (Epoch, Next) is in. It lies between two records: the changes of a record are
// applied, written and landed together, so that it needs no sub-position.
// Generation numbers the owners of a unit (SEMANTICS §6.2).
type Mark struct {
	Generation uint64
	Epoch      int32
	Next       int64
}

// Covers says whether the position (of the mark's own partition) is in.
func (m Mark) Covers(p Position) bool {
	return p.Epoch < m.Epoch || p.Epoch == m.Epoch && p.Offset < m.Next
}

// Before says whether m is less far than n.
func (m Mark) Before(n Mark) bool {
	return m.Epoch < n.Epoch || m.Epoch == n.Epoch && m.Next < n.Next
}

// Marks is a position vector: one Mark per partition, by partition number. A
// missing partition is the zero Mark.
type Marks []Mark

// Of is the mark of a partition.
func (v Marks) Of(partition int32) Mark {
	if int(partition) < len(v) {
		return v[partition]
	}
	return Mark{}
}

// Covers says whether the position is in.
func (v Marks) Covers(p Position) bool { return v.Of(p.Partition).Covers(p) }

// Beyond says whether v is further than w in any partition.
func (v Marks) Beyond(w Marks) bool {
	for p, m := range v {
		if w.Of(int32(p)).Before(m) {
			return true
		}
	}
	return false
}

// Set returns v with the mark of one partition replaced, grown as needed.
func (v Marks) Set(partition int32, m Mark) Marks {
	for len(v) <= int(partition) {
		v = append(v, Mark{})
	}
	v[partition] = m
	return v
}

// Floor is the greatest multiple of step that is at most t; step > 0. It is the
// mathematical floor, before 1970 too (SEMANTICS §3.1).
func Floor(t, step int64) int64 { return FloorDiv(t, step) * step }

// FloorDiv is the greatest integer that is at most a/b.
func FloorDiv(a, b int64) int64 {
	q := a / b
	if r := a % b; r != 0 && (r < 0) != (b < 0) {
		q--
	}
	return q
}

// TimeBefore is the event time of the row before a change that was known at a time: its
// own, in v, where that is one, else when the change was known.
func TimeBefore(v Value, known int64) int64 {
	if t, ok := Micros(v); ok && v.Int() != InfinityTime && v.Int() != NegInfinityTime {
		return t
	}
	return known
}

// Micros reads a date or a timestamp as a time; false for another value, NULL among
// them.
func Micros(v Value) (int64, bool) {
	switch v.Kind() {
	case KindTimestamp:
		return v.Int(), true
	case KindDate:
		const day = 86_400_000_000
		return min(max(v.Int(), math.MinInt64/day), math.MaxInt64/day) * day, true
	}
	return 0, false
}
