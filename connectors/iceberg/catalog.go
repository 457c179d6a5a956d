package iceberg

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	sqlcat "github.com/apache/iceberg-go/catalog/sql"
	iceio "github.com/apache/iceberg-go/io"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
	_ "modernc.org/sqlite" // the driver "sqlite", pure Go

	"github.com/fqgw/fqgw/connectors/iceberg/internal/s3"
)

// Catalog says who knows the tables, and where their files are. The zero Catalog is
// the embedded one: SQLite and a folder in Options.Dir.
type Catalog struct {
	// URI is an http or https URL of an Iceberg REST catalog or a postgres URL of the
	// database of an SQL catalog; "" is the embedded catalog.
	URI string
	// Warehouse is the name by which a REST catalog knows what is asked for, if it has
	// several. For the others it is the folder of new tables: a path, a file:// or an
	// s3:// URL; "" is Options.Dir/lake.
	Warehouse string
	// Name is the catalog's name in the tables of an SQL catalog; "" is fqgw.
	Name string
	// Prefix is a REST catalog's, where its own configuration does not say it.
	Prefix string
	// Token is a bearer token. Credential is id:secret, for tokens of TokenURI ("": the
	// catalog itself) with that Scope ("": catalog).
	Token, Credential, TokenURI, Scope string
	// Patience is how long one step of a server may take; 0: 20 s.
	Patience time.Duration
	S3       S3
}

// S3 says where S3 is and with which credentials. What the catalog hands out comes
// before it, and what it does not say is taken from the environment and the files
// of AWS.
type S3 struct {
	Endpoint, Region                   string
	AccessKey, SecretKey, SessionToken string // credentials,
	Profile, CredentialsFile           string // or where they are
	PathStyle, Compat                  string // true or false; "": true for PathStyle if there is an Endpoint, false for Compat
}

// CheckURI says what is wrong with a catalog's URI; nothing of the URI is in the error.
func CheckURI(uri string) error {
	u, err := url.Parse(uri)
	switch {
	case err != nil:
		return errors.New("it is not a URL")
	case u.Scheme == "postgres" || u.Scheme == "postgresql":
		if _, err := pgx.ParseConfig(uri); err != nil {
			return errors.New("it is not the URL of a PostgreSQL database")
		}
		return nil
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		return nil
	}
	return errors.New(
		"it must be embedded, the http:// or https:// URL of an Iceberg REST catalog, or the postgres:// URL of an SQL catalog",
	)
}

// CheckTokenURI says what is wrong with the URI where tokens are; nothing of it is in
// the error.
func CheckTokenURI(uri string) error {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("it must be an http:// or https:// URL")
	}
	return nil
}

func (c Catalog) patience() time.Duration {
	if c.Patience > 0 {
		return c.Patience
	}
	return s3.Patience(nil)
}

func (c Catalog) name() string {
	if c.Name != "" {
		return c.Name
	}
	return "fqgw"
}

// properties are those by which iceberg-go finds files.
func (c Catalog) properties(sync bool) iceberg.Properties {
	out := iceberg.Properties{syncProperty: strconv.FormatBool(sync), s3.PatienceProperty: c.patience().String()}
	for name, value := range map[string]string{
		iceio.S3EndpointURL: c.S3.Endpoint, iceio.S3Region: c.S3.Region, iceio.S3AccessKeyID: c.S3.AccessKey,
		iceio.S3SecretAccessKey: c.S3.SecretKey, iceio.S3SessionToken: c.S3.SessionToken, s3.ProfileProperty: c.S3.Profile,
		s3.FileProperty: c.S3.CredentialsFile, s3.PathStyleProperty: c.S3.PathStyle, iceio.S3CompatMode: c.S3.Compat,
	} {
		if value != "" {
			out[name] = value
		}
	}
	return out
}

// open is the catalog, and the URL of the folder of new tables: "" leaves that to the
// catalog. A server is not asked yet.
func (c Catalog) open(ctx context.Context, dir string, sync bool) (tables, string, func() error, error) {
	if strings.HasPrefix(c.URI, "http") {
		s := openREST(c, sync)
		return s, "", s.Close, nil
	}
	warehouse := c.Warehouse
	if warehouse == "" {
		warehouse = filepath.Join(dir, "lake")
	}
	if !strings.Contains(warehouse, "://") {
		path, err := filepath.Abs(warehouse)
		if err != nil {
			return nil, "", nil, err
		}
		// A URL, not a path: iceberg-go escapes locations but reads paths as they are,
		// so a space in one would put the files elsewhere.
		warehouse = fileURL(path)
	}
	warehouse = strings.TrimRight(warehouse, "/")
	if c.URI != "" {
		s, err := openPostgres(c, warehouse, sync)
		if err != nil {
			return nil, "", nil, err
		}
		return s, warehouse, s.Close, nil
	}
	db, err := openSQLite(ctx, filepath.Join(dir, "lake.db"), sync)
	if err != nil {
		return nil, "", nil, err
	}
	properties := c.properties(sync)
	properties["warehouse"] = warehouse
	cat, err := sqlcat.NewCatalog(c.name(), db, sqlcat.SQLite, properties)
	if err != nil {
		db.Close()
		return nil, "", nil, err
	}
	return cat, warehouse, db.Close, nil
}

func fileURL(path string) string { return (&url.URL{Scheme: "file", Path: path}).String() }

func openSQLite(ctx context.Context, path string, sync bool) (*sql.DB, error) {
	// Without sync the catalog must not be more durable than the files it names.
	synchronous := "NORMAL"
	if sync {
		synchronous = "FULL"
	}
	dsn := fileURL(
		path,
	) + "?_pragma=journal_mode(WAL)&_pragma=busy_timeout(10000)&_pragma=synchronous(" + synchronous + ")&_txlock=immediate"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	if err := db.PingContext(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return db, nil
}

// openPostgres is an SQL catalog in a PostgreSQL database; its tables are made if
// they are not there.
func openPostgres(c Catalog, warehouse string, sync bool) (*server, error) {
	config, err := pgx.ParseConfig(c.URI)
	if err != nil {
		return nil, errors.New("the URL of the catalog's PostgreSQL database cannot be used") // it may have a password
	}
	patience := c.patience()
	config.ConnectTimeout = patience
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "fqgw"
	}
	config.RuntimeParams["statement_timeout"] = strconv.FormatInt(patience.Milliseconds(), 10)
	properties := c.properties(sync)
	properties["warehouse"] = warehouse
	return newServer(patience, func(ctx context.Context) (catalog.Catalog, func() error, error) {
		db := stdlib.OpenDB(*config)
		db.SetMaxOpenConns(4)
		db.SetConnMaxIdleTime(time.Minute)
		err := db.PingContext(ctx)
		var cat *sqlcat.Catalog
		for try := 1; err == nil; try++ {
			cat, err = sqlcat.NewCatalog(c.name(), db, sqlcat.Postgres, properties)
			var pg *pgconn.PgError
			if err == nil || try == 2 || !errors.As(err, &pg) || pg.Code != "23505" && pg.Code != "42P07" {
				break
			}
			err = nil // another made its tables at the same time
		}
		if err != nil {
			db.Close()
			return nil, nil, err
		}
		return cat, db.Close, nil
	}), nil
}
