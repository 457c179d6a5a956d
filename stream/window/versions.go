package window

import (
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// A latest-row view of a changelog shows the row of its table (SEMANTICS §8): of the
// versions of a primary key the one that is last by position, of those that are known.
// Known times do not go back in a partition, so that is the last in the order of events
// when a version's known time stands for its time too, which it does in everything of
// such a layout. The event time of a row is one more value of it, behind the slots.
//
// A version is no row of the table where the change took the row away, or WHERE is not
// true of it: it hides what was before. It stays, without its values, as long as the
// entity does: a fill reads history in any order, and an older version may come yet.

// there is the filter for the versions that are rows of the table.
var there = filter{side: sideAdded, code: "there"}

// Versions says that a view shows the rows of a changelog: the events of its layout
// have their known times for times.
func Versions(v *fqgw.FeatureView) bool { return v.Latest && v.Source.Changelog() }

func (l *Layout) versions() bool { return Versions(l.view) }

// row makes the slots of a latest-row view.
func (l *Layout) row() error {
	shown, passes := l.view.Row, 0
	if l.versions() { // those that are rows of the table pass
		l.filters, passes = append(l.filters, there), 1
		src := l.view.Source
		time := &src.Columns[src.EventTime]
		shown = append(slices.Clip(shown), &expr.Column{Index: src.EventTime, Typ: time.Type, Name: time.Name})
	}
	for i, e := range shown {
		code, err := l.encoded(e)
		if err != nil {
			return err
		}
		l.args = append(l.args, arg{e, code, []int{passes}})
		if i < len(l.view.Row) {
			l.slots = append(l.slots, slotSpec{typ: e.Type()})
		}
	}
	return nil
}

// eventTime is the event time of the latest row.
func (l *Layout) eventTime(row *Input) int64 {
	if !l.versions() {
		return row.Time
	}
	return timeOf(row.args[len(row.args)-1])
}

func timeOf(v fqgw.Value) int64 {
	if t, ok := fqgw.Micros(v); ok {
		return t
	}
	return NoTime
}
