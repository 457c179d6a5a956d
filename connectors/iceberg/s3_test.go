package iceberg

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/iceberg/internal/s3"
)

func TestS3Files(t *testing.T) {
	s3Files(t, newBucket(t).url)
}

func TestConformanceRealS3Files(t *testing.T) {
	if os.Getenv("FQGW_TEST_S3") == "" {
		t.Skip("FQGW_TEST_S3 is not set")
	}
	s3Files(t, os.Getenv("FQGW_TEST_S3"))
}

// s3Files writes files that are empty, small and of several parts, and reads them in
// every way.
func s3Files(t *testing.T, endpoint string) {
	c := Catalog{S3: S3{Endpoint: endpoint, AccessKey: "fqgw", SecretKey: "fqgw-secret"}}
	f, err := s3.New(t.Context(), c.properties(false))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, size := range []int{0, 1, 256 << 10, 256<<10 + 1, 20 << 20} {
		content := make([]byte, size)
		for i := range content {
			content[i] = byte(rand.Uint32())
		}
		name := "s3://warehouse/files/a b%c+ü " + filepath.Base(t.TempDir())
		names = append(names, name)
		w, err := f.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(w, bytes.NewReader(content)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		r, err := f.Open(name)
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if info, err := r.Stat(); err != nil || info.Size() != int64(size) {
			t.Errorf("%d bytes: %v, %v", size, info, err)
		}
		if got, err := io.ReadAll(struct{ io.Reader }{r}); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes: %d are read, %v", size, len(got), err)
		}
		if got, err := f.ReadFile(name); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%d bytes: a whole of %d, %v", size, len(got), err)
		}
		part := make([]byte, 1000)
		for _, at := range []int{0, size / 2, size - 1000, size - 10, size} {
			if at < 0 {
				continue
			}
			n, err := r.ReadAt(part, int64(at))
			if want := min(1000, size-at); n != want || !bytes.Equal(part[:n], content[at:at+n]) || (err == io.EOF) != (want < 1000) {
				t.Errorf("%d bytes, from %d: %d, %v", size, at, n, err)
			}
		}
	}
	if deleted, err := f.DeleteFiles(t.Context(), names); err != nil || len(deleted) != len(names) {
		t.Errorf("%v, %v", deleted, err)
	}
	if _, err := f.Open(names[1]); code(err) != codeNoFile || !strings.Contains(err.Error(), names[1]) {
		t.Errorf("a file that was removed: %v", err)
	}
}

// Credentials are where AWS keeps them: in the environment or in a file, which is read
// again when what was in it has expired.
func TestS3CredentialsOfMachine(t *testing.T) {
	b := newBucket(t)
	file := filepath.Join(t.TempDir(), "credentials")
	write := func(key string) {
		text := "[mine]\naws_access_key_id = " + key + "\naws_secret_access_key = secret\n"
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	b.take("first")
	l := open(t, Options{Catalog: Catalog{Warehouse: "s3://warehouse/f", S3: S3{Endpoint: b.url, Profile: "mine", CredentialsFile: file}}})
	create(t, l, "lake.t")
	land(t, l, "lake.t", 0, 2)
	write("second")
	b.take("second")
	land(t, l, "lake.t", 2, 1)
	if got := values(t, l, fqgw.Scan{Table: "lake.t"}); !slices.Equal(got, upTo(0, 3)) {
		t.Errorf("%v", got)
	}
	if err := l.Drop(t.Context(), "lake.t"); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ACCESS_KEY_ID", "third")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	b.take("third")
	l = open(t, Options{Catalog: Catalog{Warehouse: "s3://warehouse/e", S3: S3{Endpoint: b.url}}})
	create(t, l, "lake.t")
	land(t, l, "lake.t", 0, 2)
	if err := l.Drop(t.Context(), "lake.t"); err != nil {
		t.Fatal(err)
	}
	if left := b.names(".parquet"); len(left) > 0 {
		t.Errorf("left of tables that were dropped: %v", left)
	}
}
