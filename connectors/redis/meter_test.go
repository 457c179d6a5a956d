package redis

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

func TestMeter(t *testing.T) {
	server := miniredis.RunT(t)
	s, err := Open(t.Context(), "redis://"+server.Addr()+"?max_retries=-1", 4)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	trips := func() uint64 { n, _, _ := s.Meter().Trips.Read(); return n }
	before := trips()
	if before == 0 {
		t.Error("opening the store took no trip")
	}
	if err := s.client.Get(t.Context(), "not there").Err(); err == nil || trips() != before+1 {
		t.Errorf("%v, %d trips", err, trips()-before)
	}
	if err := s.client.Do(t.Context(), "nonsense").Err(); err == nil || s.meter.Replies.Load() != 1 {
		t.Errorf("%v, %d answers that are errors", err, s.meter.Replies.Load())
	}
	ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
	defer cancel()
	if err := s.client.Get(ctx, "x").Err(); err == nil || s.meter.Timeouts.Load() != 1 {
		t.Errorf("%v, %d time-outs", err, s.meter.Timeouts.Load())
	}
	server.Close()
	if err := s.client.Get(t.Context(), "x").Err(); err == nil || s.meter.Connection.Load() != 1 {
		t.Errorf("%v, %d without a connection", err, s.meter.Connection.Load())
	}
}
