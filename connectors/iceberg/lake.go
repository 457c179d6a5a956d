// Package iceberg is the offline store: tables of an Iceberg lake, here a local
// warehouse with an SQLite catalog. The files are ordinary Parquet and the
// tables ordinary Iceberg tables, so that other engines read them.
//
// What is committed survives a killed process: files are written before the
// catalog points to them, and a half-made commit leaves files that no table
// mentions. Against a lost machine it takes Options.Sync, for iceberg-go never
// asks the disk for anything.
package iceberg

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
)

// Options say where the lake is.
type Options struct {
	Dir     string       // of the embedded catalog, and of tables whose place nothing else says
	Catalog Catalog      // the zero Catalog: the embedded one
	Sync    bool         // wait for the disk before each commit: safe against a lost machine, slower; only for local files
	Log     *slog.Logger // for maintenance that failed; nil: the default logger
	// Memory is for the indexes of runs that are opened. A run for which there is no
	// room is not used.
	Memory *fqgw.Memory
	// Cache is how many bytes the copies of runs in Dir/runs may have, of runs that are
	// not files of this machine; 0: 10 GiB.
	Cache int64
}

// Lake is an fqgw.History. Safe for concurrent use; commits are one at a time.
type Lake struct {
	catalog   tables
	end       func() error // closes the catalog
	warehouse string       // the URL of the folder of new tables; "": the catalog says where they are
	embedded  bool         // nobody else makes tables in the warehouse
	near      *near
	log       *slog.Logger
	keepAge   time.Duration // of snapshots
	turn      chan struct{} // holds one token while somebody commits
	orphanAge time.Duration // of files that no table mentions
	mu        sync.Mutex    // guards what follows
	appends   map[string][]*waiting
	refound   map[string]refound   // by table: positions that were found in rows
	writing   map[string]bool      // data files that are not committed yet
	swept     map[string]time.Time // by table: when orphans were last looked for
	sweeps    sync.WaitGroup
	opened    map[string]*opened // runs, by history and keys
	plans     plans
	memory    *fqgw.Memory // for what is kept of opened runs
}

// columnsProperty is the table property that has the columns' PostgreSQL types,
// which Iceberg's are narrower than.
const columnsProperty = "fqgw.columns"

// madeProperty is the table property that tells who made it, from any other.
const madeProperty = "fqgw.made"

type columnProperty struct {
	Name    string `json:"name"`
	OID     uint32 `json:"oid"`
	Mod     int32  `json:"mod"`
	NotNull bool   `json:"not_null,omitempty"`
}

// Open opens or makes the lake. Its files hold absolute paths: once made, the
// directory cannot be moved.
func Open(ctx context.Context, o Options) (*Lake, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, fail(err)
	}
	embedded := o.Catalog.URI == ""
	if embedded {
		if err := os.MkdirAll(filepath.Join(dir, "lake"), 0o755); err != nil {
			return nil, fail(err)
		}
	}
	cat, warehouse, end, err := o.Catalog.open(ctx, dir, o.Sync)
	if err != nil {
		return nil, fail(err)
	}
	l := &Lake{turn: make(chan struct{}, 1), catalog: bounded{cat}, end: end, warehouse: warehouse, embedded: embedded, log: o.Log, keepAge: keepAge,
		orphanAge: orphanAge, writing: map[string]bool{}, swept: map[string]time.Time{}, opened: map[string]*opened{}, memory: o.Memory}
	if o.Cache == 0 {
		o.Cache = 10 << 30
	}
	l.near = newNear(filepath.Join(dir, "runs"), o.Cache)
	if l.log == nil {
		l.log = slog.Default()
	}
	return l, nil
}

// Ping asks the catalog whether it is there.
func (l *Lake) Ping(ctx context.Context) error {
	if _, err := l.catalog.LoadTable(ctx, table.Identifier{"lake", "fqgw_ping"}); !isMissing(err) {
		return fail(err)
	}
	return nil
}

// Close implements fqgw.History.
func (l *Lake) Close() error {
	l.sweeps.Wait()
	l.mu.Lock()
	all := slices.Collect(maps.Values(l.opened))
	l.mu.Unlock()
	for _, o := range all {
		o.mu.Lock()
		o.clear()
		o.mu.Unlock()
	}
	return fail(l.end())
}

// ident takes "lake.t" or "t".
func ident(name string) table.Identifier {
	ns, t, ok := strings.Cut(name, ".")
	if !ok {
		return table.Identifier{"lake", name}
	}
	return table.Identifier{ns, t}
}

// load reads the table as it is now; 42P01 when there is none.
func (l *Lake) load(ctx context.Context, name string) (*table.Table, error) {
	t, err := l.catalog.LoadTable(ctx, ident(name))
	return t, l.missing(name, err)
}

// tableProperties keep the cost of a commit the same however many there were:
// small manifests are merged, to pieces small enough to be rewritten often, and
// old metadata files are removed. expire does the rest.
var tableProperties = iceberg.Properties{
	"format-version":                          "2",
	table.ManifestMergeEnabledKey:             "true",
	table.ManifestMinMergeCountKey:            "20",
	table.ManifestTargetSizeBytesKey:          "131072",
	table.MetadataDeleteAfterCommitEnabledKey: "true",
	table.MetadataPreviousVersionsMaxKey:      "10",
	table.ParquetCompressionKey:               "zstd",
}

// Create implements fqgw.History. Every Iceberg field is optional: iceberg-go
// writes a NULL in a required one as 0, so NOT NULL is for the gate to check.
func (l *Lake) Create(ctx context.Context, name string, cols []fqgw.Column, partition ...string) error {
	return l.create(ctx, name, cols, partition, nil)
}

func (l *Lake) create(ctx context.Context, name string, cols []fqgw.Column, partition []string, more iceberg.Properties) error {
	id := ident(name)
	if catalog.ValidateTableIdentifier(id) != nil {
		return fqgw.Errorf("42602", "\"%s\" cannot be the name of a table of the lake", name)
	}
	schema, err := icebergSchema(cols)
	if err != nil {
		return err
	}
	spec, err := specOfColumns(schema, cols, partition)
	if err != nil {
		return err
	}
	text, err := columnsText(cols)
	if err != nil {
		return fail(err)
	}
	properties := iceberg.Properties{columnsProperty: text, madeProperty: rand.Text()}
	maps.Copy(properties, tableProperties)
	maps.Copy(properties, more)
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if err := l.catalog.CreateNamespace(ctx, id[:1], nil); err != nil && !errors.Is(err, catalog.ErrNamespaceAlreadyExists) {
		return fail(err)
	}
	o := []catalog.CreateTableOpt{catalog.WithProperties(properties), catalog.WithPartitionSpec(spec)}
	if l.warehouse != "" {
		o = append(o, catalog.WithLocation(l.location(id)))
	}
	_, err = l.catalog.CreateTable(ctx, id, schema, o...)
	if err != nil && !errors.Is(err, catalog.ErrTableAlreadyExists) && !refused(err) && ctx.Err() == nil {
		// It may have been made: then it is ours by its mark.
		if t, lerr := l.catalog.LoadTable(ctx, id); lerr == nil && t.Properties()[madeProperty] == properties[madeProperty] {
			return nil
		}
	}
	if errors.Is(err, catalog.ErrTableAlreadyExists) || errors.Is(err, catalog.ErrViewAlreadyExists) {
		return fqgw.Errorf(fqgw.CodeDuplicateTable, "table \"%s\" already exists in the lake", name)
	}
	return fail(err)
}

// location is the folder of a table: lake/<name> for "lake.<name>". What could
// leave the warehouse, or mean something in a URL, is written as ~XX.
func (l *Lake) location(id table.Identifier) string {
	out := l.warehouse
	for i, part := range id {
		if i == 0 && part == "lake" {
			continue
		}
		var b strings.Builder
		for _, c := range []byte(part) {
			if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '-' {
				b.WriteByte(c)
			} else {
				fmt.Fprintf(&b, "~%02X", c)
			}
		}
		out += "/" + b.String()
	}
	return out
}

// Drop implements fqgw.History. Whatever lies in the folder of a table of the embedded
// catalog goes, also what a killed process left there. Elsewhere somebody may make the
// table again at the same time: only the files that it had go.
func (l *Lake) Drop(ctx context.Context, name string) error {
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	t, err := l.load(ctx, name)
	if err != nil {
		return err
	}
	if err := l.dropProjections(ctx, t); err != nil {
		return err
	}
	return l.drop(ctx, t)
}

// drop removes a table and its files.
func (l *Lake) drop(ctx context.Context, t *table.Table) error {
	if err := l.catalog.DropTable(ctx, t.Identifier()); err != nil {
		return fail(err)
	}
	files, err := t.FS(ctx)
	if err != nil {
		return fail(err)
	}
	if folder, ok := files.(interface{ RemoveAll(string) error }); ok && l.embedded && strings.HasPrefix(t.Location(), l.warehouse+"/") {
		return fail(folder.RemoveAll(t.Location()))
	}
	return fail(t.PurgeFiles(ctx))
}

// Describe implements fqgw.History. A table that another engine made has the
// PostgreSQL types nearest to its Iceberg ones.
func (l *Lake) Describe(ctx context.Context, name string) ([]fqgw.Column, error) {
	t, err := l.load(ctx, name)
	if err != nil {
		return nil, err
	}
	return columns(t)
}

func columns(t *table.Table) ([]fqgw.Column, error) {
	text := t.Properties()[columnsProperty]
	if text == "" {
		return foreignColumns(t.Schema())
	}
	var kept []columnProperty
	if err := json.Unmarshal([]byte(text), &kept); err != nil {
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "lake: property %s of %v: %w", columnsProperty, t.Identifier(), err)
	}
	out := make([]fqgw.Column, len(kept))
	for i, c := range kept {
		out[i] = fqgw.Column{Name: c.Name, Type: fqgw.Type{OID: c.OID, Mod: c.Mod}, NotNull: c.NotNull}
	}
	return out, nil
}

// originProperty is the table property behind Origin.
const originProperty = "fqgw.origin"

// Origin implements fqgw.History.
func (l *Lake) Origin(ctx context.Context, name string) (string, error) {
	t, err := l.load(ctx, name)
	if err != nil {
		return "", err
	}
	return t.Properties()[originProperty], nil
}

// SetOrigin implements fqgw.History.
func (l *Lake) SetOrigin(ctx context.Context, name, origin string) error {
	unlock, err := l.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	for try := 1; ; try++ {
		begun := time.Now()
		t, err := l.load(ctx, name)
		if err != nil {
			return err
		}
		tx := t.NewTransaction()
		if err := tx.SetProperties(iceberg.Properties{originProperty: origin}); err != nil {
			return fail(err)
		}
		if _, err = tx.Commit(ctx); err == nil || refused(err) && !lost(err) || try == appendTries {
			return fail(err)
		}
		if err := wait(ctx, try, time.Since(begun)); err != nil {
			return err
		}
	}
}

// Current implements fqgw.History.
func (l *Lake) Current(ctx context.Context, name string) (fqgw.Snapshot, error) {
	t, err := l.load(ctx, name)
	if err != nil {
		return fqgw.Snapshot{}, err
	}
	return l.snapshot(ctx, t)
}
