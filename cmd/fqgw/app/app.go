// Package app wires fqgw together: configuration, the stores, the pipeline, the
// planner, the gateway and the admin server. It owns every component and the
// order in which they start and stop.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/files"
	"github.com/fqgw/fqgw/connectors/iceberg"
	"github.com/fqgw/fqgw/connectors/registry"
	"github.com/fqgw/fqgw/gateway"
	"github.com/fqgw/fqgw/planner"
	"github.com/fqgw/fqgw/planner/define"
	"github.com/fqgw/fqgw/planner/exec"
	"github.com/fqgw/fqgw/stream"
	"github.com/fqgw/fqgw/stream/decode"
	"github.com/fqgw/fqgw/stream/window"
)

// App is a running fqgw.
type App struct {
	config Config
	logger *slog.Logger
	clock  *fqgw.Clock
	memory *fqgw.Memory // of all sessions, compactions and the indexes of runs

	closers  []func() error // in the order they were opened
	volatile bool           // the online store begins empty
	registry fqgw.Registry
	letters  fqgw.DeadLetterStore
	online   fqgw.OnlineStore
	lake     fqgw.SortedHistory
	log      fqgw.Log
	schemas  fqgw.RecordSchemas // nil: none is configured
	files    *files.Files
	tables   fqgw.Foreign // of the lake
	pipeline *stream.Pipeline
	engine   *exec.Engine
	planner  *planner.Planner

	listener, admin net.Listener
	logAway         bool // Kafka did not answer at the start
	kafkaAddr       string
	redisAddr       string
	lakeAddr        string
}

// Open acquires everything that a configuration names: it opens the stores,
// loads the definitions and listens. Close, or Run, gives it back.
func Open(ctx context.Context, c Config, explicit map[string]bool, logger *slog.Logger) (a *App, err error) {
	a = &App{config: c, logger: logger, memory: fqgw.NewMemory("all sessions together", "--total-memory", sizeOf(c.Total))}
	defer func() {
		if err != nil {
			a.Close()
			a = nil
		}
	}()
	if err := a.openData(ctx, explicit); err != nil {
		return a, err
	}
	// The ports come early: one that is taken is the commonest trouble.
	if a.listener, err = a.listen("listen", c.Listen); err != nil {
		return a, err
	}
	if a.admin, err = a.listen("admin", c.Admin); err != nil {
		return a, err
	}
	if err := a.openStores(ctx); err != nil {
		return a, err
	}
	catalog, err := planner.Load(ctx, a.registry)
	if err != nil {
		return a, fmt.Errorf("the definitions in %s cannot be read: %w", a.config.Data, err)
	}
	fault := faultPoint()
	foreign := map[string]fqgw.Foreign{"files": a.files, "iceberg": a.tables}
	formats := decode.Maker{Schemas: a.schemas}
	a.pipeline = stream.New(stream.Options{Decoder: formats.Decoder, Encoder: formats.Encoder, Online: a.online, History: a.lake, Logs: map[string]fqgw.Log{"kafka": a.log}, Foreign: foreign,
		Registry: a.registry, Letters: a.letters, Clock: a.clock, Logger: logger, LogAway: a.logAway, Volatile: a.volatile,
		Memory: fqgw.NewMemory("the streams", "--stream-memory", sizeOf(c.Stream)), Fault: fault, OnlineMemory: sizeOf(c.OnlineMax),
		Revive: func(ctx context.Context, l *window.Layout, keys []fqgw.EntityKey, stubs []*window.Stub, most int) ([][]byte, error) {
			return a.engine.Revive(ctx, l, keys, stubs, most)
		},
		Derive: func(ctx context.Context, s *fqgw.Source, events []*fqgw.Event, then bool) ([][]fqgw.Value, []int, error) {
			return a.engine.Derive(ctx, s, events, then)
		}})
	a.engine = exec.New(exec.Options{Online: a.online, History: a.lake, Foreign: foreign, Schemas: a.schemas,
		Registry: a.registry, Letters: a.letters, Streams: a.pipeline, Clock: a.clock,
		Logger: logger, Catalog: catalog, Bind: define.Load, Form: define.FormHash, Compare: define.Compare, Definitions: define.Rows, Derive: define.Derive, Settings: a.fact, Files: filepath.Join(a.config.Data, "files"),
		WriteParquet: iceberg.WriteParquet, MemoryLimit: sizeOf(c.Memory),
		SessionLimit: sizeOf(c.Session), Total: a.memory, Fault: fault, MakeTopics: c.Kafka == "embedded"})
	a.planner = planner.New(a.engine)
	return a, nil
}

// openData takes the directory, its registry and its clock.
func (a *App) openData(ctx context.Context, explicit map[string]bool) error {
	dir, err := filepath.Abs(a.config.Data)
	if err != nil {
		return err
	}
	a.config.Data = dir
	if err := os.MkdirAll(filepath.Join(dir, "files"), 0o755); err != nil {
		return fmt.Errorf("the data directory cannot be used: %w", err)
	}
	lock, err := registry.Lock(dir)
	if err != nil {
		return err
	}
	a.closers = append(a.closers, lock.Close)
	if err := a.openRegistry(ctx); err != nil {
		return err
	}
	return a.setClock(ctx, explicit)
}

func (a *App) listen(name, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen on %s (choose another with --%s): %w", addr, name, err)
	}
	a.closers = append(a.closers, func() error {
		if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			return err
		}
		return nil
	})
	return l, nil
}

// Addr is where the PostgreSQL protocol listens.
func (a *App) Addr() string { return a.listener.Addr().String() }

// Data is the data directory, absolute.
func (a *App) Data() string { return a.config.Data }

// AdminAddr is where health and metrics listen.
func (a *App) AdminAddr() string { return a.admin.Addr().String() }

// Engine is the running engine, for programs that embed an App.
func (a *App) Engine() *exec.Engine { return a.engine }

// fact answers SHOW for the read-only settings.
func (a *App) fact(name string) string {
	switch name {
	case "fqgw.clock":
		rate, set := a.clock.IsSet()
		if !set {
			return "real"
		}
		return fmt.Sprintf("%s rate %g", fqgw.TimeText(a.clock.Now()), rate)
	case "fqgw.kafka":
		return a.kafkaAddr
	case "fqgw.redis":
		return a.redisAddr
	case "max_connections":
		return strconv.Itoa(a.config.Connections)
	case "data_directory":
		return a.config.Data
	case "listen_addresses", "port":
		host, port, err := net.SplitHostPort(a.Addr())
		if err != nil {
			return ""
		}
		return map[string]string{"listen_addresses": host, "port": port}[name]
	}
	return ""
}

// Run serves until ctx ends; then it stops accepting, drains the sessions,
// flushes and lands what the stream holds, and closes the stores. ready, if not
// nil, is called once statements are answered.
func (a *App) Run(ctx context.Context, ready func()) error {
	defer a.Close()
	// The pipeline outlives the sessions: it stops when they have drained.
	pipeCtx, stopPipeline := context.WithCancel(context.WithoutCancel(ctx))
	defer stopPipeline()
	serveCtx, stopServing := context.WithCancel(ctx)
	defer stopServing()

	var wg sync.WaitGroup
	failed := make(chan error, 4)
	start := func(name string, run func() error) {
		wg.Go(func() {
			if err := run(); err != nil {
				failed <- fmt.Errorf("%s: %w", name, err)
				stopServing()
			}
		})
	}
	var pipeline sync.WaitGroup
	pipeline.Go(func() {
		if err := a.pipeline.Run(pipeCtx); err != nil {
			failed <- fmt.Errorf("stream: %w", err)
			stopServing()
		}
	})
	pipeline.Go(func() {
		if err := a.rememberClock(pipeCtx); err != nil {
			failed <- fmt.Errorf("clock: %w", err)
			stopServing()
		}
	})
	if err := a.engine.Start(serveCtx); err != nil {
		stopPipeline()
		pipeline.Wait()
		return err
	}
	server := gateway.New(gateway.Options{Planner: a.planner, Logger: a.logger, Connections: a.config.Connections})
	start("gateway", func() error { return server.Serve(serveCtx, a.listener) })
	start("admin", func() error { return a.serveAdmin(serveCtx) })
	start("readiness", func() error { return a.watchReady(serveCtx) })
	if ready != nil {
		ready()
	}
	context.AfterFunc(ctx, func() {
		a.logger.Info("stopping: sessions are drained, then the streams flush and land", "sessions", a.planner.Sessions())
	})
	wg.Wait()
	a.engine.Close()
	stopPipeline()
	pipeline.Wait()
	close(failed)
	var errs []error
	for err := range failed {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// Close gives back what Open acquired, the last first.
func (a *App) Close() {
	for i := len(a.closers) - 1; i >= 0; i-- {
		if err := a.closers[i](); err != nil {
			a.logger.Warn("closing failed", "error", err)
		}
	}
	a.closers = nil
}
