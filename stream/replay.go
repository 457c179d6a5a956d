package stream

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/stream/quality"
)

// ReplayHeader is the header of a record that was a dead letter: its value, version
// 1, is "1 <epoch> <partition> <offset> <source>", the place where it was refused.
const ReplayHeader = "fqgw-replay"

// replayRecords bounds the dead letters that are produced again at a time.
const replayRecords = 1000

// Replay produces the dead letters of a source which the gate accepts now once more,
// as new records: with a new position, the same key, headers, payload and, where
// there still is one, partition, known now (SEMANTICS §3.6). Those that it refuses
// stay. Each is produced once, through errors and ends of the process too: a call
// that finds another one cut off looks into the topic for what that one wrote.
//
// What was produced before the call is judged first, as by Sync. A record that the
// landing has not passed then is passed over: a source made anew judges it again.
func (p *Pipeline) Replay(ctx context.Context, source string) (done fqgw.Replayed, err error) {
	s, err := p.source(source)
	if err != nil {
		if t := p.table(source); t != nil {
			return done, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "source %q has no dead letters: others write its rows", t.s.src().Name)
		}
		return done, err
	}
	if s.src().Changelog() {
		return done, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "source %q is a changelog: an old change of a row cannot be replayed over what came since", s.src().Name).
			WithHint("Have the connector take a snapshot anew: it has the rows as they are.")
	}
	select {
	case s.replaying <- struct{}{}:
	case <-ctx.Done():
		return done, ctx.Err()
	}
	defer func() { <-s.replaying }()
	if err := s.concludeReplay(ctx); err != nil {
		return done, err
	}
	if err := s.sync(ctx); err != nil {
		return done, err
	}
	snap, err := p.o.History.Current(ctx, s.src().History)
	if err != nil {
		return done, err
	}
	for after := nowhere; ; {
		var letters []fqgw.DeadLetter
		err := p.o.Letters.Waiting(ctx, source, after, replayRecords, func(d fqgw.DeadLetter) error {
			letters = append(letters, d)
			return nil
		})
		if err != nil || len(letters) == 0 {
			return done, err
		}
		after = letters[len(letters)-1].Pos
		letters = slices.DeleteFunc(letters, func(d fqgw.DeadLetter) bool { return !snap.Landed.Covers(d.Pos) })
		n, err := s.replay(ctx, letters, &done)
		if err != nil {
			return done, err
		}
		done.Records += int64(n)
	}
}

// judge says why the gate refuses a record now, nil if it does not; its own error is
// one that is no verdict.
func (s *source) judge() (func(r *fqgw.LogRecord) (refused, err error), error) {
	d, err := s.p.o.Decoder(s.newest())
	if err != nil {
		return nil, err
	}
	gate := quality.New(s.newest())
	var changes []fqgw.Event
	return func(r *fqgw.LogRecord) (refused, err error) {
		changes, err = judged(d, gate, r, changes[:0])
		if lost(err) {
			return nil, err
		}
		return err, nil
	}, nil
}

// replay produces those of the dead letters that are accepted, and notes it.
func (s *source) replay(ctx context.Context, letters []fqgw.DeadLetter, done *fqgw.Replayed) (int, error) {
	s.judging.RLock() // what is judged here is produced before there is another gate version
	defer s.judging.RUnlock()
	judge, err := s.judge()
	if err != nil {
		return 0, err
	}
	p, now := s.p, fqgw.Floor(s.p.o.Clock.Now(), 1000) // Kafka keeps milliseconds
	at := s.at.Load()
	var recs []fqgw.LogRecord
	var places []fqgw.Position
	for _, d := range letters {
		headers := slices.DeleteFunc(slices.Clone(d.Headers), func(h fqgw.Header) bool { return h.Name == ReplayHeader })
		r := fqgw.LogRecord{Partition: d.Pos.Partition, Timestamp: now, Key: d.Key, Value: d.Payload,
			Headers: append(headers, fqgw.Header{Name: ReplayHeader, Value: replayText(d)})}
		if int(r.Partition) >= at.Partitions {
			r.Partition = -1
		}
		refused, err := judge(&r)
		if err != nil {
			return 0, err
		}
		if refused != nil {
			if done.Refused++; done.Reason == "" {
				done.Reason = fqgw.AsError(refused).Message
			}
			continue
		}
		recs, places = append(recs, r), append(places, d.Pos)
	}
	if len(recs) == 0 {
		return 0, nil
	}
	_, end, err := s.log.Offsets(ctx, s.src().Topic)
	if err != nil {
		return 0, err
	}
	if err := s.still(ctx, at); err != nil {
		return 0, fqgw.Errorf(fqgw.CodeSerialization, "%w", err)
	}
	if err := p.o.Registry.Put(ctx, s.replayFact(), intentText(now, at.ID, end)); err != nil {
		return 0, err
	}
	p.fault("before-replay")
	if err := s.log.Produce(ctx, s.src().Topic, recs); err != nil {
		return 0, err // some may be there: the next call finds out
	}
	p.fault("after-replay")
	if err := p.o.Letters.Replayed(ctx, s.src().Qualified().String(), now, places); err != nil {
		return 0, err
	}
	return len(recs), p.o.Registry.Put(ctx, s.replayFact(), "")
}

// concludeReplay finds out which records a replay that was cut off produced.
func (s *source) concludeReplay(ctx context.Context) error {
	text, err := s.p.o.Registry.Get(ctx, s.replayFact())
	if err != nil || text == "" {
		return err
	}
	t, id, from, err := parseIntent(text)
	if err != nil {
		return err
	}
	topic, err := s.log.Topic(ctx, s.src().Topic)
	if err != nil {
		return err
	}
	if topic.ID == id { // else what it produced is gone with the topic
		places, err := s.replayedSince(ctx, from)
		if err != nil {
			return err
		}
		if err := s.p.o.Letters.Replayed(ctx, s.src().Qualified().String(), t, places); err != nil {
			return err
		}
	}
	return s.p.o.Registry.Put(ctx, s.replayFact(), "")
}

// replayedSince are the places that the topic's records name which came since.
func (s *source) replayedSince(ctx context.Context, from []int64) (places []fqgw.Position, err error) {
	first, end, err := s.log.Offsets(ctx, s.src().Topic)
	if err != nil {
		return nil, err
	}
	next := slices.Clone(first) // a partition that is new begins at its first
	for p := range next {
		if p < len(from) {
			next[p] = min(max(from[p], first[p]), end[p])
		}
	}
	source := s.src().Qualified().String()
	err = readTo(ctx, s.log, s.src().Topic, next, end, s.p.budget.fetchBytes(), func(r *fqgw.LogRecord) {
		for _, h := range r.Headers {
			if h.Name == ReplayHeader {
				if at, of, ok := parseReplay(h.Value); ok && of == source {
					places = append(places, at)
				}
			}
		}
	})
	return places, err
}

// replayedFor says that a record is another source's dead letter: this one had it
// when it came first.
func (s *source) replayedFor(r *fqgw.LogRecord) bool {
	for _, h := range r.Headers {
		if h.Name == ReplayHeader {
			_, of, ok := parseReplay(h.Value)
			return ok && of != s.src().Qualified().String()
		}
	}
	return false
}

func (s *source) replayFact() string { return "replay " + s.src().Qualified().String() }

func replayText(d fqgw.DeadLetter) []byte {
	return fmt.Appendf(nil, "1 %d %d %d %s", d.Pos.Epoch, d.Pos.Partition, d.Pos.Offset, d.Source)
}

func parseReplay(text []byte) (at fqgw.Position, source string, ok bool) {
	words := bytes.SplitN(text, []byte(" "), 5)
	if len(words) != 5 || string(words[0]) != "1" {
		return at, "", false
	}
	var n [3]int64
	for i := range n {
		var err error
		if n[i], err = strconv.ParseInt(string(words[i+1]), 10, 64); err != nil {
			return at, "", false
		}
	}
	return fqgw.Position{Epoch: int32(n[0]), Partition: int32(n[1]), Offset: n[2]}, string(words[4]), true
}

// intentText is what a replay is about to do: version 1, its time, the topic's id
// and the end of each partition before it.
func intentText(t int64, id [16]byte, end []int64) string {
	return fmt.Sprintf("1 %d %x %s", t, id, strings.Trim(fmt.Sprint(end), "[]"))
}

func parseIntent(text string) (t int64, id [16]byte, end []int64, err error) {
	words := strings.Fields(text)
	broken := fqgw.Errorf(fqgw.CodeDataCorrupted, "the registry's note of a replay cannot be read: %q", text)
	if len(words) < 3 || words[0] != "1" {
		return 0, id, nil, broken
	}
	var raw []byte
	if _, err := fmt.Sscanf(words[2], "%x", &raw); err != nil || len(raw) != len(id) {
		return 0, id, nil, broken
	}
	copy(id[:], raw)
	numbers := append([]string{words[1]}, words[3:]...)
	all := make([]int64, len(numbers))
	for i, w := range numbers {
		if all[i], err = strconv.ParseInt(w, 10, 64); err != nil {
			return 0, id, nil, broken
		}
	}
	return all[0], id, all[1:], nil
}
