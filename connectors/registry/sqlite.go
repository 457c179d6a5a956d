// Package registry keeps the definitions, the facts that must outlive the process
// and the dead letters in one SQLite file. One process at a time has a file (Lock):
// the owners that another process left in it are gone.
package registry

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite", pure Go

	"github.com/fqgw/fqgw"
)

// SQLite is an fqgw.Registry and an fqgw.DeadLetterStore. Safe for concurrent use;
// writes are one at a time.
type SQLite struct {
	db    *sql.DB
	owner int64
}

// process is what the owners of this process are known by.
var process = rand.Text()

// watchEvery is how often Watch looks.
const watchEvery = 200 * time.Millisecond

// format is that of the file; user_version holds it.
const format = 4

// schema makes a file.
const schema = `
CREATE TABLE version (number INTEGER NOT NULL);
INSERT INTO version VALUES (0);
CREATE TABLE objects (
	oid INTEGER PRIMARY KEY, kind TEXT NOT NULL, schema TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
	state INTEGER NOT NULL, sql TEXT NOT NULL, path TEXT NOT NULL, props TEXT NOT NULL, form TEXT NOT NULL
);
CREATE TABLE sequences (name TEXT PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE owners (id INTEGER PRIMARY KEY AUTOINCREMENT, process TEXT NOT NULL);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL, owner INTEGER NOT NULL); -- 0: nobody's own
CREATE TABLE epochs (source TEXT NOT NULL, topic_id BLOB NOT NULL, epoch INTEGER NOT NULL, PRIMARY KEY (source, topic_id));
CREATE TABLE dead_letters (
	source TEXT NOT NULL, epoch INTEGER NOT NULL, part INTEGER NOT NULL, off INTEGER NOT NULL, sub INTEGER NOT NULL,
	time INTEGER NOT NULL, rejected INTEGER NOT NULL, reason TEXT NOT NULL, col TEXT NOT NULL, key BLOB, payload BLOB,
	headers TEXT, -- headersText
	replayed INTEGER NOT NULL DEFAULT 0, -- 0: it was not
	PRIMARY KEY (source, epoch, part, off, sub)
);
`

// migrations are what makes a file of the next format of one: by its format.
var migrations = map[int]string{
	2: "ALTER TABLE dead_letters ADD COLUMN headers TEXT;", // NULL: what they were was not kept
	3: "ALTER TABLE dead_letters ADD COLUMN replayed INTEGER NOT NULL DEFAULT 0;",
}

// firstOID is the first number of a user's object, as in PostgreSQL.
const firstOID = 16384

// Open opens or makes the file, and is an owner from then on. A file of an older
// format is brought to this one, as far back as there are migrations; others are
// refused with 55000.
func Open(ctx context.Context, path string) (*SQLite, error) {
	dsn := (&url.URL{Scheme: "file", Path: path}).String() +
		"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)&_pragma=synchronous(FULL)&_txlock=immediate"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, broken(err)
	}
	db.SetMaxOpenConns(1) // one writer, and readers of a handful of rows
	r := &SQLite{db: db}
	err = r.migrate(ctx)
	if err == nil {
		err = r.tx(ctx, func(tx *sql.Tx) error {
			return tx.QueryRowContext(ctx, "INSERT INTO owners (process) VALUES (?) RETURNING id", process).Scan(&r.owner)
		})
	}
	if err != nil {
		db.Close()
		return nil, err
	}
	return r, nil
}

func broken(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	code := fqgw.CodeIO
	if strings.Contains(err.Error(), "disk is full") { // SQLITE_FULL
		code = fqgw.CodeDiskFull
	}
	return &fqgw.Error{Code: code, Message: "registry: " + err.Error(), Err: err}
}

func (r *SQLite) migrate(ctx context.Context) error {
	var v int
	if err := r.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&v); err != nil {
		return broken(err)
	}
	switch {
	case v == format:
		return nil
	case v > format:
		return fqgw.Errorf(fqgw.CodeNotInState, "the registry has format %d, this program knows format %d", v, format).WithHint("Use a newer fqgw.")
	case v > 0 && migrations[v] == "":
		return fqgw.Errorf(fqgw.CodeNotInState, "the registry has format %d, which this program does not read any more", v).
			WithHint("Use the fqgw that made it, or begin with an empty data directory.")
	}
	script := schema
	if v > 0 {
		script = ""
		for ; v < format; v++ {
			script += migrations[v]
		}
	}
	return r.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, script+fmt.Sprintf("PRAGMA user_version = %d;", format))
		return err
	})
}

func (r *SQLite) tx(ctx context.Context, f func(*sql.Tx) error) error {
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return broken(err)
	}
	defer tx.Rollback()
	if err := f(tx); err != nil {
		var known *fqgw.Error
		if errors.As(err, &known) {
			return known
		}
		return broken(err)
	}
	if err := tx.Commit(); err != nil {
		return broken(err)
	}
	return nil
}

// Load implements fqgw.DefinitionStore.
func (r *SQLite) Load(ctx context.Context) (defs fqgw.Definitions, err error) {
	err = r.tx(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, "SELECT number FROM version").Scan(&defs.Version); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, "SELECT oid, kind, schema, name, version, state, sql, path, props, form FROM objects ORDER BY oid")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var o fqgw.Object
			var path, props string
			if err := rows.Scan(&o.OID, &o.Kind, &o.Schema, &o.Name, &o.Version, &o.State, &o.SQL, &path, &props, &o.Form); err != nil {
				return err
			}
			if err := errors.Join(json.Unmarshal([]byte(path), &o.Path), json.Unmarshal([]byte(props), &o.Props)); err != nil {
				return fmt.Errorf("path and properties of %s: %w", o.Name, err)
			}
			defs.Objects = append(defs.Objects, o)
		}
		return rows.Err()
	})
	return defs, err
}

// Commit implements fqgw.DefinitionStore.
func (r *SQLite) Commit(ctx context.Context, base int64, c fqgw.DefinitionChange) (version int64, err error) {
	err = r.tx(ctx, func(tx *sql.Tx) error {
		if err := r.lives(ctx, tx); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, "SELECT number FROM version").Scan(&version); err != nil {
			return err
		}
		if version != base {
			return fqgw.Errorf(fqgw.CodeSerialization, "could not serialize access: the definitions are at version %d, not %d", version, base)
		}
		for _, oid := range c.Drop {
			if _, err := tx.ExecContext(ctx, "DELETE FROM objects WHERE oid = ?", oid); err != nil {
				return err
			}
		}
		for _, o := range c.Put {
			path, perr := json.Marshal(o.Path)
			props, err := json.Marshal(o.Props)
			if err := errors.Join(perr, err); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (oid) DO UPDATE SET
				kind = excluded.kind, schema = excluded.schema, name = excluded.name, version = excluded.version, state = excluded.state, sql = excluded.sql,
				path = excluded.path, props = excluded.props, form = excluded.form`,
				o.OID, o.Kind, o.Schema, o.Name, o.Version, o.State, o.SQL, string(path), string(props), o.Form); err != nil {
				return err
			}
		}
		for _, f := range c.Facts {
			if err := setFact(ctx, tx, f.Name, f.Value, r.owner); err != nil {
				return err
			}
		}
		version++
		_, err := tx.ExecContext(ctx, "UPDATE version SET number = ?", version)
		return err
	})
	return version, err
}

// Watch implements fqgw.DefinitionStore.
func (r *SQLite) Watch(ctx context.Context, after int64) (version int64, err error) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		if err := r.db.QueryRowContext(ctx, "SELECT number FROM version").Scan(&version); err != nil {
			return 0, broken(err)
		}
		if version > after {
			return version, nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// Next implements fqgw.Numbers.
func (r *SQLite) Next(ctx context.Context, sequence string, n int) (first int64, err error) {
	start := int64(1)
	if sequence == "oid" {
		start = firstOID
	}
	err = r.tx(ctx, func(tx *sql.Tx) error {
		return tx.QueryRowContext(ctx, `INSERT INTO sequences VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET next = next + ?
			RETURNING next - ?`, sequence, start+int64(n), n, n).Scan(&first)
	})
	return first, err
}

// Epoch implements fqgw.Numbers.
func (r *SQLite) Epoch(ctx context.Context, source string, topicID [16]byte) (epoch int32, err error) {
	err = r.tx(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO epochs
			SELECT ?, ?, coalesce(max(epoch) + 1, 0) FROM epochs WHERE source = ?`, source, topicID[:], source); err != nil {
			return err
		}
		return tx.QueryRowContext(ctx, "SELECT epoch FROM epochs WHERE source = ? AND topic_id = ?", source, topicID[:]).Scan(&epoch)
	})
	return epoch, err
}

// Close implements fqgw.Registry.
func (r *SQLite) Close() error {
	_, _ = r.db.Exec("DELETE FROM owners WHERE id = ?", r.owner) // else the next process finds that it is gone
	return r.db.Close()
}
