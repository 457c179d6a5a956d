package sqltests

import (
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/fqgw/fqgw/cmd/fqgw/app"
	"github.com/fqgw/fqgw/connectors/iceberg"
)

// TestLakeReal is the acceptance run with the history in S3, known to a REST catalog
// that hands the credentials out, and to a database (.ci/run starts them).
func TestLakeReal(t *testing.T) {
	vending, postgres, s3 := os.Getenv("FQGW_TEST_LAKE_VENDING"), os.Getenv("FQGW_TEST_POSTGRES"), os.Getenv("FQGW_TEST_S3")
	if vending == "" || postgres == "" || s3 == "" {
		t.Skip("FQGW_TEST_LAKE_VENDING, FQGW_TEST_POSTGRES or FQGW_TEST_S3 is not set")
	}
	run := fmt.Sprint(time.Now().UnixNano())
	t.Run("REST", func(t *testing.T) {
		c := app.Throwaway(t.TempDir())
		c.Lake = vending
		acceptNYC(t, c)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		c := app.Throwaway(t.TempDir())
		c.Lake, c.Warehouse = postgres, "s3://warehouse/"+run
		c.Catalog = iceberg.Catalog{Name: run, S3: iceberg.S3{Endpoint: s3, AccessKey: "fqgw", SecretKey: "fqgw-secret"}}
		acceptNYC(t, c)
	})
}
