package files

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
)

// wild says whether a path has wildcards.
func wild(pattern string) bool { return strings.ContainsAny(pattern, "*?[") }

// hidden are the names that wildcards and folders leave out: markers and files in
// the making have them.
func hidden(name string) bool { return strings.HasPrefix(name, ".") || strings.HasPrefix(name, "_") }

// match finds the files of a path, in the order of their names: * and ? and [a-z]
// within a name, ** any folders. A folder stands for all files below it.
func match(ctx context.Context, in fs.FS, pattern string, found func(name string, info fs.FileInfo)) error {
	parts := strings.Split(path.Clean(pattern), "/")
	return walk(ctx, in, ".", parts, false, found)
}

// walk finds the files of the parts of a path below dir; loose says that there are
// wildcards in the parts before.
func walk(ctx context.Context, in fs.FS, dir string, parts []string, loose bool, found func(string, fs.FileInfo)) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(parts) == 0 {
		parts = []string{"**", "*"}
	}
	if len(parts) == 1 && parts[0] == "**" {
		parts = []string{"**", "*"}
	}
	head, rest := parts[0], parts[1:]
	if head == "." {
		return walk(ctx, in, dir, rest, loose, found)
	}
	if !wild(head) {
		name := path.Join(dir, head)
		info, err := fs.Stat(in, name)
		switch {
		case loose && errors.Is(err, fs.ErrNotExist): // one folder of several
			return nil
		case err != nil:
			return failed(name, err)
		case info.IsDir():
			return walk(ctx, in, name, rest, loose, found)
		case len(rest) == 0 && info.Mode().IsRegular():
			found(name, info)
		}
		return nil
	}
	if _, err := path.Match(head, ""); err != nil {
		return err
	}
	entries, err := fs.ReadDir(in, dir)
	if err != nil {
		return failed(dir, err)
	}
	if head == "**" { // no folder, too
		if err := walk(ctx, in, dir, rest, true, found); err != nil {
			return err
		}
	}
	for _, e := range entries {
		if hidden(e.Name()) {
			continue
		}
		if ok, _ := path.Match(head, e.Name()); !ok {
			continue
		}
		name := path.Join(dir, e.Name())
		info, err := fs.Stat(in, name) // of what a link leads to
		switch {
		case err != nil:
			err = failed(name, err)
		case info.IsDir() && head == "**":
			err = walk(ctx, in, name, parts, true, found)
		case info.IsDir() && len(rest) > 0:
			err = walk(ctx, in, name, rest, true, found)
		case len(rest) == 0 && head != "**" && info.Mode().IsRegular():
			found(name, info)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
