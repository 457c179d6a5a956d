package define

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/stream/decode"
)

// primaryKey takes the PRIMARY KEY of a source, of one column where it stands with it:
// the source is a changelog (SEMANTICS §8).
func (d *Definer) primaryKey(s *fqgw.Source, k *pg.Constraint, column string) error {
	if s.Positions() != fqgw.TopicOffsets || !decode.Changes(s.Format) {
		e := d.unsupported(k.Location, "PRIMARY KEY on a source whose records are rows").
			WithDetail("A source with a primary key is a changelog: its records say which row they change or take away.")
		const latest = "CREATE FEATURE VIEW … AS SELECT DISTINCT ON (key) …"
		changelogs := slices.DeleteFunc(decode.Formats(), func(f string) bool { return !decode.Changes(f) })
		if len(changelogs) == 0 || s.Positions() != fqgw.TopicOffsets {
			return e.WithHint("For the latest row of a key write %s.", latest)
		}
		return e.WithHint("Write format = '%s', or for the latest row of a key %s.", strings.Join(changelogs, "' or '"), latest)
	}
	return d.keyColumns(s, k, column)
}

// keyColumns takes the columns of a PRIMARY KEY.
func (d *Definer) keyColumns(s *fqgw.Source, k *pg.Constraint, column string) error {
	if s.Changelog() {
		return d.fail(k.Location, "42P16", "multiple primary keys for source \"%s\" are not allowed", s.Name)
	}
	names := words(k.Keys)
	if column != "" {
		names = []string{column}
	}
	for _, name := range names {
		i := s.ColumnIndex(name)
		if i < 0 {
			return d.fail(k.Location, fqgw.CodeUndefinedColumn, "column \"%s\" named in key does not exist", name)
		}
		if slices.Contains(s.PrimaryKey, i) {
			return d.fail(k.Location, "42701", "column \"%s\" appears twice in primary key constraint", name)
		}
		if t := s.Columns[i].Type; !fqgw.KeyTypeOK(t) {
			return d.unsupported(k.Location, "column \"%s\" of type %s in a primary key", name, t).
				WithHint("Keys are boolean, smallint, integer, bigint, text, uuid, bytea, date or timestamp: a field that is another number can be read as bigint or text.")
		}
		s.PrimaryKey = append(s.PrimaryKey, i)
		s.Columns[i].NotNull = true
	}
	return nil
}

// rowsOfTable checks that the keys of a latest-row view over a changelog are its primary
// key: a row is told by it alone, and its columns may change (SEMANTICS §8).
func (f *definition) rowsOfTable() error {
	src := f.view.Source
	same := len(f.view.Keys) == len(src.PrimaryKey)
	var names []string
	for _, c := range src.PrimaryKey {
		same = same && f.key(c) >= 0
		names = append(names, expr.QuoteIdent(src.Columns[c].Name))
	}
	if same {
		return nil
	}
	all := strings.Join(names, ", ")
	return f.invalid(leftmost(f.sel.DistinctClause[0]), "the keys of a DISTINCT ON view over changelog \"%s\" are not its primary key", src.Name).
		WithDetail("At each time a changelog is a table with one row for each (%s).", all).
		WithHint("Write SELECT DISTINCT ON (%s) … ORDER BY %s, %s DESC.", all, all, expr.QuoteIdent(src.Columns[src.EventTime].Name))
}
