package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// serveAdmin answers /healthz, /readyz and /metrics.
func (a *App) serveAdmin(ctx context.Context) error {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), 2*time.Second)
		defer cancel()
		if waiting := a.waiting(ctx); len(waiting) > 0 {
			http.Error(w, "not ready, waiting for\n  "+strings.Join(waiting, "\n  "), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.Handle("GET /metrics", a.metricsHandler())
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, "fqgw\n\npsql -h %s\n\n/healthz\n/readyz\n/metrics\n", strings.Replace(a.Addr(), ":", " -p ", 1))
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	done := make(chan error, 1)
	go func() { done <- server.Serve(a.admin) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = server.Shutdown(stop)
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}

const onlineAway = "online store"

// waiting is what reads of now wait for: the online store, and every feature view
// that is not filled. Nothing: they are answered.
func (a *App) waiting(ctx context.Context) []string {
	var out []string
	if err := a.online.Ping(ctx); err != nil {
		out = append(out, fmt.Sprintf("%s %s: %v", onlineAway, a.redisAddr, err))
	}
	return append(out, a.engine.Waiting(ctx)...)
}

// sayAgain is after how long a start says anew what it waits for.
const sayAgain = 5 * time.Second

// watchReady logs what a start fills and how far that is, when reads of now are
// answered, and when they no longer are.
func (a *App) watchReady(ctx context.Context) error {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	began, ready := time.Now(), false
	var said time.Time
	for ctx.Err() == nil {
		ping, cancel := context.WithTimeout(ctx, 2*time.Second)
		waiting := a.waiting(ping)
		cancel()
		switch {
		case ctx.Err() != nil:
		case len(waiting) == 0 && !ready:
			a.logger.Info("ready: every feature view can be read", "views", len(a.engine.Catalog().Features), "after", time.Since(began).Round(time.Millisecond))
			ready, said = true, time.Time{}
			tick.Reset(time.Second)
		case len(waiting) > 0 && ready:
			level := slog.LevelInfo // a new feature view, most often
			if strings.HasPrefix(waiting[0], onlineAway) || strings.Contains(waiting[0], "lost") {
				level = slog.LevelWarn
			}
			a.logger.Log(ctx, level, "no longer ready", "waiting", strings.Join(waiting, "; "))
			ready, began, said = false, time.Now(), time.Now()
		case len(waiting) > 0 && time.Since(said) >= sayAgain:
			a.logger.Info("not ready yet", "waiting", strings.Join(waiting, "; "))
			said = time.Now()
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
		}
	}
	return nil
}
