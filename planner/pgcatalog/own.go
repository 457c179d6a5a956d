package pgcatalog

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// ownRelations are the relations of schema fqgw. Of what changes by itself only the
// columns are here: planner/exec gives whole relations their rows, and views the
// beginning of their history.
func ownRelations() []*relation {
	array := fqgw.Text.Array()
	return []*relation{
		own(9001, "stream_status", noRows, "source", fqgw.Text, "partition", fqgw.Int4, "epoch", fqgw.Int4, "applied_offset", fqgw.Int8,
			"landed_offset", fqgw.Int8, "end_offset", fqgw.Int8, "lag", fqgw.Int8, "event_time", fqgw.Timestamptz, "known_time", fqgw.Timestamptz,
			"freshness", fqgw.Interval, "paused", fqgw.Text, "rejected", fqgw.Int8, "null_keys", fqgw.Int8, "expression_errors", fqgw.Int8),
		own(9002, "dead_letters", noRows, "source", fqgw.Text, "epoch", fqgw.Int4, "partition", fqgw.Int4, "offset", fqgw.Int8,
			"record_time", fqgw.Timestamptz, "rejected_at", fqgw.Timestamptz, "reason", fqgw.Text, "column_name", fqgw.Text, "key", fqgw.Text, "payload", fqgw.Text,
			"headers", fqgw.Text.Array(), "replayed_at", fqgw.Timestamptz),
		own(9010, "sources", fillSources, "name", fqgw.Text, "connector", fqgw.Text, "topic", fqgw.Text, "format", fqgw.Text, "event_time", fqgw.Text,
			"known_time", fqgw.Text, "max_future", fqgw.Interval, "history", fqgw.Text, "columns", array, "gate_version", fqgw.Int4,
			"gate_from", array, "sql", fqgw.Text, "comment", fqgw.Text),
		own(9011, "feature_views", fillFeatureViews, "name", fqgw.Text, "version", fqgw.Int4, "state_version", fqgw.Int8, "source", fqgw.Text, "keys", array,
			"kind", fqgw.Text, "max_age", fqgw.Interval, "windows", array, "features", array, "history_since", fqgw.Timestamptz, "sql", fqgw.Text, "comment", fqgw.Text),
		own(9012, "features", fillFeatures, "feature_view", fqgw.Text, "feature", fqgw.Text, "position", fqgw.Int4, "type", fqgw.Text, "expression", fqgw.Text,
			"window_name", fqgw.Text, "length", fqgw.Interval, "hop", fqgw.Interval, "default_value", fqgw.Text, "comment", fqgw.Text),
		own(9013, "versions", fillVersions, "feature_view", fqgw.Text, "version", fqgw.Int4, "state_version", fqgw.Int8, "current", fqgw.Bool,
			"history_since", fqgw.Timestamptz, "sql", fqgw.Text, "relation", fqgw.Text, "status", fqgw.Text, "progress", fqgw.Text, "since", fqgw.Timestamptz),
		own(9015, "files", noRows, "relation", fqgw.Text, "kind", fqgw.Text, "path", fqgw.Text, "rows", fqgw.Int8, "bytes", fqgw.Int8, "keys", array,
			"sequence", fqgw.Int8, "covered_positions", array, "used", fqgw.Bool, "created_at", fqgw.Timestamptz),
		own(9016, "tiers", noRows, "view", fqgw.Text, "tier", fqgw.Text, "reason", fqgw.Text, "age", fqgw.Interval, "retain", fqgw.Interval,
			"hot", fqgw.Int8, "cold", fqgw.Int8, "hot_bytes", fqgw.Int8, "cold_bytes", fqgw.Int8, "saved_bytes", fqgw.Int8,
			"went", fqgw.Int8, "came_back", fqgw.Int8, "were_read", fqgw.Int8, "looked_at", fqgw.Timestamptz),
		own(9017, "quality", noRows, "source", fqgw.Text, "hour", fqgw.Timestamptz, "column_name", fqgw.Text, "records", fqgw.Int8, "nulls", fqgw.Int8,
			"null_share", fqgw.Float8, "min", fqgw.Text, "max", fqgw.Text, "rejected", fqgw.Int8, "rejected_share", fqgw.Float8),
		own(9018, "rejected", noRows, "source", fqgw.Text, "hour", fqgw.Timestamptz, "reason", fqgw.Text, "column_name", fqgw.Text,
			"records", fqgw.Int8, "share", fqgw.Float8, "replayed", fqgw.Int8, "example", fqgw.Text),
		own(9020, "definitions", noRows, "kind", fqgw.Text, "name", fqgw.Text, "schema_name", fqgw.Text, "object_name", fqgw.Text, "sql", fqgw.Text,
			"search_path", array, "form", fqgw.Text, "reads", array),
		own(9014, "training_sets", fillTrainingSets, "name", fqgw.Text, "kind", fqgw.Text, "statement", fqgw.Text, "rows", fqgw.Int8, "bytes", fqgw.Int8,
			"files", array, "created_at", fqgw.Timestamptz, "clock", fqgw.Timestamptz, "relations", array, "snapshots", array, "positions", array,
			"history_since", fqgw.Timestamptz, "settings", array, "rebuildable", fqgw.Bool, "not_rebuildable", fqgw.Text, "manifest", fqgw.JSON),
	}
}

func noRows(*relation, *snapshot) [][]fqgw.Value { return nil }

// own makes a relation of alternating column names and types.
func own(oid uint32, name string, fill func(*relation, *snapshot) [][]fqgw.Value, columns ...any) *relation {
	r := &relation{kind: 'v', fill: fill}
	r.OID, r.Schema, r.Name = oid, "fqgw", name
	for i := 0; i < len(columns); i += 2 {
		c := fqgw.Column{Name: columns[i].(string), Type: columns[i+1].(fqgw.Type)}
		r.Columns, r.types = append(r.Columns, c), append(r.types, c.Type.OID)
	}
	return r
}

func span(us int64) fqgw.Value {
	if us == 0 {
		return fqgw.Null
	}
	const day = 86_400_000_000
	return fqgw.SpanValue(fqgw.Span{Days: int32(us / day), Micros: us % day})
}

func instant(us int64) fqgw.Value {
	if us == 0 {
		return fqgw.Null
	}
	return fqgw.TimestampValue(us)
}

func sorted[T any](m map[fqgw.QualifiedName]*T) []fqgw.QualifiedName {
	return slices.SortedFunc(maps.Keys(m), func(a, b fqgw.QualifiedName) int { return strings.Compare(a.String(), b.String()) })
}

func fillSources(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	for _, name := range sorted(s.catalog.Sources) {
		src := s.catalog.Sources[name]
		known := "record"
		switch src.Known {
		case fqgw.KnownByEventTime:
			known = "event_time"
		case fqgw.KnownByColumn:
			known = src.Columns[src.KnownColumn].Name
		}
		eventTime := ""
		if src.EventTime >= 0 && src.EventTime < len(src.Columns) {
			eventTime = src.Columns[src.EventTime].Name
		}
		out = append(out, row(&r.SystemRelation, fields{"name": text(name.String()), "connector": text(src.Connector), "topic": textOrNull(src.Topic), "format": textOrNull(src.Format),
			"event_time": textOrNull(eventTime), "known_time": text(known), "max_future": span(src.MaxFuture), "history": textOrNull(src.History),
			"columns": texts(names(plain(src.Columns))), "gate_version": number(int64(src.GateVersion)),
			"gate_from": texts(gatesFrom(src)), "sql": text(src.SQL), "comment": textOrNull(src.Comment)}))
	}
	return out
}

// gatesFrom says where each gate version but the first begins: by partition, epoch and offset.
func gatesFrom(s *fqgw.Source) []string {
	out := make([]string, len(s.Earlier))
	for i, g := range s.Earlier {
		out[i] = fmt.Sprintf("%d from", i+2)
		for p, m := range g.Until {
			out[i] += fmt.Sprintf(" %d:%d/%d", p, m.Epoch, m.Next)
		}
	}
	return out
}

func fillFeatureViews(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	for _, name := range sorted(s.catalog.Features) {
		v := s.catalog.Features[name]
		kind := "windowed"
		if v.Latest {
			kind = "latest row"
		}
		var keys, windows, features []string
		for _, k := range v.Keys {
			keys = append(keys, k.Name)
		}
		for _, w := range slices.Concat(v.Windows, v.Global.Windows) {
			windows = append(windows, w.Name)
		}
		for _, f := range v.Features {
			features = append(features, f.Name)
		}
		out = append(out, row(&r.SystemRelation, fields{"name": text(name.String()), "version": number(int64(v.Version)), "state_version": number(v.State), "source": text(v.Source.Qualified().String()),
			"keys": texts(keys), "kind": text(kind), "max_age": span(v.MaxAge), "windows": texts(windows), "features": texts(features),
			"history_since": fqgw.Null, "sql": text(v.SQL), "comment": textOrNull(v.Comment)}))
	}
	return out
}

// fillFeatures gives a row per feature, or one per window where it is made of
// several.
func fillFeatures(r *relation, s *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	for _, name := range sorted(s.catalog.Features) {
		v := s.catalog.Features[name]
		for i := range v.Features {
			f := &v.Features[i]
			def := fqgw.Null
			switch {
			case f.Instead != nil:
				def = text(expression(v, f.Instead))
			case !f.Default.IsNull():
				def = text(expr.Text(f.Default, f.Type, nil))
			}
			base := fields{"feature_view": text(name.String()), "feature": text(f.Name), "position": number(int64(i + 1)), "type": text(f.Type.String()),
				"expression": text(expression(v, f.Read)), "default_value": def, "comment": textOrNull(f.Comment)}
			windows := windowsOf(v, f.Read)
			if len(windows) == 0 {
				out = append(out, row(&r.SystemRelation, base))
			}
			for _, w := range windows {
				out = append(out, row(&r.SystemRelation, fields{"window_name": text(w.Name), "length": span(w.Length), "hop": span(w.Hop)}.with(base)))
			}
		}
	}
	return out
}

// expression is a feature's expression with the aggregates, or the columns of the
// latest row, in the places of the slots.
func expression(v *fqgw.FeatureView, read fqgw.Expr) string {
	return expr.Rewrite(read, func(e fqgw.Expr) fqgw.Expr {
		c, ok := e.(*expr.Column)
		if !ok || c.Index < len(v.Keys) {
			return e
		}
		if slot := c.Index - len(v.Keys); slot < len(v.Row) {
			return v.Row[slot]
		} else if slot < len(v.Aggregates) {
			return &printed{c, aggregateSQL(&v.Aggregates[slot], v.Windows)}
		} else if slot -= len(v.Aggregates); slot < len(v.Global.Aggregates) && !v.Latest {
			return &printed{c, aggregateSQL(&v.Global.Aggregates[slot], v.Global.Windows)}
		}
		return e
	}).String()
}

// printed is an expression that prints as something else.
type printed struct {
	fqgw.Expr
	sql string
}

func (p *printed) String() string { return p.sql }

func aggregateSQL(a *fqgw.Aggregate, windows []fqgw.Window) string {
	var args []string
	for _, x := range a.Args {
		args = append(args, x.String())
	}
	for _, p := range a.Params {
		args = append(args, paramText(p))
	}
	if a.Star {
		args = []string{"*"}
	}
	s := a.Func + "(" + strings.Join(args, ", ") + ")"
	if a.Filter != nil {
		s += " FILTER (WHERE " + a.Filter.String() + ")"
	}
	return s + " OVER " + expr.QuoteIdent(windows[a.Window].Name)
}

func paramText(v fqgw.Value) string {
	switch v.Kind() {
	case fqgw.KindInt:
		return expr.Text(v, fqgw.Int8, nil)
	case fqgw.KindFloat:
		return expr.Text(v, fqgw.Float8, nil)
	case fqgw.KindNumeric:
		return expr.Text(v, fqgw.Numeric, nil)
	case fqgw.KindText:
		return expr.QuoteLiteral(v.Str())
	case fqgw.KindInterval:
		return "interval " + expr.QuoteLiteral(expr.Text(v, fqgw.Interval, nil))
	case fqgw.KindArray:
		list := v.List().Elem.Array()
		return expr.QuoteLiteral(expr.Text(v, list, nil)) + "::" + list.String()
	}
	return "…"
}

// windowsOf are the windows that a feature's expression reads, in their order.
func windowsOf(v *fqgw.FeatureView, read fqgw.Expr) []fqgw.Window {
	var used []int
	expr.Walk(read, func(e fqgw.Expr) bool {
		c, ok := e.(*expr.Column)
		if !ok || c.Index < len(v.Keys) || v.Latest {
			return true
		}
		w := -1
		if slot := c.Index - len(v.Keys); slot < len(v.Aggregates) {
			w = v.Aggregates[slot].Window
		} else if slot -= len(v.Aggregates); slot < len(v.Global.Aggregates) {
			w = len(v.Windows) + v.Global.Aggregates[slot].Window
		}
		if w >= 0 && !slices.Contains(used, w) {
			used = append(used, w)
		}
		return true
	})
	slices.Sort(used)
	all := slices.Concat(v.Windows, v.Global.Windows)
	var out []fqgw.Window
	for _, w := range used {
		out = append(out, all[w])
	}
	return out
}

// fillVersions lists every version in the catalog, by view and number. What is being
// filled planner/exec knows.
func fillVersions(r *relation, s *snapshot) [][]fqgw.Value {
	views := slices.SortedFunc(maps.Values(s.catalog.Features), func(a, b *fqgw.FeatureView) int {
		return cmp.Or(strings.Compare(a.Current().String(), b.Current().String()), cmp.Compare(a.Version, b.Version))
	})
	var out [][]fqgw.Value
	for _, v := range views {
		out = append(out, row(&r.SystemRelation, fields{"feature_view": text(v.Current().String()), "version": number(int64(v.Version)), "state_version": number(v.State),
			"current": boolean(v.Of == ""), "history_since": fqgw.Null, "sql": text(v.SQL), "relation": text(v.Qualified().String()),
			"status": text(v.Standing(s.catalog)), "progress": fqgw.Null, "since": instant(v.Since)}))
	}
	return out
}

// ownExtension is the extension that schema fqgw and its relations belong to:
// pg_dump leaves out what is an extension's.
const ownExtension = 9100

func fillExtension(r *relation, _ *snapshot) [][]fqgw.Value {
	return [][]fqgw.Value{row(&r.SystemRelation, fields{"oid": number(ownExtension), "extname": text("fqgw"), "extowner": number(owner),
		"extnamespace": number(nsFqgw), "extversion": text("1.0")})}
}

func fillDepend(r *relation, _ *snapshot) [][]fqgw.Value {
	var out [][]fqgw.Value
	member := func(class string, id uint32) {
		out = append(out, row(&r.SystemRelation, fields{"classid": oid(Lookup("", class).OID), "objid": oid(id),
			"refclassid": oid(Lookup("", "pg_extension").OID), "refobjid": number(ownExtension), "deptype": text("e")}))
	}
	member("pg_namespace", nsFqgw)
	for _, own := range ownRelations() {
		member("pg_class", own.OID)
	}
	return out
}
