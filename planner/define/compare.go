package define

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// Compare says what is different between two definitions of a feature view, and
// whether the states of the older one are the newer one's too: a state version is
// source, WHERE, keys, windows and aggregates, or the latest row and its age
// (SEMANTICS §4.2). The order in which a SELECT list names aggregates is none of it,
// nor what windows are called. Versions, names and comments are not compared.
func Compare(old, next *fqgw.FeatureView) (fqgw.Difference, error) {
	var d fqgw.Difference
	c := comparison{old: old, next: next, d: &d}
	order, arranged := c.order()
	if arranged {
		is := *next
		c.fail(arrange(&is, order))
		if d.Same = c.form(old) == c.form(&is); d.Same {
			d.Order = order
			return d, c.err
		}
	} else {
		c.states()
	}
	if old.Offline && !next.Offline {
		c.rebuild("it is kept online from now on")
	}
	if !d.Rebuild {
		d.Order = order
		c.reads()
	}
	return d, c.err
}

type comparison struct {
	old, next *fqgw.FeatureView
	d         *fqgw.Difference
	err       error
}

func (c *comparison) say(format string, args ...any) {
	c.d.Why = append(c.d.Why, fmt.Sprintf(format, args...))
}

func (c *comparison) rebuild(format string, args ...any) {
	c.d.Rebuild = true
	c.say(format, args...)
}

func (c *comparison) fail(err error) {
	if err != nil && c.err == nil {
		c.err = err
	}
}

func (c *comparison) form(v *fqgw.FeatureView) string {
	b, err := Form(v)
	c.fail(err)
	return string(b)
}

// code is what a part of a definition says, to be compared.
func (c *comparison) code(write func(w *form)) string {
	w := &form{}
	write(w)
	c.fail(w.err)
	return string(w.b)
}

// order finds the slots of the states of old among those of next: the order that
// arrange takes, "" where it is the one they have. ok is false when the states differ.
func (c *comparison) order() (order string, ok bool) {
	var windows, slots []int
	if c.old.Latest {
		slots = places(c.rows(c.old), c.rows(c.next))
	} else {
		windows = places(c.windows(c.old), c.windows(c.next))
		slots = places(c.aggregates(c.old), c.aggregates(c.next))
	}
	order = orderText(windows, slots)
	arranged := *c.next
	if arrange(&arranged, order) != nil {
		return "", false
	}
	was, err := StateForm(c.old)
	if err == nil {
		var is []byte
		if is, err = StateForm(&arranged); err == nil && !bytes.Equal(was, is) {
			return "", false
		}
	}
	if err != nil {
		c.fail(err)
		return "", false
	}
	natural := len(windows) == len(c.next.Windows)
	for _, list := range [][]int{windows, slots} {
		for i, at := range list {
			natural = natural && i == at
		}
	}
	if natural {
		order = ""
	}
	return order, true
}

func (c *comparison) rows(v *fqgw.FeatureView) (out []string) {
	for _, e := range v.Row {
		out = append(out, c.code(func(w *form) { w.tree(e) }))
	}
	return out
}

func (c *comparison) windows(v *fqgw.FeatureView) (out []string) {
	for _, win := range v.Windows {
		out = append(out, c.code(func(w *form) { w.window(win) }))
	}
	return out
}

// aggregates are those of a view with the windows in the places of their names.
func (c *comparison) aggregates(v *fqgw.FeatureView) (out []string) {
	windows := c.windows(v)
	for _, a := range v.Aggregates {
		over := windows[a.Window]
		a.Window = 0
		out = append(out, c.code(func(w *form) { w.aggregate(a); w.text(over) }))
	}
	return out
}

// places are those in have of what is wanted, -1 where it is not; one that is there
// more often than it is wanted is not missed, and the other way round it comes again.
func places(wanted, have []string) []int {
	used := make([]bool, len(have))
	out := make([]int, len(wanted))
	for i, s := range wanted {
		if out[i] = slices.Index(have, s); out[i] < 0 {
			continue
		}
		for at := out[i]; at < len(have); at++ {
			if have[at] == s && !used[at] {
				out[i] = at
				break
			}
		}
		used[out[i]] = true
	}
	return out
}

// orderVersion is that of the text of an order, which the registry keeps: the version,
// the windows and the slots of the states, each by its place in the statement.
// TestArrange pins it.
const orderVersion = 1

func orderText(windows, slots []int) string {
	list := func(of []int) string {
		words := make([]string, len(of))
		for i, n := range of {
			words[i] = strconv.Itoa(n)
		}
		return strings.Join(words, ",")
	}
	return fmt.Sprintf("%d %s;%s", orderVersion, list(windows), list(slots))
}

// arrange gives a view the windows and slots in the order of the states that it has
// from an earlier version of it; XX001 when the order is none of it.
func arrange(v *fqgw.FeatureView, order string) error {
	if order == "" {
		return nil
	}
	bad := fqgw.Errorf(fqgw.CodeDataCorrupted, "the order of the slots of feature view %q cannot be read: %q", v.Name, order)
	list, ok := strings.CutPrefix(order, strconv.Itoa(orderVersion)+" ")
	left, right, found := strings.Cut(list, ";")
	if !ok || !found {
		return bad
	}
	numbers := func(text string, below int) (out []int) {
		for _, word := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' }) {
			n, err := strconv.Atoi(word)
			if err != nil || n < 0 || n >= below {
				ok = false
				return nil
			}
			out = append(out, n)
		}
		return out
	}
	of := max(len(v.Row), len(v.Aggregates))
	windows, kept := numbers(left, len(v.Windows)), numbers(right, of)
	at := make([]int, of) // by slot as written: its place
	for i := range at {
		at[i] = slices.Index(kept, i)
		ok = ok && at[i] >= 0
	}
	if !ok || len(kept) != of {
		return bad
	}
	if v.Latest {
		v.Row = picked(v.Row, kept)
	} else {
		written := v.Windows
		v.Windows, v.Aggregates = picked(written, windows), picked(v.Aggregates, kept)
		for i := range v.Aggregates {
			a := &v.Aggregates[i]
			over := written[a.Window]
			a.Window = slices.IndexFunc(v.Windows, func(w fqgw.Window) bool { over.Name = w.Name; return w == over })
			if a.Window < 0 {
				return bad
			}
		}
	}
	v.Features = slices.Clone(v.Features)
	for i := range v.Features {
		f := &v.Features[i]
		f.Read = expr.Rewrite(f.Read, func(e fqgw.Expr) fqgw.Expr {
			c, ok := e.(*expr.Column)
			if !ok || c.Index < len(v.Keys) || c.Index >= len(v.Keys)+of { // those of global windows stay
				return e
			}
			moved := *c
			moved.Index = len(v.Keys) + at[c.Index-len(v.Keys)]
			moved.Name = slot{index: moved.Index - len(v.Keys)}.name()
			return &moved
		})
		f.Slots, f.Globals = slotsOf(v, f.Read)
	}
	return nil
}

func picked[T any](list []T, at []int) []T {
	out := make([]T, len(at))
	for i, n := range at {
		out[i] = list[n]
	}
	return out
}

// states says why the states of old are not those of next.
func (c *comparison) states() {
	old, next := c.old, c.next
	if was, is := old.Source.Qualified(), next.Source.Qualified(); was != is {
		c.rebuild("it reads source %s, no longer %s", is, was)
	}
	where := func(v *fqgw.FeatureView) string { return c.code(func(w *form) { w.tree(v.Where) }) }
	switch {
	case where(old) == where(next):
	case old.Where == nil:
		c.rebuild("WHERE is new")
	case next.Where == nil:
		c.rebuild("WHERE is gone")
	default:
		c.rebuild("WHERE changed")
	}
	if !slices.EqualFunc(old.Keys, next.Keys, func(a, b fqgw.KeyColumn) bool { return a.Column == b.Column && a.Type == b.Type }) {
		c.rebuild("the join keys changed")
	}
	switch {
	case old.Latest && !next.Latest:
		c.rebuild("it had the latest rows, and has windows now")
	case next.Latest && !old.Latest:
		c.rebuild("it had windows, and has the latest rows now")
	case next.Latest:
		if old.MaxAge != next.MaxAge {
			c.rebuild("max_age changed from %s to %s", age(old.MaxAge), age(next.MaxAge))
		}
	default:
		c.sizes()
	}
	if old.Latest == next.Latest {
		c.features()
	}
	if !c.d.Rebuild {
		c.rebuild("the states changed")
	}
}

// sizes compares the windows that both have by their names.
func (c *comparison) sizes() {
	before := slices.Concat(c.old.Windows, c.old.Global.Windows)
	for _, w := range slices.Concat(c.next.Windows, c.next.Global.Windows) {
		i := slices.IndexFunc(before, func(o fqgw.Window) bool { return o.Name == w.Name })
		if i < 0 {
			continue
		}
		was := before[i]
		text := func(win fqgw.Window) string { return c.code(func(f *form) { f.window(win) }) }
		switch {
		case text(was) == text(w):
		case was.Length != w.Length, was.Rows != w.Rows:
			c.rebuild("window %s changed from %s to %s", w.Name, size(was), size(w))
		case was.Hop != w.Hop:
			c.rebuild("the hop of window %s changed from %s to %s", w.Name, length(was.Hop), length(w.Hop))
		default:
			c.rebuild("window %s changed", w.Name)
		}
	}
}

// size is how much a window holds, for people.
func size(w fqgw.Window) string {
	if w.Rows > 0 {
		return fmt.Sprintf("the last %d events", w.Rows)
	}
	return length(w.Length)
}

// slotsNamed are what the slots compute, with windows by their names where both have
// one of that name: that it changed is said once, of the window.
func (c *comparison) slotsNamed(v, other *fqgw.FeatureView) []string {
	if v.Latest {
		return c.rows(v)
	}
	out := c.aggregates(v)
	for i, a := range v.Aggregates {
		name := v.Windows[a.Window].Name
		if slices.ContainsFunc(other.Windows, func(w fqgw.Window) bool { return w.Name == name }) {
			a.Window = 0
			out[i] = c.code(func(w *form) { w.aggregate(a); w.text("window"); w.text(name) })
		}
	}
	return out
}

// features compares what the features are made of.
func (c *comparison) features() {
	before, after := c.slotsNamed(c.old, c.next), c.slotsNamed(c.next, c.old)
	made := func(f *fqgw.Feature, slots []string) (out []string) {
		for _, s := range f.Slots {
			out = append(out, slots[s])
		}
		slices.Sort(out)
		return out
	}
	what := "aggregates"
	if c.next.Latest {
		what = "columns"
	}
	lacks := func(f *fqgw.Feature, slots, others []string) bool {
		return slices.ContainsFunc(f.Slots, func(s int) bool { return !slices.Contains(others, slots[s]) })
	}
	for i := range c.next.Features {
		f := &c.next.Features[i]
		switch j := featureIndex(c.old, f.Name); {
		case j < 0 && lacks(f, after, before):
			c.rebuild("feature %s is new", f.Name)
		case j >= 0 && !slices.Equal(made(&c.old.Features[j], before), made(f, after)) && (lacks(f, after, before) || lacks(&c.old.Features[j], before, after)):
			c.rebuild("the %s of feature %s changed", what, f.Name)
		}
	}
	for i := range c.old.Features {
		if f := &c.old.Features[i]; featureIndex(c.next, f.Name) < 0 && lacks(f, before, after) {
			c.rebuild("feature %s is gone", f.Name)
		}
	}
}

// reads says what is different where the states are not.
func (c *comparison) reads() {
	old, next := c.old, *c.next
	if c.err != nil || arrange(&next, c.d.Order) != nil {
		return
	}
	for i, k := range next.Keys {
		if was := old.Keys[i].Name; was != k.Name {
			c.say("join key %s is called %s now", was, k.Name)
		}
	}
	read := func(f *fqgw.Feature) string { return c.code(func(w *form) { w.typ(f.Type); w.tree(f.Read) }) }
	value := func(f *fqgw.Feature) string {
		return c.code(func(w *form) { w.text(string(fqgw.AppendPacked(nil, f.Default))); w.tree(f.Instead) })
	}
	for i := range next.Features {
		f := &next.Features[i]
		j := featureIndex(old, f.Name)
		if j < 0 {
			c.say("feature %s is new", f.Name)
			continue
		}
		was := &old.Features[j]
		if read(was) != read(f) {
			c.say("the expression of feature %s changed", f.Name)
		}
		if value(was) != value(f) {
			c.say("the default of feature %s changed", f.Name)
		}
	}
	for i := range old.Features {
		if name := old.Features[i].Name; featureIndex(&next, name) < 0 {
			c.say("feature %s is gone", name)
		}
	}
	if next.Offline != old.Offline {
		c.say("it is kept online no longer")
	}
	if next.Retain != old.Retain {
		c.say("retain changed from %s to %s", age(old.Retain), age(next.Retain))
	}
	if len(c.d.Why) == 0 {
		c.say("the order of the columns changed")
	}
}

// length is that of a window, for people.
func length(us int64) string {
	const days = 86_400 * second
	if us == 0 {
		return "a lifetime"
	}
	return expr.Text(fqgw.SpanValue(fqgw.Span{Days: int32(us / days), Micros: us % days}), fqgw.Interval, nil)
}

// age is one that may be none, for people.
func age(us int64) string {
	if us == 0 {
		return "none"
	}
	return length(us)
}
