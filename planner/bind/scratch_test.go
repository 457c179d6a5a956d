package bind

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/fqgw/fqgw"
)

func TestScratch(t *testing.T) {
	f, err := os.ReadFile("/tmp/ov/q.sql")
	if err != nil {
		t.Skip()
	}
	for _, q := range strings.Split(string(f), "\n") {
		if q == "" {
			continue
		}
		fmt.Println("--", q)
		b, err := bindSQL(q, nil)
		if err != nil {
			e := fqgw.AsError(err)
			fmt.Printf("   ERR %s %d %s | %s | %s\n", e.Code, e.Position, e.Message, e.Detail, e.Hint)
			continue
		}
		fmt.Println("  ", shape(b.node))
		fmt.Println("  ", header(b.node), "|", paramTypes(b.params))
	}
}
