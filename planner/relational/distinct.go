package relational

import "github.com/fqgw/fqgw"

// distinct passes the first of each set of rows equal in on, or altogether.
func (in *instance) distinct(rows fqgw.Rows, on []fqgw.Expr, types []fqgw.Type) fqgw.Rows {
	var seen keySet
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
			if _, added := seen.add(buf); !added {
				continue
			}
			if err := in.run.takeBytes(&in.account, keyBytes+int64(len(buf))); err != nil {
				return nil, err
			}
			return row, nil
		}
	}}
}
