package define

import (
	"math"
	"slices"
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"

	"github.com/fqgw/fqgw"
)

// The options of COPY … TO and CREATE TABLE that say how rows are put into files.
const (
	optPartition   = "partition_by"
	optFileBytes   = "file_size_bytes"
	optCompression = "compression" // of COPY alone
)

// layout reads the options that say how rows of those columns are put into files; it
// leaves out others.
func (d *Definer) layout(list []*pg.Node, columns []string) (l fqgw.FileLayout, err error) {
	opts, err := d.optionList(list)
	if err != nil {
		return l, err
	}
	for _, o := range opts {
		switch o.name {
		case optFileBytes:
			if l.Bytes, err = d.sizeOption(o); err != nil {
				return l, err
			}
		case optCompression:
			switch l.Compression = fqgw.Compression(strings.ToLower(o.value)); l.Compression {
			case fqgw.Zstd, fqgw.Snappy, fqgw.None:
			default:
				return l, d.badOption(o, "It is zstd, snappy or none.")
			}
		case optPartition:
			names := words(o.arg.GetList().GetItems())
			if o.arg.GetList() == nil {
				for name := range strings.SplitSeq(o.value, ",") {
					names = append(names, strings.TrimSpace(name))
				}
			}
			for i, name := range names {
				if !slices.Contains(columns, name) {
					e := d.fail(o.loc, fqgw.CodeUndefinedColumn, "column \"%s\" does not exist", name)
					if near := fqgw.Nearest(name, columns); near != "" {
						e = e.WithHint("Perhaps you meant \"%s\".", near)
					}
					return l, e
				}
				if slices.Contains(names[:i], name) {
					return l, d.fail(o.loc, "42701", "column \"%s\" specified more than once", name)
				}
			}
			l.Partition = names
		}
	}
	return l, nil
}

// sizeOption is an option that is a number of bytes, or one with a unit as PostgreSQL
// has them.
func (d *Definer) sizeOption(o option) (int64, error) {
	text := strings.TrimSpace(o.value)
	digits := len(text) - len(strings.TrimLeft(text, "0123456789"))
	n, err := strconv.ParseInt(text[:digits], 10, 64)
	unit, known := map[string]int64{"": 1, "b": 1, "kb": 1 << 10, "mb": 1 << 20, "gb": 1 << 30}[strings.ToLower(strings.TrimSpace(text[digits:]))]
	if err != nil || !known || n < 1 || n > math.MaxInt64/unit {
		return 0, d.badOption(o, "It is a number of bytes, or one of the units kB, MB and GB: '256MB'.")
	}
	return n * unit, nil
}

// tableLayout reads the WITH list of a table.
func (d *Definer) tableLayout(list []*pg.Node, t *fqgw.Table) (fqgw.FileLayout, error) {
	opts, err := d.optionList(list)
	if err != nil {
		return fqgw.FileLayout{}, err
	}
	for _, o := range opts {
		if o.name != optPartition && o.name != optFileBytes {
			return fqgw.FileLayout{}, d.fail(o.loc, fqgw.CodeInvalidParameter, "unrecognized parameter \"%s\"", o.name).
				WithHint("A table has %s and %s. A stream is a CREATE SOURCE … WITH (…).", optPartition, optFileBytes)
		}
	}
	names := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		names[i] = c.Name
	}
	return d.layout(list, names)
}
