package fqgw

import "cmp"

// Position is the place of an event in its source (SEMANTICS §1): the number of
// the topic's incarnation, the partition and the offset. Rows of a history
// without offsets have NoOffset and sort before all others.
type Position struct {
	Epoch     int32
	Partition int32
	Offset    int64
}

// NoOffset is the Offset of rows that never were in Kafka.
const NoOffset = -1

// Compare orders positions by (epoch, partition, offset).
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Epoch, q.Epoch), cmp.Compare(p.Partition, q.Partition), cmp.Compare(p.Offset, q.Offset))
}

// Event is one accepted record of a source.
type Event struct {
	Time  int64 // event time
	Known int64 // known time
	Pos   Position
	Row   []Value // one value per column of the source
}

// Compare is the order of events (SEMANTICS §1): event time, known time, position.
func (e *Event) Compare(f *Event) int {
	return cmp.Or(cmp.Compare(e.Time, f.Time), cmp.Compare(e.Known, f.Known), e.Pos.Compare(f.Pos))
}

// VisibleAt is the least T at which a reader with K = T sees the event.
func (e *Event) VisibleAt() int64 { return max(e.Time, e.Known) }

// Mark is how far one partition was applied or landed: every position below
// (Epoch, Next) is in. Generation numbers the owners of a unit (SEMANTICS §6.2).
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
func Floor(t, step int64) int64 {
	q := t / step
	if t%step < 0 {
		q--
	}
	return q * step
}
