package decode

import (
	"slices"

	"github.com/fqgw/fqgw"
)

// This file says what a message of Debezium means, however it is written: the changes
// that its row before, its row after and its operation are (SEMANTICS §8).

// image is a row before or after a change, as far as a message has it.
type image struct {
	row     []fqgw.Value // one per column, NULL where it could not be read; nil: the message has none
	missing []int        // columns whose value Debezium did not have, ascending; NULL in row
	err     error        // about the first column that could not be read
	keyErr  error        // about the first one of the primary key
}

// envelope is one message that tells of a row.
type envelope struct {
	op            byte // c, r, u, d
	before, after image
	key           image // the columns of the primary key in the record's key, where they were asked for
	committed     int64 // when the source committed the change, in microseconds
}

// changelog turns envelopes into changes. It is a function of the source alone.
type changelog struct {
	key   []int // the primary key
	time  int   // the column of the event time
	timed bool  // the event time is a field of the row, not of the envelope
	keyed bool  // and part of the key: an image that has it may have nothing else
	full  bool  // the source says that every image before a change is the whole row
}

// newChangelog is how the images of a source are understood; ofRow says which columns
// are fields of the row, the others are the envelope's.
func newChangelog(s *fqgw.Source, ofRow func(column int) bool) changelog {
	return changelog{
		key:   s.PrimaryKey,
		time:  s.EventTime,
		timed: ofRow(s.EventTime),
		keyed: slices.Contains(s.PrimaryKey, s.EventTime),
		full:  s.Options["replica_identity"] == "full",
	}
}

// whole says that an image before a change is the row as it was. Without REPLICA
// IDENTITY FULL PostgreSQL tells the key alone, and Debezium fills up what cannot be
// NULL: with ”, 0, false, 1970 or the column's default. No row has come without an event
// time, and so an image that has none, or 1970, is not one. Where the key has the event
// time nothing in an image tells what was filled up, and the source has to.
func (c *changelog) whole(before *image) bool {
	if before.row == nil || before.err != nil || len(before.missing) > 0 || !c.timed {
		return false
	}
	return telling(before.row[c.time]) && (c.full || !c.keyed)
}

// restores says that the row before has what the row after lacks. PostgreSQL keeps large
// values alone elsewhere, and so one that may have been filled up was never stored there.
func (c *changelog) restores(before, after *image) bool {
	return !slices.ContainsFunc(after.missing, func(i int) bool { return !telling(before.row[i]) || before.row[i].Str() == "{}" })
}

// telling says that the value is not what is filled in for one that is unknown.
func telling(v fqgw.Value) bool {
	switch v.Kind() {
	case fqgw.KindNull:
		return false
	case fqgw.KindText, fqgw.KindBytes:
		return v.Str() != ""
	case fqgw.KindNumeric:
		return !v.Numeric().IsZero()
	case fqgw.KindArray:
		return len(v.List().Items) > 0
	case fqgw.KindBool, fqgw.KindInt, fqgw.KindFloat, fqgw.KindDate, fqgw.KindTime, fqgw.KindTimestamp:
		return v.Int() != 0
	}
	return true
}

// tells says whether an operation is a change of a row.
func tells(op byte) (bool, error) {
	switch op {
	case 'c', 'r', 'u', 'd':
		return true, nil
	case 'm': // a message that was written into the log
		return false, nil
	case 't':
		return false, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "the table was truncated, and the record does not say which rows are gone").
			WithHint("Make the source again over a new snapshot. DELETE FROM leaves a record for each row; TRUNCATE does not.")
	}
	return false, fqgw.Errorf(fqgw.CodeInvalidText, "the record has the operation \"%c\", which Debezium does not have", op)
}

// errNoChange is for a record that is none of Debezium's.
func errNoChange() error {
	return fqgw.Errorf(fqgw.CodeInvalidText, "the record is no change of Debezium: it has no \"op\"").
		WithHint("Rows that ExtractNewRecordState has made of changes need WITH (unwrapped = true).")
}

// lacksKey says that the record's key has to tell which row is gone.
func (c *changelog) lacksKey(e *envelope) bool {
	return e.op == 'd' && (e.before.row == nil || e.before.keyErr != nil || !c.hasKey(e.before.row))
}

func (c *changelog) hasKey(row []fqgw.Value) bool {
	return !slices.ContainsFunc(c.key, func(i int) bool { return row[i].IsNull() })
}

// changes appends what the envelope says. Its images' rows are the events' from then on.
func (c *changelog) changes(e *envelope, out []fqgw.Event) ([]fqgw.Event, error) {
	if e.op != 'd' && e.after.row == nil {
		return out, fqgw.Errorf(fqgw.CodeInvalidText, "the record of operation \"%c\" has no row after the change", e.op)
	}
	switch e.op {
	case 'c':
		return append(out, fqgw.Event{Op: fqgw.Insert, Row: e.after.row, Missing: e.after.missing}), e.after.err
	case 'r':
		return append(out, fqgw.Event{Op: fqgw.SnapshotRow, Row: e.after.row, Missing: e.after.missing}), e.after.err
	case 'u':
		return c.update(e, out)
	}
	if c.whole(&e.before) {
		return append(out, fqgw.Event{Op: fqgw.Delete, Row: e.before.row}), nil
	}
	of := &e.before
	if c.lacksKey(e) {
		if of = &e.key; of.row == nil {
			return out, fqgw.Errorf(fqgw.CodeInvalidText, "the record of a delete does not say which row").
				WithDetail("Neither its key nor \"before\" has the primary key.").
				WithHint("Check that PRIMARY KEY names the columns of the table's own.")
		}
	}
	return append(out, c.deleteKey(of.row, e.committed)), of.keyErr
}

// update is an update with its row before, or without one.
func (c *changelog) update(e *envelope, out []fqgw.Event) ([]fqgw.Event, error) {
	before, after := &e.before, &e.after
	if c.whole(before) && c.restores(before, after) {
		for _, i := range after.missing {
			after.row[i] = before.row[i]
		}
		out = append(out, fqgw.Event{Op: fqgw.UpdateBefore, Row: before.row})
		return append(out, fqgw.Event{Op: fqgw.UpdateAfter, Row: after.row}), after.err
	}
	if before.row != nil && before.keyErr == nil && after.keyErr == nil && c.hasKey(before.row) && c.moved(before.row, after.row) {
		out = append(out, c.deleteKey(before.row, e.committed))
	}
	return append(out, fqgw.Event{Op: fqgw.Upsert, Row: after.row, Missing: after.missing}), after.err
}

func (c *changelog) moved(from, to []fqgw.Value) bool {
	return slices.ContainsFunc(c.key, func(i int) bool { return fqgw.Compare(from[i], to[i]) != 0 })
}

// deleteKey is the delete of the row's key: it keeps nothing else of the row, and
// happened when the source committed it.
func (c *changelog) deleteKey(row []fqgw.Value, committed int64) fqgw.Event {
	for i := range row {
		switch {
		case slices.Contains(c.key, i):
		case i == c.time:
			row[i] = fqgw.TimestampValue(committed)
		default:
			row[i] = fqgw.Null
		}
	}
	return fqgw.Event{Op: fqgw.DeleteKey, Row: row}
}

// placeholder is what Debezium writes for a value that it does not have: PostgreSQL
// does not repeat a large value (TOAST) that an update leaves alone.
const placeholder = "__debezium_unavailable_value"

// placeholderUUID is the same as an element of uuid[].
const placeholderUUID = "\xb6\x8a\x35\xa7\x17\xad\x35\xb3\xaf\x2a\xae\x46\xed\xb4\x54\x5a"

// unavailable says that the value stands for one that Debezium does not have: the
// placeholder as a text, as bytes, as a pair of hstore, as the only element of an array, and
// as an array of its bytes as numbers.
func unavailable(v fqgw.Value) bool {
	switch v.Kind() {
	case fqgw.KindText:
		const pair = `{"` + placeholder + `": "` + placeholder + `"}`
		s := v.Str()
		return s == placeholder || s == pair || len(s) == len(pair)-1 && s == pair[:len(placeholder)+4]+pair[len(placeholder)+5:]
	case fqgw.KindBytes:
		return v.Str() == placeholder
	case fqgw.KindUUID:
		return v.Str() == placeholderUUID
	case fqgw.KindArray:
		switch items := v.List().Items; len(items) {
		case 1:
			return unavailable(items[0])
		case len(placeholder):
			for i := range items {
				if !isByte(items[i], placeholder[i]) {
					return false
				}
			}
			return true
		}
	}
	return false
}

func isByte(v fqgw.Value, b byte) bool {
	switch v.Kind() {
	case fqgw.KindInt, fqgw.KindDate:
		return v.Int() == int64(b)
	case fqgw.KindFloat:
		return v.Float() == float64(b)
	case fqgw.KindNumeric:
		d := v.Numeric()
		return d.Finite() && d.Coef().IsInt64() && d.Coef().Int64() == int64(b)
	}
	return false
}
