// Package quality is the gate: what makes a record an event, and what sends it
// to the dead letters (SEMANTICS §3.6).
package quality

import (
	"fmt"
	"time"

	"github.com/fqgw/fqgw"
)

// Gate judges the rows of one source at one gate version. It is a pure function
// of the record and that version: a replay decides the same. Safe for
// concurrent use.
type Gate struct {
	source *fqgw.Source
	kinds  []fqgw.Kind // of the columns
}

// New is the gate of a source.
func New(s *fqgw.Source) *Gate {
	g := &Gate{source: s, kinds: make([]fqgw.Kind, len(s.Columns))}
	for i := range s.Columns {
		g.kinds[i] = s.Columns[i].Type.Kind()
	}
	return g
}

// Judge completes a decoded change, its event time and known time, or says why
// its record is refused: an *fqgw.Error with PostgreSQL's code and
// message, and the column if it is about one. timestamp is the record's own.
func (g *Gate) Judge(ev *fqgw.Event, timestamp int64) error {
	s := g.source
	if err := s.Takes(ev.Op); err != nil {
		return err
	}
	for _, i := range ev.Missing {
		return refuse(fqgw.CodeFeatureNotSupported, s.Columns[i].Name,
			"the record does not have column %q of relation %q, which is as it was before: the table needs REPLICA IDENTITY FULL", s.Columns[i].Name, s.Name)
	}
	for i, k := range g.kinds { // a decoder's defect: the landing would never come past the record
		if v := ev.Row[i].Kind(); v != k && v != fqgw.KindNull {
			c := &s.Columns[i]
			return refuse(fqgw.CodeInternal, c.Name, "column %q of relation %q is of type %s and was read as another", c.Name, s.Name, c.Type)
		}
	}
	if ev.Op.Retracts() {
		return g.judgeBefore(ev, timestamp)
	}
	for i := range s.Columns {
		if ev.Row[i].IsNull() && (s.Columns[i].NotNull || i == s.EventTime || s.Known == fqgw.KnownByColumn && i == s.KnownColumn) {
			return refuse(fqgw.CodeNotNullViolation, s.Columns[i].Name,
				"null value in column %q of relation %q violates not-null constraint", s.Columns[i].Name, s.Name)
		}
	}
	var env fqgw.Env
	for _, c := range s.Checks {
		v, err := c.Expr.Eval(&env, ev.Row)
		if err != nil {
			return fqgw.AsError(err)
		}
		if v.Kind() == fqgw.KindBool && !v.Bool() {
			return refuse(fqgw.CodeCheckViolation, "", "new row for relation %q violates check constraint %q", s.Name, c.Name)
		}
	}
	var err error
	if ev.Time, err = instant(s, s.EventTime, ev.Row); err != nil {
		return err
	}
	ev.Known = timestamp
	if c, ok := g.knownColumn(); ok {
		if ev.Known, err = instant(s, c, ev.Row); err != nil {
			return err
		}
	}
	if g.ahead(ev.Time, timestamp) {
		return refuse(fqgw.CodeCheckViolation, s.Columns[s.EventTime].Name, "event time %s is more than %s past the record's timestamp %s",
			fqgw.TimeText(ev.Time), time.Duration(s.MaxFuture)*time.Microsecond, fqgw.TimeText(timestamp))
	}
	return nil
}

// judgeBefore is Judge for a row as it was before: neither NOT NULL nor CHECK is asked
// of it, but it says whose row it is (SEMANTICS §8). A time that it does not have is
// the record's.
func (g *Gate) judgeBefore(ev *fqgw.Event, timestamp int64) error {
	s := g.source
	for _, i := range s.PrimaryKey {
		if ev.Row[i].IsNull() {
			return refuse(fqgw.CodeNotNullViolation, s.Columns[i].Name,
				"null value in column %q of relation %q violates not-null constraint", s.Columns[i].Name, s.Name)
		}
	}
	ev.Time, ev.Known = fqgw.TimeBefore(ev.Row[s.EventTime], timestamp), timestamp
	if c, ok := g.knownColumn(); ok {
		if t, err := instant(s, c, ev.Row); err == nil {
			ev.Known = t
		}
	}
	return nil
}

// Time is the event time of a row that has passed the gate.
func (g *Gate) Time(row []fqgw.Value) int64 {
	t, _ := instant(g.source, g.source.EventTime, row)
	return t
}

// Known is the known time of a record that Judge has not accepted, by a row that was
// read as far as it can be, nil if there is none (SEMANTICS §1): what the source's rule gives; ok is
// false when it gives none, because the time is missing or is itself what the
// gate refuses. timestamp is the record's own.
func (g *Gate) Known(row []fqgw.Value, timestamp int64) (t int64, ok bool) {
	c, ok := g.knownColumn()
	if !ok {
		return timestamp, true
	}
	if row == nil || row[c].IsNull() {
		return 0, false
	}
	t, err := instant(g.source, c, row)
	return t, err == nil && !(c == g.source.EventTime && g.ahead(t, timestamp))
}

// knownColumn is the column that has the known time; ok is false when that is
// the record's own timestamp.
func (g *Gate) knownColumn() (column int, ok bool) {
	switch g.source.Known {
	case fqgw.KnownByEventTime:
		return g.source.EventTime, true
	case fqgw.KnownByColumn:
		return g.source.KnownColumn, true
	}
	return 0, false
}

// ahead says whether an event time is too far past the record's timestamp.
// Compared by difference: times are far from the ends of their range.
func (g *Gate) ahead(t, timestamp int64) bool { return t-timestamp > g.source.MaxFuture }

// instant is a time of the row; it must be finite.
func instant(s *fqgw.Source, column int, row []fqgw.Value) (int64, error) {
	if row[column].IsNull() {
		return 0, refuse(fqgw.CodeNotNullViolation, s.Columns[column].Name, "the time in column %q is null", s.Columns[column].Name)
	}
	t := row[column].Int()
	if t == fqgw.InfinityTime || t == fqgw.NegInfinityTime {
		return 0, refuse(fqgw.CodeDatetimeOverflow, s.Columns[column].Name, "the time in column %q is not finite", s.Columns[column].Name)
	}
	if row[column].Kind() == fqgw.KindDate {
		const day = 86_400_000_000
		if t > fqgw.InfinityTime/day || t < fqgw.NegInfinityTime/day {
			return 0, refuse(fqgw.CodeDatetimeOverflow, s.Columns[column].Name, "the date in column %q cannot be a time", s.Columns[column].Name)
		}
		t *= day
	}
	return t, nil
}

func refuse(code fqgw.Code, column, format string, args ...any) error {
	return &fqgw.Error{Code: code, Message: fmt.Sprintf(format, args...), Column: column}
}
