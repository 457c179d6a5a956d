package secure

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/fqgw/fqgw"
)

// A secret is read from its file each time, without the line's end.
func TestSecret(t *testing.T) {
	if s, err := Secret("pass:word"); s != "pass:word" || err != nil {
		t.Errorf("%q, %v", s, err)
	}
	file := filepath.Join(t.TempDir(), "password")
	if _, err := Secret("file:" + file); !fqgw.HasCode(err, fqgw.CodeConnectionFailure) {
		t.Errorf("a file that is not there: %v", err)
	}
	for _, want := range []string{"one", "two"} {
		if err := os.WriteFile(file, []byte(want+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if s, err := Secret("file:" + file); s != want || err != nil {
			t.Errorf("%q, %v", s, err)
		}
	}
	if err := os.WriteFile(file, []byte("\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Secret("file:" + file); !fqgw.HasCode(err, fqgw.CodeConnectionFailure) {
		t.Errorf("an empty file: %v", err)
	}
}
