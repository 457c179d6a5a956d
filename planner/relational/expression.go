package relational

import (
	"github.com/dolthub/go-mysql-server/sql"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// scalar is a bound expression as go-mysql-server sees it: a leaf that it
// cannot look into. A scalar keeps a scratch row, so each run builds its own.
type scalar struct {
	x       fqgw.Expr
	env     *fqgw.Env
	scratch []fqgw.Value
}

func (s *scalar) Resolved() bool             { return true }
func (s *scalar) String() string             { return s.x.String() }
func (s *scalar) Type() sql.Type             { return pgType{s.x.Type()} }
func (s *scalar) IsNullable() bool           { return true }
func (s *scalar) Children() []sql.Expression { return nil }
func (s *scalar) WithChildren(children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 0 {
		return nil, sql.ErrInvalidChildrenNumber.New(s, len(children), 0)
	}
	return s, nil
}

func (s *scalar) eval(row sql.Row) (fqgw.Value, error) {
	if c, ok := s.x.(*expr.Column); ok && c.Level == 0 {
		return value(row[c.Index]), nil
	}
	s.scratch = values(s.scratch, row)
	return s.x.Eval(s.env, s.scratch)
}

// Eval gives an fqgw.Value.
func (s *scalar) Eval(_ *sql.Context, row sql.Row) (any, error) { return s.eval(row) }

// condition is a boolean expression where go-mysql-server decides by it: it
// gives true, false or nil.
type condition struct{ scalar }

func (c *condition) Eval(_ *sql.Context, row sql.Row) (any, error) {
	v, err := c.eval(row)
	if err != nil || v.IsNull() {
		return nil, err
	}
	return v.Bool(), nil
}

func (c *condition) WithChildren(children ...sql.Expression) (sql.Expression, error) {
	if len(children) != 0 {
		return nil, sql.ErrInvalidChildrenNumber.New(c, len(children), 0)
	}
	return c, nil
}

// hashKey is the key of a hash join: canonical bytes, equal exactly when all
// parts are; nil when a part is NULL, which nothing equals.
type hashKey struct {
	parts []*scalar
	buf   []byte
}

func (k *hashKey) Resolved() bool             { return true }
func (k *hashKey) String() string             { return "hash key" }
func (k *hashKey) Type() sql.Type             { return pgType{fqgw.Bytea} }
func (k *hashKey) IsNullable() bool           { return true }
func (k *hashKey) Children() []sql.Expression { return nil }
func (k *hashKey) WithChildren(...sql.Expression) (sql.Expression, error) {
	return k, nil
}

func (k *hashKey) Eval(_ *sql.Context, row sql.Row) (any, error) {
	k.buf = k.buf[:0]
	for _, p := range k.parts {
		v, err := p.eval(row)
		if err != nil || v.IsNull() {
			return nil, err
		}
		k.buf = appendHashKey(k.buf, v)
	}
	return string(k.buf), nil
}
