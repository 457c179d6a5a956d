package exec

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/relational"
)

// pins are the states of the lake that a statement reads, where it must be possible to
// read them again (SEMANTICS §5): of a table one snapshot, which gets a tag, of a
// source's history the rows below positions. Each is chosen when it is first read.
// Safe for concurrent use.
type pins struct {
	e      *Engine
	replay bool         // they are those of a manifest, and nothing else is read
	note   func() error // is called before a tag is made
	tag    string       // of the tags, which have a number behind it

	mu        sync.Mutex
	tables    []fqgw.TrainingTable
	histories []pinned
	reasons   []string
	total     int64        // rows of the first table that is read; 0: not known
	read      atomic.Int64 // of them
	now       bool         // histories are pinned when all is landed that was known at T
	late      bool         // a history was pinned too soon: the statement is to run again, with now
}

// pinned is a history as it is read: complete for what was known by upto.
type pinned struct {
	fqgw.TrainingHistory
	upto int64
}

type pinsKey struct{}

// pinsOf are the pins of a statement, nil when it reads what is newest.
func pinsOf(ctx context.Context) *pins {
	p, _ := ctx.Value(pinsKey{}).(*pins)
	return p
}

func (e *Engine) newPins() *pins {
	return &pins{e: e, tag: "fqgw-training-" + rand.Text()[:12]}
}

// because adds a reason for which the statement cannot be run again, once.
func (p *pins) because(format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.reasons {
		if r == why {
			return
		}
	}
	p.reasons = append(p.reasons, why)
}

// table sets the snapshot that a scan reads of a table, which is that of a source where
// there is one; empty says that there is nothing to read.
func (p *pins) table(ctx context.Context, s *fqgw.Scan, source uint32) (empty bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.tables {
		if t.Table == s.Table && t.AsOf == s.AsOf && t.Source == source {
			s.Snapshot = t.Snapshot
			return t.Snapshot == 0, nil
		}
	}
	if p.replay {
		return false, fqgw.Errorf(fqgw.CodeNotInState, "the manifest has no snapshot of table \"%s\" that the statement reads", s.Table)
	}
	t := fqgw.TrainingTable{Table: s.Table, Source: source, AsOf: s.AsOf, Tag: fmt.Sprintf("%s-%d", p.tag, len(p.tables)+1)}
	p.tables = append(p.tables, t)
	if err := p.note(); err != nil {
		return false, err
	}
	snap, err := p.e.o.History.Tag(ctx, *s, t.Tag)
	if err != nil {
		return false, err
	}
	own := &p.tables[len(p.tables)-1]
	if own.Snapshot = snap.ID; snap.ID == 0 {
		own.Tag = ""
	}
	if len(p.tables) == 1 && source == 0 {
		p.total = snap.Rows
	}
	s.Snapshot = snap.ID
	return snap.ID == 0, nil
}

// below are the positions below which a source's history is read.
func (p *pins) below(s *fqgw.Source) fqgw.Marks {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.histories {
		if h.OID == s.OID {
			return h.Below
		}
	}
	return nil // nothing was asked for: waitKnown pins
}

// alsoNow is how long a history is waited for that is to be pinned with more than was
// asked for: so that later parts of the statement, of which the times are not known
// yet, find what they need.
const alsoNow = 250 * time.Millisecond

// known waits until the history of a source has what was known by k, and pins it.
func (p *pins) known(env *fqgw.Env, s *fqgw.Source, k int64, wait func(ctx context.Context, k int64) error) error {
	if p.replay || s.Positions() != fqgw.TopicOffsets {
		return nil
	}
	if k > env.Now {
		p.because("an AS OF time is after the statement's own time: events that arrive later can change the answer")
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.histories {
		if h.OID == s.OID {
			if k > h.upto {
				p.late = true
				return fqgw.Errorf(fqgw.CodeNotInState, "the history of source \"%s\" was read too soon", s.Name)
			}
			return nil
		}
	}
	h := pinned{TrainingHistory: fqgw.TrainingHistory{Source: s.Qualified().String(), OID: s.OID}, upto: k}
	ask := k
	if p.now {
		ask = max(k, env.Now)
	}
	if err := wait(env.Ctx, ask); err != nil {
		return err
	}
	if p.now || k >= env.Now {
		h.upto = math.MaxInt64
	} else {
		ctx, cancel := context.WithTimeout(env.Ctx, alsoNow)
		if wait(ctx, env.Now) == nil {
			h.upto = math.MaxInt64
		}
		cancel()
	}
	snap, err := p.e.o.History.Current(env.Ctx, s.History)
	if err != nil {
		return err
	}
	h.Below = snap.Landed
	h.Since, _ = p.e.o.Streams.Since(h.Source)
	p.histories = append(p.histories, h)
	return nil
}

// readPinned reads a source's rows as the statement sees them.
func (e *Engine) readPinned(env *fqgw.Env, s *fqgw.Source, scan fqgw.Scan) (fqgw.Records, error) {
	if e.foreign(s) != nil {
		at, scan, empty, err := e.pinForeign(env, s, scan)
		if empty || err != nil {
			return func(func(arrow.RecordBatch, error) bool) {}, err
		}
		_, records, err := e.readSource(env.Ctx, at, scan)
		return records, err
	}
	_, records, err := e.readSource(env.Ctx, s, scan)
	if p := pinsOf(env.Ctx); p != nil && err == nil {
		records = below(records, p.below(s))
	}
	return records, err
}

// pinForeign says how the statement reads a source whose rows others write: one that is
// a table of the lake at one snapshot, the one that it names or the newest one; empty
// when there was nothing then.
func (e *Engine) pinForeign(env *fqgw.Env, s *fqgw.Source, scan fqgw.Scan) (at *fqgw.Source, as fqgw.Scan, empty bool, err error) {
	p := pinsOf(env.Ctx)
	if p == nil {
		return s, scan, false, nil
	}
	if s.Connector != "iceberg" {
		p.because("it reads source \"%s\", whose rows others write", s.Name)
		return s, scan, false, nil
	}
	table := fqgw.Scan{Table: s.Options["table"], AsOf: scan.AsOf}
	if s.Options["tag"] != "" || s.Options["snapshot"] != "" {
		if table.AsOf = 0; !p.replay {
			named, err := e.foreign(s).Current(env.Ctx, s)
			if err != nil {
				return nil, scan, false, err
			}
			table.Snapshot = named.ID
		}
	}
	if empty, err = p.table(env.Ctx, &table, s.OID); empty || err != nil {
		return nil, scan, empty, err
	}
	at = new(*s)
	at.Options = maps.Clone(s.Options)
	delete(at.Options, "tag")
	delete(at.Options, "snapshot")
	scan.Snapshot, scan.AsOf = table.Snapshot, 0
	return at, scan, false, nil
}

// below are the rows below positions, in stretches that came together. Rows without a
// position are among them: another program wrote them.
func below(in fqgw.Records, marks fqgw.Marks) fqgw.Records {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for b, err := range in {
			if err != nil {
				yield(nil, err)
				return
			}
			covered, err := coveredBy(b, marks)
			if err != nil {
				b.Release()
				yield(nil, err)
				return
			}
			n, from := int(b.NumRows()), 0
			for from < n {
				to := from
				for to < n && covered(to) == covered(from) {
					to++
				}
				if covered(from) && !yield(b.NewSlice(int64(from), int64(to)), nil) {
					b.Release()
					return
				}
				from = to
			}
			b.Release()
		}
	}
}

// narrowed are the first columns of records.
func narrowed(in fqgw.Records, columns int) fqgw.Records {
	return func(yield func(arrow.RecordBatch, error) bool) {
		for b, err := range in {
			if err == nil && int(b.NumCols()) > columns {
				wide := b
				b = array.NewRecordBatch(arrow.NewSchema(b.Schema().Fields()[:columns], nil), b.Columns()[:columns], b.NumRows())
				wide.Release()
			}
			if !yield(b, err) {
				return
			}
		}
	}
}

// coveredBy says of the rows of a batch whether they are below the marks.
func coveredBy(b arrow.RecordBatch, marks fqgw.Marks) (func(row int) bool, error) {
	var columns [3]arrow.Array // epoch, partition, offset
	for i := range columns {
		at := b.Schema().FieldIndices(fqgw.HiddenColumns[i].Name)
		if len(at) == 0 {
			return nil, fqgw.Errorf(fqgw.CodeInternal, "a history was read without its positions")
		}
		columns[i] = b.Column(at[0])
	}
	epoch, ok1 := columns[0].(*array.Int32)
	partition, ok2 := columns[1].(*array.Int32)
	offset, ok3 := columns[2].(*array.Int64)
	if !ok1 || !ok2 || !ok3 {
		return nil, fqgw.Errorf(fqgw.CodeInternal, "the positions of a history are of types %s, %s, %s",
			columns[0].DataType(), columns[1].DataType(), columns[2].DataType())
	}
	return func(row int) bool {
		if offset.IsNull(row) || offset.Value(row) < 0 {
			return true
		}
		return marks.Covers(fqgw.Position{Epoch: epoch.Value(row), Partition: partition.Value(row), Offset: offset.Value(row)})
	}, nil
}

// pinTable sets the snapshot of a table that the statement reads; rows when it was
// empty then.
func (e *Engine) pinTable(env *fqgw.Env, s *fqgw.Scan) (fqgw.Rows, error) {
	p := pinsOf(env.Ctx)
	if p == nil {
		return nil, nil
	}
	empty, err := p.table(env.Ctx, s, 0)
	if empty && err == nil {
		return relational.Slice(nil), nil
	}
	return nil, err
}
