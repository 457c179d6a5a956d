package relational

import (
	"io"

	"github.com/dolthub/go-mysql-server/sql"
	gms "github.com/dolthub/go-mysql-server/sql/plan"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// setOp is go-mysql-server's UNION ALL, below our DISTINCT for UNION; INTERSECT
// and EXCEPT are ours, since its own compare rows by a hash.
func (b *builder) setOp(n *plan.SetOp) (sql.Node, layout, error) {
	types := typesOf(n.Cols)
	switch {
	case n.Kind != plan.Union:
		return b.ours(n, func(in *instance, of []fqgw.Rows) (fqgw.Rows, error) {
			return in.intersectOrExcept(n, types, of[0], of[1])
		}, n.Left, n.Right)
	case !n.All:
		all := *n
		all.All = true
		return b.ours(n, func(in *instance, of []fqgw.Rows) (fqgw.Rows, error) { return in.distinct(of[0], nil, types), nil }, &all)
	}
	left, err := b.single(n.Left)
	if err != nil {
		return nil, nil, err
	}
	right, err := b.single(n.Right)
	if err != nil {
		return nil, nil, err
	}
	return gms.NewSetOp(gms.UnionType, left, right, false, nil, nil, nil), layout{len(n.Cols)}, nil
}

// intersectOrExcept counts the right side's rows: with ALL each takes one of
// the left's, without it rows come once.
func (in *instance) intersectOrExcept(n *plan.SetOp, types []fqgw.Type, left, right fqgw.Rows) (fqgw.Rows, error) {
	counts := map[string]int{}
	var buf []byte
	for {
		row, err := right.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		buf = rowKey(buf[:0], row, types)
		if counts[string(buf)]++; counts[string(buf)] == 1 {
			if err := in.run.takeBytes(&in.account, mapEntry+int64(len(buf))); err != nil {
				return nil, err
			}
		}
	}
	if err := right.Close(); err != nil {
		return nil, err
	}
	given := map[string]bool{}
	return &funcRows{close: left.Close, next: func() ([]fqgw.Value, error) {
		for {
			row, err := left.Next()
			if err != nil {
				return nil, err
			}
			buf = rowKey(buf[:0], row, types)
			there := counts[string(buf)] > 0
			if n.All {
				if there {
					counts[string(buf)]--
				}
			} else if given[string(buf)] {
				continue
			}
			if there == (n.Kind == plan.Intersect) {
				if !n.All {
					if err := in.run.takeBytes(&in.account, mapEntry+int64(len(buf))); err != nil {
						return nil, err
					}
					given[string(buf)] = true
				}
				return row, nil
			}
		}
	}}, nil
}
