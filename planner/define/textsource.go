package define

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/parse"
	"github.com/fqgw/fqgw/stream/decode"
)

// sourceText is a source: its columns and options as they are, its CHECKs as they
// were written.
func sourceText(s *fqgw.Source) *Text {
	t := &Text{Kind: "source", Name: s.Qualified()}
	checks := checkTexts(s)
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
	return t
}

// checkText is a CHECK, and the column with which it stands; "" if with none.
type checkText struct{ column, text string }

// checkTexts are the CHECKs of a source in their order. The first ones stand with the
// columns that they are about, as long as that is the order in which they are read.
func checkTexts(s *fqgw.Source) []checkText {
	var out []checkText
	taken := map[string]bool{}
	column := 0 // that the one before stands with; past all of them when it stands with none
	for _, c := range s.Checks {
		k := checkText{text: "CHECK (" + cmp.Or(c.Text, c.SQL) + ")"}
		named := c.Name != checkName(s.Name, "", c.Expr, s.Columns, taken)
		if named {
			k.text = "CONSTRAINT " + expr.QuoteIdent(c.Name) + " " + k.text
		}
		if read := expr.Columns(c.Expr); len(read) == 1 && read[0] >= column && !named {
			column, k.column = read[0], s.Columns[read[0]].Name
		} else {
			column = len(s.Columns)
		}
		taken[c.Name] = true
		out = append(out, k)
	}
	return out
}

// checkRenamed is the text of an expression in which a column has another name; "" if
// there is none.
func checkRenamed(text, from, to string) string {
	n, err := parse.Expr(text)
	if err != nil {
		return ""
	}
	text, err = exprText(edited(n, func(x *pg.Node) *pg.Node {
		r := x.GetColumnRef()
		if r == nil || last(words(r.Fields)) != from {
			return nil
		}
		fields := append(slices.Clone(r.Fields[:len(r.Fields)-1]), pg.MakeStrNode(to))
		return &pg.Node{Node: &pg.Node_ColumnRef{ColumnRef: &pg.ColumnRef{Fields: fields, Location: r.Location}}}
	}))
	if err != nil {
		return ""
	}
	return text
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
	if n := s.Options["partitions"]; n != "" { // what was said: the topic's own are not its definition
		add("partitions", n)
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
