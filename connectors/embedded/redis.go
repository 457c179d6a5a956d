// Package embedded starts the servers that fqgw needs when none are configured:
// an online store and a Kafka broker, in this process, on loopback. They are
// reached through their ports by the same connectors as real servers.
package embedded

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/alicebob/miniredis/v2/server"
)

// RedisOptions say what an embedded online store is.
type RedisOptions struct {
	Listen string // host:port of this machine's loopback; port 0: any
	// Path is the file that it is saved to and begins with; "": it begins empty, and what it
	// held is gone.
	Path string
	// Owner is whose keys they are: what another one saved is not taken.
	Owner string
	// First says which keys are saved before all others. What is saved while clients write is
	// no moment of the store: each value is one that its key had, those of the other
	// keys after those of the first. When a client deletes one of the first, what was saved
	// before is void, and is removed: whoever deletes it does not reckon with its return.
	First func(key string) bool
	// Every is how long it is from one save to the next, at least: one that takes long is
	// rarer. 0: it is saved when it is closed alone.
	Every  time.Duration
	Logger *slog.Logger
}

// Redis is an online store in memory.
type Redis struct {
	Addr     string // host:port
	Restored bool   // it began with what was saved
	o        RedisOptions
	server   *miniredis.Miniredis
	done     chan struct{}
	saving   sync.WaitGroup

	mu     sync.Mutex // of the file, and of
	voided int        // how often what was saved became void
}

// StartRedis makes an online store and listens. A file that cannot be read is said in
// the log, and the store begins empty.
func StartRedis(o RedisOptions) (*Redis, error) {
	if _, _, err := loopback(o.Listen); err != nil {
		return nil, err
	}
	r := &Redis{o: o, server: miniredis.NewMiniRedis(), done: make(chan struct{})}
	if o.Path != "" {
		var err error
		if r.Restored, err = restore(r.server, o.Path, o.Owner); err != nil {
			o.Logger.Warn("what was saved of the embedded online store cannot be used: it is filled from history", "error", err)
		}
		removeUnfinished(o.Path)
	}
	if err := r.server.StartAddr(o.Listen); err != nil {
		return nil, startFailed("Redis", o.Listen, err)
	}
	r.Addr = r.server.Addr()
	if o.Path != "" {
		r.server.Server().SetPreHook(r.watch)
	}
	if o.Path != "" && o.Every > 0 {
		r.saving.Go(r.saveOften)
	}
	return r, nil
}

// saveShare bounds the part of the time that is spent saving.
const saveShare = 50

func (r *Redis) saveOften() {
	timer := time.NewTimer(r.o.Every)
	defer timer.Stop()
	for {
		select {
		case <-r.done:
			return
		case <-timer.C:
			timer.Reset(max(r.o.Every, saveShare*r.save()))
		}
	}
}

// save saves, and says how long that took. What cannot be saved is filled from history
// by the next process.
func (r *Redis) save() time.Duration {
	began := time.Now()
	r.mu.Lock()
	before := r.voided
	r.mu.Unlock()
	unfinished, err := save(r.server, r.o.Path, r.o.Owner, r.o.First)
	if err == nil {
		err = r.publish(unfinished, before)
	}
	if err != nil {
		r.o.Logger.Warn("the embedded online store cannot be saved: the next start fills it from history", "error", err)
	}
	return time.Since(began)
}

// publish puts what was saved in the place of what was saved before, unless it became
// void meanwhile.
func (r *Redis) publish(unfinished string, before int) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.voided != before {
		return os.Remove(unfinished)
	}
	return os.Rename(unfinished, r.o.Path)
}

// watch sees the commands of clients before they are done; a script does not delete what
// is saved first. Such keys are deleted here, so that a save which begins afterwards
// does not find them.
func (r *Redis) watch(_ *server.Peer, cmd string, args ...string) (done bool) {
	switch cmd {
	case "DEL", "UNLINK":
		if !slices.ContainsFunc(args, r.o.First) {
			return false
		}
	case "FLUSHALL", "FLUSHDB":
	default:
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.voided++
	if err := os.Remove(r.o.Path); err != nil && !os.IsNotExist(err) {
		r.o.Logger.Error("what was saved of the embedded online store is void and cannot be removed: remove it by hand", "error", err)
	}
	switch cmd {
	case "DEL", "UNLINK":
		for _, key := range args {
			if r.o.First(key) {
				r.server.Del(key)
			}
		}
	default:
		r.server.FlushAll()
	}
	return false
}

// Close stops the server, and saves what it held.
func (r *Redis) Close() error {
	close(r.done)
	r.saving.Wait()
	r.server.Close()
	if r.o.Path != "" {
		r.save()
	}
	return nil
}

// removeUnfinished removes what a save left that was cut off.
func removeUnfinished(path string) {
	left, _ := filepath.Glob(path + ".*") // the pattern is a good one unless the path has a bracket: then they stay
	for _, f := range left {
		_ = os.Remove(f)
	}
}
