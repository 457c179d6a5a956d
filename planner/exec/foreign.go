package exec

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/pit"
	"github.com/fqgw/fqgw/planner/plan"
)

// foreignWithin is how long CREATE SOURCE may look at what others write.
const foreignWithin = time.Minute

// foreign is where the rows of a source lie that others write; nil of a source that
// has a history of its own.
func (e *Engine) foreign(s *fqgw.Source) fqgw.Foreign {
	if s.Positions() == fqgw.TopicOffsets {
		return nil
	}
	return e.o.Foreign[s.Connector]
}

// ForeignColumns are the columns of a source whose rows others write (fqgw.Foreign).
func (e *Engine) ForeignColumns(s *fqgw.Source) ([]fqgw.Column, error) {
	f := e.foreign(s)
	if f == nil {
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "connector '%s' is not supported here", s.Connector)
	}
	ctx, cancel := context.WithTimeout(e.life, foreignWithin)
	defer cancel()
	return f.Columns(ctx, s)
}

// ForeignTables are the tables of a schema of a connector (fqgw.Foreign).
func (e *Engine) ForeignTables(connector, schema string) ([]string, error) {
	f := e.o.Foreign[connector]
	if f == nil {
		return nil, fqgw.Errorf(fqgw.CodeFeatureNotSupported, "connector '%s' is not supported here", connector)
	}
	ctx, cancel := context.WithTimeout(e.life, foreignWithin)
	defer cancel()
	return f.Tables(ctx, schema)
}

// LatestSchema is fqgw.RecordSchemas' Latest; nil: there is no schema registry.
func (e *Engine) LatestSchema() func(subject string) (*fqgw.RecordSchema, error) {
	if e.o.Schemas == nil {
		return nil
	}
	return func(subject string) (*fqgw.RecordSchema, error) {
		ctx, cancel := context.WithTimeout(e.life, foreignWithin)
		defer cancel()
		return e.o.Schemas.Latest(ctx, subject)
	}
}

// ImportForeignSchema makes sources, all or none.
func (e *Engine) ImportForeignSchema(st *plan.ImportForeignSchema) Change {
	var all []Change
	for _, s := range st.Sources {
		all = append(all, e.CreateSource(&plan.CreateSource{Source: s}))
	}
	undo := func(ctx context.Context, changes []Change) (err error) {
		for _, c := range slices.Backward(changes) {
			err = errors.Join(err, c.Undo(ctx))
		}
		return err
	}
	return Change{
		Tag: "IMPORT FOREIGN SCHEMA",
		Define: func(ctx context.Context, cat *fqgw.Catalog, n *Numbers) (put []fqgw.Object, drop []uint32, err error) {
			for _, c := range all {
				more, _, err := c.Define(ctx, cat, n)
				if err != nil {
					return nil, nil, err
				}
				put = append(put, more...)
			}
			return put, nil, nil
		},
		Write: func(ctx context.Context, notice func(string, string)) error {
			for i, c := range all {
				if err := c.Write(ctx, notice); err != nil {
					return errors.Join(err, undo(context.WithoutCancel(ctx), all[:i]))
				}
			}
			return nil
		},
		Undo: func(ctx context.Context) error { return undo(ctx, all) },
		After: func(ctx context.Context, notice func(string, string)) error {
			for _, c := range all {
				if err := c.After(ctx, notice); err != nil {
					return err
				}
			}
			return nil
		},
	}
}

// readSource reads a source's rows, wherever they lie.
func (e *Engine) readSource(ctx context.Context, s *fqgw.Source, scan fqgw.Scan) (*arrow.Schema, fqgw.Records, error) {
	if f := e.foreign(s); f != nil {
		return f.Scan(ctx, s, scan)
	}
	scan.Table = s.History
	return e.o.History.Scan(ctx, scan)
}

// piecesRows is how many rows of a spine are joined at once where a source may come in
// pieces: all of its keys are read for each chunk, however few have a probe; of the first
// chunk where values have no fixed width piecesRowsFirst.
const (
	piecesRows      = 1 << 22
	piecesRowsFirst = 1 << 14
)

// inPieces says that the latest rows of a view are looked for in pieces where its source
// has those.
func (e *Engine) inPieces(v *fqgw.FeatureView) bool {
	_, ok := e.foreign(v.Source).(fqgw.PieceForeign)
	return ok && pit.LooksUp(v)
}

// foreignHistory is what of a source whose rows others write can matter to a view at
// times from minT to maxT: in pieces where it has those.
func (e *Engine) foreignHistory(env *fqgw.Env, v *fqgw.FeatureView, minT, maxT int64) (*fqgw.Sorted, error) {
	out := &fqgw.Sorted{Fresh: e.historyOf(env, v, minT, maxT)}
	if !e.inPieces(v) {
		return out, nil
	}
	s, scan, empty, err := e.pinForeign(env, v.Source, e.scanOf(v, minT, maxT))
	if err != nil || empty {
		return out, err
	}
	pieces, done, err := e.foreign(s).(fqgw.PieceForeign).Pieces(env.Ctx, s, scan)
	if err != nil {
		return nil, err
	}
	out.Pieces = pieces
	out.OnClose(done)
	return out, nil
}

// eventColumns are the columns of a source's own that a point-in-time join needs.
func eventColumns(s *fqgw.Source, all []string) []string {
	if s.Positions() == fqgw.TopicOffsets {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(name string) bool { return s.ColumnIndex(name) < 0 })
}

// foreignScan reads a source whose rows others write. Of what a landed row hides they
// have the known time, by the source's rule, and nothing else.
func (e *Engine) foreignScan(env *fqgw.Env, n *plan.SourceScan, scan fqgw.Scan, known int64, cut bool) (fqgw.Rows, error) {
	s := n.Source
	at := s.EventTime
	if s.Known == fqgw.KnownByColumn {
		at = s.KnownColumn
	}
	var types []fqgw.Type
	place := func(f int) int {
		name := s.Columns[f].Name
		if i := slices.Index(scan.Columns, name); i >= 0 {
			return i
		}
		scan.Columns, types = append(scan.Columns, name), append(types, s.Columns[f].Type)
		return len(scan.Columns) - 1
	}
	scan.Columns = []string{}
	places := make([]int, len(n.Fields)) // -1: NULL
	for i, f := range n.Fields {
		switch {
		case f < len(s.Columns):
			places[i] = place(f)
		case sourceColumn(s, f).Name == fqgw.ColKnownAt:
			places[i] = place(at)
		default:
			places[i] = -1
		}
	}
	knownAt := -1
	if cut {
		knownAt = place(at)
	}
	rows, err := e.scanned(env, types, func() (fqgw.Records, error) { return e.readPinned(env, s, scan) })
	if err != nil {
		return nil, err
	}
	out := make([]fqgw.Value, len(places))
	return &stream{close: rows.Close, next: func() ([]fqgw.Value, error) {
		for {
			row, err := rows.Next()
			if err != nil {
				return nil, err
			}
			if cut && (row[knownAt].IsNull() || row[knownAt].Int() > known) {
				continue
			}
			for i, p := range places {
				if out[i] = fqgw.Null; p >= 0 {
					out[i] = row[p]
				}
			}
			return out, nil
		}
	}}, nil
}
