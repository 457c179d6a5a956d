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
	types := plan.Types(n.Cols)
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
	var set keySet
	var counts []int32 // of the right side's rows; without ALL -1 when one was given
	var buf []byte
	add := func(row []fqgw.Value) (int, error) {
		buf = rowKey(buf[:0], row, types)
		n, added := set.add(buf)
		if !added {
			return n, in.tick()
		}
		counts = append(counts, 0)
		return n, in.run.takeBytes(&in.account, keyBytes+4+int64(len(buf)))
	}
	for {
		row, err := right.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		k, err := add(row)
		if err != nil {
			return nil, err
		}
		counts[k]++
	}
	if err := right.Close(); err != nil {
		return nil, err
	}
	return &funcRows{close: left.Close, next: func() ([]fqgw.Value, error) {
		for {
			row, err := left.Next()
			if err != nil {
				return nil, err
			}
			var k int
			if n.All || n.Kind == plan.Intersect { // what the right side does not have need not be kept
				buf = rowKey(buf[:0], row, types)
				k = set.find(buf)
			} else if k, err = add(row); err != nil {
				return nil, err
			}
			there := k >= 0 && counts[k] > 0
			if n.All && there {
				counts[k]--
			} else if !n.All && k >= 0 && counts[k] < 0 {
				continue
			}
			if there == (n.Kind == plan.Intersect) {
				if !n.All {
					counts[k] = -1
				}
				return row, nil
			}
		}
	}}, nil
}
