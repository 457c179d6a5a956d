package define

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/stream/decode"
)

// sourceText is a source: its columns and options as they are, its CHECKs as they
// were written.
func sourceText(s *fqgw.Source) (*Text, error) {
	t := &Text{Kind: "source", Name: s.Qualified()}
	checks, err := checkTexts(s)
	if err != nil {
		return nil, err
	}
	var elts []string
	for i, c := range s.Columns {
		key := len(s.PrimaryKey) == 1 && s.PrimaryKey[0] == i
		c.NotNull = c.NotNull && !key
		text := columnText(c)
		if key {
			text += " PRIMARY KEY"
		}
		for _, k := range checks {
			if k.column == c.Name {
				text += " " + k.text
			}
		}
		elts = append(elts, text)
	}
	if len(s.PrimaryKey) > 1 {
		var key []string
		for _, i := range s.PrimaryKey {
			key = append(key, s.Columns[i].Name)
		}
		elts = append(elts, "PRIMARY KEY"+columnList(key))
	}
	for _, k := range checks {
		if k.column == "" {
			elts = append(elts, k.text)
		}
	}
	t.Create = "CREATE SOURCE " + relation(t.Name) + " (\n    " + strings.Join(elts, ",\n    ") + "\n)" + withText(sourceOptionsOf(s))
	t.comment("SOURCE "+relation(t.Name), s.Comment)
	t.columnComments(s.Columns)
	return t, nil
}

// checkText is a CHECK, and the column with which it stands; "" if with none.
type checkText struct{ column, text string }

// checkTexts are the CHECKs of a source in their order: those that stand with columns
// come first.
func checkTexts(s *fqgw.Source) ([]checkText, error) {
	if len(s.Checks) == 0 {
		return nil, nil
	}
	st, err := statementOf(s.SQL)
	if err != nil {
		return nil, err
	}
	written := writtenChecks(st.Node.GetCreateStmt().GetTableElts())
	b := &bind.Binder{Definition: true, Stmt: st}
	for i := range written {
		if e, err := b.Expr(written[i].expr, bind.ColumnsScope(s.Name, s.Columns)); err == nil {
			written[i].sql = e.String()
		}
	}
	var out []checkText
	taken := map[string]bool{}
	for _, c := range s.Checks {
		k := checkText{text: c.SQL}
		if i := slices.IndexFunc(written, func(w writtenCheck) bool { return w.sql == c.SQL }); i >= 0 { // shorter
			k.column = written[i].column
			if text, err := exprText(written[i].expr); err == nil {
				k.text = text
			}
		}
		k.text = "CHECK (" + k.text + ")"
		if c.Name != checkName(s.Name, k.column, c.Expr, s.Columns, taken) {
			k.text = "CONSTRAINT " + expr.QuoteIdent(c.Name) + " " + k.text
		}
		taken[c.Name] = true
		out = append(out, k)
	}
	return out, nil
}

type writtenCheck struct {
	column string
	expr   *pg.Node
	sql    string // as it is bound
}

// writtenChecks are the CHECKs of a CREATE SOURCE in the order in which they are bound.
func writtenChecks(elts []*pg.Node) (out []writtenCheck) {
	add := func(k *pg.Constraint, column string) {
		if k.GetContype() == pg.ConstrType_CONSTR_CHECK {
			out = append(out, writtenCheck{column: column, expr: k.RawExpr})
		}
	}
	for _, n := range elts {
		for _, k := range n.GetColumnDef().GetConstraints() {
			add(k.GetConstraint(), n.GetColumnDef().Colname)
		}
	}
	for _, n := range elts {
		if k := n.GetConstraint(); k != nil {
			add(k, "")
		}
	}
	return out
}

// checkName is the name that PostgreSQL gives a CHECK without one.
func checkName(source, column string, e fqgw.Expr, cols []fqgw.Column, taken map[string]bool) string {
	if column == "" {
		if read := expr.Columns(e); len(read) == 1 {
			column = cols[read[0]].Name
		}
	}
	base := source + "_check"
	if column != "" {
		base = source + "_" + column + "_check"
	}
	name := base
	for i := 1; taken[name]; i++ {
		name = fmt.Sprintf("%s%d", base, i)
	}
	return name
}

// exprText is an expression's tree as text.
func exprText(n *pg.Node) (string, error) {
	text, err := queryText(&pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: &pg.SelectStmt{
		TargetList:  []*pg.Node{{Node: &pg.Node_ResTarget{ResTarget: &pg.ResTarget{Val: n}}}},
		LimitOption: pg.LimitOption_LIMIT_OPTION_DEFAULT, Op: pg.SetOperation_SETOP_NONE}}})
	return strings.TrimPrefix(text, "SELECT "), err
}

// sourceOptionsOf are the options of a source: what it reads, said or not, and what is
// not as it would be without; others as they were written.
func sourceOptionsOf(s *fqgw.Source) (opts [][2]string) {
	known := map[string]bool{"known_time": true, "start": true, "history": true, "max_future": true, "key": true, "partitions": true,
		"time_unit": true}
	add := func(name, value string) {
		known[name] = true
		opts = append(opts, [2]string{name, value})
	}
	topic := s.Positions() == fqgw.TopicOffsets
	add("connector", s.Connector)
	if topic {
		add("topic", s.Topic)
	} else {
		what := foreignKinds[s.Connector].names
		add(what, s.Options[what])
	}
	if s.Format != "" {
		add("format", s.Format)
	}
	add("event_time", s.Columns[s.EventTime].Name)
	switch {
	case s.Known == fqgw.KnownByColumn:
		add("known_time", s.Columns[s.KnownColumn].Name)
	case s.Known == fqgw.KnownByEventTime && topic:
		add("known_time", "event_time")
	}
	if s.KeyColumn >= 0 {
		add("key", s.Columns[s.KeyColumn].Name)
	}
	if s.Partitions > 0 {
		add("partitions", strconv.Itoa(s.Partitions))
	}
	if topic && s.Start != "earliest" {
		add("start", s.Start)
	}
	if topic && s.MaxFuture != 300*second {
		add("max_future", spanText(s.MaxFuture))
	}
	if units := map[int64]string{1: "us", second: "s"}; units[s.TimeUnit] != "" {
		add("time_unit", units[s.TimeUnit])
	} else if s.TimeUnit == 1000 && topic && decode.Changes(s.Format) {
		add("time_unit", "ms")
	}
	if s.History != "" && s.History != s.Qualified().LakeTable() {
		add("history", s.History)
	}
	for _, c := range s.Columns {
		if known["field."+c.Name] = true; c.Field != "" && c.Field != c.Name {
			add("field."+c.Name, c.Field)
		}
	}
	if topic {
		for name, words := range decode.Options(s.Format) {
			if s.Options[name] == words[0] {
				known[name] = true // as it would be without
			}
		}
	}
	for _, name := range slices.SortedFunc(maps.Keys(s.Options), cmp.Compare) {
		if !known[name] {
			add(name, s.Options[name])
		}
	}
	return opts
}
