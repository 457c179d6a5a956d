package redis_test

import (
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/fqgw/fqgw"
)

// A connection that ended while nobody used it is seen before it is used again:
// no trip fails by it.
func TestEndedConnections(t *testing.T) {
	m := miniredis.RunT(t)
	s := open(t, "redis://"+m.Addr())
	var g gate
	g.slow.Store(int64(2 * time.Millisecond))
	m.Server().SetPreHook(g.hook)
	read := []fqgw.UnitRead{{Unit: fqgw.Unit{State: 1}}}
	for range 100 {
		if _, err := s.Read(t.Context(), read); err != nil {
			t.Fatal(err)
		}
	}
	g.rush(t, s, 8, 8, 5*time.Millisecond)
	m.Close()
	if err := m.Restart(); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := s.Read(t.Context(), read); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.Meter().Connection.Load(); n > 0 {
		t.Errorf("%d trips failed", n)
	}
}
