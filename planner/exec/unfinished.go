package exec

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"slices"

	"github.com/fqgw/fqgw"
)

// unfinished is what a statement that keeps its rows is in the middle of. It is noted
// in the registry before there is anything, so that a process that ends leaves nothing
// behind: what its training set has is finished, and what has none is removed.
type unfinished struct {
	OID  uint32    `json:"oid,omitempty"` // the training set's, once it is about to be defined
	Tags []tagName `json:"tags,omitempty"`
	Temp string    `json:"temp,omitempty"` // what is written, a file or a folder, and its place
	Path string    `json:"path,omitempty"`
}

type tagName struct {
	Table string `json:"table"`
	Tag   string `json:"tag"`
}

// unfinishedText outlives the process, version 1; a test pins it.
func unfinishedText(list []*unfinished) (string, error) {
	if len(list) == 0 {
		return "", nil
	}
	text, err := json.Marshal(struct {
		Version int           `json:"version"`
		List    []*unfinished `json:"unfinished"`
	}{1, list})
	return string(text), err
}

func parseUnfinished(text string) ([]*unfinished, error) {
	var v struct {
		Version int           `json:"version"`
		List    []*unfinished `json:"unfinished"`
	}
	if text == "" {
		return nil, nil
	}
	if err := json.Unmarshal([]byte(text), &v); err != nil || v.Version != 1 {
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "what statements had begun cannot be read: %q", text)
	}
	return v.List, nil
}

// began notes what a statement is in the middle of, as change makes it.
func (e *Engine) began(ctx context.Context, u *unfinished, change func()) error {
	e.tables.Lock()
	defer e.tables.Unlock()
	change()
	if !slices.Contains(e.begunWorks, u) {
		e.begunWorks = append(e.begunWorks, u)
	}
	return e.noteUnfinished(ctx)
}

// over forgets what a statement was in the middle of.
func (e *Engine) over(ctx context.Context, u *unfinished) error {
	e.tables.Lock()
	defer e.tables.Unlock()
	e.begunWorks = slices.DeleteFunc(e.begunWorks, func(o *unfinished) bool { return o == u })
	return e.noteUnfinished(ctx)
}

func (e *Engine) noteUnfinished(ctx context.Context) error {
	text, err := unfinishedText(e.begunWorks)
	if err != nil {
		return err
	}
	return e.o.Registry.PutOwn(ctx, e.own(factUnfinished), text)
}

// conclusion finishes or takes back what a statement was in the middle of. What cannot
// be now is left to whoever comes after this process.
func (e *Engine) conclusion(ctx context.Context, u *unfinished) error {
	err := e.settleUnfinished(ctx, u)
	if err == nil {
		err = e.over(ctx, u)
	}
	return err
}

// settleUnfinished finishes what a training set has been defined for, and takes back
// what none has.
func (e *Engine) settleUnfinished(ctx context.Context, u *unfinished) error {
	if u.OID != 0 && trained(e.Catalog(), u.OID) {
		return putInPlace(u)
	}
	var errs []error
	if u.Temp != "" {
		errs = append(errs, os.RemoveAll(u.Temp))
	}
	for _, t := range u.Tags {
		errs = append(errs, e.o.History.Untag(ctx, t.Table, t.Tag))
	}
	return errors.Join(errs...)
}

// putInPlace gives what was written its name.
func putInPlace(u *unfinished) error {
	if u.Temp == "" {
		return nil
	}
	err := os.Rename(u.Temp, u.Path)
	if errors.Is(err, fs.ErrNotExist) { // it has it
		err = nil
	}
	if err == nil {
		err = syncFolder(u.Path)
	}
	return err
}

// trained says whether the catalog has the training set.
func trained(c *fqgw.Catalog, oid uint32) bool {
	for _, t := range c.Training {
		if t.OID == oid {
			return true
		}
	}
	return false
}
