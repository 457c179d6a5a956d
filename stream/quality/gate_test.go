package quality

import (
	"slices"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// positive is CHECK (10 / (price - 13) < 11 AND price > 0): a price of 13 makes it raise.
func positive(t *testing.T) fqgw.Expr {
	price := &expr.Column{Index: 1, Typ: fqgw.Int8, Name: "price"}
	op := func(left fqgw.Expr, name string, right fqgw.Expr) fqgw.Expr {
		e, err := expr.Op(name, left, right)
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	number := func(n int64) fqgw.Expr { return &expr.Const{Val: fqgw.IntValue(n), Typ: fqgw.Int8} }
	return &expr.Logic{Args: []fqgw.Expr{op(op(number(10), "/", op(price, "-", number(13))), "<", number(11)), op(price, ">", number(0))}}
}

func TestJudge(t *testing.T) {
	const now = 1_000_000_000
	at, n := fqgw.TimestampValue, fqgw.IntValue
	s := fqgw.Source{Name: "clicks", EventTime: 0, MaxFuture: 300, Columns: []fqgw.Column{
		{Name: "ts", Type: fqgw.Timestamptz}, {Name: "price", Type: fqgw.Int8}, {Name: "user", Type: fqgw.Text, NotNull: true}, {Name: "seen", Type: fqgw.Timestamptz},
	}, Checks: []fqgw.Check{{Name: "price_check", Expr: positive(t)}}}
	user := fqgw.TextValue("u")
	for _, c := range []struct {
		name   string
		row    []fqgw.Value
		known  fqgw.KnownBy
		code   fqgw.Code
		column string
		want   int64 // known time
	}{
		{"good", []fqgw.Value{at(now - 5), n(1), user, fqgw.Null}, fqgw.KnownByRecord, "", "", now},
		{"known at its event time", []fqgw.Value{at(now - 5), n(1), user, fqgw.Null}, fqgw.KnownByEventTime, "", "", now - 5},
		{"known by a column", []fqgw.Value{at(now - 5), n(1), user, at(7)}, fqgw.KnownByColumn, "", "", 7},
		{"NULL known time", []fqgw.Value{at(now - 5), n(1), user, fqgw.Null}, fqgw.KnownByColumn, "23502", "seen", 0},
		{"a NULL passes a CHECK", []fqgw.Value{at(now), fqgw.Null, user, fqgw.Null}, fqgw.KnownByRecord, "", "", now},
		{"CHECK", []fqgw.Value{at(now), n(0), user, fqgw.Null}, fqgw.KnownByRecord, "23514", "", 0},
		{"CHECK raises", []fqgw.Value{at(now), n(13), user, fqgw.Null}, fqgw.KnownByRecord, "22012", "", 0},
		{"NOT NULL", []fqgw.Value{at(now), n(1), fqgw.Null, fqgw.Null}, fqgw.KnownByRecord, "23502", "user", 0},
		{"NULL event time", []fqgw.Value{fqgw.Null, n(1), user, fqgw.Null}, fqgw.KnownByRecord, "23502", "ts", 0},
		{"as far ahead as allowed", []fqgw.Value{at(now + 300), n(1), user, fqgw.Null}, fqgw.KnownByRecord, "", "", now},
		{"too far ahead", []fqgw.Value{at(now + 301), n(1), user, fqgw.Null}, fqgw.KnownByRecord, "23514", "ts", 0},
		{"long ago", []fqgw.Value{at(-1 << 57), n(1), user, fqgw.Null}, fqgw.KnownByRecord, "", "", now},
		{"for ever", []fqgw.Value{at(fqgw.InfinityTime), n(1), user, fqgw.Null}, fqgw.KnownByRecord, "22008", "ts", 0},
		{"never", []fqgw.Value{at(fqgw.NegInfinityTime), n(1), user, fqgw.Null}, fqgw.KnownByRecord, "22008", "ts", 0},
		{"a text where a number belongs", []fqgw.Value{at(now), fqgw.TextValue("1"), user, fqgw.Null}, fqgw.KnownByRecord, "XX000", "price", 0},
		{"a number where a text belongs", []fqgw.Value{at(now), n(1), n(1), fqgw.Null}, fqgw.KnownByRecord, "XX000", "user", 0},
		{"a date", []fqgw.Value{fqgw.DateValue(-2), n(1), user, fqgw.Null}, fqgw.KnownByEventTime, "", "", -2 * 86_400_000_000},
	} {
		s := s
		s.Known, s.KnownColumn = c.known, 3
		if c.row[0].Kind() == fqgw.KindDate {
			s.Columns = slices.Clone(s.Columns)
			s.Columns[0].Type = fqgw.Date
		}
		ev := fqgw.Event{Row: c.row}
		err := New(&s).Judge(&ev, now)
		if c.code == "" {
			if err != nil || ev.Known != c.want {
				t.Errorf("%s: known %d, %v; want %d", c.name, ev.Known, err, c.want)
			}
		} else if err == nil {
			t.Errorf("%s: passed, want %s", c.name, c.code)
		} else if e := fqgw.AsError(err); e.Code != c.code || e.Column != c.column {
			t.Errorf("%s: got %s %q in column %q, want %s in %q", c.name, e.Code, e.Message, e.Column, c.code, c.column)
		}
	}
}

// TestJudgeChanges: a changelog has every change; of a row before nothing is asked but
// whose it is, and a time that it lacks is the record's.
func TestJudgeChanges(t *testing.T) {
	const now = 1_000_000_000
	at, n := fqgw.TimestampValue, fqgw.IntValue
	s := fqgw.Source{Name: "orders", EventTime: 0, MaxFuture: 300, PrimaryKey: []int{2}, Columns: []fqgw.Column{
		{Name: "ts", Type: fqgw.Timestamptz, NotNull: true}, {Name: "price", Type: fqgw.Int8, NotNull: true}, {Name: "id", Type: fqgw.Int8, NotNull: true},
	}, Checks: []fqgw.Check{{Name: "price_check", Expr: positive(t)}}}
	for _, c := range []struct {
		name   string
		op     fqgw.Operation
		row    []fqgw.Value
		lacks  []int
		code   fqgw.Code
		column string
		time   int64
	}{
		{"a delete with its row", fqgw.Delete, []fqgw.Value{at(now - 5), n(1), n(7)}, nil, "", "", now - 5},
		{"a delete by key", fqgw.DeleteKey, []fqgw.Value{fqgw.Null, fqgw.Null, n(7)}, nil, "", "", now},
		{"a row before that CHECK would refuse", fqgw.UpdateBefore, []fqgw.Value{at(now - 5), n(0), n(7)}, nil, "", "", now - 5},
		{"one whose CHECK raises", fqgw.UpdateBefore, []fqgw.Value{at(now - 5), n(13), n(7)}, nil, "", "", now - 5},
		{"a row before that is ahead", fqgw.Delete, []fqgw.Value{at(now + 301), n(1), n(7)}, nil, "", "", now + 301},
		{"a row before without an end", fqgw.Delete, []fqgw.Value{at(fqgw.InfinityTime), n(1), n(7)}, nil, "", "", now},
		{"a row before without its key", fqgw.Delete, []fqgw.Value{at(now), n(1), fqgw.Null}, nil, "23502", "id", 0},
		{"a row after that CHECK refuses", fqgw.UpdateAfter, []fqgw.Value{at(now), n(0), n(7)}, nil, "23514", "", 0},
		{"a row after without a price", fqgw.Upsert, []fqgw.Value{at(now), fqgw.Null, n(7)}, nil, "23502", "price", 0},
		{"a row after whose price is not told", fqgw.Upsert, []fqgw.Value{at(now), fqgw.Null, n(7)}, []int{1}, "0A000", "price", 0},
		{"a row before whose price is a text", fqgw.Delete, []fqgw.Value{at(now), fqgw.TextValue("1"), n(7)}, nil, "XX000", "price", 0},
		{"a snapshot", fqgw.SnapshotRow, []fqgw.Value{at(now), n(1), n(7)}, nil, "", "", now},
	} {
		ev := fqgw.Event{Op: c.op, Row: c.row, Missing: c.lacks}
		err := New(&s).Judge(&ev, now)
		if c.code == "" {
			if err != nil || ev.Known != now || ev.Time != c.time {
				t.Errorf("%s: event time %d, known %d, %v", c.name, ev.Time, ev.Known, err)
			}
		} else if e := fqgw.AsError(err); err == nil || e.Code != c.code || e.Column != c.column {
			t.Errorf("%s: %v, want %s of column %q", c.name, err, c.code, c.column)
		}
	}
	s.PrimaryKey = nil
	for op := fqgw.UpdateBefore; op <= fqgw.SnapshotRow; op++ {
		if err := New(&s).Judge(&fqgw.Event{Op: op, Row: []fqgw.Value{at(now), n(1), n(7)}}, now); err == nil || fqgw.AsError(err).Code != "0A000" {
			t.Errorf("%s of an append-only source: %v", op, err)
		}
	}
}

// TestKnown: a refused record is known when the source's rule says so, as far as
// its row could be read; a time that is missing, or refused itself, says nothing.
func TestKnown(t *testing.T) {
	const now = 1_000_000_000
	at := fqgw.TimestampValue
	s := fqgw.Source{Name: "clicks", EventTime: 0, KnownColumn: 1, MaxFuture: 300, Columns: []fqgw.Column{{Name: "ts", Type: fqgw.Timestamptz}, {Name: "seen", Type: fqgw.Timestamptz}}}
	for _, c := range []struct {
		name  string
		row   []fqgw.Value
		known fqgw.KnownBy
		want  int64
		ok    bool
	}{
		{"the record's timestamp needs no payload", []fqgw.Value{fqgw.Null, fqgw.Null}, fqgw.KnownByRecord, now, true},
		{"event time", []fqgw.Value{at(5), fqgw.Null}, fqgw.KnownByEventTime, 5, true},
		{"as far ahead as allowed", []fqgw.Value{at(now + 300), fqgw.Null}, fqgw.KnownByEventTime, now + 300, true},
		{"too far ahead", []fqgw.Value{at(now + 301), fqgw.Null}, fqgw.KnownByEventTime, 0, false},
		{"no event time", []fqgw.Value{fqgw.Null, at(7)}, fqgw.KnownByEventTime, 0, false},
		{"for ever", []fqgw.Value{at(fqgw.InfinityTime), fqgw.Null}, fqgw.KnownByEventTime, 0, false},
		{"column", []fqgw.Value{fqgw.Null, at(7)}, fqgw.KnownByColumn, 7, true},
		{"no column", []fqgw.Value{at(5), fqgw.Null}, fqgw.KnownByColumn, 0, false},
	} {
		s := s
		s.Known = c.known
		if got, ok := New(&s).Known(c.row, now); ok != c.ok || ok && got != c.want {
			t.Errorf("%s: %d, %t", c.name, got, ok)
		}
	}
}
