package stream

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
)

// Windows over a changelog need every change of its rows, with the row before (SEMANTICS
// §8): what was counted is taken back by it. A change that lacks its row before, a record
// that was refused, and one that is missing, leave counted what is there no more: the
// changes lapse. From the known time of the first one on windows over the source are not
// read, and say why, until a snapshot of the whole table is complete, which tells every row
// anew; views of its rows need nothing of it.

// lapse is from when on, and until when, the changes of a source do not tell which rows went.
type lapse struct {
	known, until int64 // until: MaxInt64 while it goes on
	last         int64 // known time of the last one but of those that the history tells (upserts and deletes by key)
	why          string
	old          bool // of a release that counted some changes twice: it does not end
}

// mostLapses are kept; of more the first become one.
const mostLapses = 16

// lapseFact are the lapses of a history, whatever source its records came from.
func lapseFact(history string) string { return "lapse " + history }

// lapseText outlives the process, version 2: a line "2 <known time> <until> <last> <why>" for each.
// Version 1 was a line "1 <known time> <why>", of one that goes on.
func lapseText(list []lapse) string {
	var b strings.Builder
	for _, l := range list {
		if why := strings.ReplaceAll(l.why, "\n", " "); l.old {
			fmt.Fprintf(&b, "1 %d %s\n", l.known, why)
		} else {
			fmt.Fprintf(&b, "2 %d %d %d %s\n", l.known, l.until, l.last, why)
		}
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// parseLapses is nil for "", and a lapse for ever for what it does not know.
func parseLapses(text string) (list []lapse) {
	if text == "" {
		return nil
	}
	for line := range strings.SplitSeq(text, "\n") {
		l := lapse{until: math.MaxInt64}
		version, rest, _ := strings.Cut(line, " ")
		known, rest, _ := strings.Cut(rest, " ")
		_, err := fmt.Sscan(known, &l.known)
		switch {
		case err == nil && version == "1":
			l.why, l.old = rest, true
		case err == nil && version == "2":
			words := strings.SplitN(rest, " ", 3)
			if len(words) < 3 {
				words = make([]string, 3)
			}
			l.why = words[2]
			_, err = fmt.Sscan(words[0]+" "+words[1], &l.until, &l.last)
		default:
			err = fqgw.Errorf(fqgw.CodeDataCorrupted, "another release's")
		}
		if err != nil {
			return []lapse{
				{math.MinInt64, math.MaxInt64, math.MaxInt64, "the registry says so in a form of another release: " + text, true},
			}
		}
		list = append(list, l)
	}
	return list
}

// restoreLapses takes up what noteLapse kept.
func (s *source) restoreLapses(ctx context.Context) error {
	text, err := s.p.o.Registry.Get(ctx, lapseFact(s.src().History))
	if list := parseLapses(text); err == nil && list != nil {
		s.lapses.Store(&list)
	}
	return err
}

func (s *source) lapsed() []lapse {
	if list := s.lapses.Load(); list != nil {
		return *list
	}
	return nil
}

func (s *source) keepLapses(ctx context.Context, list []lapse) error {
	err := s.p.o.Registry.Put(ctx, lapseFact(s.src().History), lapseText(list))
	if err == nil {
		s.lapses.Store(&list)
	}
	return err
}

// noteLapse notes a lapse before what it is about can be read.
func (s *source) noteLapse(ctx context.Context, l *lapse) error {
	if l == nil {
		return nil
	}
	list := slices.Clone(s.lapsed())
	for i := range list { // it is in one, or lengthens one
		if was := &list[i]; l.known < was.until {
			if l.known >= was.known && l.last <= was.last {
				return nil
			}
			if was.last = max(was.last, l.last); l.known < was.known {
				was.known, was.why = l.known, l.why
			}
			return s.keepLapses(ctx, list)
		}
	}
	if list = append(list, *l); len(list) > mostLapses {
		list[1].known, list[1].why = list[0].known, list[0].why
		list = list[1:]
	}
	if err := s.keepLapses(ctx, list); err != nil {
		return err
	}
	s.p.o.Logger.Warn(
		"windows over a changelog are not read any more",
		"source",
		s.src().Name,
		"from",
		fqgw.TimeText(l.known),
		"reason",
		l.why,
	)
	return nil
}

// heal ends a lapse at a known time, from which on everything is right, once that can be
// read: what was counted and was not there has been taken back by then.
func (f *feed) heal(ctx context.Context, until int64) error {
	s := f.s
	list := slices.Clone(s.lapsed())
	if len(list) == 0 {
		return nil
	}
	last := &list[len(list)-1]
	if last.old || last.until < math.MaxInt64 {
		return nil
	}
	if err := f.crew.flush(ctx); err != nil {
		return err
	}
	last.until = max(until, last.known)
	if err := s.keepLapses(ctx, list); err != nil {
		return err
	}
	s.p.o.Logger.Info("windows over a changelog are read again", "source", s.src().Name, "from", fqgw.TimeText(last.until))
	return nil
}

// refusedFact is the known time of the record that was refused last, of a history: a
// snapshot that has one does not tell which rows are gone. Version 1: "1 <known time>".
func refusedFact(history string) string { return "refused " + history }

func (s *source) restoreRefused(ctx context.Context) error {
	text, err := s.p.o.Registry.Get(ctx, refusedFact(s.src().History))
	if s.refused = math.MinInt64; err == nil && text != "" {
		if _, e := fmt.Sscanf(text, "1 %d", &s.refused); e != nil {
			s.refused = math.MaxInt64
		}
	}
	return err
}

// noteRefused notes it before the record is passed.
func (s *source) noteRefused(ctx context.Context, known int64) error {
	if known <= s.refused {
		return nil
	}
	err := s.p.o.Registry.Put(ctx, refusedFact(s.src().History), fmt.Sprintf("1 %d", known))
	if err == nil {
		s.refused = known
	}
	return err
}

// Follows is nil when what a view counts by what was known at k can be told; 55000 for
// windows over a changelog whose changes lapsed.
func (p *Pipeline) Follows(v *fqgw.FeatureView, k int64) error {
	if v.Latest || !v.Source.Changelog() {
		return nil
	}
	s, err := p.source(v.Source.Qualified().String())
	if err != nil {
		return err
	}
	for _, l := range s.lapsed() {
		if k < l.known || k >= l.until && l.until < math.MaxInt64 {
			continue
		}
		e := fqgw.Errorf(
			fqgw.CodeNotInState,
			"feature view \"%s\" has windows over changelog \"%s\", and cannot tell which rows are there since %s: %s",
			v.Name,
			s.src().Name,
			fqgw.TimeText(l.known),
			l.why,
		)
		if l.until < math.MaxInt64 {
			return e.WithHint("It can again from %s on, by a snapshot.", fqgw.TimeText(l.until))
		}
		return e.WithHint("Windows need every change with its row before (REPLICA IDENTITY FULL) and no record that is refused. " +
			"A new snapshot of the whole table, by a connector made again, mends it; AS OF reads what was before.")
	}
	return nil
}

// turn is what a batch of a changelog's records brings besides its changes.
type turn struct {
	gap    *lapse
	healed *int64 // from which known time on all is right again
	cross  bool   // it is to land before it is applied
	apart  bool   // and was applied by another order
}

// follow takes a record into the ledger that was judged, by its changes and why it was
// refused, unless it has landed.
func (f *feed) follow(r *fqgw.LogRecord, changes []fqgw.Event, refused error) {
	l := f.ledger
	if r.Offset < f.landed[r.Partition] {
		return
	}
	floor := &f.floors[r.Partition]
	lapses := func(known, last int64, why string) {
		gap := f.turn.gap
		if gap == nil {
			gap = &lapse{known: math.MaxInt64, until: math.MaxInt64, last: last}
			f.turn.gap = gap
		}
		if gap.last = max(gap.last, last); known < gap.known {
			gap.known, gap.why = known, fmt.Sprintf("the record at offset %d of partition %d %s", r.Offset, r.Partition, why)
		}
	}
	if refused != nil {
		known := max(r.Timestamp, *floor)
		l.trouble, l.refused = max(l.trouble, known), max(l.refused, known)
		lapses(known, known, "was refused: "+fqgw.AsError(refused).Message)
		return
	}
	if len(changes) == 0 && l.plan.again == 0 { // no change of a row
		return
	}
	f.s.p.metrics.again.Add(int64(l.plan.again))
	if len(changes) == 0 {
		return
	}
	*floor = changes[len(changes)-1].Known
	if why, told := l.commit(*floor); why != "" && told {
		lapses(*floor, math.MinInt64, why)
	} else if why != "" {
		lapses(*floor, *floor, why)
	}
	f.account()
	f.turn.cross = f.turn.cross || l.plan.cross
	f.turn.apart = f.turn.apart || l.plan.cross && r.Offset < f.had[r.Partition]
	if l.plan.whole != nil && l.trouble < l.plan.whole.since {
		until := slices.Max(f.floors)
		f.turn.healed = &until
	}
}
