package stream

import "github.com/fqgw/fqgw"

// Known times of a changelog do not go back in a partition: each is the greatest of the
// record's own and those of the accepted changes before it (SEMANTICS §8). So a time K
// cuts a partition at one place, and what is visible at K is the table as it was at some
// moment. The greatest so far stands in the history, whose rows are those changes: a
// start at any landed position finds it there (feed.recall).

// knownAt gives the changes of a record their known time, and is when the last of them
// can be seen.
func (s *source) knownAt(changes []fqgw.Event, known int64) (visible int64) {
	visible = known
	for i := range changes {
		ev := &changes[i]
		if ev.Known = known; ev.Op.Retracts() {
			ev.Time = fqgw.TimeBefore(ev.Row[s.src().EventTime], known)
		}
		visible = max(visible, ev.Time)
	}
	return visible
}
