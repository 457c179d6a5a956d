package fqgw

import (
	"math"
	"sync"
	"sync/atomic"
)

// Memory is an account of bytes that somebody keeps: a statement its sorted rows
// and hash tables, a session its temporary tables, the streams the states of their
// entities. What is taken from an account is taken from the one that it is a part
// of as well, so that a limit holds for all parts together. The counts are
// estimates of what the values take; what the runtime needs beside comes on top.
// A nil Memory has no limit. Safe for concurrent use.
type Memory struct {
	who, option string
	limit       int64 // 0: none
	whole       *Memory
	used        atomic.Int64

	// Of the whole as much as is used is borrowed and a little more, so that not
	// every row comes to an account that all statements share.
	mu       sync.Mutex // for a change of borrowed
	borrowed atomic.Int64
	reserved int64        // of it, what is not given back before Close
	lost     atomic.Int64 // what parts had not given back when they were closed
}

// borrowBytes is how much is borrowed at once, at most.
const borrowBytes = 32 << 10

// NewMemory is an empty account; who names its owner in errors ("the statement"),
// option the setting that raises its limit, in bytes. A limit of 0 is none.
func NewMemory(who, option string, limit int64) *Memory {
	return &Memory{who: who, option: option, limit: limit}
}

// Part is a new account within m, with a limit of its own besides; Close ends it.
// That of nil is one by itself.
func (m *Memory) Part(who, option string, limit int64) *Memory {
	part := &Memory{}
	part.Within(m, who, option, limit)
	return part
}

// Within makes a zero account a part of whole, as Part does, where it lies in what
// it counts for.
func (m *Memory) Within(whole *Memory, who, option string, limit int64) {
	m.whole, m.who, m.option, m.limit = whole, who, option, limit
}

// Take counts n bytes; 53200 when they are more than the limit leaves, or that of
// a whole, and then nothing is counted.
func (m *Memory) Take(n int64) error {
	if m == nil || n == 0 {
		return nil
	}
	used := m.used.Add(n)
	var err error
	if m.limit > 0 && used > m.limit {
		err = m.Exceeded()
	} else if m.whole != nil && used > m.borrowed.Load() {
		err = m.borrow()
	}
	if err != nil {
		m.used.Add(-n)
	}
	return err
}

func (m *Memory) borrow() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	lack := m.used.Load() - m.borrowed.Load()
	if lack <= 0 {
		return nil
	}
	n := lack + m.ahead()
	err := m.whole.Take(n)
	if err != nil {
		n = lack
		err = m.whole.Take(n)
	}
	if err == nil {
		m.borrowed.Add(n)
	}
	return err
}

// ahead is how much more than it needs an account borrows.
func (m *Memory) ahead() int64 {
	if limit := m.whole.limit; limit > 0 {
		return min(borrowBytes, limit/64)
	}
	return borrowBytes
}

// Give takes back what was counted.
func (m *Memory) Give(n int64) {
	if m == nil {
		return
	}
	used := m.used.Add(-n)
	if m.whole == nil || m.borrowed.Load()-used < 2*m.ahead() {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	keep := max(m.used.Load()+m.ahead(), m.reserved)
	if spare := m.borrowed.Load() - keep; spare > 0 {
		m.borrowed.Add(-spare)
		m.whole.Give(spare)
	}
}

// Reserve takes n bytes of the whole for m alone, until Close; 53200.
func (m *Memory) Reserve(n int64) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.whole.Take(n); err != nil {
		return err
	}
	m.borrowed.Add(n)
	m.reserved += n
	return nil
}

// Set counts n bytes in place of what was, also where they are too many: they
// are there. What is taken afterwards is refused then.
func (m *Memory) Set(n int64) {
	if more := n - m.used.Load(); more > 0 {
		m.Force(more)
	} else {
		m.Give(-more)
	}
}

// Force counts n bytes, also where they are too many: they are there. What is taken
// afterwards is refused then.
func (m *Memory) Force(n int64) {
	m.used.Add(n)
	if m.whole == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if lack := m.used.Load() - m.borrowed.Load(); lack > 0 {
		m.borrowed.Add(lack)
		m.whole.Force(lack)
	}
}

// Close gives the whole back what it lent. What the account still counted is
// lost: somebody did not give it back.
func (m *Memory) Close() {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	lost := m.used.Swap(0)
	m.reserved = 0
	m.whole.Give(m.borrowed.Swap(0))
	for w := m.whole; w != nil; w = w.whole {
		w.lost.Add(lost)
	}
}

// Used is what was taken and not given back; of a whole, what its parts borrowed.
func (m *Memory) Used() int64 { return m.used.Load() }

// Lost is what parts of the account had not given back when they were closed:
// other than 0 it is a defect of fqgw.
func (m *Memory) Lost() int64 { return m.lost.Load() }

// Free is how many bytes can be taken; MaxInt64 without a limit.
func (m *Memory) Free() int64 {
	_, free := m.tightest()
	return free
}

// Fits is the error of Take, without counting.
func (m *Memory) Fits(n int64) error {
	if tightest, free := m.tightest(); n > free {
		return tightest.Exceeded()
	}
	return nil
}

// tightest is the account whose limit leaves the least, of m and its wholes.
func (m *Memory) tightest() (tightest *Memory, free int64) {
	free = math.MaxInt64
	spare := int64(0) // what the part below has borrowed and does not use
	for ; m != nil; m = m.whole {
		used := m.used.Load() - spare
		if left := max(m.limit-used, 0); m.limit > 0 && left < free {
			tightest, free = m, left
		}
		spare = m.borrowed.Load() - used
	}
	return tightest, free
}

// Limit is the account's own limit in bytes; 0: none.
func (m *Memory) Limit() int64 {
	if m == nil {
		return 0
	}
	return m.limit
}

// Exceeded is the error for what does not fit.
func (m *Memory) Exceeded() *Error {
	return Errorf(CodeOutOfMemory, "%s needs more than %d MiB of memory", m.who, max(m.limit>>20, 1)).
		WithHint("Restrict or aggregate the rows, or raise the limit (%s).", m.option)
}

const (
	valueBytes = 48 // of a Value itself
	// sliceBytes is a row's own slice header, and its place in a list that grows.
	sliceBytes = 48
)

// Bytes is about what the value takes in memory.
func (v Value) Bytes() int64 { return itemBytes([]Value{v}) }

// itemBytes is asked for every event of a stream: it copies no value.
func itemBytes(items []Value) int64 {
	n := valueBytes * int64(len(items))
	for i := range items {
		v := &items[i]
		n += int64(len(v.str))
		switch v.kind {
		case KindNumeric, KindInterval, KindArray, KindRecord:
			n += v.behind()
		}
	}
	return n
}

// behind is about what the value refers to, beside its text.
func (v *Value) behind() (n int64) {
	switch v.kind {
	case KindNumeric:
		n = 64
		if d := v.Numeric(); d.coef != nil {
			n += 8 * int64(len(d.coef.Bits()))
		}
	case KindInterval:
		n = 16
	case KindArray:
		if l := v.List(); l != nil {
			n = 128 + itemBytes(l.Items)
		}
	case KindRecord:
		n = itemBytes(v.Fields())
	}
	return n
}

// RowBytes is about what a row that is kept in a list takes in memory.
func RowBytes(row []Value) int64 { return sliceBytes + itemBytes(row) }
