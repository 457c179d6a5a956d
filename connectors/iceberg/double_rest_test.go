package iceberg

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/table"
)

// restServer is a double of a REST catalog: the protocol, over the SQL catalog.
type restServer struct {
	trouble
	url       string
	tables    tables
	mu        sync.Mutex
	token     string            // that is asked for; "": none
	vended    map[string]string // what it hands out with a table
	prefix    string
	bucketURL string
}

// newRestServer keeps its tables' files in a bucket; vended are the properties that
// clients get with a table.
func newRestServer(t testing.TB, b *bucket, vended map[string]string) *restServer {
	c := Catalog{Warehouse: "s3://warehouse", S3: S3{Endpoint: b.url, Region: "us-east-1", AccessKey: "server", SecretKey: "secret"}}
	cat, _, end, err := c.open(t.Context(), t.TempDir(), false)
	if err != nil {
		t.Fatal(err)
	}
	s := &restServer{tables: cat, vended: vended, prefix: "p", bucketURL: b.url}
	s.url = serve(t, s.before(s))
	t.Cleanup(func() { end() })
	return s
}

// vend changes what is handed out with a table.
func (s *restServer) vend(properties map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.vended = properties
}

// accept changes the token that is asked for.
func (s *restServer) accept(token string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.token = token
}

func answer(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func refuse(w http.ResponseWriter, status int, kind string) {
	answer(w, status, map[string]any{"error": map[string]any{"message": kind + ", says the double", "type": kind, "code": status}})
}

func (s *restServer) fail(w http.ResponseWriter, err error) {
	switch {
	case isMissing(err):
		refuse(w, http.StatusNotFound, "NoSuchTableException")
	case errors.Is(err, catalog.ErrTableAlreadyExists), errors.Is(err, catalog.ErrNamespaceAlreadyExists):
		refuse(w, http.StatusConflict, "AlreadyExistsException")
	case lost(err):
		refuse(w, http.StatusConflict, "CommitFailedException")
	default:
		refuse(w, http.StatusInternalServerError, err.Error())
	}
}

func (s *restServer) load(w http.ResponseWriter, t *table.Table, err error) {
	if err != nil {
		s.fail(w, err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{"metadata-location": t.MetadataLocation(), "metadata": t.Metadata(), "config": s.vended})
}

func (s *restServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := context.WithoutCancel(r.Context()) // a client that has gone undoes nothing
	path := strings.TrimPrefix(r.URL.EscapedPath(), "/v1/")
	s.mu.Lock()
	token := s.token
	s.mu.Unlock()
	if path == "oauth/tokens" {
		if r.FormValue("client_secret") != "secret" {
			answer(w, http.StatusUnauthorized, map[string]any{"error": "invalid_client"})
			return
		}
		answer(w, http.StatusOK, map[string]any{"access_token": token, "token_type": "bearer", "expires_in": 3600})
		return
	}
	if token != "" && !strings.EqualFold(r.Header.Get("Authorization"), "bearer "+token) {
		refuse(w, http.StatusUnauthorized, "NotAuthorizedException")
		return
	}
	if path == "config" {
		answer(w, http.StatusOK, map[string]any{"defaults": map[string]string{}, "overrides": map[string]string{"prefix": s.prefix}})
		return
	}
	var id table.Identifier
	for i, part := range strings.Split(path, "/") {
		part, _ = url.PathUnescape(part)
		switch {
		case i == 0 && part != s.prefix:
			refuse(w, http.StatusBadRequest, "no prefix")
			return
		case i == 2 || i == 4:
			id = append(id, part)
		}
	}
	parts := strings.Count(path, "/")
	decode := func(v any) bool {
		err := json.NewDecoder(r.Body).Decode(v)
		if err != nil {
			refuse(w, http.StatusBadRequest, err.Error())
		}
		return err == nil
	}
	switch {
	case r.Method == http.MethodPost && parts == 1: // namespaces
		var in struct{ Namespace table.Identifier }
		if !decode(&in) {
			return
		}
		if err := s.tables.CreateNamespace(ctx, in.Namespace, nil); err != nil {
			s.fail(w, err)
			return
		}
		answer(w, http.StatusOK, map[string]any{"namespace": in.Namespace})
	case r.Method == http.MethodPost && parts == 3:
		var in struct {
			Name       string
			Schema     *iceberg.Schema
			Properties iceberg.Properties
		}
		if !decode(&in) {
			return
		}
		t, err := s.tables.CreateTable(ctx, append(id, in.Name), in.Schema, catalog.WithProperties(in.Properties))
		s.load(w, t, err)
	case r.Method == http.MethodGet && parts == 3:
		list := []map[string]any{}
		for t, err := range s.tables.ListTables(ctx, id) {
			if err != nil {
				s.fail(w, err)
				return
			}
			list = append(list, map[string]any{"namespace": t[:1], "name": t[1]})
		}
		answer(w, http.StatusOK, map[string]any{"identifiers": list})
	case r.Method == http.MethodGet && parts == 4:
		t, err := s.tables.LoadTable(ctx, id)
		s.load(w, t, err)
	case r.Method == http.MethodDelete && parts == 4:
		if err := s.tables.DropTable(ctx, id); err != nil {
			s.fail(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPost && parts == 4:
		var in struct {
			Requirements table.Requirements
			Updates      table.Updates
		}
		if !decode(&in) {
			return
		}
		m, at, err := s.tables.CommitTable(ctx, id, in.Requirements, in.Updates)
		if err != nil {
			s.fail(w, err)
			return
		}
		answer(w, http.StatusOK, map[string]any{"metadata-location": at, "metadata": m})
	default:
		refuse(w, http.StatusBadRequest, "UnsupportedOperationException")
	}
}
