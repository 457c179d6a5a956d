// Package registry keeps the definitions and the small facts that must outlive
// the process in one SQLite file. One process owns a file (Lock).
package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"

	_ "modernc.org/sqlite" // the driver "sqlite", pure Go

	"github.com/fqgw/fqgw"
)

// SQLite is an fqgw.Registry. Safe for concurrent use; writes are one at a time.
type SQLite struct {
	db *sql.DB
}

// schema is version 1 of the file; user_version holds the number.
const schema = `
CREATE TABLE version (number INTEGER NOT NULL);
INSERT INTO version VALUES (0);
CREATE TABLE objects (
	oid INTEGER PRIMARY KEY, kind TEXT NOT NULL, schema TEXT NOT NULL, name TEXT NOT NULL, version INTEGER NOT NULL,
	state INTEGER NOT NULL, sql TEXT NOT NULL, path TEXT NOT NULL, props TEXT NOT NULL
);
CREATE TABLE sequences (name TEXT PRIMARY KEY, next INTEGER NOT NULL);
CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE epochs (source TEXT NOT NULL, topic_id BLOB NOT NULL, epoch INTEGER NOT NULL, PRIMARY KEY (source, topic_id));
CREATE TABLE dead_letters (
	source TEXT NOT NULL, epoch INTEGER NOT NULL, part INTEGER NOT NULL, off INTEGER NOT NULL, time INTEGER NOT NULL,
	rejected INTEGER NOT NULL, reason TEXT NOT NULL, col TEXT NOT NULL, key BLOB, payload BLOB,
	PRIMARY KEY (source, epoch, part, off)
);
PRAGMA user_version = 1;
`

// firstOID is the first number of a user's object, as in PostgreSQL.
const firstOID = 16384

// Open opens or makes the file. A file of a newer version is refused.
func Open(ctx context.Context, path string) (*SQLite, error) {
	dsn := (&url.URL{Scheme: "file", Path: path}).String() +
		"?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)&_pragma=synchronous(FULL)&_txlock=immediate"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, broken(err)
	}
	db.SetMaxOpenConns(1) // one writer, and readers of a handful of rows
	r := &SQLite{db: db}
	if err := r.migrate(ctx); err != nil {
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
	case v == 1:
		return nil
	case v > 1:
		return fqgw.Errorf(fqgw.CodeNotInState, "the registry has format %d, this program knows formats up to 1", v).WithHint("Use a newer fqgw.")
	}
	return r.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, schema)
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

// Load implements fqgw.Registry; the objects come in the order of their OIDs.
func (r *SQLite) Load(ctx context.Context) (defs fqgw.Definitions, err error) {
	err = r.tx(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, "SELECT number FROM version").Scan(&defs.Version); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, "SELECT oid, kind, schema, name, version, state, sql, path, props FROM objects ORDER BY oid")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var o fqgw.Object
			var path, props string
			if err := rows.Scan(&o.OID, &o.Kind, &o.Schema, &o.Name, &o.Version, &o.State, &o.SQL, &path, &props); err != nil {
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

// Commit implements fqgw.Registry.
func (r *SQLite) Commit(ctx context.Context, base int64, put []fqgw.Object, drop []uint32) (version int64, err error) {
	err = r.tx(ctx, func(tx *sql.Tx) error {
		if err := tx.QueryRowContext(ctx, "SELECT number FROM version").Scan(&version); err != nil {
			return err
		}
		if version != base {
			return fqgw.Errorf(fqgw.CodeSerialization, "could not serialize access: the definitions are at version %d, not %d", version, base)
		}
		for _, oid := range drop {
			if _, err := tx.ExecContext(ctx, "DELETE FROM objects WHERE oid = ?", oid); err != nil {
				return err
			}
		}
		for _, o := range put {
			path, perr := json.Marshal(o.Path)
			props, err := json.Marshal(o.Props)
			if err := errors.Join(perr, err); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT INTO objects VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (oid) DO UPDATE SET
				kind = excluded.kind, schema = excluded.schema, name = excluded.name, version = excluded.version, state = excluded.state, sql = excluded.sql,
				path = excluded.path, props = excluded.props`,
				o.OID, o.Kind, o.Schema, o.Name, o.Version, o.State, o.SQL, string(path), string(props)); err != nil {
				return err
			}
		}
		version++
		_, err := tx.ExecContext(ctx, "UPDATE version SET number = ?", version)
		return err
	})
	return version, err
}

// Next implements fqgw.Registry; "oid" begins at 16384, other sequences at 1.
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

// Get implements fqgw.Registry.
func (r *SQLite) Get(ctx context.Context, name string) (value string, err error) {
	err = r.db.QueryRowContext(ctx, "SELECT value FROM facts WHERE name = ?", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", broken(err)
	}
	return value, nil
}

// Put implements fqgw.Registry.
func (r *SQLite) Put(ctx context.Context, name, value string) error {
	return r.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "INSERT INTO facts VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
		return err
	})
}

// Epoch implements fqgw.Registry.
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

// Bury implements fqgw.Registry.
func (r *SQLite) Bury(ctx context.Context, letters []fqgw.DeadLetter) error {
	return r.tx(ctx, func(tx *sql.Tx) error {
		for _, d := range letters {
			if _, err := tx.ExecContext(ctx, "INSERT OR IGNORE INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
				d.Source, d.Pos.Epoch, d.Pos.Partition, d.Pos.Offset, d.Time, d.Rejected, d.Reason, d.Column, d.Key, d.Payload); err != nil {
				return err
			}
		}
		return nil
	})
}

// DeadLetters implements fqgw.Registry: the newest first.
func (r *SQLite) DeadLetters(ctx context.Context, limit int) (out []fqgw.DeadLetter, err error) {
	rows, err := r.db.QueryContext(ctx, `SELECT source, epoch, part, off, time, rejected, reason, col, key, payload
		FROM dead_letters ORDER BY rejected DESC, source, epoch, part, off LIMIT ?`, limit)
	if err != nil {
		return nil, broken(err)
	}
	defer rows.Close()
	for rows.Next() {
		var d fqgw.DeadLetter
		if err := rows.Scan(&d.Source, &d.Pos.Epoch, &d.Pos.Partition, &d.Pos.Offset, &d.Time, &d.Rejected, &d.Reason, &d.Column, &d.Key, &d.Payload); err != nil {
			return nil, broken(err)
		}
		out = append(out, d)
	}
	if err := rows.Err(); err != nil {
		return nil, broken(err)
	}
	return out, nil
}

// Close implements fqgw.Registry.
func (r *SQLite) Close() error { return r.db.Close() }
