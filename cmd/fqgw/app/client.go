package app

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// client is how a command reaches a gateway that runs.
type client struct {
	dsn, address string
}

// flags are those that all commands of clients have.
func (c *client) flags(fs *flag.FlagSet) {
	fs.StringVar(&c.dsn, "dsn", os.Getenv("FQGW_DSN"), "URL of the gateway, as psql has it: postgres://user@host:port/fqgw (or FQGW_DSN)")
	fs.StringVar(&c.address, "address", defaults().Listen, "host:port of the gateway, if there is no --dsn")
}

// connect opens a session; notices go to told, which may be nil.
func (c *client) connect(ctx context.Context, told func(*pgconn.Notice)) (*pgx.Conn, error) {
	dsn := c.dsn
	if dsn == "" {
		dsn = fmt.Sprintf("postgres://%s/fqgw", c.address)
	}
	config, err := pgx.ParseConfig(dsn)
	if err != nil {
		return nil, usageError{err}
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "fqgw"
	}
	config.OnNotice = func(_ *pgconn.PgConn, n *pgconn.Notice) {
		if told != nil {
			told(n)
		}
	}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("no gateway answers: %w\n  Start one with fqgw serve, or say where it is: --address HOST:PORT, --dsn URL", err)
	}
	return conn, nil
}

// parseFlags reads the flags of a command that is no server's; usage is printed for -h.
func parseFlags(fs *flag.FlagSet, args []string, usage string, out io.Writer) error {
	fs.SetOutput(io.Discard)
	err := fs.Parse(args)
	switch {
	case err == nil:
		return nil
	case err == flag.ErrHelp:
		fmt.Fprint(out, usage)
		fs.SetOutput(out)
		fs.PrintDefaults()
		return err
	}
	return unknownFlag(fs, err)
}
