package iceberg

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/catalog/rest"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/apache/iceberg-go/table"

	"github.com/fqgw/fqgw"
	"github.com/fqgw/fqgw/connectors/iceberg/internal/s3"
)

// tables is what the lake asks of a catalog.
type tables interface {
	LoadTable(context.Context, table.Identifier) (*table.Table, error)
	CreateTable(context.Context, table.Identifier, *iceberg.Schema, ...catalog.CreateTableOpt) (*table.Table, error)
	CommitTable(context.Context, table.Identifier, []table.Requirement, []table.Update) (table.Metadata, string, error)
	DropTable(context.Context, table.Identifier) error
	ListTables(context.Context, table.Identifier) iter.Seq2[table.Identifier, error]
	CreateNamespace(context.Context, table.Identifier, iceberg.Properties) error
	CheckNamespaceExists(context.Context, table.Identifier) (bool, error)
}

// server is a catalog on a server: it is connected when it is first needed, and
// anew when it refuses what it was connected with. No call waits for ever.
type server struct {
	connect  func(context.Context) (catalog.Catalog, func() error, error)
	patience time.Duration
	turn     chan struct{} // holds one token while somebody connects
	catalog  catalog.Catalog
	closer   func() error
}

func newServer(patience time.Duration, connect func(context.Context) (catalog.Catalog, func() error, error)) *server {
	return &server{connect: connect, patience: patience, turn: make(chan struct{}, 1)}
}

// get connects unless the catalog is another than bad.
func (s *server) get(ctx context.Context, bad catalog.Catalog) (catalog.Catalog, error) {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if s.catalog != nil && s.catalog != bad {
		return s.catalog, nil
	}
	c, closer, err := s.connect(ctx)
	if err != nil {
		return nil, err
	}
	if s.closer != nil {
		_ = s.closer() // it was of no use any more
	}
	s.catalog, s.closer = c, closer
	return c, nil
}

// call makes a call, and once more, newly connected, if it was refused: tokens end.
func call[T any](ctx context.Context, s *server, f func(context.Context, catalog.Catalog) (T, error)) (out T, err error) {
	// As long as all tries take.
	within, cancel := context.WithTimeout(ctx, (tries+1)*s.patience)
	defer cancel()
	c, err := s.get(within, nil)
	if err == nil {
		out, err = f(within, c)
		if errors.Is(err, rest.ErrUnauthorized) || errors.Is(err, rest.ErrAuthorizationExpired) {
			if c, err = s.get(within, c); err == nil {
				out, err = f(within, c)
			}
		}
	}
	if err != nil && ctx.Err() == nil && errors.Is(err, context.DeadlineExceeded) {
		err = slow(err)
	}
	return out, err
}

// slow takes the place of a time-out that is not the statement's.
func slow(err error) error {
	out := fqgw.Errorf(fqgw.CodeConnectionFailure, "lake: the catalog does not answer in time: %v", err).WithHint(hintAgain)
	if errors.Is(err, errNotTaken) {
		out.Err = errNotTaken
	}
	return out
}

func (s *server) LoadTable(ctx context.Context, id table.Identifier) (*table.Table, error) {
	return call(ctx, s, func(ctx context.Context, c catalog.Catalog) (*table.Table, error) {
		t, err := c.LoadTable(ctx, id)
		if err != nil {
			return nil, err
		}
		return s.own(t), nil
	})
}

func (s *server) CreateTable(
	ctx context.Context,
	id table.Identifier,
	schema *iceberg.Schema,
	o ...catalog.CreateTableOpt,
) (*table.Table, error) {
	return call(ctx, s, func(ctx context.Context, c catalog.Catalog) (*table.Table, error) {
		return c.CreateTable(ctx, id, schema, o...)
	})
}

func (s *server) CommitTable(
	ctx context.Context,
	id table.Identifier,
	r []table.Requirement,
	u []table.Update,
) (table.Metadata, string, error) {
	var at string
	m, err := call(ctx, s, func(ctx context.Context, c catalog.Catalog) (m table.Metadata, err error) {
		m, at, err = c.CommitTable(ctx, id, r, u)
		return m, err
	})
	return m, at, err
}

func (s *server) DropTable(ctx context.Context, id table.Identifier) error {
	_, err := call(ctx, s, func(ctx context.Context, c catalog.Catalog) (struct{}, error) {
		return struct{}{}, c.DropTable(ctx, id)
	})
	return err
}

func (s *server) ListTables(ctx context.Context, namespace table.Identifier) iter.Seq2[table.Identifier, error] {
	return func(yield func(table.Identifier, error) bool) {
		all, err := call(ctx, s, func(ctx context.Context, c catalog.Catalog) (all []table.Identifier, err error) {
			for id, err := range c.ListTables(ctx, namespace) {
				if err != nil {
					return nil, err
				}
				all = append(all, id)
			}
			return all, nil
		})
		if err != nil {
			yield(nil, err)
			return
		}
		for _, id := range all {
			if !yield(id, nil) {
				return
			}
		}
	}
}

func (s *server) CreateNamespace(ctx context.Context, id table.Identifier, p iceberg.Properties) error {
	_, err := call(ctx, s, func(ctx context.Context, c catalog.Catalog) (struct{}, error) {
		return struct{}{}, c.CreateNamespace(ctx, id, p)
	})
	return err
}

func (s *server) CheckNamespaceExists(ctx context.Context, id table.Identifier) (bool, error) {
	return call(ctx, s, func(ctx context.Context, c catalog.Catalog) (bool, error) { return c.CheckNamespaceExists(ctx, id) })
}

// own is the table with this catalog behind it, and with files whose credentials are
// asked for again when they end.
func (s *server) own(t *table.Table) *table.Table {
	return table.New(t.Identifier(), t.Metadata(), t.MetadataLocation(), func(ctx context.Context) (iceio.IO, error) {
		files, err := t.FS(ctx)
		if err != nil {
			return nil, err
		}
		if f, ok := files.(*s3.FS); ok {
			// What the catalog keeps may be bound to the context of an earlier call.
			return f.With(ctx).Renewing(func(ctx context.Context) (*s3.FS, error) { return s.renewed(ctx, t.Identifier()) }), nil
		}
		return files, nil
	}, s)
}

// renewed are the files of a table with the credentials that the catalog gives now.
func (s *server) renewed(ctx context.Context, id table.Identifier) (*s3.FS, error) {
	return call(ctx, s, func(ctx context.Context, c catalog.Catalog) (*s3.FS, error) {
		t, err := c.LoadTable(ctx, id)
		if err != nil {
			return nil, err
		}
		files, err := t.FS(ctx)
		if err != nil {
			return nil, err
		}
		f, ok := files.(*s3.FS)
		if !ok {
			return nil, fmt.Errorf("the files of %v are no longer in S3", id)
		}
		return f, nil
	})
}

func (s *server) Close() error {
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	s.catalog = nil
	if s.closer == nil {
		return nil
	}
	return s.closer()
}
