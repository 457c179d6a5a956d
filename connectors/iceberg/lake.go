// Package iceberg is the offline store: tables of an Iceberg lake, here a local
// warehouse with an SQLite catalog. The files are ordinary Parquet and the
// tables ordinary Iceberg tables, so that other engines read them.
package iceberg

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	sqlcat "github.com/apache/iceberg-go/catalog/sql"
	"github.com/apache/iceberg-go/table"
	_ "modernc.org/sqlite" // the driver "sqlite", pure Go

	"github.com/fqgw/fqgw"
)

// Options say where the lake is.
type Options struct {
	Dir string // the warehouse is Dir/lake, its catalog Dir/lake.db
}

// Lake is an fqgw.History. Safe for concurrent use; commits are one at a time.
type Lake struct {
	db      *sql.DB
	catalog *sqlcat.Catalog
	commits sync.Mutex
}

// columnsProperty is the table property that has the columns' PostgreSQL types,
// which Iceberg's are narrower than.
const columnsProperty = "fqgw.columns"

type columnProperty struct {
	Name    string `json:"name"`
	OID     uint32 `json:"oid"`
	Mod     int32  `json:"mod"`
	NotNull bool   `json:"not_null,omitempty"`
}

// Open opens or makes the lake.
func Open(ctx context.Context, o Options) (*Lake, error) {
	dir, err := filepath.Abs(o.Dir)
	if err != nil {
		return nil, err
	}
	warehouse := filepath.Join(dir, "lake")
	if err := os.MkdirAll(warehouse, 0o755); err != nil {
		return nil, fail(err)
	}
	dsn := (&url.URL{Scheme: "file", Path: filepath.Join(dir, "lake.db")}).String() +
		"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)&_pragma=synchronous(FULL)&_txlock=immediate"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fail(err)
	}
	db.SetMaxOpenConns(1)
	cat, err := sqlcat.NewCatalog("fqgw", db, sqlcat.SQLite, iceberg.Properties{"warehouse": warehouse})
	if err != nil {
		db.Close()
		return nil, fail(err)
	}
	return &Lake{db: db, catalog: cat}, nil
}

// Close implements fqgw.History.
func (l *Lake) Close() error { return l.db.Close() }

func ident(name string) table.Identifier {
	ns, t, ok := strings.Cut(name, ".")
	if !ok {
		return table.Identifier{"lake", name}
	}
	return table.Identifier{ns, t}
}

// fail maps an error: what is missing is 42P01, what is there 42P07, the rest 58030.
func fail(err error) error {
	var known *fqgw.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, catalog.ErrNoSuchTable):
		return &fqgw.Error{Code: fqgw.CodeUndefinedTable, Message: "lake: " + err.Error(), Err: err}
	case errors.Is(err, catalog.ErrTableAlreadyExists):
		return &fqgw.Error{Code: fqgw.CodeDuplicateTable, Message: "lake: " + err.Error(), Err: err}
	}
	return &fqgw.Error{Code: fqgw.CodeIO, Message: "lake: " + err.Error(), Err: err}
}

// Create implements fqgw.History. Every Iceberg field is optional: iceberg-go
// writes a NULL in a required one as 0, so NOT NULL is checked before.
func (l *Lake) Create(ctx context.Context, name string, cols []fqgw.Column) error {
	schema, err := icebergSchema(cols)
	if err != nil {
		return err
	}
	kept := make([]columnProperty, len(cols))
	for i, c := range cols {
		kept[i] = columnProperty{c.Name, c.Type.OID, c.Type.Mod, c.NotNull}
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return fail(err)
	}
	l.commits.Lock()
	defer l.commits.Unlock()
	id := ident(name)
	if err := l.catalog.CreateNamespace(ctx, id[:1], nil); err != nil && !errors.Is(err, catalog.ErrNamespaceAlreadyExists) {
		return fail(err)
	}
	_, err = l.catalog.CreateTable(ctx, id, schema, catalog.WithProperties(iceberg.Properties{
		columnsProperty:                           string(text),
		"format-version":                          "2",
		table.ManifestMergeEnabledKey:             "true",
		table.ManifestMinMergeCountKey:            "20",
		table.MetadataDeleteAfterCommitEnabledKey: "true",
		table.MetadataPreviousVersionsMaxKey:      "10",
		table.ParquetCompressionKey:               "zstd",
		"write.metadata.metrics.default":          "full",
	}))
	return fail(err)
}

// Drop implements fqgw.History.
func (l *Lake) Drop(ctx context.Context, name string) error {
	l.commits.Lock()
	defer l.commits.Unlock()
	t, err := l.catalog.LoadTable(ctx, ident(name))
	if err != nil {
		return fail(err)
	}
	if err := l.catalog.DropTable(ctx, ident(name)); err != nil {
		return fail(err)
	}
	return fail(os.RemoveAll(localPath(t.Location())))
}

func localPath(location string) string {
	if p, ok := strings.CutPrefix(location, "file://"); ok {
		return p
	}
	return location
}

// Describe implements fqgw.History. A table that another engine made has the
// PostgreSQL types nearest to its Iceberg ones.
func (l *Lake) Describe(ctx context.Context, name string) ([]fqgw.Column, error) {
	t, err := l.catalog.LoadTable(ctx, ident(name))
	if err != nil {
		return nil, fail(err)
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

// Current implements fqgw.History.
func (l *Lake) Current(ctx context.Context, name string) (fqgw.Snapshot, error) {
	t, err := l.catalog.LoadTable(ctx, ident(name))
	if err != nil {
		return fqgw.Snapshot{}, fail(err)
	}
	return snapshot(t)
}
