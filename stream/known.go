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
	return "frontier " + s.src.Name + " " + strconv.Itoa(int(epoch))
}

// sinceFact is the least known time of the records of the source's topic.
func (s *source) sinceFact() string {
	id := s.at.Load().ID
	return "since " + s.src.Name + " " + hex.EncodeToString(id[:])
}

// restoreSince takes up what noteSince kept.
func (s *source) restoreSince(ctx context.Context) error {
	s.since.Store(math.MaxInt64)
	text, err := s.p.o.Registry.Get(ctx, s.sinceFact())
	if t, perr := strconv.ParseInt(text, 10, 64); perr == nil {
		s.since.Store(t)
	}
	return err
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
	s.since.Store(least)
	return s.p.o.Registry.Put(ctx, s.sinceFact(), strconv.FormatInt(least, 10))
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

func topicText(t fqgw.Topic) string {
	return fmt.Sprintf("%s %s %d %t", t.Name, hex.EncodeToString(t.ID[:]), t.Partitions, t.CreateTime)
}

// findTopic asks for the source's topic, or knows it from before while the log is away.
func (p *Pipeline) findTopic(ctx context.Context, src *fqgw.Source) (t fqgw.Topic, made bool, err error) {
	if p.o.LogAway {
		if t, err = p.knownTopic(ctx, src, nil); err != nil || t.Name != "" {
			return t, false, err
		}
	}
	if t, made, err = p.topic(ctx, src); lost(err) || err != nil && unlessMissing(err) == nil {
		t, err = p.knownTopic(ctx, src, err)
		return t, false, err
	}
	if err == nil {
		err = p.o.Registry.Put(ctx, topicFact(src.Name), topicText(t))
	}
	return t, made, err
}

// knownTopic is the source's topic as it was when it last answered; why, if it
// never did. A topic that was made again meanwhile is noticed when the log is back.
func (p *Pipeline) knownTopic(ctx context.Context, src *fqgw.Source, why error) (t fqgw.Topic, err error) {
	text, err := p.o.Registry.Get(ctx, topicFact(src.Name))
	if err != nil {
		return t, err
	}
	var id string
	if _, err := fmt.Sscanf(text, "%s %s %d %t", &t.Name, &id, &t.Partitions, &t.CreateTime); err != nil || t.Name != src.Topic {
		return fqgw.Topic{}, why
	}
	raw, err := hex.DecodeString(id)
	if err != nil || len(raw) != len(t.ID) {
		return fqgw.Topic{}, why
	}
	copy(t.ID[:], raw)
	return t, nil
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
	s, err := p.source(v.Source.Name)
	if err != nil {
		return false, err
	}
	filled, err := p.o.Registry.Get(ctx, filledFact(v))
	if err != nil || filled == "" {
		return false, err
	}
	era, err := p.currentEra(ctx)
	if err != nil {
		return false, err
	}
	if text, err := p.o.Registry.Get(ctx, eraFact(v)); err != nil || text != strconv.FormatInt(era, 10) {
		return false, err // the clock went back
	}
	snap, err := p.o.History.Current(ctx, s.src.History)
	if err != nil {
		return false, err
	}
	reads := make([]fqgw.UnitRead, p.o.Online.Shards())
	for i := range reads {
		reads[i].Unit = fqgw.Unit{View: v.Name, State: v.State, Shard: uint32(i)}
	}
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
