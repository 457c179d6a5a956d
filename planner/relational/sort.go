package relational

import (
	"encoding/binary"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
	"github.com/fqgw/fqgw/planner/plan"
)

// keyed is a row with its sort keys, evaluated once.
type keyed struct {
	keys, row []fqgw.Value
}

func (b *builder) keys(sort []plan.SortKey, row []fqgw.Value) ([]fqgw.Value, error) {
	out := make([]fqgw.Value, len(sort))
	for i, k := range sort {
		v, err := k.Expr.Eval(b.env, row)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func compareKeys(sort []plan.SortKey, a, b []fqgw.Value) int {
	for i, k := range sort {
		an, bn := a[i].IsNull(), b[i].IsNull()
		c := 0
		switch {
		case an && bn:
			continue
		case an || bn:
			if c = 1; an == k.NullsFirst {
				c = -1
			}
			return c
		default:
			c = fqgw.Compare(a[i], b[i])
		}
		if c != 0 {
			if k.Desc {
				return -c
			}
			return c
		}
	}
	return 0
}

// sort keeps the order of equal rows.
func (b *builder) sort(in fqgw.Rows, by []plan.SortKey) (fqgw.Rows, error) {
	rows, err := b.run.collect(b.env.Ctx, in)
	if err != nil {
		return nil, err
	}
	sorted, err := b.sorted(rows, by)
	if err != nil {
		return nil, err
	}
	return &sliceRows{sorted}, nil
}

func (b *builder) sorted(rows [][]fqgw.Value, by []plan.SortKey) ([][]fqgw.Value, error) {
	list := make([]keyed, len(rows))
	for i, r := range rows {
		keys, err := b.keys(by, r)
		if err != nil {
			return nil, err
		}
		list[i] = keyed{keys, r}
	}
	n := 0
	var stopped error
	slices.SortStableFunc(list, func(x, y keyed) int {
		if n++; n&0xffff == 0 && stopped == nil {
			stopped = b.env.Ctx.Err()
		}
		if stopped != nil {
			return 0
		}
		return compareKeys(by, x.keys, y.keys)
	})
	if stopped != nil {
		return nil, stopped
	}
	for i := range list {
		rows[i] = list[i].row
	}
	return rows, nil
}

// distinct passes the first of each set of equal rows.
func (b *builder) distinct(in fqgw.Rows, on []fqgw.Expr) fqgw.Rows {
	seen := map[string]bool{}
	var buf []byte
	return &funcRows{close: in.Close, next: func() ([]fqgw.Value, error) {
		for {
			row, err := in.Next()
			if err != nil {
				return nil, err
			}
			key := row
			if on != nil {
				key = make([]fqgw.Value, len(on))
				for i, x := range on {
					if key[i], err = x.Eval(b.env, row); err != nil {
						return nil, err
					}
				}
			}
			buf = rowKey(buf[:0], key)
			if seen[string(buf)] {
				continue
			}
			if err := b.run.memory.take(key); err != nil {
				return nil, err
			}
			seen[string(buf)] = true
			return row, nil
		}
	}}
}

// rowKey is canonical bytes of a row: equal exactly when the rows are, NULL
// equal to NULL.
func rowKey(dst []byte, row []fqgw.Value) []byte {
	for _, v := range row {
		if v.IsNull() {
			dst = append(dst, 0)
			continue
		}
		dst = appendHashKey(append(dst, 1), v)
	}
	return dst
}

// appendHashKey appends a value's canonical bytes with their length behind
// them, so that no two rows of values run together.
func appendHashKey(dst []byte, v fqgw.Value) []byte {
	at := len(dst)
	dst = expr.HashKey(dst, v)
	return binary.BigEndian.AppendUint32(dst, uint32(len(dst)-at))
}

func sortKeyed(list []keyed, by []plan.SortKey) {
	slices.SortStableFunc(list, func(x, y keyed) int { return compareKeys(by, x.keys, y.keys) })
}
