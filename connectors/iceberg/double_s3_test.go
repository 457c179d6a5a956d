package iceberg

import (
	"bytes"
	"crypto/md5"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// trouble stands before a double of a server. Its handler may answer in the double's
// place, or break the connection off; it says whether it did.
type trouble struct {
	handler atomic.Pointer[func(w http.ResponseWriter, r *http.Request, next http.Handler) bool]
}

func (x *trouble) set(f func(w http.ResponseWriter, r *http.Request, next http.Handler) bool) {
	if f == nil {
		x.handler.Store(nil)
		return
	}
	x.handler.Store(&f)
}

func (x *trouble) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := x.handler.Load(); f != nil && (*f)(w, r, next) {
			return
		}
		next.ServeHTTP(w, r)
	})
}

// serve is the address of a handler for as long as the test runs.
func serve(t testing.TB, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
	})
	return s.URL
}

// bucket is a double of S3: as much of its protocol as the lake speaks.
type bucket struct {
	trouble
	url     string
	mu      sync.Mutex
	objects map[string][]byte // by bucket/key
	uploads map[string]map[int][]byte
	keys    []string // access keys that are taken; nil: any
}

func newBucket(t testing.TB) *bucket {
	b := &bucket{objects: map[string][]byte{}, uploads: map[string]map[int][]byte{}}
	b.url = serve(t, b.before(b))
	return b
}

// take changes which access keys are taken.
func (b *bucket) take(keys ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.keys = keys
}

// names are the objects that end so.
func (b *bucket) names(suffix string) (out []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for name := range b.objects {
		if strings.HasSuffix(name, suffix) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (b *bucket) remove(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.objects, name)
}

func s3Error(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>%s, says the double</Message></Error>", code, code)
}

func etag(content []byte) string { return fmt.Sprintf(`"%x"`, md5.Sum(content)) }

func (b *bucket) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	key, _, _ := strings.Cut(credential, "/")
	if b.keys != nil && !slices.Contains(b.keys, key) {
		s3Error(w, http.StatusForbidden, "ExpiredToken")
		return
	}
	name, query := strings.TrimPrefix(r.URL.Path, "/"), r.URL.Query()
	content, there := b.objects[name]
	switch {
	case r.Method == http.MethodPut && query.Has("partNumber"):
		n, _ := strconv.Atoi(query.Get("partNumber"))
		b.uploads[query.Get("uploadId")][n] = body
		w.Header().Set("ETag", etag(body))
	case r.Method == http.MethodPut:
		b.objects[name] = body
		w.Header().Set("ETag", etag(body))
	case r.Method == http.MethodPost && query.Has("uploads"):
		id := fmt.Sprint("upload", len(b.uploads))
		b.uploads[id] = map[int][]byte{}
		fmt.Fprintf(w, "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>", id)
	case r.Method == http.MethodPost && query.Has("uploadId"):
		var list struct{ Part []struct{ PartNumber int } }
		if xml.Unmarshal(body, &list) != nil {
			s3Error(w, http.StatusBadRequest, "MalformedXML")
			return
		}
		var whole []byte
		for _, p := range list.Part {
			whole = append(whole, b.uploads[query.Get("uploadId")][p.PartNumber]...)
		}
		b.objects[name] = whole
		delete(b.uploads, query.Get("uploadId"))
		fmt.Fprintf(w, "<CompleteMultipartUploadResult><ETag>%s</ETag></CompleteMultipartUploadResult>", etag(whole))
	case r.Method == http.MethodDelete:
		delete(b.uploads, query.Get("uploadId"))
		if !query.Has("uploadId") {
			delete(b.objects, name)
		}
		w.WriteHeader(http.StatusNoContent)
	case !there:
		s3Error(w, http.StatusNotFound, "NoSuchKey")
	case r.Header.Get("If-Match") != "" && r.Header.Get("If-Match") != etag(content):
		s3Error(w, http.StatusPreconditionFailed, "PreconditionFailed")
	default:
		w.Header().Set("ETag", etag(content))
		http.ServeContent(w, r, "", time.Unix(1, 0), bytes.NewReader(content))
	}
}
