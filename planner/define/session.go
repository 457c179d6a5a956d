package define

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// session binds the statements that concern the session, those that are
// accepted without effect, and refuses the rest by name.
func (d *Definer) session(n *pg.Node) (plan.Statement, error) {
	switch x := n.Node.(type) {
	case *pg.Node_VariableSetStmt:
		return d.set(x.VariableSetStmt)
	case *pg.Node_VariableShowStmt:
		return &plan.Show{Name: x.VariableShowStmt.Name}, nil
	case *pg.Node_TransactionStmt:
		return d.transaction(x.TransactionStmt)
	case *pg.Node_PrepareStmt:
		return d.prepare(x.PrepareStmt)
	case *pg.Node_ExecuteStmt:
		st := &plan.Execute{Name: x.ExecuteStmt.Name}
		for _, p := range x.ExecuteStmt.Params {
			e, err := d.Binder.Expr(p, nil)
			if err != nil {
				return nil, err
			}
			st.Args = append(st.Args, e)
		}
		return st, nil
	case *pg.Node_DeallocateStmt:
		return &plan.Deallocate{Name: x.DeallocateStmt.Name}, nil
	case *pg.Node_DiscardStmt:
		return &plan.Discard{What: strings.TrimPrefix(x.DiscardStmt.Target.String(), "DISCARD_")}, nil
	case *pg.Node_ListenStmt:
		return &plan.NoOp{Tag: "LISTEN", Notice: "LISTEN has no effect: fqgw sends no notifications"}, nil
	case *pg.Node_UnlistenStmt:
		return &plan.NoOp{Tag: "UNLISTEN"}, nil
	case *pg.Node_NotifyStmt:
		return &plan.NoOp{Tag: "NOTIFY", Notice: "NOTIFY has no effect: fqgw sends no notifications"}, nil
	case *pg.Node_LockStmt:
		return &plan.NoOp{Tag: "LOCK TABLE", Notice: "LOCK has no effect: readers and writers never wait for each other"}, nil
	case *pg.Node_GrantStmt:
		if x.GrantStmt.IsGrant {
			return &plan.NoOp{Tag: "GRANT", Notice: "GRANT has no effect: there are no privileges"}, nil
		}
		return &plan.NoOp{Tag: "REVOKE", Notice: "REVOKE has no effect: there are no privileges"}, nil
	case *pg.Node_VacuumStmt:
		if x.VacuumStmt.IsVacuumcmd {
			return d.vacuum(x.VacuumStmt)
		}
		return d.analyze(x.VacuumStmt)
	case *pg.Node_IndexStmt:
		return d.index(x.IndexStmt)
	case *pg.Node_ReindexStmt:
		return &plan.NoOp{Tag: "REINDEX", Notice: "REINDEX has nothing to do: " + noIndexes}, nil
	case *pg.Node_ClusterStmt:
		return &plan.NoOp{Tag: "CLUSTER", Notice: "CLUSTER has nothing to do: " + noIndexes}, nil
	case *pg.Node_CreateStatsStmt:
		return &plan.NoOp{Tag: "CREATE STATISTICS", Notice: "CREATE STATISTICS has no effect: nothing is chosen by an estimate"}, nil
	case *pg.Node_CheckPointStmt:
		return &plan.NoOp{Tag: "CHECKPOINT", Notice: "CHECKPOINT has nothing to do: what is acknowledged is written"}, nil
	case *pg.Node_ConstraintsSetStmt:
		return &plan.NoOp{Tag: "SET CONSTRAINTS"}, nil
	case *pg.Node_ClosePortalStmt:
		if x.ClosePortalStmt.Portalname == "" { // ALL
			return &plan.NoOp{Tag: "CLOSE CURSOR ALL"}, nil
		}
		return nil, d.fail(-1, fqgw.CodeInvalidCursor, "cursor \"%s\" does not exist", x.ClosePortalStmt.Portalname)
	case *pg.Node_CreateSchemaStmt:
		if s := x.CreateSchemaStmt; s.IfNotExists && s.Schemaname == "public" && len(s.SchemaElts) == 0 {
			return &plan.NoOp{Tag: "CREATE SCHEMA", Notice: "schema \"public\" already exists, skipping"}, nil
		}
	}
	return nil, d.unsupported(-1, "%s", d.firstWords(n))
}

// firstWords names a statement by its own words: "CREATE INDEX".
func (d *Definer) firstWords(n *pg.Node) string {
	switch x := n.Node.(type) {
	case *pg.Node_RenameStmt:
		return "ALTER … RENAME"
	case *pg.Node_AlterObjectSchemaStmt:
		return "ALTER … SET SCHEMA"
	case *pg.Node_AlterOwnerStmt:
		return "ALTER … OWNER TO"
	case *pg.Node_DoStmt:
		return "DO"
	case *pg.Node_DeclareCursorStmt:
		return "DECLARE CURSOR"
	case *pg.Node_FetchStmt:
		if x.FetchStmt.Ismove {
			return "MOVE"
		}
		return "FETCH"
	}
	text := strings.TrimSpace(d.stmt.Text)
	for comment := true; comment; text = strings.TrimSpace(text) {
		if comment = strings.HasPrefix(text, "--"); comment {
			_, text, _ = strings.Cut(text, "\n")
		} else if comment = strings.HasPrefix(text, "/*"); comment {
			_, text, _ = strings.Cut(text, "*/")
		}
	}
	list := strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == '\n' || r == '\t' || r == '(' || r == '\r' })
	skip := map[string]bool{"OR": true, "REPLACE": true, "UNIQUE": true, "TEMP": true, "TEMPORARY": true, "UNLOGGED": true, "GLOBAL": true, "LOCAL": true}
	var out []string
	for _, w := range list {
		w = strings.ToUpper(w)
		if len(out) == 1 && skip[w] {
			continue
		}
		if out = append(out, w); len(out) == 2 {
			break
		}
	}
	if len(out) == 2 && out[0] != "CREATE" && out[0] != "ALTER" && out[0] != "DROP" {
		out = out[:1]
	}
	return strings.Join(out, " ")
}

// prepare is PREPARE: its statement is bound when the session runs it.
func (d *Definer) prepare(n *pg.PrepareStmt) (plan.Statement, error) {
	st := &plan.Prepare{Name: n.Name, Text: d.stmt.Body()}
	for _, t := range n.Argtypes {
		if words(t.GetTypeName().GetNames())[0] == "unknown" {
			st.Types = append(st.Types, fqgw.Unknown)
			continue
		}
		typ, err := d.Binder.TypeName(t.GetTypeName())
		if err != nil {
			return nil, d.at(err, t.GetTypeName().Location)
		}
		st.Types = append(st.Types, typ)
	}
	return st, nil
}

// explain is EXPLAIN with its options.
// noIndexes is why statements about indexes do nothing.
const noIndexes = "there are no indexes; feature views are read by key, tables by scans"

// index checks that what CREATE INDEX names is there. A unique one would be a
// promise that nobody keeps.
func (d *Definer) index(n *pg.IndexStmt) (plan.Statement, error) {
	if n.Unique {
		return nil, d.unsupported(n.Relation.Location, "a unique index").WithHint("Tables have no keys. Find what is there twice with GROUP BY … HAVING count(*) > 1.")
	}
	from := []*pg.Node{{Node: &pg.Node_RangeVar{RangeVar: n.Relation}}}
	sel := &pg.SelectStmt{FromClause: from, WhereClause: n.WhereClause, LimitOption: pg.LimitOption_LIMIT_OPTION_DEFAULT, Op: pg.SetOperation_SETOP_NONE}
	for _, p := range slices.Concat(n.IndexParams, n.IndexIncludingParams) {
		elem := p.GetIndexElem()
		value := elem.Expr
		if value == nil {
			ref := &pg.ColumnRef{Fields: []*pg.Node{pg.MakeStrNode(elem.Name)}, Location: -1}
			value = &pg.Node{Node: &pg.Node_ColumnRef{ColumnRef: ref}}
		}
		sel.TargetList = append(sel.TargetList, &pg.Node{Node: &pg.Node_ResTarget{ResTarget: &pg.ResTarget{Val: value}}})
	}
	if _, err := d.query(sel); err != nil {
		return nil, err
	}
	return &plan.NoOp{Tag: "CREATE INDEX", Notice: "CREATE INDEX has no effect: " + noIndexes}, nil
}

func (d *Definer) explain(n *pg.ExplainStmt) (plan.Statement, error) {
	st := &plan.Explain{Format: "text"}
	opts, err := d.optionList(n.Options)
	if err != nil {
		return nil, err
	}
	for _, o := range opts {
		switch o.name {
		case "analyze":
			if st.Analyze, err = d.boolOption(o); err != nil {
				return nil, err
			}
		case "format":
			switch st.Format = strings.ToLower(o.value); st.Format {
			case "text", "json":
			case "xml", "yaml":
				return nil, d.unsupported(o.loc, "EXPLAIN format %s", st.Format).WithHint("Write FORMAT json.")
			default:
				return nil, d.fail(o.loc, fqgw.CodeInvalidParameter, "unrecognized value for EXPLAIN option \"format\": \"%s\"", o.value)
			}
		case "verbose", "costs", "settings", "buffers", "wal", "timing", "summary", "generic_plan", "memory":
			if _, err = d.boolOption(o); err != nil {
				return nil, err
			}
		case "serialize":
		default:
			return nil, d.fail(o.loc, fqgw.CodeSyntax, "unrecognized EXPLAIN option \"%s\"", o.name)
		}
	}
	d.Binder.Routed = func(view string, service bool) {
		how := view + ": plain SQL"
		if service {
			how = view + ": feature service"
		}
		if !slices.Contains(st.Views, how) {
			st.Views = append(st.Views, how)
		}
	}
	st.Statement, err = d.bind(n.Query)
	return st, err
}

// set is SET and RESET in all forms. A value is rendered as SHOW prints it.
func (d *Definer) set(n *pg.VariableSetStmt) (plan.Statement, error) {
	st := &plan.Set{Name: strings.ToLower(n.Name), Local: n.IsLocal}
	switch n.Kind {
	case pg.VariableSetKind_VAR_RESET_ALL:
		st.All, st.Reset = true, true
	case pg.VariableSetKind_VAR_RESET:
		st.Default, st.Reset = true, true
	case pg.VariableSetKind_VAR_SET_DEFAULT:
		st.Default = true
	case pg.VariableSetKind_VAR_SET_MULTI:
		return d.setTransaction(n)
	case pg.VariableSetKind_VAR_SET_CURRENT:
		return nil, d.unsupported(-1, "SET … FROM CURRENT")
	default:
		var values []string
		for _, a := range n.Args {
			v, err := d.setValue(a, st.Name)
			if err != nil {
				return nil, err
			}
			values = append(values, v)
		}
		if len(values) > 1 && !slices.Contains(listSettings, st.Name) {
			return nil, d.fail(-1, fqgw.CodeInvalidParameter, "SET %s takes only one argument", st.Name)
		}
		st.Value = strings.Join(values, ", ")
	}
	return st, nil
}

// listSettings are those that take a list, of identifiers but for datestyle.
var listSettings = []string{"datestyle", "search_path", "temp_tablespaces", "local_preload_libraries"}

func (d *Definer) setValue(n *pg.Node, name string) (string, error) {
	if c := n.GetTypeCast(); c != nil { // SET TIME ZONE INTERVAL '+02:00' HOUR TO MINUTE
		t := fqgw.Interval
		if mods := c.TypeName.GetTypmods(); len(mods) > 0 {
			t.Mod = mods[0].GetAConst().GetIval().GetIval()<<16 | 0xffff
		}
		v, err := expr.Parse(optionValue(c.Arg), t, nil)
		if err != nil {
			return "", d.at(err, leftmost(n))
		}
		return "INTERVAL '" + expr.Text(v, t, nil) + "'", nil
	}
	v := optionValue(n)
	if slices.Contains(listSettings, name) && name != "datestyle" && n.GetAConst().GetSval() != nil {
		v = expr.QuoteIdent(v)
	}
	return v, nil
}
