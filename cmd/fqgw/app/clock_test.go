package app

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

// TestClockOfADirectory: SEMANTICS 6.1. A directory remembers its set clock, also
// when the process was killed; a clock up to a minute behind what is online is held
// there, and the log says so.
func TestClockOfADirectory(t *testing.T) {
	at := func(s string) int64 {
		v, err := clockTime(s)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	dir := t.TempDir()
	ten := at("2024-01-01 10:00Z")
	const minute = 60_000_000
	var log bytes.Buffer
	open := func(clock string, rate float64) *App {
		log.Reset()
		c, explicit := defaults(), map[string]bool{"clock_rate": true}
		c.Data, c.Clock, c.ClockRate = dir, clock, rate
		if explicit["clock"] = clock != ""; !explicit["clock"] {
			explicit["clock_rate"] = false
		}
		a := &App{config: c, logger: slog.New(slog.NewTextHandler(&log, nil))}
		if err := a.openData(t.Context(), explicit); err != nil {
			t.Fatal(err)
		}
		return a
	}
	wrote := func(a *App, horizon string) { // the stream did
		if err := a.registry.Put(t.Context(), "horizon", horizon); err != nil {
			t.Fatal(err)
		}
	}
	check := func(a *App, what string, want int64, held bool) {
		t.Helper()
		if now := a.clock.Now(); now != want || strings.Contains(log.String(), "is held") != held {
			t.Errorf("%s: %s, want %s; the log: %s", what, time.UnixMicro(now).UTC(), time.UnixMicro(want).UTC(), &log)
		}
		a.Close() // a kill: nothing is kept at the end
	}

	a := open("2024-01-01 10:00Z", 0)
	if _, err := a.clock.Advance(minute / 2); err != nil {
		t.Fatal(err)
	}
	check(a, "moved", ten+minute/2, false)
	a = open("", 0)
	wrote(a, "1 1 "+fmt.Sprint(ten+minute/2))
	check(a, "after a kill", ten+minute/2, false)
	check(open("2024-01-01 10:00Z", 0), "half a minute back", ten+minute/2, true)
	check(open("2024-01-01 09:59:30Z", 0), "a minute back", ten+minute/2, true)
	check(open("2024-01-01 09:59:29Z", 0), "further back", ten-31_000_000, false)
	check(open("", 0), "remembered, further back", ten+minute/2, false)
	check(open("2024-01-01 11:00Z", 0), "forward", ten+60*minute, false)

	a = open("2024-01-01 11:00Z", 3600)
	shown := a.clock.Now()
	a.Close()
	a = open("", 0)
	if rate, _ := a.clock.IsSet(); rate != 3600 || a.clock.Now() < shown {
		t.Errorf("a running clock after a kill: %d, it was %d, rate %v", a.clock.Now(), shown, rate)
	}
	a.Close()

	a = open("real", 0)
	if _, set := a.clock.IsSet(); set {
		t.Error("not the machine's clock")
	}
	wrote(a, "1 1 "+fmt.Sprint(time.Now().UnixMicro()+minute/2))
	a.Close()
	a = open("", 0)
	if _, set := a.clock.IsSet(); set || a.clock.Behind() < minute/3 || !strings.Contains(log.String(), "is held") {
		t.Errorf("the machine's clock is not held: %d; the log: %s", a.clock.Behind(), &log)
	}
	a.Close()
}
