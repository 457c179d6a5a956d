package fqgw

import (
	"errors"
	"math/big"
	"strings"
	"testing"
)

// TestMemory takes and gives at the edge of a limit: what does not fit is 53200
// and is not counted.
func TestMemory(t *testing.T) {
	m := NewMemory("the statement", "--memory", 3<<20)
	if err := m.Take(2 << 20); err != nil {
		t.Fatal(err)
	}
	err := m.Take(2 << 20)
	var e *Error
	if !errors.As(err, &e) || e.Code != CodeOutOfMemory || e.Hint == "" || !strings.Contains(e.Message, "the statement needs more than 3 MiB") {
		t.Error(err)
	}
	if m.Fits(1<<20) != nil || m.Fits(1<<20+1) == nil || m.Take(1<<20) != nil || m.Take(1) == nil {
		t.Error("the refused bytes were counted")
	}
	if m.Give(3 << 20); m.Take(3<<20) != nil {
		t.Error("what was given back is not there")
	}
	var none *Memory
	if none.Take(1<<60) != nil || none.Fits(1<<60) != nil || NewMemory("x", "", 0).Take(1<<60) != nil {
		t.Error("no limit refused")
	}
}

// TestBytes: what a value refers to counts.
func TestBytes(t *testing.T) {
	long := NumericValue(NewDecimal(new(big.Int).Lsh(big.NewInt(1), 80_000), 0))
	text := TextValue(strings.Repeat("x", 10_000))
	for name, v := range map[string]Value{"text": text, "numeric": long, "array": ArrayOf(Text, text), "record": RecordValue(nil, []Value{Null, text})} {
		if n := v.Bytes(); n < 10_000 || n > 11_000 {
			t.Errorf("%s: %d bytes", name, n)
		}
	}
	if n := RowBytes([]Value{IntValue(1), Null}); n < 2*48 || n > 200 {
		t.Errorf("a row of two: %d", n)
	}
}

// TestMemoryParts: a limit holds for the parts together, each has its own besides,
// and what a part that is closed had borrowed is there again.
func TestMemoryParts(t *testing.T) {
	whole := NewMemory("all", "--total-memory", 8<<20)
	a, b := whole.Part("a", "--memory", 6<<20), whole.Part("b", "--memory", 0)
	if err := a.Take(6 << 20); err != nil {
		t.Fatal(err)
	}
	if err := a.Take(1); err == nil || !strings.Contains(err.Error(), "a needs") {
		t.Error(err)
	}
	if err := b.Take(3 << 20); err == nil || !strings.Contains(err.Error(), "all needs") || b.Used() != 0 {
		t.Error(err)
	}
	if free := b.Free(); free > 2<<20 || free < 2<<20-borrowBytes || b.Take(free) != nil || b.Free() != 0 || b.Fits(1) == nil || b.Fits(0) != nil {
		t.Errorf("%d bytes are free, then %d", free, b.Free())
	}
	a.Give(6 << 20)
	if used := whole.Used() - b.Used(); used > 2*borrowBytes {
		t.Errorf("%d bytes are still borrowed", used)
	}
	if a.Close(); whole.Used() != b.Used() || whole.Lost() != 0 {
		t.Errorf("%d of %d bytes, %d lost", b.Used(), whole.Used(), whole.Lost())
	}
	used := b.Used()
	if b.Close(); whole.Used() != 0 || whole.Lost() != used {
		t.Errorf("%d bytes, %d lost of %d", whole.Used(), whole.Lost(), used)
	}
}

// TestMemoryReserve: what is reserved is there when the whole is full, and stays
// reserved when it is not used.
func TestMemoryReserve(t *testing.T) {
	whole := NewMemory("all", "", 1<<20)
	a, b := whole.Part("a", "", 0), whole.Part("b", "", 0)
	if err := a.Reserve(256 << 10); err != nil {
		t.Fatal(err)
	}
	for n := int64(1024); n > 0; { // all that is left
		if b.Take(n) != nil {
			n /= 2
		}
	}
	for range 3 {
		if err := a.Take(256 << 10); err != nil {
			t.Fatal(err)
		}
		if a.Take(1) == nil || b.Take(1) == nil || whole.Free() != 0 {
			t.Error("there is more than there is")
		}
		a.Give(256 << 10)
	}
	if a.Close(); whole.Free() != 256<<10 || a.Reserve(1) == nil && whole.Free() == 256<<10 {
		t.Errorf("%d bytes are free", whole.Free())
	}
}

// TestMemorySet: what is there counts although it is too much.
func TestMemorySet(t *testing.T) {
	whole := NewMemory("all", "", 1<<20)
	a := whole.Part("a", "", 0)
	if a.Set(3 << 20); a.Used() != 3<<20 || whole.Used() < 3<<20 || a.Take(1) == nil || whole.Free() != 0 || whole.Fits(0) != nil {
		t.Errorf("%d of %d bytes", a.Used(), whole.Used())
	}
	if a.Set(100); a.Used() != 100 || a.Take(1<<19) != nil {
		t.Errorf("%d of %d bytes", a.Used(), whole.Used())
	}
}
