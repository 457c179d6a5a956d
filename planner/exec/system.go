package exec

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/pgcatalog"
	"github.com/fqgw/fqgw/planner/plan"
)

// deadLettersMax is how many dead letters one read shows, the newest.
const deadLettersMax = 100_000

func timeOrNull(t int64) fqgw.Value {
	if t == 0 {
		return fqgw.Null
	}
	return fqgw.TimestampValue(t)
}

func textOrNull(s string) fqgw.Value {
	if s == "" {
		return fqgw.Null
	}
	return fqgw.TextValue(s)
}

// dynamic is a relation of schema fqgw whose rows change by themselves; nil
// when the name is none. The catalog knows its columns.
func (e *Engine) dynamic(name string) *plan.SystemRelation {
	known := pgcatalog.Lookup("fqgw", name)
	if known == nil {
		return nil
	}
	r := *known
	switch name {
	case "stream_status":
		r.Rows = e.streamStatus
	case "dead_letters":
		r.Rows = e.deadLetters
	case "tiers":
		r.Rows = e.tiers
	case "quality":
		r.Seek = e.sought(known, e.quality)
	case "rejected":
		r.Seek = e.sought(known, e.rejected)
	case "files":
		r.Rows = e.lakeFiles
	case "definitions":
		r.Rows = e.definitions
	case "feature_views":
		r.Rows = func(env *fqgw.Env, each func([]fqgw.Value) error) error { return e.withSince(env, known, each) }
	case "versions":
		since := *known
		since.Rows = func(env *fqgw.Env, each func([]fqgw.Value) error) error { return e.withSince(env, known, each) }
		r.Rows = func(env *fqgw.Env, each func([]fqgw.Value) error) error { return e.withProgress(env, &since, each) }
	default:
		return nil
	}
	return &r
}

// sought is how a relation seeks by its columns' names.
func (e *Engine) sought(r *plan.SystemRelation, rows func(*fqgw.Env, *plan.SystemRelation, plan.Sought, func([]fqgw.Value) error) error) func(
	*fqgw.Env, plan.Sought, func([]fqgw.Value) error) error {
	return func(env *fqgw.Env, what plan.Sought, each func([]fqgw.Value) error) error {
		return rows(env, r, what, each)
	}
}

// withSince gives the rows of views their history_since: the least known time of
// their source's records (SEMANTICS §5), NULL while there are none.
func (e *Engine) withSince(env *fqgw.Env, r *plan.SystemRelation, each func([]fqgw.Value) error) error {
	state, since := placeOf(r, "state_version"), placeOf(r, "history_since")
	sources := map[int64]string{}
	for _, v := range env.Session.Catalog().Features {
		sources[v.State] = v.Source.Qualified().String()
	}
	return r.Rows(env, func(row []fqgw.Value) error {
		if t, ok := e.o.Streams.Since(sources[row[state].Int()]); ok {
			row[since] = fqgw.TimestampValue(t)
		}
		return each(row)
	})
}

// definitions is a row for each object that is defined: as statements that make it
// again.
func (e *Engine) definitions(env *fqgw.Env, each func([]fqgw.Value) error) error {
	rows, err := e.o.Definitions(env.Session.Catalog())
	if err != nil {
		return err
	}
	for _, row := range rows {
		if err := each(row); err != nil {
			return err
		}
	}
	return nil
}

// withProgress says of versions which are being filled, and how far that is.
func (e *Engine) withProgress(env *fqgw.Env, r *plan.SystemRelation, each func([]fqgw.Value) error) error {
	state, status, progress := placeOf(r, "state_version"), placeOf(r, "status"), placeOf(r, "progress")
	views := states(env.Session.Catalog())
	return r.Rows(env, func(row []fqgw.Value) error {
		v := views[row[state].Int()]
		if v == nil {
			return each(row)
		}
		text, filling := e.filling(v)
		next := row[status].Str() == "building"
		switch {
		case filling || v.Pending:
			row[status], row[progress] = fqgw.TextValue("building"), textOrNull(text)
		case next: // it is filled, and something keeps it from being the current one
			row[status] = fqgw.TextValue("ready")
		}
		return each(row)
	})
}

// placeOf is the index of a relation's column.
func placeOf(r *plan.SystemRelation, column string) int {
	return slices.IndexFunc(r.Columns, func(c fqgw.Column) bool { return c.Name == column })
}

func (e *Engine) streamStatus(_ *fqgw.Env, each func([]fqgw.Value) error) error {
	for _, s := range e.o.Streams.Status() {
		err := each([]fqgw.Value{
			fqgw.TextValue(s.Source), fqgw.IntValue(int64(s.Partition)), fqgw.IntValue(int64(s.Epoch)),
			fqgw.IntValue(s.Applied), fqgw.IntValue(s.Landed), fqgw.IntValue(s.End), fqgw.IntValue(s.Lag()),
			timeOrNull(s.EventTime), timeOrNull(s.KnownTime), fqgw.SpanValue(fqgw.Span{Micros: s.Freshness}),
			textOrNull(s.Paused), fqgw.IntValue(s.Rejected), fqgw.IntValue(s.NullKeys), fqgw.IntValue(s.EvalErrors),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *Engine) deadLetters(env *fqgw.Env, each func([]fqgw.Value) error) error {
	return e.o.Letters.DeadLetters(env.Ctx, deadLettersMax, func(d fqgw.DeadLetter) error {
		return each([]fqgw.Value{
			fqgw.TextValue(d.Source), fqgw.IntValue(int64(d.Pos.Epoch)), fqgw.IntValue(int64(d.Pos.Partition)), fqgw.IntValue(d.Pos.Offset),
			fqgw.TimestampValue(d.Time), fqgw.TimestampValue(d.Rejected), fqgw.TextValue(d.Reason), textOrNull(d.Column),
			printable(d.Key), printable(d.Payload), headersOf(d.Headers), timeOrNull(d.Replayed),
		})
	})
}

// Replay produces dead letters of a source once more.
func (e *Engine) Replay(ctx context.Context, s *fqgw.Source) (fqgw.Replayed, error) {
	return e.o.Streams.Replay(ctx, s.Qualified().String())
}

// Sample is a row for each of the n newest records of a topic.
func (e *Engine) Sample(ctx context.Context, topic string, n int) (out [][]fqgw.Value, err error) {
	recs, err := e.o.Streams.Sample(ctx, topic, n)
	for i := range recs {
		r := &recs[i]
		out = append(out, []fqgw.Value{fqgw.IntValue(int64(r.Partition)), fqgw.IntValue(r.Offset), fqgw.TimestampValue(r.Timestamp),
			printable(r.Key), printable(r.Value), headersOf(r.Headers)})
	}
	return out, err
}

// lakeFiles are the files of the tables and of the histories that the catalog has.
func (e *Engine) lakeFiles(env *fqgw.Env, each func([]fqgw.Value) error) error {
	for _, r := range e.stored(env.Session.Catalog()) {
		err := e.o.History.Files(env.Ctx, r.history, func(f fqgw.LakeFile) error {
			keys, positions := fqgw.Null, fqgw.Null
			if f.Kind == "run" {
				keys, positions = textsOf(f.Keys), positionsOf(f.Covered)
			}
			return each([]fqgw.Value{fqgw.TextValue(r.name), fqgw.TextValue(f.Kind), fqgw.TextValue(f.Path), fqgw.IntValue(f.Rows), fqgw.IntValue(f.Bytes),
				keys, fqgw.IntValue(f.Sequence), positions, fqgw.BoolValue(f.Used), timeOrNull(f.Written)})
		})
		if err != nil && !fqgw.HasCode(err, fqgw.CodeUndefinedTable) { // dropped meanwhile
			return err
		}
	}
	return nil
}

// tiers is a row for each feature view: where its entities are, and why.
func (e *Engine) tiers(env *fqgw.Env, each func([]fqgw.Value) error) error {
	cat := env.Session.Catalog()
	for _, name := range slices.SortedFunc(maps.Keys(cat.Features), func(a, b fqgw.QualifiedName) int { return strings.Compare(a.String(), b.String()) }) {
		v := cat.Features[name]
		t := e.o.Streams.Tier(v)
		count := func(n int64) fqgw.Value {
			if t.Looked == 0 {
				return fqgw.Null
			}
			return fqgw.IntValue(n)
		}
		tier, reason := "online", v.Stays()
		if v.Offline {
			tier, reason = "lake", "it is not kept online"
		} else if t.Leaves {
			tier = "online, then lake"
		} else if reason == "" {
			reason = "it has no retain, and there is no --online-memory"
		}
		err := each([]fqgw.Value{fqgw.TextValue(name.String()), fqgw.TextValue(tier), textOrNull(reason), spanOrNull(v.Age()), spanOrNull(v.Retain),
			count(t.Hot), count(t.Cold), count(t.HotBytes), count(t.ColdBytes), count(t.Saved),
			fqgw.IntValue(t.Left), fqgw.IntValue(t.Loaded), fqgw.IntValue(t.Warmed), timeOrNull(t.Looked)})
		if err != nil {
			return err
		}
	}
	return nil
}

func spanOrNull(us int64) fqgw.Value {
	if us == 0 {
		return fqgw.Null
	}
	const day = 86_400_000_000
	return fqgw.SpanValue(fqgw.Span{Days: int32(us / day), Micros: us % day})
}

func textsOf(texts []string) fqgw.Value {
	items := make([]fqgw.Value, len(texts))
	for i, t := range texts {
		items[i] = fqgw.TextValue(t)
	}
	return fqgw.ArrayOf(fqgw.Text, items...)
}

// positionsOf is a text for each partition of which something is below the marks.
func positionsOf(m fqgw.Marks) fqgw.Value {
	var texts []string
	for p := range m {
		if m[p] != (fqgw.Mark{}) {
			texts = append(texts, fmt.Sprintf("partition %d: epoch %d below offset %d", p, m[p].Epoch, m[p].Next))
		}
	}
	return textsOf(texts)
}

// headersOf is a text "name=value" for each header, "name" where it has no value;
// NULL without headers.
func headersOf(headers []fqgw.Header) fqgw.Value {
	if len(headers) == 0 {
		return fqgw.Null
	}
	var items []fqgw.Value
	for _, h := range headers {
		text := validText([]byte(h.Name))
		if h.Value != nil {
			text += "=" + validText(h.Value)
		}
		items = append(items, fqgw.TextValue(text))
	}
	return fqgw.ArrayOf(fqgw.Text, items...)
}

// printable is bytes as text, NULL when there are none; what is not UTF-8 is
// shown as replacement characters and zero bytes as spaces.
func printable(b []byte) fqgw.Value {
	if b == nil {
		return fqgw.Null
	}
	return fqgw.TextValue(validText(b))
}

func validText(b []byte) string {
	return strings.ReplaceAll(strings.ToValidUTF8(string(b), "\uFFFD"), "\x00", " ")
}
