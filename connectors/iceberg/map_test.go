package iceberg

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// TestGiveBack: what a file says is the same after its pages were given back, mapped or
// read whole, where they are the process' own.
func TestGiveBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "run")
	want := bytes.Repeat([]byte("fqgw"), 1<<18)
	if err := os.WriteFile(path, want, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, open := range map[string]func(string) ([]byte, *pages, func(), error){"mapped": mapFile, "read whole": readWhole} {
		data, p, unmap, err := open(path)
		if err != nil {
			t.Fatal(err)
		}
		p.giveBack(data)
		if !bytes.Equal(data, want) {
			t.Errorf("%s: the file says something else", name)
		}
		unmap()
	}
}
