package stream

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
)

// origin is a topic whose records a history has, under a number of its own: what
// the positions in the history are positions of. The table keeps them.
type origin struct {
	epoch int32
	id    [16]byte
	topic string
}

func (o *origin) is(t fqgw.Topic) bool { return o.id == t.ID && o.topic == t.Name }

// originsText outlives the process, version 1: "1;<epoch>:<topic id>:<topic>;…",
// the topic query-escaped; a test pins it.
func originsText(list []origin) string {
	var b strings.Builder
	b.WriteByte('1')
	for _, o := range list {
		fmt.Fprintf(&b, ";%d:%x:%s", o.epoch, o.id, url.QueryEscape(o.topic))
	}
	return b.String()
}

func parseOrigins(text string) (list []origin, err error) {
	if text == "" {
		return nil, nil
	}
	bad := fqgw.Errorf(fqgw.CodeDataCorrupted, "the topics of a history %q cannot be read", text)
	parts := strings.Split(text, ";")
	if parts[0] != "1" {
		return nil, bad
	}
	for _, p := range parts[1:] {
		w := strings.Split(p, ":")
		if len(w) != 3 {
			return nil, bad
		}
		e, err1 := strconv.ParseInt(w[0], 10, 32)
		id, err2 := hex.DecodeString(w[1])
		topic, err3 := url.QueryUnescape(w[2])
		if err1 != nil || err2 != nil || err3 != nil || len(id) != 16 {
			return nil, bad
		}
		list = append(list, origin{int32(e), [16]byte(id), topic})
	}
	return list, nil
}

// number finds the number of a topic in the positions of a source. The history's
// positions must be of that topic, or of those of its name that were deleted
// before, under the numbers that the source has for them.
func (p *Pipeline) number(ctx context.Context, src *fqgw.Source, t fqgw.Topic) (*incarnation, error) {
	text, err := p.o.History.Origin(ctx, src.History)
	if err != nil {
		return nil, err
	}
	list, err := parseOrigins(text)
	if err != nil {
		return nil, err
	}
	snap, err := p.o.History.Current(ctx, src.History)
	if err != nil {
		return nil, err
	}
	at := &incarnation{Topic: t, owned: max(t.Partitions, len(snap.Landed))}
	if len(snap.Landed) == 0 {
		list = nil // nothing was landed: it does not matter from where
	}
	mine := slices.ContainsFunc(list, func(o origin) bool { return o.is(t) })
	if n := len(list); n > 0 && !mine && list[n-1].topic != t.Name {
		return nil, fqgw.Errorf(fqgw.CodeWrongObjectType, "history %s was landed from topic %q, not from %q: its positions say nothing about that one", src.History, list[n-1].topic, t.Name).
			WithHint("WITH (history = 'lake.name') uses another table.")
	}
	for _, o := range list {
		e, err := p.o.Registry.Epoch(ctx, src.Qualified().String(), o.id)
		if err != nil {
			return nil, err
		}
		if e != o.epoch {
			return nil, fqgw.Errorf(fqgw.CodeNotInState, "a source named %q had another topic before, so it cannot go on with the positions of history %s", src.Name, src.History).
				WithHint("Give the source another name, or use another table: WITH (history = 'lake.name').")
		}
	}
	if at.epoch, err = p.o.Registry.Epoch(ctx, src.Qualified().String(), t.ID); err != nil || mine {
		return at, err
	}
	return at, p.o.History.SetOrigin(ctx, src.History, originsText(append(list, origin{at.epoch, t.ID, t.Name})))
}

// sharing is an error when another source lands into the history of src already.
// p.mu is held.
func (p *Pipeline) sharing(src *fqgw.Source) error {
	for _, s := range p.sources {
		if s.src().History == src.History {
			return fqgw.Errorf(fqgw.CodeNotInState, "history %s is that of source %q", src.History, s.src().Name).
				WithHint("WITH (history = 'lake.name') uses another table.")
		}
	}
	return nil
}
