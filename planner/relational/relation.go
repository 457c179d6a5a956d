package relational

import (
	"github.com/dolthub/go-mysql-server/sql"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// relations is the inputs of a join. All but one are read into memory; the one
// that streams is the longest, which is found by reading them in turn. In a
// program that is run again with other outer rows it is one that they change, and
// those that they do not are kept.
type relations struct {
	layouts []layout
	steady  []bool
}

// relation is an input as far as it was read.
type relation struct {
	rows    *rowList
	rest    fqgw.Rows // what follows them; nil at the end
	begun   bool
	lasting bool
	tables  map[string]*table // by the keys they have
	passing map[string]*table // those of keys that another run of the program may change
}

// turn is how many rows of a relation are read before it is another's turn.
const turn = 1 << 15

func (b *builder) relations(of []plan.Node) (*relations, []sql.Node, error) {
	r := &relations{}
	var trees []sql.Node
	for _, n := range of {
		tree, l, err := b.build(n)
		if err != nil {
			return nil, nil, err
		}
		trees, r.layouts, r.steady = append(trees, tree), append(r.layouts, l), append(r.steady, steady(n))
	}
	return r, trees, nil
}

// load reads the relations into list, where those that last may be already, and
// says which one streams. Whoever calls it closes them, when it fails too.
func (r *relations) load(ctx *sql.Context, in *instance, n *node, list []*relation) (stream int, err error) {
	open := func(i int) error {
		l := list[i]
		if l == nil || !l.lasting {
			l = &relation{rows: &rowList{}, lasting: !in.program.steady && r.steady[i]}
			list[i] = l
		}
		l.passing = nil
		if l.begun {
			return nil
		}
		l.begun = true
		l.rest, err = n.input(ctx, i, r.layouts[i])
		return err
	}
	if !in.program.steady {
		for i, steady := range r.steady {
			if !steady {
				stream = i
				break
			}
		}
		for i := range list {
			if i == stream {
				list[i] = nil
			}
			if err := open(i); err != nil {
				return 0, err
			}
			for i != stream && list[i].rest != nil {
				if err := list[i].read(in); err != nil {
					return 0, err
				}
			}
		}
		return stream, nil
	}
	for i := range list {
		if err := open(i); err != nil {
			return 0, err
		}
	}
	for i := len(list) - 1; i > 0; i-- { // the first streams if the others end soon
		if err := list[i].read(in); err != nil {
			return 0, err
		}
	}
	for {
		left := 0
		for i, l := range list {
			if l.rest != nil {
				left++
				stream = i
			}
		}
		if left <= 1 {
			return stream, nil
		}
		for _, l := range list {
			if l.rest == nil {
				continue
			}
			if err := l.read(in); err != nil {
				return 0, err
			}
			if l.rest == nil {
				if left--; left == 1 {
					break
				}
			}
		}
	}
}

// read reads rows for one turn.
func (l *relation) read(in *instance) error {
	a := &in.account
	if l.lasting {
		a = &in.run.lasting
	}
	more, err := in.run.collectSome(in.env.Ctx, a, l.rest, l.rows, turn)
	if err != nil || !more {
		l.rest = nil // it is closed
	}
	return err
}

// stream is all rows of a relation that need not be kept.
func (l *relation) stream() fqgw.Rows {
	head := l.rows
	l.rows = nil
	return head.stream(l.rest)
}

// table is the relation with an index by keys, made once and kept as long as the
// relation and the keys are the same; id is that of the keys among the join's.
func (l *relation) table(in *instance, id string, keys []fqgw.Expr, lasting bool) (*table, error) {
	tables, a := &l.passing, &in.account
	if l.lasting && lasting {
		tables, a = &l.tables, &in.run.lasting
	}
	if t := (*tables)[id]; t != nil {
		return t, nil
	}
	t, err := in.index(a, keys, l.rows)
	if err == nil {
		if *tables == nil {
			*tables = map[string]*table{}
		}
		(*tables)[id] = t
	}
	return t, err
}

// joined is the node of a join of relations, which are kept from run to run; what
// open leaves open when it fails is closed.
func (b *builder) joined(n plan.Node, one layout, trees []sql.Node,
	open func(ctx *sql.Context, in *instance, n *node, kept []*relation) (fqgw.Rows, error)) (sql.Node, layout, error) {
	at := b.place()
	return &node{title: Title(n), schema: one.schema(n.Columns()), layout: one, children: trees,
		open: func(ctx *sql.Context, in *instance, n *node, _ sql.Row) (sql.RowIter, error) {
			kept := place[[]*relation](in, at)
			if *kept == nil {
				*kept = make([]*relation, len(n.children))
			}
			rows, err := open(ctx, in, n, *kept)
			if err != nil {
				closeAll(*kept)
				return nil, err
			}
			return newRowsIter(rows), nil
		}}, one, nil
}

// closeAll closes what is still open.
func closeAll(list []*relation) {
	for _, l := range list {
		if l != nil && l.rest != nil {
			l.rest.Close()
			l.rest = nil
		}
	}
}
