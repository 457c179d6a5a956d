package stream

import (
	"context"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"

	"github.com/fqgw/fqgw"
)

// What the registry knows of a source, so that a process which starts while the
// log is away can answer from the stores that are there.

func topicFact(source string) string { return "topic " + source }

func (s *source) frontierFact(epoch int32) string {
	return "frontier " + s.src().Qualified().String() + " " + strconv.Itoa(int(epoch))
}

// sinceFact is the least known time of the records of a history, whatever source
// and topic they came from.
func sinceFact(history string) string { return "since " + history }

// restoreSince takes up what noteSince kept, or looks into the history that the
// source finds.
func (s *source) restoreSince(ctx context.Context) error {
	s.since.Store(math.MaxInt64)
	text, err := s.p.o.Registry.Get(ctx, sinceFact(s.src().History))
	if err != nil {
		return err
	}
	if t, err := strconv.ParseInt(text, 10, 64); err == nil {
		s.since.Store(t)
		return nil
	}
	least, err := s.leastKnown(ctx)
	if err != nil || least == math.MaxInt64 {
		return err
	}
	return s.sinceIs(ctx, least)
}

// leastKnown is the least known time in the history, MaxInt64 if it has no rows.
func (s *source) leastKnown(ctx context.Context) (int64, error) {
	least := int64(math.MaxInt64)
	snap, err := s.p.o.History.Current(ctx, s.src().History)
	if err != nil || snap.Rows == 0 {
		return least, err
	}
	places := []int{s.src().EventTime} // and what landed needs besides
	for i, c := range fqgw.HiddenColumns {
		if c.Name == fqgw.ColKnownAt || c.Name == fqgw.ColOperation {
			places = append(places, len(s.src().Columns)+i)
		}
	}
	if s.src().Known == fqgw.KnownByColumn {
		places = append(places, s.src().KnownColumn)
	}
	rows, err := s.scanWide(ctx, fqgw.Scan{Table: s.src().History, Snapshot: snap.ID}, places)
	if err == nil {
		err = rows(func(row []fqgw.Value) error {
			ev, ok, err := s.eventOf(row)
			if ok {
				least = min(least, ev.Known)
			}
			return err
		})
	}
	return least, err
}

// sinceIs notes that the history begins at t, or before, if the registry knows of
// something earlier.
func (s *source) sinceIs(ctx context.Context, t int64) error {
	fact := sinceFact(s.src().History)
	for {
		text, err := s.p.o.Registry.Get(ctx, fact)
		if err != nil {
			return err
		}
		if known, err := strconv.ParseInt(text, 10, 64); err == nil && known <= t {
			s.since.Store(known)
			return nil
		}
		if same, err := s.p.o.Registry.Swap(ctx, fact, text, strconv.FormatInt(t, 10)); same || err != nil {
			if err == nil {
				s.since.Store(t)
			}
			return err
		}
	}
}

// noteSince notes an earlier beginning of the history before it can be read.
func (s *source) noteSince(ctx context.Context, spans []span) error {
	least := s.since.Load()
	for i := range spans {
		if spans[i].landable > 0 {
			least = min(least, spans[i].least)
		}
	}
	if least == s.since.Load() {
		return nil
	}
	return s.sinceIs(ctx, least)
}

// Since is the least known time of a source's records, ok false without any.
func (p *Pipeline) Since(source string) (t int64, ok bool) {
	s, err := p.source(source)
	if err != nil {
		return 0, false
	}
	t = s.since.Load()
	return t, t != math.MaxInt64
}

// topicText outlives the process, version 1: "1 <topic> <topic id> <partitions> <times
// are the producers'>". Another text says nothing: then the log must be there.
func topicText(t fqgw.Topic) string {
	return fmt.Sprintf("1 %s %s %d %t", t.Name, hex.EncodeToString(t.ID[:]), t.Partitions, t.CreateTime)
}

// findTopic asks for the source's topic, or knows it from before while the log is away.
func (p *Pipeline) findTopic(ctx context.Context, src *fqgw.Source) (t fqgw.Topic, made bool, err error) {
	if p.o.LogAway {
		if t, err = p.topicBefore(ctx, src, nil); err != nil || t.Name != "" {
			return t, false, err
		}
	}
	if t, made, err = p.topic(ctx, src); lost(err) || err != nil && fqgw.UnlessMissing(err) == nil {
		t, err = p.topicBefore(ctx, src, err)
		return t, false, err
	}
	if err == nil {
		err = p.o.Registry.Put(ctx, topicFact(src.Qualified().String()), topicText(t))
	}
	return t, made, err
}

// topicBefore is the source's topic as it was when it last answered; why, if it
// never did. A topic that was made again meanwhile is noticed when the log is back.
func (p *Pipeline) topicBefore(ctx context.Context, src *fqgw.Source, why error) (t fqgw.Topic, err error) {
	text, err := p.o.Registry.Get(ctx, topicFact(src.Qualified().String()))
	if err != nil {
		return t, err
	}
	if t, ok := parseTopic(text); ok && t.Name == src.Topic {
		return t, nil
	}
	return fqgw.Topic{}, why
}

func parseTopic(text string) (t fqgw.Topic, ok bool) {
	var id string
	if _, err := fmt.Sscanf(text, "1 %s %s %d %t", &t.Name, &id, &t.Partitions, &t.CreateTime); err != nil {
		return t, false
	}
	raw, err := hex.DecodeString(id)
	return t, err == nil && copy(t.ID[:], raw) == len(t.ID) && len(raw) == len(t.ID)
}

// keep notes the frontier in the registry.
func (s *source) keep(ctx context.Context) {
	if text := s.frontier.text(); text != s.kept && s.p.o.Registry.Put(ctx, s.frontierFact(s.at.Load().epoch), text) == nil {
		s.kept = text
	}
}

// Stands says whether the online store has everything of a view that is landed,
// from a process before: then the view can be read while the stream is not yet
// back, and is behind by what came since, as it is in any outage of the log.
func (p *Pipeline) Stands(ctx context.Context, v *fqgw.FeatureView) (bool, error) {
	t := p.table(v.Source.Qualified().String())
	var s *source
	var err error
	if t == nil {
		if s, err = p.source(v.Source.Qualified().String()); err != nil {
			return false, err
		}
	}
	fit, err := p.o.Registry.Get(ctx, fitFact(v))
	if err != nil || fit == "" {
		return false, err
	}
	era, err := p.currentEra(ctx)
	if err != nil {
		return false, err
	}
	if text, err := p.o.Registry.Get(ctx, eraFact(v)); err != nil || text != strconv.FormatInt(era, 10) {
		return false, err // the clock went back
	}
	if t != nil {
		return p.standing(ctx, v)
	}
	snap, err := p.o.History.Current(ctx, s.src().History)
	if err != nil && !lost(err) { // of one that is away the view is behind by what it lacks, whatever that is
		return false, err
	}
	reads := fqgw.UnitReads(v.State, p.o.Online.Shards())
	units, err := p.o.Online.Read(ctx, reads)
	if err != nil {
		return false, err
	}
	for _, u := range units {
		if u.Marks == nil {
			return false, nil // nobody claimed it: the store is new
		}
		for p := range int32(len(snap.Landed)) {
			if u.Marks.Of(p).Before(snap.Landed.Of(p)) {
				return false, nil
			}
		}
	}
	return true, nil
}
