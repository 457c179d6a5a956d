package exec

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/relational"
	"github.com/fqgw/fqgw/stream/window"
)

// Routes are what Route says.
var Routes = []string{"point", "entities", "point in time", "scan", "relational"}

// Route names how a plan runs (DESIGN, One statement): "point", trips to the online
// store by key; "entities", a feature view read now without keys, by a capped scan
// of the store; "point in time"; "scan", without feature views; "relational".
func Route(n plan.Node) string {
	now, then := features(n)
	switch {
	case !native(n):
		return "relational"
	case then:
		return "point in time"
	case now && everyEntity(n):
		return "entities"
	case now:
		return "point"
	}
	return "scan"
}

// ByKey says that a plan reads features now, by key, for rows that are in the plan
// or its arguments, and nothing else: nothing of it goes on when its rows are closed.
func ByKey(n plan.Node) bool {
	if Route(n) != "point" {
		return false
	}
	var own func(n plan.Node) bool
	own = func(n plan.Node) bool {
		subquery := false
		look := func(xs ...fqgw.Expr) {
			for _, x := range xs {
				subquery = subquery || x != nil && expr.HasSubquery(x)
			}
		}
		switch n := n.(type) {
		case *plan.Filter:
			look(n.Cond)
		case *plan.Project:
			look(n.Exprs...)
		case *plan.Limit:
			look(n.Count, n.Offset)
		case *plan.FeatureJoin:
			look(append(n.Keys[:len(n.Keys):len(n.Keys)], n.On)...)
		case *plan.FeatureScan:
			look(n.KeyArray)
			for _, tuple := range n.Keys {
				look(tuple...)
			}
		case *plan.Values:
			for _, row := range n.Rows {
				look(row...)
			}
		case *plan.TableFunc:
			look(n.Args...)
		case *plan.Entities:
			look(n.Keys...)
		case *plan.Settle:
			look(n.On)
		default:
			return false
		}
		return !subquery && !slices.ContainsFunc(n.Children(), func(c plan.Node) bool { return !own(c) })
	}
	return own(n)
}

// everyEntity says whether a feature view is read without keys below n.
func everyEntity(n plan.Node) bool {
	if s, ok := n.(*plan.FeatureScan); ok && s.Keys == nil && s.KeyArray == nil {
		return true
	}
	return slices.ContainsFunc(n.Children(), everyEntity)
}

// features says whether feature views are read now, and as of a time, below n.
func features(n plan.Node) (now, then bool) {
	switch n := n.(type) {
	case *plan.FeatureScan:
		now, then = n.At == nil, n.At != nil
	case *plan.FeatureJoin:
		now, then = n.At == nil, n.At != nil
	}
	for _, c := range n.Children() {
		a, b := features(c)
		now, then = now || a, then || b
	}
	return now, then
}

// Explain is the text of EXPLAIN, in lines, or the JSON of FORMAT JSON, in one.
// There are no costs: nothing here is chosen by an estimate.
func (e *Engine) Explain(env *fqgw.Env, st *plan.Explain) ([]string, error) {
	var root plan.Node
	switch s := st.Statement.(type) {
	case *plan.Query:
		root = s.Root
	case *plan.CreateTable:
		root = s.Query
	}
	if root == nil {
		if st.Format == "json" {
			return indented([]object{{{"Utility Statement", true}}})
		}
		return []string{"Utility Statement"}, nil
	}
	top := e.describe(env, root)
	about := object{{"Route", Route(root)}}
	for _, v := range st.Views {
		name, how, _ := strings.Cut(v, ": ")
		about = append(about, pair{"View " + name, how})
	}
	if rate, set := e.o.Clock.IsSet(); set {
		about = append(about, pair{"Clock", fmt.Sprintf("%s, set, rate %g", fqgw.TimeText(env.Now), rate)})
	}
	if st.Analyze {
		n, took, err := e.measure(env, root)
		if err != nil {
			return nil, err
		}
		if st.Format == "json" {
			top.notes = append(top.notes, pair{"Actual Rows", n}, pair{"Actual Loops", 1})
			about = append(about, pair{"Execution Time", float64(took.Microseconds()) / 1000})
		} else {
			about = append(about, pair{"Rows", n}, pair{"Execution Time", fmt.Sprintf("%.3f ms", float64(took.Microseconds())/1000)})
		}
	}
	if st.Format == "json" {
		return indented([]object{append(object{{"Plan", top.object()}}, about...)})
	}
	lines := top.lines(0, nil)
	for _, p := range about {
		lines = append(lines, fmt.Sprintf("%s: %v", p.name, p.value))
	}
	return lines, nil
}

// measure runs a plan and counts its rows.
func (e *Engine) measure(env *fqgw.Env, n plan.Node) (int, time.Duration, error) {
	start := time.Now()
	rows, err := e.Run(env, n)
	if err != nil {
		return 0, 0, err
	}
	defer rows.Close()
	for n := 0; ; n++ {
		if _, err := rows.Next(); err == io.EOF {
			return n, time.Since(start), nil
		} else if err != nil {
			return 0, 0, err
		}
	}
}

// step is a node as EXPLAIN shows it.
type step struct {
	kind  string // PostgreSQL's Node Type, or ours
	on    string // the relation
	more  string // in parentheses behind it
	notes []pair
	steps []*step
}

// lines are the step and what is below it, indented as PostgreSQL does.
func (s *step) lines(depth int, to []string) []string {
	prefix, title := "", s.kind
	if depth > 0 {
		prefix = strings.Repeat("      ", depth-1) + "  ->  "
	}
	if s.on != "" {
		title += " on " + s.on
	}
	if s.more != "" {
		title += " (" + s.more + ")"
	}
	to = append(to, prefix+title)
	for _, n := range s.notes {
		to = append(to, fmt.Sprintf("%s  %s: %v", strings.Repeat("      ", depth), n.name, n.value))
	}
	for _, c := range s.steps {
		to = c.lines(depth+1, to)
	}
	return to
}

// object is the step in the shape of PostgreSQL's EXPLAIN (FORMAT JSON).
func (s *step) object() object {
	out := object{{"Node Type", s.kind}}
	if s.on != "" {
		out = append(out, pair{"Relation Name", s.on})
	}
	if s.more != "" {
		out = append(out, pair{"Details", s.more})
	}
	for _, n := range s.notes {
		i := slices.IndexFunc(out, func(p pair) bool { return p.name == n.name })
		if i < 0 {
			out = append(out, n)
			continue
		}
		list, ok := out[i].value.([]any)
		if !ok {
			list = []any{out[i].value}
		}
		out[i].value = append(list, n.value)
	}
	if len(s.steps) > 0 {
		var plans []object
		for _, c := range s.steps {
			plans = append(plans, c.object())
		}
		out = append(out, pair{"Plans", plans})
	}
	return out
}

// object is a JSON object that keeps its order.
type object []pair

type pair struct {
	name  string
	value any
}

func (o object) MarshalJSON() ([]byte, error) {
	out := []byte{'{'}
	for i, p := range o {
		name, err := json.Marshal(p.name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(p.value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			out = append(out, ',')
		}
		out = append(append(append(out, name...), ':'), value...)
	}
	return append(out, '}'), nil
}

func indented(v any) ([]string, error) {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	err := enc.Encode(v)
	return []string{strings.TrimSuffix(b.String(), "\n")}, err
}

func (e *Engine) describe(env *fqgw.Env, n plan.Node) *step {
	s := e.describeOne(env, n)
	for _, c := range n.Children() {
		s.steps = append(s.steps, e.describe(env, c))
	}
	return s
}

func (e *Engine) describeOne(env *fqgw.Env, n plan.Node) *step {
	switch n := n.(type) {
	case *plan.FeatureScan:
		return e.describeView(env, "Feature Scan", n.View, n.At, n.Known, scanKeys(n))
	case *plan.FeatureJoin:
		kind := "Feature Join"
		if n.Left {
			kind = "Feature Left Join"
		}
		return e.describeView(env, kind, n.View, n.At, n.Known, exprTexts(n.Keys))
	case *plan.Entities:
		return &step{kind: "Entities", notes: []pair{{"Equal to", strings.Join(exprTexts(n.Keys), ", ")}}}
	case *plan.Settle:
		return &step{kind: "Found Entities"}
	case *plan.SourceScan:
		s := &step{kind: "History Scan", on: n.Source.Name, more: n.Source.Place()}
		if n.AsOf != nil {
			s.notes = []pair{{"Known at", n.AsOf.String()}}
		}
		return s
	case *plan.TableScan:
		return &step{kind: "Lake Scan", on: n.Table.Name}
	case *plan.SystemScan:
		return &step{kind: "System Scan", on: n.Rel.Schema + "." + n.Rel.Name}
	case *plan.TableFunc:
		return &step{kind: "Function Scan", on: n.Name}
	case *plan.Values:
		return &step{kind: "Values", more: fmt.Sprintf("%d rows", len(n.Rows))}
	case *plan.Filter:
		return &step{kind: "Filter", notes: []pair{{"Filter", n.Cond.String()}}}
	case *plan.Project:
		return &step{kind: "Project", notes: []pair{{"Output", strings.Join(exprTexts(n.Exprs), ", ")}}}
	case *plan.Limit:
		return &step{kind: "Limit"}
	}
	kind, on, _ := strings.Cut(relational.Title(n), " on ")
	return &step{kind: kind, on: on}
}

func (e *Engine) describeView(env *fqgw.Env, kind string, v *fqgw.FeatureView, at, known fqgw.Expr, keys []string) *step {
	store, when := "online store", "now"
	if at != nil {
		store, when = v.Source.Place(), "AS OF "+at.String()
		if known != nil {
			when += " KNOWN AT " + known.String()
		}
	}
	s := &step{kind: kind, on: v.Name, more: fmt.Sprintf("version %d, %s", v.Version, store), notes: []pair{{"Time", when}}}
	note := func(name, format string, args ...any) {
		s.notes = append(s.notes, pair{name, fmt.Sprintf(format, args...)})
	}
	if keys == nil && at == nil {
		note("Entities", "all, at most %d", entitiesMax)
	} else if keys == nil {
		note("Entities", "all")
	}
	for i, k := range keys {
		if i < len(v.Keys) {
			k = v.Keys[i].Name + " = " + k
		}
		note("Join key", "%s", k)
	}
	windows := func(kind string, list []fqgw.Window, how string) {
		for _, w := range list {
			switch {
			case w.Rows > 0:
				note(kind+w.Name, "the last %d events%s", w.Rows, how)
			case w.Length == 0:
				note(kind+w.Name, "lifetime%s", how)
			default:
				note(kind+w.Name, "length %s, hop %s, tail at most %s too long%s", span(env, w.Length), span(env, w.Hop), span(env, w.Hop), how)
			}
		}
	}
	windows("Window ", v.Windows, "")
	second := ", of all entities at the last published second"
	if at != nil {
		second = ", of all entities at the whole second before"
	}
	windows("Global window ", v.Global.Windows, second)
	if v.MaxAge > 0 {
		note("Max age", "%s", span(env, v.MaxAge))
	}
	if at == nil {
		switch {
		case e.o.Streams == nil || !e.o.Streams.Tier(v).Leaves:
		case v.Retain > 0:
			note("Tier", "online, then lake after %s without an event", span(env, v.Retain))
		default:
			note("Tier", "online, then lake when memory is short")
		}
	}
	if since, ok := e.o.Streams.Since(v.Source.Qualified().String()); ok {
		note("History since", "%s", fqgw.TimeText(since))
	}
	for c, needed := range window.Needs(v) {
		if n := v.Source.Since(c); needed && n > 1 {
			note("History of column "+v.Source.Columns[c].Name, "since gate version %d, NULL in records before", n)
		}
	}
	return s
}

func scanKeys(n *plan.FeatureScan) []string {
	if n.KeyArray != nil {
		return []string{"ANY (" + n.KeyArray.String() + ")"}
	}
	if len(n.Keys) == 1 {
		return exprTexts(n.Keys[0])
	}
	if n.Keys != nil {
		return []string{fmt.Sprintf("one of %d", len(n.Keys))}
	}
	return nil
}

func exprTexts(list []fqgw.Expr) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = x.String()
	}
	return out
}

// span is a length of time as PostgreSQL prints the interval: a day is 24 hours.
func span(env *fqgw.Env, us int64) string {
	const day = 24 * 60 * 60 * 1e6
	return expr.Text(fqgw.SpanValue(fqgw.Span{Days: int32(us / day), Micros: us % day}), fqgw.Interval, env)
}
