package relational

import (
	"encoding/binary"
	"strings"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

// sameKey says whether equality of a value of type l with one of type r is
// equality of their keys.
func sameKey(l, r fqgw.Type) bool {
	if l.Kind() != r.Kind() || (l.OID == fqgw.BPChar.OID) != (r.OID == fqgw.BPChar.OID) {
		return false
	}
	if l.Kind() == fqgw.KindTimestamp && l.OID != r.OID {
		return false // between them stands the session's zone
	}
	for _, t := range []fqgw.Type{l, r} {
		switch t.OID {
		case fqgw.JSON.OID, fqgw.JSONB.OID, fqgw.Record.OID, fqgw.BPChar.Array().OID:
			return false
		}
	}
	return true
}

// appendKey appends a value's canonical bytes, equal exactly when values of the
// type are, and behind them their length: no two rows of values run together.
func appendKey(dst []byte, v fqgw.Value, t fqgw.Type) []byte {
	at := len(dst)
	if t.OID == fqgw.BPChar.OID && v.Kind() == fqgw.KindText { // blanks at the end do not count
		v = fqgw.TextValue(strings.TrimRight(v.Str(), " "))
	}
	dst = expr.HashKey(dst, v)
	return binary.BigEndian.AppendUint32(dst, uint32(len(dst)-at))
}

// rowKey is the key of a row: equal exactly when the rows are, NULL equal to NULL.
func rowKey(dst []byte, row []fqgw.Value, types []fqgw.Type) []byte {
	for i, v := range row {
		dst = appendKey(dst, v, types[i])
	}
	return dst
}
