package relational

import (
	"math/bits"
	"slices"
	"strconv"

	"github.com/dolthub/go-mysql-server/sql"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
	"github.com/fqgw/fqgw/planner/pushdown"
)

// innerJoin is inner joins of any number of relations, which give the same rows in
// any order. One relation streams; its rows look up the others one after the
// other, in tables. Which streams and in which order the others follow is decided
// when they are in memory and their true sizes are known.
type innerJoin struct {
	*relations
	start []int // of each relation's columns in the whole row, and its width
	conds []*joinCond
}

// joinCond is one part of the condition, over the whole row.
type joinCond struct {
	x     fqgw.Expr
	reads relSet
	whole bool // it is asked of whole rows only
	// An equality has two sides with what they read; those that read one relation
	// are over its own row too.
	sides [2]joinSide
}

type joinSide struct {
	x     fqgw.Expr
	reads relSet
	own   fqgw.Expr // nil: it is no key
	alike bool      // the same in all runs of the program
}

// relSet is a set of the relations of a join.
type relSet uint64

// maxRelations is how many relations one innerJoin has at most.
const maxRelations = 64

func (s relSet) has(i int) bool       { return s&(1<<i) != 0 }
func (s relSet) within(o relSet) bool { return s&^o == 0 }
func (s relSet) only(i int) bool      { return s == 1<<i }
func (s relSet) single() (i int, ok bool) {
	return bits.TrailingZeros64(uint64(s)), bits.OnesCount64(uint64(s)) == 1
}

func (b *builder) innerJoin(n *plan.Join) (sql.Node, layout, error) {
	c := &chain{}
	c.flatten(n, 0)
	rels, trees, err := b.relations(c.rels)
	if err != nil {
		return nil, nil, err
	}
	j := &innerJoin{relations: rels, start: append(c.start, len(n.Columns()))}
	for _, x := range c.conds {
		j.conds = append(j.conds, j.cond(b, c, x))
	}
	return b.joined(n, layout{len(n.Columns())}, trees, j.open)
}

// chain is inner joins of several relations that are taken apart.
type chain struct {
	rels  []plan.Node
	start []int       // of each relation's columns in the whole row
	conds []fqgw.Expr // over the whole row
}

// flatten takes inner joins apart; a part is a relation or any other node.
func (c *chain) flatten(n *plan.Join, at int) {
	width := len(n.Left.Columns())
	if relationsOf(n) > maxRelations {
		c.rels, c.start = append(c.rels, n.Left, n.Right), append(c.start, at, at+width)
	} else {
		c.part(n.Left, at)
		c.part(n.Right, at+width)
	}
	for _, x := range expr.Conjuncts(n.Cond) {
		c.conds = append(c.conds, plan.Shift(x, at))
	}
}

func (c *chain) part(n plan.Node, at int) {
	j := innerOf(n)
	if j == nil {
		c.rels, c.start = append(c.rels, n), append(c.start, at)
		return
	}
	c.flatten(j, at)
}

// innerOf is n if it is an inner join.
func innerOf(n plan.Node) *plan.Join {
	if j, ok := n.(*plan.Join); ok && !j.Lateral && (j.Kind == plan.Inner || j.Kind == plan.Cross) {
		return j
	}
	return nil
}

// relationsOf is how many relations inner joins have.
func relationsOf(n plan.Node) int {
	if j := innerOf(n); j != nil {
		return relationsOf(j.Left) + relationsOf(j.Right)
	}
	return 1
}

func (j *innerJoin) cond(b *builder, c *chain, x fqgw.Expr) *joinCond {
	k := &joinCond{x: b.final(x), whole: !pushdown.Movable(x), reads: c.set(x)}
	l, r, ok := equality(x)
	if !ok || k.whole {
		return k
	}
	for i, e := range []fqgw.Expr{l, r} {
		s := joinSide{x: e, reads: c.set(e), alike: alike(e)}
		if rel, single := s.reads.single(); single {
			s.own = plan.Shift(e, -c.start[rel])
		}
		k.sides[i] = s
	}
	return k
}

// rel is the relation that has column i of the whole row.
func (c *chain) rel(i int) int {
	at, found := slices.BinarySearch(c.start, i)
	if !found {
		at--
	}
	for at+1 < len(c.start) && c.start[at+1] == c.start[at] { // relations without columns
		at++
	}
	return at
}

// set is the relations whose columns an expression reads.
func (c *chain) set(x fqgw.Expr) (s relSet) {
	expr.Walk(x, func(e fqgw.Expr) bool {
		if col, ok := e.(*expr.Column); ok && col.Level == 0 {
			s |= 1 << c.rel(col.Index)
		}
		return true
	})
	return s
}

// keys are the keys by which a relation is looked up when those in placed are
// there: over its own row, and over the whole one. used are the conditions.
func (j *innerJoin) keys(rel int, placed relSet) (own, probe []fqgw.Expr, used []bool, id string, lasting bool) {
	used, lasting = make([]bool, len(j.conds)), true
	for n, k := range j.conds {
		for i, s := range k.sides {
			other := k.sides[1-i]
			if s.own == nil || !s.reads.only(rel) || other.reads == 0 || !other.reads.within(placed) || used[n] {
				continue
			}
			own, probe, used[n] = append(own, s.own), append(probe, other.x), true
			id += strconv.Itoa(2*n+i) + " "
			lasting = lasting && s.alike
		}
	}
	return own, probe, used, id, lasting
}

// level is a relation in its place in the order.
type level struct {
	to      []fqgw.Value // its part of the whole row
	table   *table       // nil for the one that streams
	probe   []fqgw.Expr
	conds   []fqgw.Expr // asked when it is there
	matches matches
}

func (j *innerJoin) open(ctx *sql.Context, in *instance, n *node, list []*relation) (fqgw.Rows, error) {
	stream, err := j.load(ctx, in, n, list)
	if err != nil {
		return nil, err
	}
	r := &innerRows{in: in, list: list, row: make([]fqgw.Value, j.start[len(list)])}
	placed, asked := relSet(0), make([]bool, len(j.conds))
	add := func(rel int, lv level, keyed []bool) {
		placed |= 1 << rel
		lv.to = r.row[j.start[rel]:j.start[rel+1]]
		for i, k := range j.conds {
			switch last := bits.OnesCount64(uint64(placed)) == len(list); {
			case asked[i]:
			case keyed != nil && keyed[i]:
				asked[i] = true
			case !k.whole && k.reads.within(placed) || k.whole && last:
				asked[i] = true
				lv.conds = append(lv.conds, k.x)
			}
		}
		r.levels = append(r.levels, lv)
	}
	for i, l := range list {
		if i != stream && l.rows.n == 0 {
			closeAll(list)
			return &listRows{}, nil
		}
	}
	add(stream, level{}, nil)
	for len(r.levels) < len(list) {
		if err := j.follow(in, list, placed, add); err != nil {
			return nil, err
		}
	}
	r.stream = list[stream].stream()
	return r, nil
}

// follow adds the relation of those that are not placed that leaves the fewest rows.
func (j *innerJoin) follow(in *instance, list []*relation, placed relSet, add func(rel int, lv level, keyed []bool)) error {
	best, least, level, keyed := -1, 0.0, level{}, []bool(nil)
	for rel, l := range list {
		if placed.has(rel) {
			continue
		}
		own, probe, used, id, lasting := j.keys(rel, placed)
		t, err := l.table(in, id, own, lasting)
		if err != nil {
			return err
		}
		// For each row before it come as many as a key has, on average; where that is
		// the same the smaller relation lets fewer through.
		size := float64(l.rows.n)
		if len(own) > 0 {
			size = size / float64(max(len(t.first), 1)) * float64(bits.Len(uint(l.rows.n))+1)
		} else {
			size *= crossed
		}
		if best < 0 || size < least {
			best, least, keyed = rel, size, used
			level.table, level.probe = t, probe
		}
	}
	add(best, level, keyed)
	return nil
}

// crossed is how much worse a relation is that no key ties to those before.
const crossed = 1000

// innerRows goes through the matches of one level after the other.
type innerRows struct {
	in     *instance
	list   []*relation
	stream fqgw.Rows
	row    []fqgw.Value
	levels []level
	at     int // the level whose next row is wanted
}

func (r *innerRows) Close() error { closeAll(r.list); return nil }

func (r *innerRows) Next() ([]fqgw.Value, error) {
	for {
		lv := &r.levels[r.at]
		if err := r.in.tick(); err != nil {
			return nil, err
		}
		if r.at == 0 {
			row, err := r.stream.Next()
			if err != nil {
				return nil, err
			}
			copy(lv.to, row)
		} else {
			i, ok := lv.matches.take()
			if !ok {
				r.at--
				continue
			}
			copy(lv.to, lv.table.rows.at(int(i)))
		}
		ok, err := allTrue(&r.in.env, lv.conds, r.row)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if r.at == len(r.levels)-1 {
			return r.row, nil
		}
		r.at++
		next := &r.levels[r.at]
		if next.matches, err = next.table.candidates(&r.in.env, next.probe, r.row); err != nil {
			return nil, err
		}
	}
}

func allTrue(env *fqgw.Env, conds []fqgw.Expr, row []fqgw.Value) (bool, error) {
	for _, x := range conds {
		v, err := x.Eval(env, row)
		if err != nil || !v.True() {
			return false, err
		}
	}
	return true, nil
}
