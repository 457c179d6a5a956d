package define

import (
	"reflect"

	"github.com/fqgw/fqgw/planner/bind"
	pg "github.com/pganalyze/pg_query_go/v6"
)

// edited is a deep copy of a tree in which f may replace nodes: where it
// returns a node, that stands for the original and is not looked into. The
// original stays as it is, for it may be bound again under another catalog.
func edited(n *pg.Node, f func(*pg.Node) *pg.Node) *pg.Node {
	return edit(reflect.ValueOf(n), f).Interface().(*pg.Node)
}

// visit calls f for a node and all below it; where f returns false it does not
// go deeper.
func visit(n *pg.Node, f func(*pg.Node) bool) {
	edited(n, func(n *pg.Node) *pg.Node {
		if f(n) {
			return nil
		}
		return n
	})
}

func edit(v reflect.Value, f func(*pg.Node) *pg.Node) reflect.Value {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return v
		}
		if n, ok := v.Interface().(*pg.Node); ok {
			if r := f(n); r != nil {
				return reflect.ValueOf(r)
			}
		}
		out := reflect.New(v.Type().Elem())
		for i := range v.Elem().NumField() {
			if v.Elem().Type().Field(i).IsExported() {
				out.Elem().Field(i).Set(edit(v.Elem().Field(i), f))
			}
		}
		return out
	case reflect.Interface:
		if v.IsNil() {
			return v
		}
		return edit(v.Elem(), f)
	case reflect.Slice:
		if v.IsNil() || v.Type().Elem().Kind() == reflect.Uint8 {
			return v
		}
		out := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		for i := range v.Len() {
			out.Index(i).Set(edit(v.Index(i), f))
		}
		return out
	}
	return v
}

// leftmost is the first location in an expression, -1 when there is none.
func leftmost(n *pg.Node) int32 {
	least := int32(-1)
	visit(n, func(n *pg.Node) bool {
		if l := location(n); l >= 0 && (least < 0 || l < least) {
			least = l
		}
		return true
	})
	return least
}

// location is the node's own location, -1 when it has none.
func location(n *pg.Node) int32 {
	v := reflect.ValueOf(n.Node)
	if !v.IsValid() || v.IsNil() {
		return -1
	}
	if l := v.Elem().Field(0).Elem().FieldByName("Location"); l.IsValid() {
		return int32(l.Int())
	}
	return -1
}

// words are the strings of a list of names.
func words(list []*pg.Node) []string {
	out := make([]string, 0, len(list))
	for _, n := range list {
		if s := n.GetString_(); s != nil {
			out = append(out, s.Sval)
		}
	}
	return out
}

func last(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[len(list)-1]
}

// columnRef is a reference to a column by its bare name.
func columnRef(name string, loc int32) *pg.Node {
	return &pg.Node{Node: &pg.Node_ColumnRef{ColumnRef: &pg.ColumnRef{
		Fields: []*pg.Node{pg.MakeStrNode(name)}, Location: loc}}}
}

// outputName is the name of a column of a SELECT list by PostgreSQL's rules.
func outputName(t *pg.ResTarget) string {
	if t.Name != "" {
		return t.Name
	}
	return bind.ColumnName(t.Val)
}
