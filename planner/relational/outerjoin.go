package relational

import (
	"io"

	"github.com/dolthub/go-mysql-server/sql"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// outerJoin is a left, right or full join: one side streams and looks up the
// other, which is a table. Either may be either (see relations).
type outerJoin struct {
	*relations
	kind          plan.JoinKind
	width, lwidth int
	keys          [2][]fqgw.Expr // of the left and the right side, over its own row
	lasting       [2]bool        // they are the same in all runs of the program
	conds         []fqgw.Expr    // what is not decided by the keys, over both
}

func (b *builder) outerJoin(n *plan.Join) (sql.Node, layout, error) {
	rels, trees, err := b.relations([]plan.Node{n.Left, n.Right})
	if err != nil {
		return nil, nil, err
	}
	l, r, rest := equalities(n)
	j := &outerJoin{relations: rels, kind: n.Kind, lwidth: len(n.Left.Columns()), conds: b.finals(rest),
		keys: [2][]fqgw.Expr{b.finals(l), b.finals(r)}, lasting: [2]bool{allAlike(l), allAlike(r)}}
	j.width = j.lwidth + len(n.Right.Columns())
	return b.joined(n, layout{len(n.Columns())}, trees, j.open)
}

func allAlike(list []fqgw.Expr) bool {
	for _, x := range list {
		if !alike(x) {
			return false
		}
	}
	return true
}

func (j *outerJoin) open(ctx *sql.Context, in *instance, n *node, list []*relation) (fqgw.Rows, error) {
	s, err := j.load(ctx, in, n, list)
	if err != nil {
		return nil, err
	}
	r := &outerRows{outerJoin: j, in: in, list: list, swapped: s == 1, probe: j.keys[s], row: make([]fqgw.Value, j.width)}
	if r.table, err = list[1-s].table(in, "", j.keys[1-s], j.lasting[1-s]); err != nil {
		return nil, err
	}
	r.stream, r.own, r.other = list[s].stream(), r.row[:j.lwidth], r.row[j.lwidth:]
	left := j.kind == plan.LeftOuter || j.kind == plan.FullOuter
	right := j.kind == plan.RightOuter || j.kind == plan.FullOuter
	if r.keepsOwn, r.keepsOther = left, right; r.swapped {
		r.own, r.other, r.keepsOwn, r.keepsOther = r.other, r.own, right, left
	}
	if r.keepsOther {
		if err := in.run.takeBytes(&in.account, int64(r.table.rows.n)); err != nil {
			return nil, err
		}
		r.hit = make([]bool, r.table.rows.n)
	}
	return r, nil
}

// outerRows gives the matches of the rows that stream and, if these are kept, the
// ones without; then the rows of the table without, if those are.
type outerRows struct {
	*outerJoin
	in                   *instance
	list                 []*relation
	stream               fqgw.Rows
	table                *table
	probe                []fqgw.Expr
	swapped              bool // the right side streams
	keepsOwn, keepsOther bool

	row        []fqgw.Value // both sides
	own, other []fqgw.Value // the parts of the one that streams and of the table
	matches    matches
	open       bool // a row that streams is being matched
	matched    bool
	hit        []bool // rows of the table that were matched
	ended      bool
	rest       int
}

func (r *outerRows) Close() error { closeAll(r.list); return nil }

func (r *outerRows) Next() ([]fqgw.Value, error) {
	for !r.ended {
		if err := r.in.tick(); err != nil {
			return nil, err
		}
		if !r.open {
			row, err := r.stream.Next()
			if err == io.EOF {
				r.ended = true
				break
			}
			if err != nil {
				return nil, err
			}
			copy(r.own, row)
			r.open, r.matched = true, false
			if r.matches, err = r.table.candidates(&r.in.env, r.probe, r.own); err != nil {
				return nil, err
			}
		}
		i, ok := r.matches.take()
		if !ok {
			if r.open = false; r.keepsOwn && !r.matched {
				clear(r.other)
				return r.row, nil
			}
			continue
		}
		copy(r.other, r.table.rows.at(int(i)))
		ok, err := allTrue(&r.in.env, r.conds, r.row)
		if err != nil {
			return nil, err
		}
		if !ok {
			continue
		}
		if r.matched = true; r.hit != nil {
			r.hit[i] = true
		}
		return r.row, nil
	}
	for r.keepsOther && r.rest < len(r.hit) {
		i := r.rest
		if r.rest++; !r.hit[i] {
			clear(r.own)
			copy(r.other, r.table.rows.at(i))
			return r.row, nil
		}
	}
	return nil, io.EOF
}
