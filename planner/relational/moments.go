package relational

import (
	"math"
	"math/big"
	"strings"

	"github.com/fqgw/fqgw"
)

// floatMoments follows Youngs and Cramer, as PostgreSQL does.
type floatMoments struct {
	n        int64
	sum, sxx float64
}

func (m *floatMoments) add(args []fqgw.Value) error {
	if args[0].IsNull() {
		return nil
	}
	x, old := args[0].Float(), m.sum
	m.n++
	m.sum += x
	if m.n == 1 {
		if math.IsInf(x, 0) || math.IsNaN(x) {
			m.sxx = math.NaN()
		}
		return nil
	}
	t := x*float64(m.n) - m.sum
	m.sxx += t * t / (float64(m.n) * float64(m.n-1))
	if math.IsInf(m.sum, 0) || math.IsInf(m.sxx, 0) {
		if !math.IsInf(old, 0) && !math.IsInf(x, 0) {
			return overflow()
		}
		m.sxx = math.NaN()
	}
	return nil
}

func (m *floatMoments) result(_ *fqgw.Env, c *aggCall) (fqgw.Value, error) {
	d := float64(m.n - 1)
	if strings.HasSuffix(c.Func, "_pop") {
		d = float64(m.n)
	}
	if m.n == 0 || d <= 0 {
		return fqgw.Null, nil
	}
	v := m.sxx / d
	if strings.HasPrefix(c.Func, "stddev") {
		v = math.Sqrt(v)
	}
	return fqgw.FloatValue(v), nil
}

// exactMoments is variance and deviation of integers and numerics.
type exactMoments struct {
	n         int64
	sum, sum2 fqgw.Decimal
}

func (m *exactMoments) add(args []fqgw.Value) error {
	var d fqgw.Decimal
	switch v := args[0]; v.Kind() {
	case fqgw.KindNull:
		return nil
	case fqgw.KindInt:
		d = fqgw.DecimalFromInt(v.Int())
	default:
		d = v.Numeric()
	}
	m.n++
	m.sum, m.sum2 = m.sum.Add(d), m.sum2.Add(d.Mul(d))
	return nil
}

func (m *exactMoments) result(_ *fqgw.Env, c *aggCall) (fqgw.Value, error) {
	n := fqgw.DecimalFromInt(m.n)
	d := fqgw.DecimalFromInt(m.n - 1)
	if strings.HasSuffix(c.Func, "_pop") {
		d = n
	}
	if m.n == 0 || d.Sign() <= 0 {
		return fqgw.Null, nil
	}
	if !m.sum.Finite() {
		return fqgw.NumericValue(fqgw.DecimalNaN), nil
	}
	top := n.Mul(m.sum2).Sub(m.sum.Mul(m.sum))
	if top.Sign() <= 0 {
		return fqgw.NumericValue(fqgw.Decimal{}), nil
	}
	v, _ := top.Quo(n.Mul(d))
	if strings.HasPrefix(c.Func, "stddev") {
		v = root(v)
	}
	return fqgw.NumericValue(v), nil
}

// root is the square root at d's own scale, rounded half up.
func root(d fqgw.Decimal) fqgw.Decimal {
	// The root of coef * 10^(scale+2) has one digit more than is wanted.
	ten := big.NewInt(10)
	n := new(big.Int).Mul(d.Coef(), new(big.Int).Exp(ten, big.NewInt(int64(d.Scale())+2), nil))
	return fqgw.NewDecimal(n.Sqrt(n), d.Scale()+1).Round(d.Scale())
}

// regression is the aggregates of two variables, (y, x) in this order.
type regression struct {
	n                     int64
	sx, sxx, sy, syy, sxy float64
}

func (r *regression) add(args []fqgw.Value) error {
	if args[0].IsNull() || args[1].IsNull() {
		return nil
	}
	y, x := args[0].Float(), args[1].Float()
	r.n++
	r.sx += x
	r.sy += y
	if r.n == 1 {
		if math.IsInf(x, 0) || math.IsNaN(x) {
			r.sxx, r.sxy = math.NaN(), math.NaN()
		}
		if math.IsInf(y, 0) || math.IsNaN(y) {
			r.syy, r.sxy = math.NaN(), math.NaN()
		}
		return nil
	}
	n := float64(r.n)
	tx, ty := x*n-r.sx, y*n-r.sy
	scale := 1 / (n * (n - 1))
	r.sxx += tx * tx * scale
	r.syy += ty * ty * scale
	r.sxy += tx * ty * scale
	return nil
}

func (r *regression) result(_ *fqgw.Env, c *aggCall) (fqgw.Value, error) {
	n := float64(r.n)
	if c.Func == "regr_count" {
		return fqgw.IntValue(r.n), nil
	}
	if r.n == 0 || c.Func == "covar_samp" && r.n < 2 {
		return fqgw.Null, nil
	}
	var v float64
	switch c.Func {
	case "regr_avgx":
		v = r.sx / n
	case "regr_avgy":
		v = r.sy / n
	case "regr_sxx":
		v = r.sxx
	case "regr_syy":
		v = r.syy
	case "regr_sxy":
		v = r.sxy
	case "covar_pop":
		v = r.sxy / n
	case "covar_samp":
		v = r.sxy / (n - 1)
	case "corr":
		if r.sxx == 0 || r.syy == 0 {
			return fqgw.Null, nil
		}
		v = r.sxy / math.Sqrt(r.sxx*r.syy)
	case "regr_slope", "regr_intercept", "regr_r2":
		if r.sxx == 0 {
			return fqgw.Null, nil
		}
		switch {
		case c.Func == "regr_slope":
			v = r.sxy / r.sxx
		case c.Func == "regr_intercept":
			v = (r.sy - r.sx*r.sxy/r.sxx) / n
		case r.syy == 0:
			v = 1
		default:
			v = (r.sxy * r.sxy) / (r.sxx * r.syy)
		}
	}
	return fqgw.FloatValue(v), nil
}
