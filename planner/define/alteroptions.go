package define

import (
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/stream/decode"
)

// fixedOptions are the options of a source that stay as long as it, each with what to do
// instead of changing it.
var fixedOptions = map[string]string{
	"connector":  "CREATE another SOURCE.",
	"topic":      "CREATE another SOURCE over the other topic.",
	"format":     "CREATE another SOURCE over the same topic, with another history.",
	"event_time": "CREATE another SOURCE over the same topic, with another history: the rows of this one have their event times.",
	"known_time": "CREATE another SOURCE over the same topic, with another history: the rows of this one have their known times.",
	"history":    "CREATE another SOURCE over the same topic, with that history.",
	"start":      "CREATE another SOURCE over the same topic, with another history: this one has begun.",
	"key":        "CREATE another SOURCE over the same topic, with another history.",
	"partitions": "Add partitions to the topic itself: they are taken up.",
	"schema":     "CREATE another SOURCE over the same topic, with another history.",
	"message":    "CREATE another SOURCE over the same topic, with another history.",
}

// set is SET (option = value, …) of a source.
func (a *altering) set(list []*pg.Node) error {
	return a.each(list, func(s *fqgw.Source, o option) error {
		s.Options[o.name] = o.value
		return a.d.sourceOption(s, o)
	})
}

// each changes the source by options, one after the other, that can be changed.
func (a *altering) each(list []*pg.Node, change func(*fqgw.Source, option) error) error {
	opts, err := a.d.optionList(list)
	if err != nil {
		return err
	}
	for _, o := range opts {
		if err := a.changeable(o); err != nil {
			return err
		}
		if err := change(a.source, o); err != nil {
			return err
		}
	}
	return nil
}

// changeable is nil for an option that can be changed, or that there is not.
func (a *altering) changeable(o option) error {
	instead, fixed := fixedOptions[o.name]
	if !fixed {
		return nil
	}
	return a.d.unsupported(o.loc, "changing parameter \"%s\" of source \"%s\"", o.name, a.name).WithHint("%s", instead)
}

// reset is RESET (option, …): the option is as if it had not been written.
func (a *altering) reset(list []*pg.Node) error {
	return a.each(list, func(s *fqgw.Source, o option) error {
		delete(s.Options, o.name)
		column, isField := strings.CutPrefix(o.name, "field.")
		_, own := decode.Options(s.Format)[o.name]
		switch {
		case isField:
			i, err := a.d.optionColumn(s, o, column)
			if err != nil {
				return err
			}
			s.Columns[i].Field = ""
		case o.name == "max_future":
			s.MaxFuture = defaultMaxFuture
		case o.name == "time_unit":
			s.TimeUnit = defaultTimeUnit(s.Format)
		case !own:
			return a.d.unknownOption(o, append(slices.Clone(sourceOptions), names(decode.Options(s.Format))...)...)
		}
		return nil
	})
}

const defaultMaxFuture = 300 * second

// defaultTimeUnit is what a number that is a time counts, microseconds; 0: what the
// columns' types say.
func defaultTimeUnit(format string) int64 {
	if decode.Changes(format) {
		return 0
	}
	return 1000
}

// dependsOn refuses what feature views depend on: that a column goes or becomes another's
// type which they read.
func (d *Definer) dependsOn(cat *fqgw.Catalog, old, next *fqgw.Source, places []int, loc int32) error {
	for i, c := range old.Columns {
		at := slices.Index(places, i)
		if at >= 0 && next.Columns[at].Type == c.Type {
			continue
		}
		var by []string
		for _, v := range cat.FeaturesOf(old) {
			if slices.Contains(readBy(v), i) {
				by = append(by, "feature view "+v.Qualified().String()+" depends on column "+c.Name)
			}
		}
		switch {
		case len(by) == 0:
		case at < 0:
			return d.fail(loc, "2BP01", "cannot drop column %s of source %s because other objects depend on it", c.Name, old.Name).
				WithDetail("%s", strings.Join(by, "\n")).WithHint("DROP them first.")
		default:
			return d.unsupported(loc, "changing the type of a column that a feature view reads").WithDetail("%s", strings.Join(by, "\n")).
				WithHint("DROP them first, and CREATE them again with the wider column.")
		}
	}
	return nil
}

// readBy are the columns of its source that a feature view reads.
func readBy(v *fqgw.FeatureView) (out []int) {
	read := func(list ...fqgw.Expr) {
		for _, e := range list {
			out = append(out, expr.Columns(e)...)
		}
	}
	for _, k := range v.Keys {
		out = append(out, k.Column)
	}
	read(v.Where)
	read(v.Row...)
	for _, a := range v.Aggregates {
		read(a.Args...)
		read(a.Filter)
	}
	return out
}
