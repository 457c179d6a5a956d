package iceberg

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
)

// partitionable is nil for columns whose values can divide files; 0A000.
func partitionable(cols []fqgw.Column) error {
	for _, c := range cols {
		switch c.Type.Kind() {
		case fqgw.KindBool, fqgw.KindInt, fqgw.KindText, fqgw.KindDate:
		default:
			return fqgw.Errorf(fqgw.CodeFeatureNotSupported, "files cannot be divided by column \"%s\" of type %s", c.Name, c.Type).
				WithHint("A column of type boolean, integer, text or date can divide them: date_trunc('day', …)::date of a time.")
		}
	}
	return nil
}

// hive are the columns that divide rows into folders, as Hive names them.
type hive struct {
	columns []fqgw.Column
	places  []int // of the columns in the batches
}

// folder is that of a row: "day=2024-01-01/country=DE".
func (h *hive) folder(b arrow.RecordBatch, row int) string {
	var out strings.Builder
	for i, c := range h.columns {
		if i > 0 {
			out.WriteByte('/')
		}
		out.WriteString(escaped(c.Name))
		out.WriteByte('=')
		switch v := fqgw.ArrowView(b.Column(h.places[i]), row, c.Type); {
		case v.IsNull():
			out.WriteString("__HIVE_DEFAULT_PARTITION__")
		case v.Kind() == fqgw.KindBool:
			out.WriteString(strconv.FormatBool(v.Bool()))
		case v.Kind() == fqgw.KindDate:
			out.WriteString(time.Unix(v.Int()*86_400, 0).UTC().Format(time.DateOnly))
		case v.Kind() == fqgw.KindText:
			out.WriteString(escaped(v.Str()))
		default:
			out.WriteString(strconv.FormatInt(v.Int(), 10))
		}
	}
	return out.String()
}

// escaped writes what means something in a path, or in a Hive partition, as %XX.
func escaped(s string) string {
	const special = "\"#%'*/:=?\\{[]^\x7f"
	var b strings.Builder
	for i, c := range []byte(s) {
		if c < ' ' || strings.IndexByte(special, c) >= 0 || c == '.' && i == 0 {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
