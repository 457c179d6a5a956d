package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/fqgw/fqgw"
)

// Bury implements fqgw.DeadLetterStore.
func (r *SQLite) Bury(ctx context.Context, letters []fqgw.DeadLetter) error {
	return r.tx(ctx, func(tx *sql.Tx) error {
		for _, d := range letters {
			headers, err := headersText(d.Headers)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, `INSERT OR IGNORE INTO dead_letters (source, epoch, part, off, sub, time, rejected, reason, col, key, payload, headers)
				VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`, d.Source, d.Pos.Epoch, d.Pos.Partition, d.Pos.Offset, d.Pos.Sub, d.Time, d.Rejected, d.Reason,
				d.Column, d.Key, d.Payload, headers); err != nil {
				return err
			}
		}
		return nil
	})
}

// headersText is headers as JSON, [[name, value], …], both in base64, since a name
// may be any bytes; a value that is not there is null. NULL without headers.
func headersText(headers []fqgw.Header) (text sql.NullString, err error) {
	if len(headers) == 0 {
		return text, nil
	}
	pairs := make([][2][]byte, len(headers))
	for i, h := range headers {
		pairs[i] = [2][]byte{[]byte(h.Name), h.Value}
	}
	b, err := json.Marshal(pairs)
	return sql.NullString{String: string(b), Valid: true}, err
}

func parseHeaders(text sql.NullString) (out []fqgw.Header, err error) {
	if !text.Valid {
		return nil, nil
	}
	var pairs [][2][]byte
	err = json.Unmarshal([]byte(text.String), &pairs)
	for _, p := range pairs {
		out = append(out, fqgw.Header{Name: string(p[0]), Value: p[1]})
	}
	return out, err
}

// letterColumns are the columns of a dead letter in the order of readLetters.
const letterColumns = "source, epoch, part, off, sub, time, rejected, reason, col, key, payload, headers, replayed"

// DeadLetters implements fqgw.DeadLetterStore.
func (r *SQLite) DeadLetters(ctx context.Context, limit int, each func(fqgw.DeadLetter) error) error {
	return r.readLetters(ctx, each, `ORDER BY rejected DESC, source, epoch, part, off, sub LIMIT ?`, limit)
}

// Waiting implements fqgw.DeadLetterStore.
func (r *SQLite) Waiting(ctx context.Context, source string, after fqgw.Position, limit int, each func(fqgw.DeadLetter) error) error {
	return r.readLetters(ctx, each, `WHERE source = ? AND replayed = 0 AND (epoch, part, off, sub) > (?, ?, ?, ?) ORDER BY epoch, part, off, sub LIMIT ?`,
		source, after.Epoch, after.Partition, after.Offset, after.Sub, limit)
}

func (r *SQLite) readLetters(ctx context.Context, each func(fqgw.DeadLetter) error, which string, args ...any) error {
	rows, err := r.db.QueryContext(ctx, "SELECT "+letterColumns+" FROM dead_letters "+which, args...)
	if err != nil {
		return broken(err)
	}
	defer rows.Close()
	for rows.Next() {
		var d fqgw.DeadLetter
		var headers sql.NullString
		if err := rows.Scan(&d.Source, &d.Pos.Epoch, &d.Pos.Partition, &d.Pos.Offset, &d.Pos.Sub, &d.Time, &d.Rejected, &d.Reason, &d.Column,
			&d.Key, &d.Payload, &headers, &d.Replayed); err != nil {
			return broken(err)
		}
		if d.Headers, err = parseHeaders(headers); err != nil {
			return broken(fmt.Errorf("headers of a dead letter of %s: %w", d.Source, err))
		}
		if err := each(d); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return broken(err)
	}
	return nil
}

// Rejected implements fqgw.DeadLetterStore.
func (r *SQLite) Rejected(ctx context.Context, source string, from, to int64, each func(fqgw.Rejected) error) error {
	const hour = 3_600_000_000
	rows, err := r.db.QueryContext(ctx, `SELECT source, time - (time % ?1 + ?1) % ?1 AS hour, reason, col, count(*), sum(replayed <> 0) FROM dead_letters
		WHERE time BETWEEN ?2 AND ?3 AND (?4 = '' OR source = ?4) GROUP BY source, hour, reason, col ORDER BY source, hour, reason, col`, hour, from, to, source)
	if err != nil {
		return broken(err)
	}
	defer rows.Close()
	for rows.Next() {
		var n fqgw.Rejected
		if err := rows.Scan(&n.Source, &n.Hour, &n.Reason, &n.Column, &n.Records, &n.Replayed); err != nil {
			return broken(err)
		}
		if err := each(n); err != nil {
			return err
		}
	}
	if err := rows.Err(); err != nil {
		return broken(err)
	}
	return nil
}

// Replayed implements fqgw.DeadLetterStore.
func (r *SQLite) Replayed(ctx context.Context, source string, t int64, at []fqgw.Position) error {
	return r.tx(ctx, func(tx *sql.Tx) error {
		for _, p := range at {
			if _, err := tx.ExecContext(ctx, `UPDATE dead_letters SET replayed = ? WHERE replayed = 0 AND source = ? AND epoch = ? AND part = ? AND off = ? AND sub = ?`,
				t, source, p.Epoch, p.Partition, p.Offset, p.Sub); err != nil {
				return err
			}
		}
		return nil
	})
}

// Forget implements fqgw.DeadLetterStore.
func (r *SQLite) Forget(ctx context.Context, source string, covered fqgw.Marks) error {
	return r.tx(ctx, func(tx *sql.Tx) error {
		for p := range covered {
			if _, err := tx.ExecContext(ctx, `DELETE FROM dead_letters WHERE source = ? AND part = ? AND (epoch, off) >= (?, ?)`,
				source, p, covered[p].Epoch, covered[p].Next); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM dead_letters WHERE source = ? AND part >= ?`, source, len(covered))
		return err
	})
}
