package wire

import (
	"strconv"
	"unicode/utf8"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// appendText appends the output function's text; the commonest kinds do so
// without an intermediate string.
func appendText(dst []byte, v fqgw.Value, t fqgw.Type, env *fqgw.Env) []byte {
	switch {
	case t == fqgw.Text || t == fqgw.Varchar:
		return append(dst, v.Str()...)
	case v.Kind() == fqgw.KindBool:
		if v.Bool() {
			return append(dst, 't')
		}
		return append(dst, 'f')
	case t == fqgw.Int8 || t == fqgw.Int4 || t == fqgw.Int2 || t == fqgw.OID:
		return strconv.AppendInt(dst, v.Int(), 10)
	}
	return expr.AppendText(dst, v, t, env)
}

// text is raw as a string: valid UTF-8 without zero bytes, or 22021.
func text(raw []byte) (string, error) {
	for i := 0; i < len(raw); {
		if raw[i] == 0 {
			return "", fqgw.Errorf(fqgw.CodeNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": 0x00")
		}
		if raw[i] < utf8.RuneSelf {
			i++
			continue
		}
		r, n := utf8.DecodeRune(raw[i:])
		if r == utf8.RuneError && n == 1 {
			return "", fqgw.Errorf(fqgw.CodeNotInRepertoire, "invalid byte sequence for encoding \"UTF8\": 0x%02x", raw[i])
		}
		i += n
	}
	return string(raw), nil
}
