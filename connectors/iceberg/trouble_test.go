package iceberg

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/storetest"
)

// short is the patience of these tests.
const short = 300 * time.Millisecond

// troubled is a lake on doubles that hand out credentials.
func troubled(t testing.TB) (*Lake, *restServer, *bucket) {
	b := newBucket(t)
	r := newRestServer(t, b, nil)
	r.vend(vended(b, "first"))
	return open(t, Options{Catalog: Catalog{URI: r.url, Patience: short}}), r, b
}

func vended(b *bucket, key string) map[string]string {
	return map[string]string{"s3.endpoint": b.url, "client.region": "us-east-1", "s3.access-key-id": key, "s3.secret-access-key": "secret"}
}

// status answers with a status alone.
func status(code int, header ...string) func(http.ResponseWriter, *http.Request, http.Handler) bool {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
		for i := 0; i < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
		return true
	}
}

// hang never answers. A server sees that a client has gone when it has read all.
func hang(_ http.ResponseWriter, r *http.Request, _ http.Handler) bool {
	_, _ = io.Copy(io.Discard, r.Body)
	<-r.Context().Done()
	return true
}

// half carries a request out and breaks its answer off.
func half(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
	c := httptest.NewRecorder()
	next.ServeHTTP(c, r)
	for k, v := range c.Header() {
		w.Header()[k] = v
	}
	w.Header().Set("Content-Length", fmt.Sprint(c.Body.Len()))
	w.WriteHeader(c.Code)
	_, _ = w.Write(c.Body.Bytes()[:c.Body.Len()/2])
	panic(http.ErrAbortHandler)
}

// commits are the requests that change a table.
func commits(r *http.Request) bool {
	return r.Method == http.MethodPost && strings.Count(r.URL.Path, "/") == 6
}

func only(
	which func(*http.Request) bool,
	f func(http.ResponseWriter, *http.Request, http.Handler) bool,
) func(http.ResponseWriter, *http.Request, http.Handler) bool {
	return func(w http.ResponseWriter, r *http.Request, next http.Handler) bool { return which(r) && f(w, r, next) }
}

// A REST catalog that fails at random, before or after it has carried out what it was
// asked: every landed row is there once, and every appended one as was said.
func TestRaceTrouble(t *testing.T) {
	b := newBucket(t)
	r := newRestServer(t, b, vended(b, "first"))
	var handles []fqgw.History
	for range 3 {
		handles = append(handles, open(t, Options{Catalog: Catalog{URI: r.url, Patience: 2 * time.Second}}))
	}
	if err := handles[0].(*Lake).Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	var troubles [6]atomic.Int64
	var turn atomic.Int64
	r.set(func(w http.ResponseWriter, q *http.Request, next http.Handler) bool {
		if q.Method == http.MethodPost && !commits(q) {
			return false
		}
		n := turn.Add(1) * 7 % 30 // each trouble once in 30 requests, and never two at once
		if n >= int64(len(troubles)) {
			return false
		}
		troubles[n].Add(1)
		switch n {
		case 0:
			return status(500)(w, q, next)
		case 1:
			return status(429)(w, q, next)
		case 2:
			return half(w, q, next)
		case 3: // carried out, and another answer
			next.ServeHTTP(httptest.NewRecorder(), q)
			return status(503)(w, q, next)
		case 4:
			panic(http.ErrAbortHandler)
		}
		go func() { // carried out when the client has long gone
			body, _ := io.ReadAll(q.Body)
			late := q.Clone(context.WithoutCancel(q.Context()))
			late.Body = io.NopCloser(strings.NewReader(string(body)))
			time.Sleep(time.Duration(rand.IntN(50)) * time.Millisecond)
			next.ServeHTTP(httptest.NewRecorder(), late)
		}()
		time.Sleep(time.Millisecond)
		panic(http.ErrAbortHandler)
	})
	defer r.set(nil)
	storetest.HistoryRace(t, handles, true)
	for i := range troubles {
		if troubles[i].Load() == 0 {
			t.Errorf("trouble %d never came", i)
		}
	}
}

// What a catalog answers in the place of what it was asked, and what comes of it. The
// next try works, and nothing is lost or twice there.
func TestCatalogTrouble(t *testing.T) {
	all := func(*http.Request) bool { return true }
	for _, x := range []struct {
		name    string
		trouble func(http.ResponseWriter, *http.Request, http.Handler) bool
		code    fqgw.Code // of an append
		land    fqgw.Code // of a landing; "": it loses
		there   bool      // the append was carried out all the same
	}{
		{"always another before", only(commits, func(w http.ResponseWriter, r *http.Request, _ http.Handler) bool {
			refuse(w, 409, "CommitFailedException")
			return true
		}), "40001", "", false},
		{"busy", only(all, status(429)), "08006", "08006", false},
		{"commits refused as too many", only(commits, status(429, "Retry-After", "0")), "08006", "08006", false},
		{"broken", only(all, status(500)), "08006", "08006", false},
		{"commits fail", only(commits, status(500)), "08007", "08006", false},
		{"a proxy's page", only(commits, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			w.WriteHeader(502)
			_, _ = io.WriteString(w, "<html>secret</html>")
			return true
		}), "08007", "08006", false},
		{"commits answered by half", only(commits, half), "", "-", true},
		{"everything answered by half", half, "08006", "08006", false},
		{"no answer", hang, "08006", "08006", false},
		{"no answer to commits", only(commits, hang), "08007", "08006", false},
		{"refused", only(all, status(401)), "28000", "28000", false},
		{"forbidden", only(commits, status(403)), "42501", "42501", false},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			l, r, _ := troubled(t)
			create(t, l, "lake.t")
			create(t, l, "lake.landed")
			r.set(x.trouble)
			begun := time.Now()
			_, err := l.Append(t.Context(), "lake.t", single(t, 0, 2))
			if code(err) != x.code {
				t.Errorf("an append: %v (%s), want %s", err, code(err), x.code)
			}
			_, ok, err := l.Land(t.Context(), "lake.landed", count(t, 0, 2), nil, next(2))
			if want := x.land; want == "-" && (!ok || err != nil) || want != "-" && (ok || code(err) != want) {
				t.Errorf("a landing: %v, %v (%s), want %s", ok, err, code(err), want)
			}
			if d := time.Since(begun); d > 40*time.Second {
				t.Errorf("it took %v", d)
			}
			r.set(nil)
			if !x.there {
				if _, err := l.Append(t.Context(), "lake.t", single(t, 0, 2)); err != nil {
					t.Errorf("the next append: %v", err)
				}
			}
			if found, ok, err := l.Land(t.Context(), "lake.landed", count(t, 0, 2), nil, next(2)); err != nil ||
				!ok && !slices.Equal(found, next(2)) {
				t.Errorf("the next landing: %v, %v, %v", found, ok, err)
			}
			for _, name := range []string{"lake.t", "lake.landed"} {
				if got := values(t, l, fqgw.Scan{Table: name}); !slices.Equal(got, upTo(0, 2)) {
					t.Errorf("%s has %v", name, got)
				}
			}
		})
	}
}

// A catalog that asks to wait is asked again after that.
func TestRetryAfter(t *testing.T) {
	l, r, _ := troubled(t)
	create(t, l, "lake.t")
	l.catalog.(bounded).tables.(*server).patience = 5 * time.Second
	var left atomic.Int64
	left.Store(2)
	r.set(only(commits, func(w http.ResponseWriter, q *http.Request, next http.Handler) bool {
		return left.Add(-1) >= 0 && status(429, "Retry-After", "1")(w, q, next)
	}))
	begun := time.Now()
	if _, err := l.Append(t.Context(), "lake.t", single(t, 0, 2)); err != nil {
		t.Fatal(err)
	}
	// Two pauses, each as long as the patience of this lake at most.
	if d := time.Since(begun); d < 2*short {
		t.Errorf("it waited for %v", d)
	}
}

// A table that is dropped and made again while something is written to it does not get
// what was meant for the other.
func TestMadeAgain(t *testing.T) {
	l, r, _ := troubled(t)
	other := open(t, Options{Catalog: Catalog{URI: r.url}})
	create(t, l, "lake.t")
	again := func() {
		if err := other.Drop(t.Context(), "lake.t"); err != nil {
			t.Error(err)
		}
		create(t, other, "lake.t")
	}
	_, err := l.Append(t.Context(), "lake.t", func(yield func(arrow.RecordBatch, error) bool) {
		if yield(count(t, 0, 2), nil) {
			again()
			yield(count(t, 2, 2), nil)
		}
	})
	if code(err) != fqgw.CodeUndefinedTable || !strings.Contains(err.Error(), "dropped and made again") {
		t.Errorf("an append: %v", err)
	}
	land(t, l, "lake.t", 0, 3)
	var once atomic.Bool
	r.set(only(commits, func(http.ResponseWriter, *http.Request, http.Handler) bool {
		if !once.Swap(true) {
			again()
		}
		return false
	}))
	found, ok, err := l.Land(t.Context(), "lake.t", count(t, 3, 1), next(3), next(4))
	if ok || err != nil || len(found) != 0 {
		t.Errorf("a landing: %v, %v, %v", found, ok, err)
	}
	land(t, l, "lake.t", 0, 4)
	if got := values(t, l, fqgw.Scan{Table: "lake.t"}); !slices.Equal(got, upTo(0, 4)) {
		t.Errorf("%v", got)
	}
	if err := other.Drop(t.Context(), "lake.t"); err != nil {
		t.Fatal(err)
	}
	if _, err := l.Append(t.Context(), "lake.t", single(t, 0, 1)); code(err) != fqgw.CodeUndefinedTable {
		t.Errorf("an append to no table: %v", err)
	}
}

// Credentials that are refused as expired are asked for again, also within a scan.
func TestCredentialsExpire(t *testing.T) {
	l, r, b := troubled(t)
	create(t, l, "lake.t")
	for i := range 6 {
		land(t, l, "lake.t", i, 1)
	}
	_, records, err := l.Scan(t.Context(), fqgw.Scan{Table: "lake.t"})
	if err != nil {
		t.Fatal(err)
	}
	b.take("server", "second")
	r.vend(vended(b, "second"))
	rows := 0
	for x, err := range records {
		if err != nil {
			t.Fatal(err)
		}
		rows += int(x.NumRows())
		x.Release()
	}
	if rows != 6 {
		t.Errorf("%d rows", rows)
	}
	b.take("server", "third") // and the catalog has none
	if _, err := l.Append(t.Context(), "lake.t", single(t, 6, 1)); code(err) != "28000" ||
		!strings.Contains(err.Error(), "s3://warehouse/") {
		t.Errorf("expired, and no others: %v", err)
	}
	r.vend(vended(b, "third"))
	land(t, l, "lake.t", 6, 1)
	if got := values(t, l, fqgw.Scan{Table: "lake.t"}); !slices.Equal(got, upTo(0, 7)) {
		t.Errorf("%v", got)
	}
}

// A scan whose credentials end at some request, and for which the catalog has no others,
// says which file of which snapshot it could not read; the next one, with others, reads all.
func TestCredentialsExpireWithin(t *testing.T) {
	l, r, b := troubled(t)
	create(t, l, "lake.t")
	for i := range 6 {
		land(t, l, "lake.t", i, 1)
	}
	now, err := l.Current(t.Context(), "lake.t")
	if err != nil {
		t.Fatal(err)
	}
	var reads atomic.Int64
	b.set(func(_ http.ResponseWriter, q *http.Request, _ http.Handler) bool {
		if q.Method == http.MethodGet && strings.HasSuffix(q.URL.Path, ".parquet") && reads.Add(1) == 3 {
			b.take("server", "second")
		}
		return false
	})
	read := func() (rows int, err error) {
		_, records, err := l.Scan(t.Context(), fqgw.Scan{Table: "lake.t"})
		if err != nil {
			return 0, err
		}
		for x, err := range records {
			if err != nil {
				return rows, err
			}
			rows += int(x.NumRows())
			x.Release()
		}
		return rows, nil
	}
	_, err = read()
	if code(err) != "28000" || !strings.Contains(err.Error(), ".parquet") || !strings.Contains(fqgw.AsError(err).Detail, fmt.Sprint(now.ID)) {
		t.Errorf("without others: %v, %q", err, fqgw.AsError(err).Detail)
	}
	b.take("server", "first")
	reads.Store(0)
	b.set(func(_ http.ResponseWriter, q *http.Request, _ http.Handler) bool {
		if q.Method == http.MethodGet && strings.HasSuffix(q.URL.Path, ".parquet") && reads.Add(1) == 3 {
			b.take("server", "second")
			r.vend(vended(b, "second"))
		}
		return false
	})
	if rows, err := read(); rows != 6 || err != nil {
		t.Errorf("with others from the third request on: %d rows, %v", rows, err)
	}
}

// Tokens of the catalog that end are fetched anew.
func TestTokenExpires(t *testing.T) {
	b := newBucket(t)
	r := newRestServer(t, b, vended(b, "first"))
	r.accept("one")
	l := open(t, Options{Catalog: Catalog{URI: r.url, Credential: "id:secret", Patience: short}})
	create(t, l, "lake.t")
	r.accept("two")
	land(t, l, "lake.t", 0, 2)
	r.accept("three")
	if got := values(t, l, fqgw.Scan{Table: "lake.t"}); !slices.Equal(got, upTo(0, 2)) {
		t.Errorf("%v", got)
	}
	bearer := open(t, Options{Catalog: Catalog{URI: r.url, Token: "three"}})
	if got := values(t, bearer, fqgw.Scan{Table: "lake.t"}); !slices.Equal(got, upTo(0, 2)) {
		t.Errorf("%v", got)
	}
	for _, c := range []Catalog{{URI: r.url, Credential: "id:wrong"}, {URI: r.url, Token: "wrong"}, {URI: r.url}} {
		if err := open(t, Options{Catalog: c}).Ping(t.Context()); code(err) != "28000" || strings.Contains(err.Error(), "wrong") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

// What S3 does wrong is said with the file's name, and the next try works.
func TestS3Trouble(t *testing.T) {
	reads := func(r *http.Request) bool {
		return r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, ".parquet")
	}
	writes := func(r *http.Request) bool {
		return r.Method == http.MethodPut && strings.HasSuffix(r.URL.Path, ".parquet")
	}
	sized := func(change func(h http.Header, body []byte) []byte) func(http.ResponseWriter, *http.Request, http.Handler) bool {
		return func(w http.ResponseWriter, r *http.Request, next http.Handler) bool {
			c := httptest.NewRecorder()
			next.ServeHTTP(c, r)
			body := change(c.Header(), c.Body.Bytes())
			for k, v := range c.Header() {
				w.Header()[k] = v
			}
			w.WriteHeader(c.Code)
			_, _ = w.Write(body)
			return true
		}
	}
	for _, x := range []struct {
		name    string
		trouble func(http.ResponseWriter, *http.Request, http.Handler) bool
		code    fqgw.Code
	}{
		{"reads hang", only(reads, hang), "08006"},
		{"reads fail", only(reads, status(500)), "08006"},
		{"busy", only(reads, status(503)), "08006"},
		{"forbidden", only(reads, func(w http.ResponseWriter, _ *http.Request, _ http.Handler) bool {
			s3Error(w, 403, "AccessDenied")
			return true
		}), "42501"},
		{"half a file", only(reads, half), "08006"},
		{"a longer file", only(reads, sized(func(h http.Header, body []byte) []byte {
			h.Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(body)-1, len(body)+100))
			return body
		})), "58030"},
		{"a shorter file", only(reads, sized(func(h http.Header, body []byte) []byte {
			body = body[:len(body)-20]
			h.Set("Content-Range", fmt.Sprintf("bytes 0-%d/%d", len(body)-1, len(body)))
			h.Set("Content-Length", fmt.Sprint(len(body)))
			return body
		})), "58030"},
		{"another range", only(reads, sized(func(h http.Header, body []byte) []byte {
			h.Set("Content-Range", "bytes 7-9/10")
			return body
		})), "58030"},
		{"writes hang", only(writes, hang), "08006"},
		{"writes fail", only(writes, status(500)), "08006"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			l, _, b := troubled(t)
			create(t, l, "lake.t")
			land(t, l, "lake.t", 0, 2)
			b.set(x.trouble)
			_, records, err := l.Scan(t.Context(), fqgw.Scan{Table: "lake.t"})
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(x.name, "writes") {
				_, _, err = l.Land(t.Context(), "lake.t", count(t, 2, 2), next(2), next(4))
			} else {
				for r, rerr := range records {
					if err = rerr; err == nil {
						r.Release()
					}
				}
			}
			if code(err) != x.code || !strings.Contains(err.Error(), ".parquet") {
				t.Errorf("%v (%s), want %s and the file", err, code(err), x.code)
			}
			b.set(nil)
			land(t, l, "lake.t", 2, 2)
			if got := values(t, l, fqgw.Scan{Table: "lake.t"}); !slices.Equal(got, upTo(0, 4)) {
				t.Errorf("%v", got)
			}
		})
	}
}

// A file that another engine removed is named; so is a bucket that is not there.
func TestS3Vanished(t *testing.T) {
	l, r, b := troubled(t)
	create(t, l, "lake.t")
	land(t, l, "lake.t", 0, 2)
	land(t, l, "lake.t", 2, 2)
	gone := b.names(".parquet")[0]
	b.remove(gone)
	_, records, err := l.Scan(t.Context(), fqgw.Scan{Table: "lake.t"})
	for x, rerr := range records {
		if err = rerr; err == nil {
			x.Release()
		}
	}
	if code(err) != codeNoFile || !strings.Contains(err.Error(), "s3://"+gone) || fqgw.AsError(err).Hint == "" {
		t.Errorf("a file that vanished: %v", err)
	}
	list := b.names(".avro")
	for _, name := range list {
		b.remove(name)
	}
	if _, _, err := l.Scan(t.Context(), fqgw.Scan{Table: "lake.t"}); code(err) != codeNoFile || !strings.Contains(err.Error(), ".avro") {
		t.Errorf("manifests that vanished: %v", err)
	}
	r.vend(
		map[string]string{"s3.endpoint": "http://127.0.0.1:1", "client.region": "x", "s3.access-key-id": "a", "s3.secret-access-key": "b"},
	)
	if _, err := l.Append(t.Context(), "lake.t", single(t, 0, 1)); code(err) != "08006" {
		t.Errorf("a store that is away: %v", err)
	}
	away := open(t, Options{Catalog: Catalog{URI: "http://127.0.0.1:1", Patience: short}})
	if err := away.Ping(t.Context()); code(err) != "08006" {
		t.Errorf("a catalog that is away: %v", err)
	}
	sql := open(t, Options{Catalog: Catalog{URI: "postgres://u:secret@127.0.0.1:1/x", Patience: short}})
	if err := sql.Ping(t.Context()); code(err) != "08006" || strings.Contains(err.Error(), "secret") {
		t.Errorf("a database that is away: %v", err)
	}
}
