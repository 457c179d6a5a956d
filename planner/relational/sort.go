package relational

import (
	"context"
	"slices"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/plan"
)

// keyed is a row with its sort keys, evaluated once.
type keyed struct {
	keys, row []fqgw.Value
}

// bytes is about what it takes in memory; shared says that the keys are the row.
func (k *keyed) bytes(shared bool) int64 {
	if shared {
		return fqgw.RowBytes(k.row)
	}
	return fqgw.RowBytes(k.row) + fqgw.RowBytes(k.keys)
}

// keys are the sort keys of a row; it ends with the statement's context.
func (in *instance) keys(by []plan.SortKey, row []fqgw.Value) ([]fqgw.Value, error) {
	if err := in.tick(); err != nil {
		return nil, err
	}
	out := make([]fqgw.Value, len(by))
	for i, k := range by {
		v, err := k.Expr.Eval(&in.env, row)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

// compareKeys orders two rows by their keys; two NULLs are equal.
func compareKeys(by []plan.SortKey, a, b []fqgw.Value) int {
	for i := range by {
		an, bn := a[i].IsNull(), b[i].IsNull()
		if an || bn {
			if an && bn {
				continue
			}
			if an == by[i].NullsFirst {
				return -1
			}
			return 1
		}
		if c := fqgw.Compare(a[i], b[i]); c != 0 {
			if by[i].Desc {
				return -c
			}
			return c
		}
	}
	return 0
}

// sort keeps the order of equal rows.
func (in *instance) sort(input fqgw.Rows, by []plan.SortKey) (fqgw.Rows, error) {
	rows, err := in.run.collect(in.env.Ctx, &in.account, input)
	if err != nil {
		return nil, err
	}
	list := make([]keyed, len(rows))
	for i, r := range rows {
		keys, err := in.keys(by, r)
		if err != nil {
			return nil, err
		}
		if err := in.run.take(&in.account, keys); err != nil {
			return nil, err
		}
		list[i] = keyed{keys, r}
	}
	if err := sortKeyed(in.env.Ctx, list, by); err != nil {
		return nil, err
	}
	for i := range list {
		rows[i] = list[i].row
	}
	return &sliceRows{rows}, nil
}

// sortKeyed sorts by the keys and ends with ctx.
func sortKeyed(ctx context.Context, list []keyed, by []plan.SortKey) error {
	n := 0
	var stopped error
	slices.SortStableFunc(list, func(x, y keyed) int {
		if n++; n&0xfff == 0 && stopped == nil {
			stopped = ctx.Err()
		}
		if stopped != nil {
			return 0
		}
		return compareKeys(by, x.keys, y.keys)
	})
	return stopped
}

// distinct passes the first of each set of rows equal in on, or altogether.
func (in *instance) distinct(rows fqgw.Rows, on []fqgw.Expr, types []fqgw.Type) fqgw.Rows {
	seen := map[string]struct{}{}
	var buf []byte
	return &funcRows{close: rows.Close, next: func() ([]fqgw.Value, error) {
		for {
			row, err := rows.Next()
			if err != nil {
				return nil, err
			}
			if buf = buf[:0]; on == nil {
				buf = rowKey(buf, row, types)
			}
			for _, x := range on {
				v, err := x.Eval(&in.env, row)
				if err != nil {
					return nil, err
				}
				buf = appendKey(buf, v, x.Type())
			}
			if _, there := seen[string(buf)]; there {
				continue
			}
			if err := in.run.takeBytes(&in.account, mapEntry+int64(len(buf))); err != nil {
				return nil, err
			}
			seen[string(buf)] = struct{}{}
			return row, nil
		}
	}}
}
