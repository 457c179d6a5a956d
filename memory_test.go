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
	m := NewMemory("the statement", 3<<20)
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
	if none.Take(1<<60) != nil || none.Fits(1<<60) != nil || NewMemory("x", 0).Take(1<<60) != nil {
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
