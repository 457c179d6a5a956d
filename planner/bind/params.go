package bind

import (
	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// maxParams is how many parameters the wire protocol can carry.
const maxParams = 65535

// Params are the parameters of a statement: declared, or inferred while
// binding. One *expr.Param stands for all uses of a number.
type Params struct {
	list []*expr.Param
}

// NewParams takes the types that the client declared, by OID; 0 and 705 are to
// be inferred, and so are all parameters behind the last. Types that fqgw does
// not have are inferred too.
func NewParams(oids []uint32) *Params {
	p := &Params{}
	for i, oid := range oids {
		t, ok := fqgw.TypeByOID(oid)
		if !ok {
			t = fqgw.Unknown
		}
		p.list = append(p.list, &expr.Param{Index: i + 1, Typ: t})
	}
	return p
}

// Types are the types of all parameters, after binding; 42P18 when one could
// not be determined.
func (p *Params) Types() ([]fqgw.Type, error) {
	if p == nil {
		return nil, nil
	}
	out := make([]fqgw.Type, len(p.list))
	for i, x := range p.list {
		if x.Typ == fqgw.Unknown {
			return nil, fqgw.Errorf(fqgw.CodeIndeterminateType, "could not determine data type of parameter $%d", x.Index)
		}
		out[i] = x.Typ.Base()
	}
	return out, nil
}

// at is parameter n, counted from 1; nil when there cannot be one.
func (p *Params) at(n int32) *expr.Param {
	if p == nil || n < 1 || n > maxParams {
		return nil
	}
	for len(p.list) < int(n) {
		p.list = append(p.list, &expr.Param{Index: len(p.list) + 1, Typ: fqgw.Unknown})
	}
	return p.list[n-1]
}
