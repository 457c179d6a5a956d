package exec

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/relational"
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

// Explain is the text of EXPLAIN: the first line has PostgreSQL's cost form,
// which some clients parse.
func (e *Engine) Explain(env *fqgw.Env, st *plan.Explain) ([]string, error) {
	q, ok := st.Statement.(*plan.Query)
	if !ok {
		if c, isTable := st.Statement.(*plan.CreateTable); isTable && c.Query != nil {
			q, ok = &plan.Query{Root: c.Query}, true
		}
	}
	if !ok {
		return []string{"Utility Statement"}, nil
	}
	var lines []string
	e.tree(env, q.Root, 0, &lines)
	lines[0] += fmt.Sprintf("  (cost=0.00..0.00 rows=0 width=%d)", 8*len(q.Root.Columns()))
	lines = append(lines, "Route: "+Route(q.Root))
	for _, v := range st.Views {
		lines = append(lines, "View "+v)
	}
	if rate, set := e.o.Clock.IsSet(); set {
		lines = append(lines, fmt.Sprintf("Clock: %s, set, rate %g", microsText(env.Now), rate))
	}
	if st.Analyze {
		start := time.Now()
		rows, err := e.Run(env, q.Root)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		n := 0
		for ; ; n++ {
			if _, err := rows.Next(); err == io.EOF {
				break
			} else if err != nil {
				return nil, err
			}
		}
		lines = append(lines, fmt.Sprintf("Rows: %d", n), fmt.Sprintf("Execution Time: %.3f ms", float64(time.Since(start).Microseconds())/1000))
	}
	if st.Format == "json" {
		text, err := json.MarshalIndent([]map[string]any{{"Plan": map[string]any{"Node Type": strings.TrimSpace(lines[0]), "Lines": lines}}}, "", "  ")
		if err != nil {
			return nil, err
		}
		return []string{string(text)}, nil
	}
	return lines, nil
}

// tree appends n and what is below it, indented as PostgreSQL does.
func (e *Engine) tree(env *fqgw.Env, n plan.Node, depth int, lines *[]string) {
	prefix := ""
	if depth > 0 {
		prefix = strings.Repeat("      ", depth-1) + "  ->  "
	}
	pad := strings.Repeat("      ", depth) + "  "
	title, notes := e.describe(env, n)
	*lines = append(*lines, prefix+title)
	for _, note := range notes {
		*lines = append(*lines, pad+note)
	}
	for _, c := range n.Children() {
		e.tree(env, c, depth+1, lines)
	}
}

func (e *Engine) describe(env *fqgw.Env, n plan.Node) (title string, notes []string) {
	switch n := n.(type) {
	case *plan.FeatureScan:
		return e.describeView(env, "Feature Scan", n.View, n.At, n.Known, scanKeys(n))
	case *plan.FeatureJoin:
		title = "Feature Join"
		if n.Left {
			title = "Feature Left Join"
		}
		return e.describeView(env, title, n.View, n.At, n.Known, exprTexts(n.Keys))
	case *plan.Entities:
		return "Entities", []string{"Equal to: " + strings.Join(exprTexts(n.Keys), ", ")}
	case *plan.Settle:
		return "Found Entities", nil
	case *plan.SourceScan:
		title = fmt.Sprintf("History Scan on %s (%s)", n.Source.Name, n.Source.History)
		if n.AsOf != nil {
			notes = append(notes, "Known at: "+n.AsOf.String())
		}
		return title, notes
	case *plan.TableScan:
		return fmt.Sprintf("Lake Scan on %s", n.Table.Name), nil
	case *plan.SystemScan:
		return fmt.Sprintf("System Scan on %s.%s", n.Rel.Schema, n.Rel.Name), nil
	case *plan.TableFunc:
		return "Function Scan on " + n.Name, nil
	case *plan.Values:
		return fmt.Sprintf("Values (%d rows)", len(n.Rows)), nil
	case *plan.Filter:
		return "Filter", []string{"Filter: " + n.Cond.String()}
	case *plan.Project:
		return "Project", []string{"Output: " + strings.Join(exprTexts(n.Exprs), ", ")}
	case *plan.Limit:
		return "Limit", nil
	}
	return relational.Title(n), nil
}

func (e *Engine) describeView(env *fqgw.Env, title string, v *fqgw.FeatureView, at, known fqgw.Expr, keys []string) (string, []string) {
	store, when := "online store", "now"
	if at != nil {
		store, when = v.Source.History, "AS OF "+at.String()
		if known != nil {
			when += " KNOWN AT " + known.String()
		}
	}
	notes := []string{"Time: " + when}
	if keys == nil {
		notes = append(notes, "Entities: all")
	}
	for i, k := range keys {
		if i < len(v.Keys) {
			k = v.Keys[i].Name + " = " + k
		}
		notes = append(notes, "Join key: "+k)
	}
	for _, w := range v.Windows {
		if w.Length == 0 {
			notes = append(notes, fmt.Sprintf("Window %s: lifetime", w.Name))
			continue
		}
		notes = append(notes, fmt.Sprintf("Window %s: length %s, hop %s, tail at most %s too long", w.Name, micros(w.Length), micros(w.Hop), micros(w.Hop)))
	}
	if v.MaxAge > 0 {
		notes = append(notes, "Max age: "+micros(v.MaxAge))
	}
	if since, ok := e.o.Streams.Since(v.Source.Name); ok {
		notes = append(notes, "History since: "+microsText(since))
	}
	return fmt.Sprintf("%s on %s (version %d, %s)", title, v.Name, v.Version, store), notes
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

func micros(us int64) string { return (time.Duration(us) * time.Microsecond).String() }

func microsText(t int64) string { return time.UnixMicro(t).UTC().Format("2006-01-02 15:04:05.999999Z") }
