package define

import (
	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/bind"
)

// derivedText is a derived source: its query as it was written, its options as they are.
func derivedText(cat *fqgw.Catalog, s *fqgw.Source) (*Text, error) {
	t := &Text{Kind: "source", Name: s.Qualified(), Path: s.Derived.Path}
	st, err := statementOf(s.SQL)
	if err != nil {
		return nil, err
	}
	n := st.Node.GetCreateTableAsStmt()
	if n == nil {
		return nil, fqgw.Errorf(fqgw.CodeDataCorrupted, "the text of source \"%s\" makes something else", t.Name)
	}
	if t.Create, err = derivedSQL(s, words(n.Into.ColNames), n.Query); err != nil {
		return nil, err
	}
	t.Reads = reads(cat, n.Query, s.Derived.Path)
	t.comment("SOURCE "+relation(t.Name), s.Comment)
	t.columnComments(s.Columns)
	return t, nil
}

// derivedSQL is the statement that makes a derived source.
func derivedSQL(s *fqgw.Source, names []string, query *pg.Node) (string, error) {
	body, err := queryText(query)
	return "CREATE SOURCE " + relation(s.Qualified()) + columnList(names) + withText(derivedOptions(s)) + " AS\n" + body, err
}

// derivedOptions are the options of a derived source that are not what they would be
// without.
func derivedOptions(s *fqgw.Source) (opts [][2]string) {
	add := func(name, value string) { opts = append(opts, [2]string{name, value}) }
	if s.Topic != s.Qualified().Dotted() {
		add("topic", s.Topic)
	}
	if _, ok := s.Options["event_time"]; ok {
		add("event_time", s.Columns[s.EventTime].Name)
	}
	if _, ok := s.Options["key"]; ok {
		add("key", s.Columns[s.KeyColumn].Name)
	}
	if s.MaxFuture != s.Derived.Origin.MaxFuture {
		add("max_future", spanText(s.MaxFuture))
	}
	if s.History != s.Qualified().LakeTable() {
		add("history", s.History)
	}
	return opts
}

// withoutStars is a SELECT with the columns that there are now in the place of each *: a
// source has the columns with which it was made. b binds it.
func withoutStars(b bind.Binder, sel *pg.SelectStmt) (*pg.SelectStmt, error) {
	out := edited(&pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: sel}}, func(*pg.Node) *pg.Node { return nil }).GetSelectStmt()
	list := out.TargetList
	out.TargetList = nil
	for _, n := range list {
		ref := n.GetResTarget().GetVal().GetColumnRef()
		if ref == nil || ref.Fields[len(ref.Fields)-1].GetAStar() == nil {
			out.TargetList = append(out.TargetList, n)
			continue
		}
		of := ref.Fields[:len(ref.Fields)-1]
		binder := b
		root, err := binder.Query(&pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: &pg.SelectStmt{TargetList: []*pg.Node{n}, FromClause: sel.FromClause,
			LimitOption: pg.LimitOption_LIMIT_OPTION_DEFAULT, Op: pg.SetOperation_SETOP_NONE}}})
		if err != nil {
			return nil, err
		}
		for _, c := range root.Columns() {
			fields := append(of[:len(of):len(of)], &pg.Node{Node: &pg.Node_String_{String_: &pg.String{Sval: c.Name}}})
			out.TargetList = append(out.TargetList, &pg.Node{Node: &pg.Node_ResTarget{ResTarget: &pg.ResTarget{Location: ref.Location,
				Val: &pg.Node{Node: &pg.Node_ColumnRef{ColumnRef: &pg.ColumnRef{Fields: fields, Location: ref.Location}}}}}})
		}
	}
	return out, nil
}
