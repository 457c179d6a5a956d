package exec

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/fqgw/fqgw"
)

// Change is one definition or write of a session.
type Change struct {
	Tag string // the command, for messages
	// Write does what cannot be part of the catalog's commit (rows into the lake
	// or a topic); Undo takes it back when the transaction does not commit. Early
	// says that Write runs when the statement does, not at COMMIT.
	Early bool
	Write func(ctx context.Context, notice func(message, hint string)) error
	Undo  func(ctx context.Context) error
	// Define edits cat, a private copy, and says which objects the registry must
	// keep and drop. It may run again on a newer catalog, so it allocates numbers
	// through Numbers only.
	Define func(ctx context.Context, cat *fqgw.Catalog, n *Numbers) (put []fqgw.Object, drop []uint32, err error)
	// Holds names a source that the change alters: from before Define until the commit has
	// ended none of its records is judged.
	Holds string
	// Alters is the relation whose columns the change alters.
	Alters fqgw.QualifiedName
	// After runs when the catalog has been published.
	After func(ctx context.Context, notice func(message, hint string)) error
	// Rows are written with those of the transaction's other statements.
	Rows *Written
}

// Numbers hands out OIDs and state versions; a Change that is defined again
// gets the same ones.
type Numbers struct {
	e    *Engine
	got  []int64
	next int
	made func() ([]fqgw.Object, []uint32) // put and dropped by the changes before it, of the same transaction
	held map[string]*Held                 // the sources that are held, at COMMIT
}

// Next is a number of the sequence: "oid" or "state".
func (n *Numbers) Next(ctx context.Context, sequence string) (int64, error) {
	if n.next < len(n.got) {
		n.next++
		return n.got[n.next-1], nil
	}
	v, err := n.e.o.Registry.Next(ctx, sequence, 1)
	if err != nil {
		return 0, err
	}
	n.got = append(n.got, v)
	n.next++
	return v, nil
}

// Object is what the registry keeps of an OID, as the changes before leave it.
func (n *Numbers) Object(ctx context.Context, oid uint32) (fqgw.Object, error) {
	all, err := n.objects(ctx)
	if err != nil {
		return fqgw.Object{}, err
	}
	o, ok := all[oid]
	if !ok {
		return o, fqgw.Errorf(fqgw.CodeSerialization, "the object was dropped by another transaction")
	}
	o.Props = maps.Clone(o.Props)
	return o, nil
}

// objects is what the registry keeps, by OID, as the changes before leave it.
func (n *Numbers) objects(ctx context.Context) (map[uint32]fqgw.Object, error) {
	defs, err := n.e.o.Registry.Load(ctx)
	if err != nil {
		return nil, err
	}
	out := make(map[uint32]fqgw.Object, len(defs.Objects))
	for _, o := range defs.Objects {
		out[o.OID] = o
	}
	put, gone := n.made()
	for _, o := range put {
		out[o.OID] = o
	}
	for _, oid := range gone {
		delete(out, oid)
	}
	return out, nil
}

// Changes are what a transaction has pending, in order.
type Changes struct {
	engine *Engine
	list   []pendingChange
	bytes  int64 // of their rows
}

type pendingChange struct {
	Change
	numbers *Numbers
	objects []fqgw.Object // as they were when the change was checked
	gone    []uint32
}

// made are the objects that the changes define, and those that they drop.
func (c *Changes) made() (put []fqgw.Object, gone []uint32) {
	for _, p := range c.list {
		put, gone = append(put, p.objects...), append(gone, p.gone...)
	}
	return put, gone
}

// NewChanges starts an empty list.
func NewChanges(e *Engine) *Changes { return &Changes{engine: e} }

// Len is the number of changes; 0 for nil.
func (c *Changes) Len() int {
	if c == nil {
		return 0
	}
	return len(c.list)
}

// Truncate takes back the changes after the first n.
func (c *Changes) Truncate(n int) {
	if c == nil {
		return
	}
	for _, p := range slices.Backward(c.list[n:]) {
		c.undo(p)
		c.bytes -= p.Rows.bytes()
	}
	c.list = c.list[:n]
}

// mixed is a relation that ch alters or inserts into and a change before does the other.
func (c *Changes) mixed(ch Change) string {
	for _, p := range c.list {
		for _, pair := range [][2]Change{{ch, p.Change}, {p.Change, ch}} {
			rows, name := pair[0].Rows, pair[1].Alters
			if rows != nil && name != (fqgw.QualifiedName{}) &&
				(rows.Source != nil && rows.Source.Qualified() == name || rows.Table != nil && rows.Table.Qualified() == name) {
				return name.String()
			}
		}
	}
	return ""
}

func (c *Changes) undo(p pendingChange) {
	if p.Early && p.Undo != nil {
		if err := p.Undo(context.Background()); err != nil {
			c.engine.o.Logger.Warn("taking back a write failed", "command", p.Tag, "error", err)
		}
	}
}

// Add checks a change against the catalog that the session sees and returns the
// catalog as it is with it: the same one unless the change defines something.
func (c *Changes) Add(ctx context.Context, base *fqgw.Catalog, ch Change) (*fqgw.Catalog, error) {
	if name := c.mixed(ch); name != "" {
		return nil, fqgw.Errorf("55006", "cannot alter \"%s\" and insert into it in one transaction", name).
			WithDetail("The rows are written at COMMIT, and would not be those of the columns that their statement saw.").
			WithHint("COMMIT between the two.")
	}
	p := pendingChange{Change: ch, numbers: &Numbers{e: c.engine, made: c.made}}
	cat := base
	if ch.Define != nil {
		cat = base.Clone()
		objs, gone, err := ch.Define(ctx, cat, p.numbers)
		if err != nil {
			return nil, err
		}
		p.objects, p.gone = objs, gone
		pending(base, cat)
	}
	if ch.Early && ch.Write != nil {
		if err := ch.Write(ctx, nil); err != nil {
			return nil, errors.Join(err, nil)
		}
	}
	c.list = append(c.list, p)
	c.bytes += p.Rows.bytes()
	return cat, nil
}

// pending marks the feature views of cat whose states were not there before. They are
// copies: at COMMIT they are defined again.
func pending(before, cat *fqgw.Catalog) {
	had := states(before)
	for name, v := range cat.Features {
		if old := had[v.State]; old == nil && !v.Offline || old != nil && old.Pending && !v.Pending {
			c := *v
			c.Pending = true
			cat.Features[name] = &c
		}
	}
}

// Commit carries out the changes as one catalog version: the writes, the
// registry's commit, then what follows from the definitions. Feature views are
// filled before it returns; cancelling ctx then leaves them filling.
func (e *Engine) Commit(ctx context.Context, c *Changes, notice func(message, hint string)) error {
	if err := e.commit(ctx, c, notice); err != nil {
		return err
	}
	for _, p := range c.list {
		if p.After != nil {
			if err := p.After(ctx, notice); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *Engine) commit(ctx context.Context, c *Changes, notice func(message, hint string)) (err error) {
	tables, sources := c.groups()
	defines := slices.ContainsFunc(c.list, func(p pendingChange) bool { return p.Define != nil })
	if defines || len(tables)+len(sources) > 1 { // rows for one place need nobody's leave
		e.define.Lock()
		defer e.define.Unlock()
	}
	done := 0
	defer func() {
		if err == nil {
			return
		}
		for i, p := range slices.Backward(c.list) {
			if i < done || p.Early {
				if p.Undo != nil {
					err = errors.Join(err, p.Undo(context.Background()))
				}
			}
		}
	}()
	if defines { // what others have defined meanwhile, so that it is seldom too late for this
		if err := e.catchUp(ctx); err != nil {
			return err
		}
	}
	held, err := e.hold(ctx, c)
	if err != nil {
		return err
	}
	defer func() { e.unheld(held) }()
	cat := e.Catalog().Clone()
	var change fqgw.DefinitionChange
	for _, p := range c.list {
		if p.Define == nil {
			continue
		}
		p.numbers.next, p.numbers.held = 0, held
		p.numbers.made = func() ([]fqgw.Object, []uint32) { return change.Put, change.Drop }
		objs, gone, err := p.Define(ctx, cat, p.numbers)
		if err != nil {
			return err
		}
		change.Put, change.Drop = append(change.Put, objs...), append(change.Drop, gone...)
	}
	for _, w := range slices.Concat(tables, sources) {
		if err := w.still(cat); err != nil {
			return err
		}
	}
	for _, p := range c.list {
		if p.Write != nil && !p.Early {
			if err := p.Write(ctx, notice); err != nil {
				return err
			}
		}
		done++
	}
	defines = len(change.Put) > 0 || len(change.Drop) > 0
	if defines && recorded(tables, sources, defines) {
		change.Facts = []fqgw.Fact{{Name: e.own(factCommit)}} // the record's end
	}
	finish := func(ctx context.Context) error {
		undo, end, err := e.write(ctx, tables, sources, defines)
		if err != nil {
			_, uerr := undo()
			return errors.Join(err, uerr)
		}
		if defines {
			_, err = e.o.Registry.Commit(ctx, cat.Version, change)
		} else {
			err = end()
		}
		if err != nil { // its answer may have been lost on the way back
			if undone, uerr := undo(); undone || uerr != nil {
				return errors.Join(err, uerr)
			}
		}
		if defines {
			cat.Version++
			e.committed(change)
			e.redefine(ctx, cat, held, notice)
			e.publish(cat)
		}
		return nil
	}
	if !recorded(tables, sources, defines) {
		return finish(ctx)
	}
	// Others' rows must not come between what is perhaps undone.
	return e.o.History.Exclusive(ctx, finish)
}
