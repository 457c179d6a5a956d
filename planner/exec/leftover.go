package exec

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/fqgw/fqgw"
)

// dropWithin is how long a DROP waits for stores to remove what it left there.
const dropWithin = 5 * time.Second

// tidyWithin is how long one leftover may hold up the next; a view's states are
// looked for among all keys of the store.
const tidyWithin = 10 * time.Minute

// leftover is something in a store that a DROP removes, at once or when the store
// answers. It is noted before the catalog's commit and counts once its OID is no
// longer defined.
type leftover struct {
	OID   uint32 `json:"oid"`
	What  string `json:"what"` // "view": online states, "topic", "history": a table of the lake, "tag"
	Name  string `json:"name"`
	State int64  `json:"state,omitempty"` // of a view
	Topic string `json:"topic,omitempty"` // a topic's id, so that one made anew by that name stays
	Tag   string `json:"tag,omitempty"`   // of a training set, on the lake's table Name
}

// leftText outlives the process, version 2; a test pins it. Version 1 had no tags.
func leftText(list []leftover) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	text, err := json.Marshal(struct {
		Version int        `json:"version"`
		Left    []leftover `json:"left"`
	}{2, list})
	return string(text), err
}

func parseLeft(text string) ([]leftover, error) {
	if text == "" {
		return nil, nil
	}
	var v struct {
		Version int        `json:"version"`
		Left    []leftover `json:"left"`
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil || v.Version < 1 || v.Version > 2 {
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "what DROPs have left over cannot be read: %q", text)
	}
	return v.Left, nil
}

// note changes what is left over, in the registry first.
func (e *Engine) note(ctx context.Context, change func([]leftover) []leftover) error {
	e.lefts.Lock()
	defer e.lefts.Unlock()
	list := change(slices.Clone(e.left))
	text, err := leftText(list)
	if err == nil {
		err = e.o.Registry.PutOwn(ctx, e.own(factLeft), text)
	}
	if err == nil {
		e.left = list
	}
	return err
}

// leftStates are the states of a view that is dropped.
func leftStates(v *fqgw.FeatureView) (out []leftover) {
	for _, part := range v.Parts() {
		out = append(out, leftover{OID: v.OID, What: "view", Name: v.Qualified().String(), State: part.State})
	}
	return out
}

func (e *Engine) leave(ctx context.Context, some []leftover) error {
	if len(some) == 0 {
		return nil
	}
	return e.note(ctx, func(all []leftover) []leftover { return append(all, some...) })
}

func (e *Engine) forgive(ctx context.Context, some []leftover) error {
	if len(some) == 0 {
		return nil
	}
	return e.note(ctx, func(all []leftover) []leftover {
		return slices.DeleteFunc(all, func(l leftover) bool { return slices.Contains(some, l) })
	})
}

// remove removes a leftover, and says so in the registry.
func (e *Engine) remove(ctx context.Context, l leftover) error {
	var err error
	switch l.What {
	case "view":
		err = e.o.Streams.DropView(ctx, &fqgw.FeatureView{Name: l.Name, State: l.State, Source: &fqgw.Source{}})
	case "tag":
		err = e.o.History.Untag(ctx, l.Name, l.Tag)
	default:
		err = e.removeNamed(ctx, l)
	}
	if err != nil {
		return err
	}
	return e.forgive(context.WithoutCancel(ctx), []leftover{l})
}

// removeNamed removes a topic or a table of the lake, unless a definition made
// since goes on with it. None is made meanwhile.
func (e *Engine) removeNamed(ctx context.Context, l leftover) error {
	e.define.Lock()
	defer e.define.Unlock()
	if l.What == "history" && e.named(l.Name) {
		return nil
	}
	for _, s := range e.Catalog().Sources {
		if l.What == "topic" && s.Topic == l.Name {
			return nil
		}
	}
	e.tables.Lock()
	made := l.What == "history" && slices.Contains(e.unnamed, l.Name) // again, by a statement that is under way
	e.tables.Unlock()
	if made {
		return nil
	}
	if l.What == "topic" {
		return e.o.Streams.DropTopic(ctx, l.Name, l.Topic)
	}
	return e.o.Streams.DropHistory(ctx, l.Name)
}

// defined says whether an object of the catalog has the OID.
func defined(c *fqgw.Catalog, oid uint32) bool {
	for _, s := range c.Sources {
		if s.OID == oid {
			return true
		}
	}
	for _, v := range c.Features {
		if v.OID == oid {
			return true
		}
	}
	for _, t := range c.Tables {
		if t.OID == oid {
			return true
		}
	}
	return trained(c, oid)
}

// inheritLeft takes up what a process that is gone left over. What is still defined
// is of a DROP that was not committed.
func (e *Engine) inheritLeft(ctx context.Context, text string) error {
	list, err := parseLeft(text)
	if err != nil {
		return err
	}
	list = slices.DeleteFunc(list, func(l leftover) bool { return defined(e.Catalog(), l.OID) })
	if err := e.leave(ctx, list); err != nil {
		return err
	}
	e.tidyMore()
	return nil
}

// tidyMore wakes tidy.
func (e *Engine) tidyMore() {
	select {
	case e.more <- struct{}{}:
	default:
	}
}

// tidy removes what DROPs left over when their stores answer, until the engine
// closes.
func (e *Engine) tidy() {
	for again := tryAgain; ; {
		e.lefts.Lock()
		list := slices.Clone(e.left)
		e.lefts.Unlock()
		list = slices.DeleteFunc(list, func(l leftover) bool { return defined(e.Catalog(), l.OID) })
		if len(list) == 0 {
			again.Reset()
			select {
			case <-e.more:
			case <-e.life.Done():
				return
			}
			continue
		}
		if !again.Wait(e.life) {
			return
		}
		for _, l := range list {
			ctx, cancel := context.WithTimeout(e.life, tidyWithin)
			err := e.remove(ctx, l)
			cancel()
			if err == nil {
				e.o.Logger.Info("what a DROP had left over is removed", "what", l.What, "name", l.Name)
			} else if e.life.Err() == nil {
				e.o.Logger.Warn("what a DROP left over cannot be removed yet", "what", l.What, "name", l.Name, "error", err)
			}
		}
	}
}

// removeNow removes what a DROP leaves, as far as the stores answer in time; the
// rest is for tidy, and said.
func (e *Engine) removeNow(ctx context.Context, some []leftover, notice func(string, string)) {
	bounded, cancel := context.WithTimeout(ctx, dropWithin)
	defer cancel()
	var later int
	var why error
	for _, l := range some {
		err := bounded.Err()
		if err == nil {
			err = e.remove(bounded, l)
		}
		if err != nil {
			later++
			if why == nil {
				why = err
			}
			e.o.Logger.Warn("what a DROP leaves over is removed later", "what", l.What, "name", l.Name, "error", err)
		}
	}
	if later == 0 {
		return
	}
	if why == context.DeadlineExceeded {
		why = fqgw.Errorf(fqgw.CodeConnectionFailure, "no answer within %v", dropWithin)
	}
	notice("what is left in the stores is removed later: "+why.Error(), "New objects may have the names at once.")
	e.tidyMore()
}
