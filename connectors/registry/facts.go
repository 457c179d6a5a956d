package registry

import (
	"context"
	"database/sql"
	"errors"

	"github.com/fqgw/fqgw"
)

// Owner implements fqgw.Facts.
func (r *SQLite) Owner() int64 { return r.owner }

// lives is nil while nobody took this owner for gone.
func (r *SQLite) lives(ctx context.Context, tx *sql.Tx) error {
	var id int64
	err := tx.QueryRowContext(ctx, "SELECT id FROM owners WHERE id = ?", r.owner).Scan(&id)
	if errors.Is(err, sql.ErrNoRows) {
		return fqgw.Errorf(fqgw.CodeNotInState, "the registry took this process for gone, and others go on with what it did").
			WithHint("Restart it.")
	}
	return err
}

func setFact(ctx context.Context, tx *sql.Tx, name, value string, owner int64) error {
	if value == "" {
		_, err := tx.ExecContext(ctx, "DELETE FROM facts WHERE name = ?", name)
		return err
	}
	_, err := tx.ExecContext(ctx, `INSERT INTO facts VALUES (?, ?, ?)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value, owner = excluded.owner`, name, value, owner)
	return err
}

type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func fact(ctx context.Context, q querier, name string) (value string, err error) {
	err = q.QueryRowContext(ctx, "SELECT value FROM facts WHERE name = ?", name).Scan(&value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", nil
	}
	return value, err
}

// Get implements fqgw.Facts.
func (r *SQLite) Get(ctx context.Context, name string) (string, error) {
	value, err := fact(ctx, r.db, name)
	if err != nil {
		return "", broken(err)
	}
	return value, nil
}

// Put implements fqgw.Facts.
func (r *SQLite) Put(ctx context.Context, name, value string) error {
	return r.tx(ctx, func(tx *sql.Tx) error { return setFact(ctx, tx, name, value, 0) })
}

// Swap implements fqgw.Facts.
func (r *SQLite) Swap(ctx context.Context, name, old, value string) (same bool, err error) {
	err = r.tx(ctx, func(tx *sql.Tx) error {
		found, err := fact(ctx, tx, name)
		if same = found == old; err != nil || !same {
			return err
		}
		return setFact(ctx, tx, name, value, 0)
	})
	return same && err == nil, err
}

// PutOwn implements fqgw.Facts.
func (r *SQLite) PutOwn(ctx context.Context, name, value string) error {
	return r.tx(ctx, func(tx *sql.Tx) error {
		if err := r.lives(ctx, tx); err != nil {
			return err
		}
		return setFact(ctx, tx, name, value, r.owner)
	})
}

// Adopt implements fqgw.Facts.
func (r *SQLite) Adopt(ctx context.Context, prefix string) (out []fqgw.Fact, err error) {
	err = r.tx(ctx, func(tx *sql.Tx) error {
		if err := r.lives(ctx, tx); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM owners WHERE process <> ?", process); err != nil {
			return err
		}
		rows, err := tx.QueryContext(ctx, `UPDATE facts SET owner = ? WHERE owner <> 0 AND owner NOT IN (SELECT id FROM owners)
			AND substr(name, 1, length(?)) = ? RETURNING name, value`, r.owner, prefix, prefix)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var f fqgw.Fact
			if err := rows.Scan(&f.Name, &f.Value); err != nil {
				return err
			}
			out = append(out, f)
		}
		return rows.Err()
	})
	return out, err
}
