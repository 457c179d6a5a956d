package define

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// option is one element of a WITH list or of a list of COPY or EXPLAIN options.
type option struct {
	name  string // "hop.last_1d"
	value string // "true" when there was none
	bare  bool   // no value was written
	arg   *pg.Node
	loc   int32
}

// optionList reads DefElems; 42601 when a name comes twice.
func (d *Definer) optionList(list []*pg.Node) ([]option, error) {
	var out []option
	for _, n := range list {
		e := n.GetDefElem()
		o := option{name: strings.ToLower(e.Defname), arg: e.Arg, loc: e.Location}
		if of, name, ok := strings.Cut(e.Defname, "."); ok { // "field.userId" in one pair of quotes
			o.name = strings.ToLower(of) + "." + name
		}
		if e.Defnamespace != "" {
			o.name = e.Defnamespace + "." + e.Defname
		}
		if slices.ContainsFunc(out, func(p option) bool { return p.name == o.name }) {
			return nil, d.fail(o.loc, fqgw.CodeSyntax, "parameter \"%s\" specified more than once", o.name)
		}
		o.value, o.bare = optionValue(e.Arg), e.Arg == nil
		out = append(out, o)
	}
	return out, nil
}

// optionValue is the text of an option's value, which may be a string, a
// number or a bare word.
func optionValue(n *pg.Node) string {
	switch x := n.GetNode().(type) {
	case nil:
		return "true"
	case *pg.Node_String_:
		return x.String_.Sval
	case *pg.Node_Integer:
		return strconv.Itoa(int(x.Integer.Ival))
	case *pg.Node_Float:
		return x.Float.Fval
	case *pg.Node_Boolean:
		return strconv.FormatBool(x.Boolean.Boolval)
	case *pg.Node_TypeName:
		list := words(x.TypeName.Names)
		if len(list) > 1 && list[0] == "pg_catalog" { // a word that is also a type of the grammar
			list = list[1:]
		}
		return strings.Join(list, ".")
	case *pg.Node_AConst:
		switch {
		case x.AConst.GetSval() != nil:
			return x.AConst.GetSval().Sval
		case x.AConst.GetIval() != nil:
			return strconv.Itoa(int(x.AConst.GetIval().Ival))
		case x.AConst.GetFval() != nil:
			return x.AConst.GetFval().Fval
		case x.AConst.GetBoolval() != nil:
			return strconv.FormatBool(x.AConst.GetBoolval().Boolval)
		case !x.AConst.Isnull:
			return "0" // the Ival message of zero is empty
		}
	case *pg.Node_AStar:
		return "*"
	}
	return ""
}

// unknownOption is 22023 with the nearest name.
func (d *Definer) unknownOption(o option, known ...string) *fqgw.Error {
	e := d.fail(o.loc, fqgw.CodeInvalidParameter, "unrecognized parameter \"%s\"", o.name)
	if near := fqgw.Nearest(o.name, known); near != "" {
		return e.WithHint("Perhaps you meant \"%s\".", near)
	}
	return e.WithHint("The parameters are %s.", strings.Join(known, ", "))
}

func (d *Definer) badOption(o option, format string, args ...any) *fqgw.Error {
	return d.fail(o.loc, fqgw.CodeInvalidParameter, "invalid value for parameter \"%s\": \"%s\"", o.name, o.value).WithDetail(format, args...)
}

func (d *Definer) boolOption(o option) (bool, error) {
	switch strings.ToLower(o.value) {
	case "true", "on", "yes", "1", "t", "y":
		return true, nil
	case "false", "off", "no", "0", "f", "n":
		return false, nil
	}
	return false, d.badOption(o, "It is a Boolean: true or false.")
}

// lengthOption is an option that is a span of time, in microseconds.
func (d *Definer) lengthOption(o option) (int64, error) {
	v, err := expr.Parse(o.value, fqgw.Interval, nil)
	if err != nil {
		return 0, d.badOption(o, "It is an interval, such as '5 minutes'.")
	}
	us, why := micros(v.Span())
	if why != "" {
		return 0, d.badOption(o, "%s", why)
	}
	return us, nil
}

// micros is the length of an interval of days and shorter units; else why not.
func micros(s fqgw.Span) (us int64, why string) {
	const day, most = 86_400_000_000, 100_000_000
	switch {
	case s.Months != 0:
		return 0, "Months and years have no fixed length: write days."
	case s.Days > most || s.Days < -most || s.Micros > most*day || s.Micros < -most*day:
		return 0, "The interval is too long."
	}
	return int64(s.Days)*day + s.Micros, ""
}

// written keeps options as they were written.
func written(list []option) map[string]string {
	out := map[string]string{}
	for _, o := range list {
		out[o.name] = o.value
	}
	return out
}

func names[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
