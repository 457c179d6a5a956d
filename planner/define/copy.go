package define

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// copy is COPY … FROM STDIN, COPY … TO STDOUT and COPY … TO 'file'.
func (d *Definer) copy(n *pg.CopyStmt) (plan.Statement, error) {
	loc := int32(-1)
	if n.Relation != nil {
		loc = n.Relation.Location
	}
	if n.IsProgram {
		return nil, d.unsupported(loc, "COPY with PROGRAM")
	}
	format, err := d.copyFormat(n)
	if err != nil {
		return nil, err
	}
	if n.IsFrom {
		return d.copyFrom(n, format)
	}
	if format.Name == "parquet" && n.Filename == "" {
		return nil, d.fail(loc, fqgw.CodeFeatureNotSupported, "Parquet goes to a file, not to STDOUT").WithHint("Write COPY … TO 'name.parquet' (FORMAT parquet).")
	}
	query := n.Query
	if query == nil {
		query = d.wholeRelation(n)
	}
	if sel := query.GetSelectStmt(); sel == nil {
		return nil, d.unsupported(loc, "COPY of a statement other than a query")
	} else if sel.IntoClause != nil {
		return nil, d.unsupported(loc, "COPY (SELECT INTO)")
	}
	root, kept, err := d.kept(query)
	if err != nil {
		return nil, err
	}
	if q := format.ForceQuote; len(q) > 0 && q[0] != "*" {
		for _, name := range q {
			found := false
			for _, c := range root.Columns() {
				found = found || c.Name == name
			}
			if !found {
				return nil, d.fail(loc, fqgw.CodeUndefinedColumn, "column \"%s\" does not exist", name)
			}
		}
	}
	st := &plan.CopyTo{Query: root, Path: n.Filename, Format: format, Kept: kept}
	names := make([]string, len(root.Columns()))
	for i, c := range root.Columns() {
		names[i] = c.Name
	}
	st.Layout, err = d.layout(n.Options, names)
	return st, err
}

// kept binds a query whose rows are kept.
func (d *Definer) kept(query *pg.Node) (root plan.Node, k plan.Kept, err error) {
	if d.Binder.Stmt != nil {
		k.SQL = d.Binder.Stmt.Text
	}
	told := d.Binder.Used
	d.Binder.Used = func(relation any) {
		k.Used = append(k.Used, relation)
		if told != nil {
			told(relation)
		}
	}
	root, err = d.Binder.Query(query)
	d.Binder.Used = told
	return root, k, err
}

func (d *Definer) copyFrom(n *pg.CopyStmt, format plan.CopyFormat) (plan.Statement, error) {
	r := n.Relation
	switch {
	case n.Filename != "":
		return nil, d.unsupported(r.Location, "COPY FROM a file of the server").WithHint("Write COPY … FROM STDIN; psql's \\copy sends a file of yours.")
	case n.WhereClause != nil:
		return nil, d.unsupported(leftmost(n.WhereClause), "COPY FROM with WHERE")
	case format.Name == "parquet":
		return nil, d.unsupported(r.Location, "COPY FROM Parquet")
	case len(format.ForceQuote) > 0:
		return nil, d.fail(r.Location, fqgw.CodeFeatureNotSupported, "COPY force quote only available using COPY TO")
	}
	st := &plan.CopyFrom{Format: format}
	cols, err := d.target(r, &st.Source, &st.Table, "COPY")
	if err != nil {
		return nil, err
	}
	st.Fields = all(len(cols))
	if list := words(n.Attlist); len(list) > 0 {
		locs := make([]int32, len(list))
		for i := range locs {
			locs[i] = r.Location
		}
		st.Fields, err = d.fields(r, st.Source != nil, cols, list, locs)
	}
	return st, err
}

// wholeRelation is the query of COPY t (a, b) TO.
func (d *Definer) wholeRelation(n *pg.CopyStmt) *pg.Node {
	sel := &pg.SelectStmt{FromClause: []*pg.Node{{Node: &pg.Node_RangeVar{RangeVar: n.Relation}}},
		LimitOption: pg.LimitOption_LIMIT_OPTION_DEFAULT, Op: pg.SetOperation_SETOP_NONE}
	column := func(ref *pg.Node) {
		sel.TargetList = append(sel.TargetList, &pg.Node{Node: &pg.Node_ResTarget{ResTarget: &pg.ResTarget{Val: ref, Location: n.Relation.Location}}})
	}
	for _, name := range words(n.Attlist) {
		column(columnRef(name, n.Relation.Location))
	}
	if len(sel.TargetList) == 0 {
		column(&pg.Node{Node: &pg.Node_ColumnRef{ColumnRef: &pg.ColumnRef{
			Fields: []*pg.Node{{Node: &pg.Node_AStar{AStar: &pg.A_Star{}}}}, Location: n.Relation.Location}}})
	}
	return &pg.Node{Node: &pg.Node_SelectStmt{SelectStmt: sel}}
}

var copyOptions = []string{"format", "header", "delimiter", "null", "quote", "escape", "force_quote", "encoding", "freeze", optPartition, optFileBytes,
	optCompression}

// copyFormat reads the options in the old and the new style, which the parser
// makes one, and gives PostgreSQL's defaults to the rest. TO a name that ends in .parquet
// is Parquet unless another is asked for.
func (d *Definer) copyFormat(n *pg.CopyStmt) (plan.CopyFormat, error) {
	f := plan.CopyFormat{Name: "text"}
	if !n.IsFrom && strings.HasSuffix(strings.ToLower(n.Filename), ".parquet") {
		f.Name = "parquet" // a file of the gateway's has no other format
	}
	opts, err := d.optionList(n.Options)
	if err != nil {
		return f, err
	}
	given := map[string]option{}
	for _, o := range opts {
		given[o.name] = o
		switch o.name {
		case "format":
			f.Name = strings.ToLower(o.value)
			switch f.Name {
			case "text", "csv", "binary", "parquet":
			default:
				return f, d.fail(o.loc, fqgw.CodeInvalidParameter, "COPY format \"%s\" not recognized", o.value)
			}
		case "header":
			switch strings.ToLower(o.value) {
			case "match":
				if !n.IsFrom {
					return f, d.fail(o.loc, fqgw.CodeFeatureNotSupported, "cannot use \"match\" with HEADER in COPY TO")
				}
				return f, d.unsupported(o.loc, "HEADER match")
			}
			if f.Header, err = d.boolOption(o); err != nil {
				return f, d.fail(o.loc, fqgw.CodeInvalidParameter, "header requires a Boolean value or \"match\"")
			}
		case "delimiter", "null", "quote", "escape":
		case optPartition, optFileBytes, optCompression:
		case "force_quote":
			if f.ForceQuote = words(o.arg.GetList().GetItems()); o.arg.GetAStar() != nil {
				f.ForceQuote = []string{"*"}
			}
		case "encoding":
			if e := strings.ToLower(strings.ReplaceAll(o.value, "-", "")); e != "utf8" && e != "unicode" {
				return f, d.unsupported(o.loc, "encoding \"%s\"", o.value).WithHint("fqgw speaks UTF8.")
			}
		case "freeze":
			if _, err := d.boolOption(o); err != nil {
				return f, err
			}
		case "force_not_null", "force_null", "default", "on_error", "log_verbosity", "reject_limit", "oids":
			return f, d.unsupported(o.loc, "COPY option \"%s\"", o.name)
		default:
			e := d.fail(o.loc, fqgw.CodeSyntax, "option \"%s\" not recognized", o.name)
			if near := fqgw.Nearest(o.name, copyOptions); near != "" {
				e = e.WithHint("Perhaps you meant \"%s\".", near)
			}
			return f, e
		}
	}
	return f, d.copyCharacters(&f, given)
}

// copyCharacters checks the characters of a format as PostgreSQL does.
func (d *Definer) copyCharacters(f *plan.CopyFormat, given map[string]option) error {
	csv := f.Name == "csv"
	bad := func(name string, format string, args ...any) error {
		return d.fail(given[name].loc, fqgw.CodeFeatureNotSupported, format, args...)
	}
	has := func(name string) bool { _, ok := given[name]; return ok }
	for _, name := range []string{optPartition, optFileBytes, optCompression} {
		if has(name) && f.Name != "parquet" {
			return bad(name, "COPY %s available only for Parquet files", name)
		}
	}
	if f.Name == "binary" || f.Name == "parquet" {
		for _, name := range []string{"delimiter", "null", "header"} {
			if has(name) {
				return d.fail(given[name].loc, fqgw.CodeSyntax, "cannot specify %s in %s mode", strings.ToUpper(name), strings.ToUpper(f.Name))
			}
		}
	}
	for _, name := range []string{"quote", "escape", "force_quote"} {
		if has(name) && !csv {
			return bad(name, "COPY %s available only in CSV mode", strings.ReplaceAll(name, "_", " "))
		}
	}
	if f.Delimiter, f.Null = '\t', `\N`; csv {
		f.Delimiter, f.Null, f.Quote = ',', "", '"'
	}
	for name, to := range map[string]*byte{"delimiter": &f.Delimiter, "quote": &f.Quote, "escape": &f.Escape} {
		o, ok := given[name]
		switch {
		case !ok:
		case len(o.value) != 1:
			return bad(name, "COPY %s must be a single one-byte character", name)
		default:
			*to = o.value[0]
		}
	}
	if has("null") {
		f.Null = given["null"].value
	}
	if csv && !has("escape") {
		f.Escape = f.Quote
	}
	switch delim := string(f.Delimiter); {
	case f.Name == "binary" || f.Name == "parquet":
		*f = plan.CopyFormat{Name: f.Name}
	case delim == "\n" || delim == "\r":
		return d.fail(given["delimiter"].loc, fqgw.CodeInvalidParameter, "COPY delimiter cannot be newline or carriage return")
	case strings.ContainsAny(f.Null, "\r\n"):
		return d.fail(given["null"].loc, fqgw.CodeInvalidParameter, "COPY null representation cannot use newline or carriage return")
	case !csv && strings.Contains("\\.abcdefghijklmnopqrstuvwxyz0123456789", delim):
		return d.fail(given["delimiter"].loc, fqgw.CodeInvalidParameter, "COPY delimiter cannot be \"%s\"", delim)
	case csv && f.Delimiter == f.Quote:
		return d.fail(given["delimiter"].loc, fqgw.CodeInvalidParameter, "COPY delimiter and quote must be different")
	case strings.Contains(f.Null, delim):
		return d.fail(given["null"].loc, fqgw.CodeInvalidParameter, "COPY delimiter character must not appear in the NULL specification")
	case csv && f.Null != "" && strings.Contains(f.Null, string(f.Quote)):
		return d.fail(given["null"].loc, fqgw.CodeInvalidParameter, "CSV quote character must not appear in the NULL specification")
	}
	return nil
}
