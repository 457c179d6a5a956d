package schemas

import (
	"context"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fqgw/fqgw"
)

// serve is a registry of the tests, which says what it is told.
func serve(t *testing.T, answers map[string]string, asked func(r *http.Request) int) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(handler(answers, asked))
	t.Cleanup(s.Close)
	return s
}

func handler(answers map[string]string, asked func(r *http.Request) int) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked != nil {
			if status := asked(r); status != 0 {
				w.WriteHeader(status)
				return
			}
		}
		text, ok := answers[r.Method+" "+r.URL.RequestURI()]
		if !ok {
			w.WriteHeader(http.StatusNotFound)
			text = `{"error_code":40403,"message":"not found"}`
		}
		_, _ = io.WriteString(w, text)
	})
}

func open(t *testing.T, o Options) *Client {
	t.Helper()
	c, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestSchema(t *testing.T) {
	var fetched atomic.Int64
	s := serve(t, map[string]string{
		"GET /base/schemas/ids/7":                          `{"schema":"\"long\""}`,
		"GET /base/schemas/ids/8":                          `{"schema":"{}","schemaType":"PROTOBUF","references":[{"name":"a.proto","subject":"a/b","version":3},{"name":"c.proto","subject":"c","version":1}]}`,
		"GET /base/subjects/a%2Fb/versions/3?deleted=true": `{"id":3,"schema":"a","schemaType":"PROTOBUF","references":[{"name":"c.proto","subject":"c","version":1}]}`,
		"GET /base/subjects/c/versions/1?deleted=true":     `{"id":2,"schema":"c","schemaType":"PROTOBUF"}`,
		"GET /base/subjects/t-value/versions/latest":       `{"subject":"t-value","version":2,"id":7,"schema":"\"long\""}`,
		"GET /base/subjects":                               `["t-value","other"]`,
		"POST /base/subjects/t-value/versions":             `{"id":9}`,
	}, func(*http.Request) int { fetched.Add(1); time.Sleep(20 * time.Millisecond); return 0 })
	c := open(t, Options{URLs: s.URL + "/base/"})
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if got, err := c.Schema(t.Context(), 7); err != nil || got.ID != 7 || got.Type != "AVRO" || got.Text != `"long"` {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
	all.Wait()
	if n := fetched.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	got, err := c.Schema(t.Context(), 8)
	if err != nil || got.Type != "PROTOBUF" || len(got.References) != 2 || got.References[0].Name != "a.proto" || got.References[0].Schema.Text != "a" ||
		got.References[0].Schema.References[0].Schema != got.References[1].Schema {
		t.Errorf("%+v, %v", got, err)
	}
	if n := fetched.Load(); n != 4 {
		t.Errorf("asked %d times", n)
	}
	latest, err := c.Latest(t.Context(), "t-value")
	if err != nil || latest.ID != 7 {
		t.Errorf("%+v, %v", latest, err)
	}
	if _, err := c.Latest(t.Context(), "t-valeu"); !fqgw.HasCode(err, fqgw.CodeUndefinedObject) || !strings.Contains(fqgw.AsError(err).Hint, "t-value") {
		t.Errorf("%v, %s", err, fqgw.AsError(err).Hint)
	}
	for range 2 {
		if id, err := c.Register(t.Context(), "t-value", fqgw.RecordSchema{Type: "AVRO", Text: `"int"`}); id != 9 || err != nil {
			t.Errorf("registered as %d, %v", id, err)
		}
	}
	if n := fetched.Load(); n != 8 { // the newest, the missing one, all subjects, one registration
		t.Errorf("asked %d times", n)
	}
}

// TestAway: whatever is wrong with the registry for now is class 08, is asked again
// after a while, and no sooner; what it does not know may be known later.
func TestAway(t *testing.T) {
	var status, asked atomic.Int64
	answers := map[string]string{"GET /schemas/ids/1": `{"schema":"1"}`, "GET /schemas/ids/2": `{"schema":"2"}`}
	s := serve(t, answers, func(*http.Request) int { asked.Add(1); return int(status.Load()) })
	c := open(t, Options{URLs: s.URL})
	for _, code := range []int64{500, 503, 429} {
		status.Store(code)
		c.mu.Lock()
		clear(c.asked)
		c.mu.Unlock()
		asked.Store(0)
		for range 5 {
			if _, err := c.Schema(t.Context(), 1); !fqgw.HasCode(err, fqgw.CodeConnectionFailure) || !strings.Contains(err.Error(), fmt.Sprint(code)) {
				t.Errorf("%d is %v", code, err)
			}
		}
		if n := asked.Load(); n != 1 {
			t.Errorf("asked %d times at once", n)
		}
	}
	status.Store(0)
	until := time.Now().Add(10 * time.Second)
	for {
		got, err := c.Schema(t.Context(), 1)
		if err == nil && got.Text == "1" {
			break
		}
		if time.Now().After(until) {
			t.Fatalf("it does not go on: %v", err)
		}
		time.Sleep(20 * time.Millisecond)
	}
	if _, err := c.Schema(t.Context(), 5); !fqgw.HasCode(err, fqgw.CodeUndefinedObject) || !strings.Contains(err.Error(), "does not know schema 5") {
		t.Error(err)
	}
	for code, want := range map[int64]fqgw.Code{401: "42501", 403: "42501", 404: fqgw.CodeUndefinedObject, 418: fqgw.CodeIO} {
		status.Store(code)
		if _, err := c.Latest(t.Context(), "s"); !fqgw.HasCode(err, want) {
			t.Errorf("%d is %v", code, err)
		}
	}
	status.Store(0)
	answers["GET /subjects/s/versions/latest"] = "<html>"
	if _, err := c.Latest(t.Context(), "s"); !fqgw.HasCode(err, fqgw.CodeIO) {
		t.Error(err)
	}
	s.Close()
	if _, err := c.Schema(t.Context(), 2); !fqgw.HasCode(err, fqgw.CodeConnectionFailure) || !strings.Contains(err.Error(), "cannot be reached") {
		t.Error(err)
	}
	if got, err := c.Schema(t.Context(), 1); err != nil || got.Text != "1" {
		t.Errorf("what is known is forgotten: %v", err)
	}
}

// TestSlow: a call does not wait for long, and what it began is there for the next.
func TestSlow(t *testing.T) {
	var asked atomic.Int64
	release := make(chan struct{})
	s := serve(t, map[string]string{"GET /schemas/ids/1": `{"schema":"1"}`}, func(*http.Request) int { asked.Add(1); <-release; return 0 })
	c := open(t, Options{URLs: s.URL, Wait: 50 * time.Millisecond})
	for range 3 {
		if _, err := c.Schema(t.Context(), 1); !fqgw.HasCode(err, fqgw.CodeConnectionFailure) || !strings.Contains(err.Error(), "not answered") {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Schema(ctx, 1); err != context.Canceled { //nolint:errorlint
		t.Error(err)
	}
	close(release)
	c.o.Wait = 10 * time.Second
	if got, err := c.Schema(t.Context(), 1); err != nil || got.Text != "1" || asked.Load() != 1 {
		t.Errorf("%v, asked %d times", err, asked.Load())
	}
}

// TestSeveral: the next registry answers when one is away.
func TestSeveral(t *testing.T) {
	s := serve(t, map[string]string{"GET /schemas/ids/1": `{"schema":"1"}`}, nil)
	c := open(t, Options{URLs: "http://127.0.0.1:1, " + s.URL})
	if got, err := c.Schema(t.Context(), 1); err != nil || got.Text != "1" {
		t.Error(err)
	}
}

// TestCredentials: a user, a token or a file, whose content may change; never in an error.
func TestCredentials(t *testing.T) {
	want := ""
	s := serve(t, map[string]string{"GET /subjects/s/versions/latest": `{"id":1,"schema":"1"}`}, func(r *http.Request) int {
		if r.Header.Get("Authorization") != want {
			return http.StatusUnauthorized
		}
		return 0
	})
	file := filepath.Join(t.TempDir(), "secret")
	for credentials, header := range map[string]string{"": "", "me:s:cret": "Basic bWU6czpjcmV0", "s-cret": "Bearer s-cret", "file:" + file: "Bearer s-cret"} {
		if err := os.WriteFile(file, []byte("s-cret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		want = header
		c := open(t, Options{URLs: s.URL, Credentials: credentials})
		if _, err := c.Latest(t.Context(), "s"); err != nil {
			t.Errorf("%s: %v", credentials, err)
		}
		want = "another"
		if _, err := c.Latest(t.Context(), "t"); err == nil || strings.Contains(fmt.Sprintf("%+v", fqgw.AsError(err)), "cret") && !strings.Contains(credentials, "file") {
			t.Errorf("%s: %+v", credentials, err)
		}
	}
	if err := CheckURLs("http://me:s-cret@host"); err == nil || strings.Contains(err.Error(), "cret") {
		t.Error(err)
	}
}

func TestTLS(t *testing.T) {
	s := httptest.NewUnstartedServer(handler(map[string]string{"GET /schemas/ids/1": `{"schema":"1"}`}, nil))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.StartTLS()
	defer s.Close()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := open(t, Options{URLs: s.URL}).Schema(t.Context(), 1); !fqgw.HasCode(err, fqgw.CodeConnectionFailure) || !strings.Contains(err.Error(), "certificate") {
		t.Error(err)
	}
	if got, err := open(t, Options{URLs: s.URL, CA: ca}).Schema(t.Context(), 1); err != nil || got.Text != "1" {
		t.Error(err)
	}
	if _, err := Open(Options{URLs: s.URL, CA: "/nowhere"}); err == nil {
		t.Error("a file that is not there is taken")
	}
}

func TestURLs(t *testing.T) {
	for _, bad := range []string{"", "localhost:8081", "ftp://x", "http://", "http://a, b", "http://a?x=1"} {
		if CheckURLs(bad) == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	if err := CheckURLs("http://a:8081/apis/ccompat/v7,https://b"); err != nil {
		t.Error(err)
	}
}
