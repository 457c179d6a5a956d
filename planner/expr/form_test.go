package expr

import (
	"bytes"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr/exprtest"
)

// TestEveryType: each type is read and printed, is ordered by its operators as
// fqgw.Compare orders it, and can be grouped, looked up and kept in a definition.
func TestEveryType(t *testing.T) {
	exprtest.Types(t, func(t *testing.T, e exprtest.Example) {
		var v [2]fqgw.Value
		for i, text := range []string{e.Less, e.Greater} {
			var err error
			if v[i], err = Parse(text, e.Type, nil); err != nil {
				t.Fatal(err)
			}
			if got := Text(v[i], e.Type, nil); got != text || string(AppendText(nil, v[i], e.Type, nil)) != text {
				t.Errorf("%s prints as %s", text, got)
			}
			if v[i].Kind() != e.Type.Kind() {
				t.Errorf("%s is of kind %d, not %d", text, v[i].Kind(), e.Type.Kind())
			}
			k := &Const{Val: v[i], Typ: e.Type}
			b, err := Encode(nil, k)
			if err != nil {
				t.Fatal(err)
			}
			if back, err := Decode(b, nil); err != nil || !Equal(back, k) {
				t.Errorf("%s in a definition comes back as %v, %v", text, back, err)
			}
			if cast, err := Cast(&Const{Val: fqgw.TextValue(text), Typ: fqgw.Text}, e.Type, Explicit); err != nil {
				t.Errorf("text does not cast to it: %v", err)
			} else if got, err := cast.Eval(&fqgw.Env{}, nil); err != nil || fqgw.Compare(got, v[i]) != 0 {
				t.Errorf("%s as text casts to %v, %v", text, got, err)
			}
		}
		if e.Type == fqgw.JSON {
			return // has no order
		}
		for op, want := range map[string]bool{"<": true, "<=": true, "=": false, "<>": true, ">": false, ">=": false} {
			x, err := Op(op, &Const{Val: v[0], Typ: e.Type}, &Const{Val: v[1], Typ: e.Type})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := x.Eval(&fqgw.Env{}, nil); err != nil || got.True() != want {
				t.Errorf("%s %s %s is %v, %v", e.Less, op, e.Greater, got.True(), err)
			}
		}
		if e.Type != fqgw.JSONB && fqgw.Compare(v[0], v[1]) >= 0 { // jsonb is ordered as a tree
			t.Error("fqgw.Compare has another order than <")
		}
		if bytes.Equal(HashKey(nil, v[0]), HashKey(nil, v[1])) {
			t.Error("two values have one hash key")
		}
		if fqgw.KeyTypeOK(e.Type) {
			if keys := EqualKeys(v[0], e.Type, e.Type, &fqgw.Env{}); len(keys) != 1 || fqgw.Compare(keys[0], v[0]) != 0 {
				t.Errorf("as a join key it equals %v", keys)
			}
			if len(keyValues[e.Type.PgName()]) == 0 {
				t.Error("TestEqualKeys has no values of this type of join keys")
			}
		}
	})
}
