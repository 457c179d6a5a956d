package fqgw

import "sync/atomic"

// Memory counts the bytes that somebody keeps against a limit: a statement its
// sorted rows and hash tables, a pipeline the states of its entities. The counts
// are estimates of what the values take; what the runtime needs beside comes on
// top. A nil Memory has no limit. Safe for concurrent use.
type Memory struct {
	who   string
	limit int64 // 0: none
	other int64 // of the limit, what is kept elsewhere
	used  atomic.Int64
}

// NewMemory is an empty count; who names its owner in errors ("the statement").
// A limit of 0 is none.
func NewMemory(who string, limit int64) *Memory { return &Memory{who: who, limit: limit} }

// Name gives a zero Memory its owner and limit, as NewMemory does, where it is a
// part of what it counts for.
func (m *Memory) Name(who string, limit int64) { m.who, m.limit = who, limit }

// Take counts n bytes; 53200 when they are more than the limit leaves, and then
// nothing is counted.
func (m *Memory) Take(n int64) error {
	if m == nil || n == 0 {
		return nil
	}
	if used := m.used.Add(n); m.limit > 0 && used > m.limit-m.other {
		m.used.Add(-n)
		return m.Exceeded()
	}
	return nil
}

// Give takes back what was counted.
func (m *Memory) Give(n int64) {
	if m != nil {
		m.used.Add(-n)
	}
}

// Hold says how much of the limit is kept elsewhere. Not to be called once
// others use m.
func (m *Memory) Hold(n int64) { m.other = n }

// Used is what was taken and not given back.
func (m *Memory) Used() int64 { return m.used.Load() }

// Fits is the error of Take, without counting.
func (m *Memory) Fits(n int64) error {
	if m != nil && m.limit > 0 && n > m.limit-m.other-m.used.Load() {
		return m.Exceeded()
	}
	return nil
}

// Limit is the limit in bytes; 0: none.
func (m *Memory) Limit() int64 {
	if m == nil {
		return 0
	}
	return m.limit
}

// Exceeded is the error for what does not fit.
func (m *Memory) Exceeded() *Error { return OutOfMemory(m.who, m.limit) }

// OutOfMemory is 53200: who needs more than limit bytes.
func OutOfMemory(who string, limit int64) *Error {
	return Errorf(CodeOutOfMemory, "%s needs more than %d MiB of memory", who, max(limit>>20, 1)).
		WithHint("Restrict or aggregate the rows, or raise the limit (--memory).")
}

const (
	valueBytes = 48 // of a Value itself
	// sliceBytes is a row's own slice header, and its place in a list that grows.
	sliceBytes = 48
)

// Bytes is about what the value takes in memory.
func (v Value) Bytes() int64 {
	n := valueBytes + int64(len(v.str))
	switch v.kind {
	case KindNumeric:
		n += 64
		if d := v.Numeric(); d.coef != nil {
			n += 8 * int64(len(d.coef.Bits()))
		}
	case KindInterval:
		n += 16
	case KindArray:
		if l := v.List(); l != nil {
			n += 128 + itemBytes(l.Items)
		}
	case KindRecord:
		n += itemBytes(v.Fields())
	}
	return n
}

func itemBytes(items []Value) (n int64) {
	for i := range items {
		n += items[i].Bytes()
	}
	return n
}

// RowBytes is about what a row that is kept in a list takes in memory.
func RowBytes(row []Value) int64 { return sliceBytes + itemBytes(row) }
