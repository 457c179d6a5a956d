package stream

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
)

// OriginHeader is the header of a record of a derived source: its value, version 1, is
// "1 <epoch> <partition> <offset> <source>", the place of the record that it is made of.
const OriginHeader = "fqgw-origin"

func originText(at fqgw.Position, source string) []byte {
	return fmt.Appendf(nil, "1 %d %d %d %s", at.Epoch, at.Partition, at.Offset, source)
}

// parseOrigin reads what originText wrote.
func parseOrigin(text []byte) (at fqgw.Position, source string, ok bool) { return parseReplay(text) }

// derivedFact is how far a derived source is, as the registry knows it: what was dropped
// behind the last record that was written is not in the topic.
func derivedFact(source string) string { return "derived " + source }

// derivedText outlives the process, version 1: "1 <topic id> <epoch> <next offset> …",
// the id of the derived source's topic, then the origin's epoch and offsets by partition.
func derivedText(topic [16]byte, epoch int32, next []int64) string {
	return fmt.Sprintf("1 %x %d %s", topic, epoch, strings.Trim(fmt.Sprint(next), "[]"))
}

// parseDerived reads what derivedText wrote of the same topic and epoch; nil for another text.
func parseDerived(text string, topic [16]byte, epoch int32) []int64 {
	rest, ok := strings.CutPrefix(text, fmt.Sprintf("1 %x %d ", topic, epoch))
	if !ok {
		return nil
	}
	var next []int64
	for _, w := range strings.Fields(rest) {
		n, err := strconv.ParseInt(w, 10, 64)
		if err != nil {
			return nil
		}
		next = append(next, n)
	}
	return next
}

// note keeps in the registry how far the source is, at most once a second.
func (r *passing) note(ctx context.Context) error {
	if time.Since(r.when) < time.Second || slices.Equal(r.next, r.noted) {
		return nil
	}
	s := r.d.s
	if err := s.p.o.Registry.Put(ctx, derivedFact(s.src().Qualified().String()), derivedText(s.at.Load().ID, r.at.epoch, r.next)); err != nil {
		return err
	}
	r.when, r.noted = time.Now(), slices.Clone(r.next)
	return nil
}

// place finds which records of the origin were not passed yet, by partition. Nobody else
// writes any more.
func (d *deriver) place(ctx context.Context, origin *source, at *incarnation) ([]int64, error) {
	s := d.s
	first, end, err := origin.log.Offsets(ctx, origin.src().Topic)
	if err != nil {
		return nil, err
	}
	if err := at.counts(len(first)); err != nil {
		return nil, err
	}
	tails, err := d.tails(ctx, origin, at)
	if err != nil {
		return nil, err
	}
	text, err := s.p.o.Registry.Get(ctx, derivedFact(s.src().Qualified().String()))
	if err != nil {
		return nil, err
	}
	noted := parseDerived(text, s.at.Load().ID, at.epoch)
	from := make([]int64, len(first))
	for p := range from {
		if tails[p] != nil && tails[p].Epoch == at.epoch {
			from[p] = tails[p].Offset + 1
		}
		if p < len(noted) {
			from[p] = max(from[p], noted[p])
		}
		if from[p] > end[p] {
			return nil, origin.cutShort(ctx, at, p, end[p], from[p])
		}
		if from[p] > 0 && from[p] < first[p] {
			s.p.o.Logger.Error("the broker no longer has records that were never derived from", "source", s.src().Name, "partition", p, "from", from[p], "to", first[p])
		}
		from[p] = max(from[p], first[p])
	}
	return from, nil
}

// tails are the places in the origin of the last record of each partition; nil without one.
func (d *deriver) tails(ctx context.Context, origin *source, at *incarnation) ([]*fqgw.Position, error) {
	s := d.s
	first, end, err := s.log.Offsets(ctx, s.src().Topic)
	if err != nil {
		return nil, err
	}
	if len(first) < at.Partitions {
		return nil, fqgw.Errorf(fqgw.CodeNotInState, "topic \"%s\" has %d partitions, and topic \"%s\" of source \"%s\" %d", s.src().Topic, len(first), at.Name, origin.src().Qualified(), at.Partitions).
			WithHint("Add partitions to it.")
	}
	name := origin.src().Qualified().String()
	tails := make([]*fqgw.Position, len(first))
	var bad error
	for back := int64(64); ; back *= 16 {
		from, whole := slices.Clone(end), true
		for p := range from {
			if tails[p] == nil {
				from[p] = max(first[p], end[p]-back)
				whole = whole && from[p] == first[p]
			}
		}
		err := readTo(ctx, s.log, s.src().Topic, from, end, s.p.budget.fetchBytes(), func(r *fqgw.LogRecord) {
			at, of, ok := originOf(r)
			switch {
			case ok && of == name:
				if tails[r.Partition] == nil || tails[r.Partition].Compare(at) < 0 {
					tails[r.Partition] = &at
				}
			case bad == nil && !isReplay(r):
				bad = fqgw.Errorf(fqgw.CodeNotInState, "topic \"%s\" has records that are not those of source \"%s\" with more to them: partition %d, offset %d", s.src().Topic, name, r.Partition, r.Offset).
					WithHint("WITH (topic = '…') uses another topic.")
			}
		})
		if err != nil || bad != nil {
			return nil, firstError(err, bad)
		}
		if whole || !slices.Contains(tails, nil) {
			return tails, nil
		}
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// originOf is the place that a record of a derived source is made of.
func originOf(r *fqgw.LogRecord) (at fqgw.Position, source string, ok bool) {
	if isReplay(r) { // it says where its record was, too
		return at, "", false
	}
	for _, h := range r.Headers {
		if h.Name == OriginHeader {
			return parseOrigin(bytes.Clone(h.Value))
		}
	}
	return at, "", false
}

func isReplay(r *fqgw.LogRecord) bool {
	return slices.ContainsFunc(r.Headers, func(h fqgw.Header) bool { return h.Name == ReplayHeader })
}

// derivedTopic finds the topic of a derived source, or makes it like that of its origin.
func (p *Pipeline) derivedTopic(ctx context.Context, src *fqgw.Source) (t fqgw.Topic, made bool, err error) {
	log := p.o.Logs[src.Connector]
	origin, err := log.Topic(ctx, src.Derived.Origin.Topic)
	if err != nil {
		return t, false, err
	}
	if src.Topic == origin.Name {
		return t, false, fqgw.Errorf(fqgw.CodeInvalidDefinition, "derived source \"%s\" cannot have the topic of its origin", src.Qualified())
	}
	t, err = log.Topic(ctx, src.Topic)
	if fqgw.HasCode(err, fqgw.CodeUndefinedTable) {
		t, err = log.CreateTopic(ctx, src.Topic, origin.Partitions)
		made = true
	}
	switch {
	case err != nil:
		return t, false, err
	case t.Partitions < origin.Partitions:
		return t, false, fqgw.Errorf(fqgw.CodeNotInState, "topic \"%s\" has %d partitions, and topic \"%s\" of source \"%s\" %d", t.Name, t.Partitions, origin.Name, src.Derived.Origin.Qualified(), origin.Partitions).
			WithHint("Add partitions to it, or use another one: WITH (topic = '…').")
	case !t.CreateTime:
		return t, false, fqgw.Errorf(fqgw.CodeNotInState, "topic \"%s\" has the brokers' timestamps (LogAppendTime): a record of a derived source keeps the time at which its origin's was known", t.Name).
			WithHint("Set message.timestamp.type=CreateTime on the topic.")
	}
	return t, made, nil
}
