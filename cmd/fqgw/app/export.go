package app

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/planner/expr"
)

const exportUsage = `usage: fqgw export [flags] [DIR]

Writes what is defined as SQL: to DIR, a file for each object, in a folder for each
schema but public; without DIR to the standard output, in an order in which psql can
run it. fqgw apply of it changes nothing.
`

// export is the command.
func export(ctx context.Context, args []string, out, stderr io.Writer) error {
	var c client
	fs := flag.NewFlagSet("export", flag.ContinueOnError)
	c.flags(fs)
	if err := parseFlags(fs, args, exportUsage, stderr); err != nil {
		return err
	}
	if fs.NArg() > 1 {
		return usageError{fmt.Errorf("unexpected argument %q", fs.Arg(1))}
	}
	conn, err := c.connect(ctx, nil)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	defs, err := readDefinitions(ctx, conn)
	if err != nil {
		return err
	}
	if fs.NArg() == 0 {
		for i, d := range defs {
			if i > 0 {
				fmt.Fprintln(out)
			}
			if _, err := io.WriteString(out, d.text(true)); err != nil {
				return err
			}
		}
		return nil
	}
	return writeDefinitions(fs.Arg(0), defs, stderr)
}

// definition is a row of fqgw.definitions.
type definition struct {
	kind, schema, object string // object "" of a schema
	sql                  string
	path                 []string
}

func readDefinitions(ctx context.Context, conn *pgx.Conn) ([]definition, error) {
	rows, err := conn.Query(ctx, `SELECT kind, schema_name, COALESCE(object_name, ''), sql, search_path FROM fqgw.definitions`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (d definition, err error) {
		err = row.Scan(&d.kind, &d.schema, &d.object, &d.sql, &d.path)
		return d, err
	})
}

// text is the definition with the search path that it is read under; stream says that
// others stand behind it in the same text.
func (d *definition) text(stream bool) string {
	if len(d.path) == 0 {
		return d.sql
	}
	path := make([]string, len(d.path))
	for i, s := range d.path {
		path[i] = expr.QuoteIdent(s)
	}
	text := "SET search_path = " + strings.Join(path, ", ") + ";\n" + d.sql
	if stream {
		text += "RESET search_path;\n"
	}
	return text
}

// file is the definition's file below the folder: public's are in the folder itself,
// those of another schema in one of its name, beside which its own file lies.
func (d *definition) file() string {
	switch {
	case d.object == "":
		return fileName(d.schema) + ".schema.sql"
	case d.schema == fqgw.PublicSchema:
		return fileName(d.object) + ".sql"
	}
	return filepath.Join(fileName(d.schema), fileName(d.object)+".sql")
}

// fileName is a name as that of a file on any system: what is not a small letter, a
// digit, - or _ is %XX, so that two names never have one file.
func fileName(name string) string {
	var out strings.Builder
	for _, c := range []byte(name) {
		if c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '_' || c == '-' {
			out.WriteByte(c)
		} else {
			fmt.Fprintf(&out, "%%%02X", c)
		}
	}
	return out.String()
}

// writeDefinitions writes the files, and names those that are there besides.
func writeDefinitions(dir string, defs []definition, stderr io.Writer) error {
	var written []string
	for i := range defs {
		path := filepath.Join(dir, defs[i].file())
		written = append(written, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(defs[i].text(false)), 0o644); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	there, err := sqlFiles([]string{dir})
	if err != nil {
		return err
	}
	for _, path := range there {
		if !slices.Contains(written, path) {
			fmt.Fprintf(stderr, "fqgw export: %s is not of this export, and is left as it is\n", path)
		}
	}
	fmt.Fprintf(stderr, "%d definitions in %s\n", len(defs), dir)
	return nil
}

// sqlFiles are the .sql files below folders, and the files that are named themselves,
// in order, each once. What begins with a dot is passed over.
func sqlFiles(paths []string) ([]string, error) {
	var files []string
	for _, root := range paths {
		err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case path != root && strings.HasPrefix(d.Name(), "."):
				if d.IsDir() {
					return filepath.SkipDir
				}
			case !d.IsDir() && (path == root || strings.HasSuffix(path, ".sql")):
				files = append(files, filepath.Clean(path))
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	slices.Sort(files)
	return slices.Compact(files), nil
}
