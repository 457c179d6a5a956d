package exec

import (
	"path/filepath"

	"github.com/fqgw/fqgw"
)

// filePath is where SQL's path lies: below the allowed folder and nowhere else.
func (e *Engine) filePath(path string) (string, error) {
	if e.o.Files == "" {
		return "", fqgw.Errorf("42501", "no folder is allowed for files")
	}
	if filepath.IsAbs(path) {
		rel, err := filepath.Rel(e.o.Files, path)
		if err != nil || !filepath.IsLocal(rel) {
			return "", outside(path, e.o.Files)
		}
		return path, nil
	}
	if !filepath.IsLocal(path) {
		return "", outside(path, e.o.Files)
	}
	return filepath.Join(e.o.Files, path), nil
}

func outside(path, folder string) error {
	return fqgw.Errorf("42501", "file \"%s\" lies outside the folder that SQL may use", path).
		WithHint("Write a name relative to %s.", folder)
}
