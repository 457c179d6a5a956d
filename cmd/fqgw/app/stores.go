package app

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/embedded"
	"github.com/fqgw/fqgw/connectors/files"
	"github.com/fqgw/fqgw/connectors/iceberg"
	"github.com/fqgw/fqgw/connectors/kafka"
	"github.com/fqgw/fqgw/connectors/redis"
	"github.com/fqgw/fqgw/connectors/registry"
	"github.com/fqgw/fqgw/connectors/schemas"
)

// The registry's facts about the online store: its shard count on a server, and
// the id by which the store knows whose states it has.
const (
	factShards = "shards"
	factID     = "id"
)

// openRegistry opens the registry that keeps the dead letters too.
func (a *App) openRegistry(ctx context.Context) error {
	r, err := registry.Open(ctx, filepath.Join(a.config.Data, "registry.db"))
	if err != nil {
		return err
	}
	a.registry, a.letters = r, r
	a.closers = append(a.closers, r.Close)
	return nil
}

// registryID is the registry's id, made with it.
func (a *App) registryID(ctx context.Context) (string, error) {
	id, err := a.registry.Get(ctx, factID)
	if err != nil || id != "" {
		return id, err
	}
	var raw [8]byte
	if _, err := rand.Read(raw[:]); err != nil {
		return "", err
	}
	if _, err := a.registry.Swap(ctx, factID, "", hex.EncodeToString(raw[:])); err != nil {
		return "", err
	}
	return a.registry.Get(ctx, factID) // perhaps another process's
}

// openStores opens Redis, Kafka and the lake. A server that is away ends a first
// start: its address is probably wrong. Once there are sources it does not: what
// the other stores can answer is answered, the rest when it is back.
func (a *App) openStores(ctx context.Context) error {
	defs, err := a.registry.Load(ctx)
	if err != nil {
		return err
	}
	settled := slices.ContainsFunc(defs.Objects, func(o fqgw.Object) bool { return o.Kind == "source" })
	if err := a.openOnline(ctx, settled); err != nil {
		return fmt.Errorf("online store %s: %w", a.redisAddr, err)
	}
	if err := a.openLog(ctx, settled); err != nil {
		return fmt.Errorf("kafka %s: %w", a.kafkaAddr, err)
	}
	if err := a.openSchemas(); err != nil {
		return err
	}
	if err := a.openLake(ctx, settled); err != nil {
		return fmt.Errorf("lake %s: %w", a.lakeAddr, err)
	}
	return a.openFiles()
}

func (a *App) openLake(ctx context.Context, settled bool) error {
	catalog, err := a.config.lakeCatalog()
	if err != nil {
		return err
	}
	if a.lakeAddr = redacted(catalog.URI); catalog.URI == "" {
		a.lakeAddr = "in " + a.config.Data
	}
	indexes := a.indexMemory()
	a.closers = append(a.closers, func() error { indexes.Close(); return nil })
	lake, err := iceberg.Open(ctx, iceberg.Options{Dir: a.config.Data, Catalog: catalog, Sync: a.config.Sync == "on", Log: a.logger,
		Memory: indexes, Cache: sizeOf(a.config.Cache)})
	if err != nil {
		return err
	}
	a.lake, a.tables = lake, lake.Tables()
	a.closers = append(a.closers, lake.Close)
	if err := lake.Ping(ctx); err != nil {
		if !away(err) || !settled {
			return err
		}
		a.logger.Warn("the lake's catalog is away: histories are read and landed into when it is back", "lake", a.lakeAddr, "error", err)
	}
	return nil
}

// openFiles takes the folders that SQL may read.
func (a *App) openFiles() (err error) {
	folders := []string{filepath.Join(a.config.Data, "files")}
	if a.config.AllowFiles != "" {
		folders = append(folders, filepath.SplitList(a.config.AllowFiles)...)
	}
	if a.files, err = files.Open(folders...); err != nil {
		return fmt.Errorf("a folder of files cannot be used: %w", err)
	}
	a.closers = append(a.closers, a.files.Close)
	return nil
}

// indexMemory is for the indexes of runs that are opened: as much as a statement may
// have, and of what all may have a quarter, for they stay when statements need memory.
func (a *App) indexMemory() *fqgw.Memory {
	limit := sizeOf(a.config.Memory)
	if total := a.memory.Limit(); total > 0 {
		limit = min(limit, total/4)
	}
	return a.memory.Part("the index of the runs of all histories", "--memory", limit)
}

// saveEvery is how often the embedded online store is saved. A process that was killed
// is followed by one that reads what came since from the log.
const saveEvery = 2 * time.Minute

func (a *App) openOnline(ctx context.Context, settled bool) error {
	url, shards := a.config.Online, uint32(a.config.Shards)
	id, err := a.registryID(ctx)
	if err != nil {
		return err
	}
	saved := filepath.Join(a.config.Data, "online.save")
	if url == "embedded" {
		a.redisAddr = "embedded"
		r, err := embedded.StartRedis(embedded.RedisOptions{Listen: a.config.RedisListen, Path: saved, Owner: id,
			First: redis.IsPositions, Every: saveEvery, Logger: a.logger})
		if err != nil {
			return fmt.Errorf("%w (choose another address with --redis-listen)", err)
		}
		a.volatile = !r.Restored
		a.closers = append(a.closers, r.Close)
		url = "redis://" + r.Addr
		if shards == 0 {
			shards = 64
		}
	} else if err := os.Remove(saved); err != nil && !os.IsNotExist(err) { // what another store gets is not in there
		return fmt.Errorf("what was saved of the embedded online store is void and cannot be removed: %w", err)
	}
	a.redisAddr = redacted(url)
	store, err := redis.Open(ctx, url, shards)
	if away(err) && settled {
		text, gerr := a.registry.Get(ctx, factShards)
		if gerr != nil {
			return gerr
		}
		n, perr := strconv.ParseUint(text, 10, 32)
		if perr != nil {
			return err
		}
		a.logger.Warn("the online store is away: reads of now are answered when it is back", "store", a.redisAddr, "error", err)
		store, err = redis.OpenAway(url, uint32(n), id)
		if err == nil {
			a.online = store
			a.closers = append(a.closers, store.Close)
		}
		return err
	}
	if err != nil {
		return err
	}
	a.online = store
	a.closers = append(a.closers, store.Close)
	if err := errors.Join(store.Ping(ctx), store.Own(ctx, id)); err != nil {
		return err
	}
	return a.registry.Put(ctx, factShards, strconv.FormatUint(uint64(store.Shards()), 10))
}

func (a *App) openLog(ctx context.Context, settled bool) error {
	o := a.config.kafkaOptions()
	if a.config.Kafka == "embedded" {
		a.kafkaAddr = "embedded"
		start := embedded.StartKafka
		if a.config.Sync == "on" {
			start = embedded.StartSyncedKafka
		}
		k, err := start(a.config.KafkaListen, filepath.Join(a.config.Data, "kafka"))
		if err != nil {
			return fmt.Errorf("%w (choose another address with --kafka-listen)", err)
		}
		a.closers = append(a.closers, k.Close)
		o = kafka.Options{Brokers: k.Brokers}
	}
	a.kafkaAddr = strings.Join(o.Brokers, ",")
	if o.Login.Mechanism == "PLAIN" && o.TLS == nil {
		a.logger.Warn("the password of Kafka goes over the network as it is: kafka_tls is off", "kafka", a.kafkaAddr)
	}
	log, err := kafka.Open(o)
	if err != nil {
		return err
	}
	a.log = log
	a.closers = append(a.closers, log.Close)
	if err := log.Ping(ctx); err != nil {
		if !away(err) || !settled {
			return err
		}
		a.logger.Warn("Kafka is away: the streams go on when it is back", "kafka", a.kafkaAddr, "error", err)
		a.logAway = true
	}
	return nil
}

// openSchemas makes the client of the schema registry, if there is one. It is asked when
// a record needs it: one that is away keeps nothing else from working.
func (a *App) openSchemas() error {
	if a.config.Schemas == "" {
		return nil
	}
	c, err := schemas.Open(schemas.Options{URLs: a.config.Schemas, Credentials: a.config.SchemasAuth, CA: a.config.SchemasCA})
	if err != nil {
		return err
	}
	a.schemas = c
	a.closers = append(a.closers, c.Close)
	return nil
}

// away says whether err is a connection's (class 08), or a server's that refuses the
// login or the certificate (class 28), which may be mended while this runs.
func away(err error) bool {
	if err == nil {
		return false
	}
	class := fqgw.AsError(err).Code[:2]
	return class == "08" || class == "28"
}
