// Command fqgw is the feature query gateway: a server that speaks PostgreSQL's
// protocol and answers feature queries, now and as of any time.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := app.Main(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
