package expr

import (
	"fmt"
	"os"
	"testing"
)

func TestDump(t *testing.T) {
	f, _ := os.Create("/tmp/fqexpr/funcs.txt")
	for n, l := range functions {
		for _, o := range l {
			fmt.Fprintf(f, "%s\t", n)
			for i, a := range o.args {
				if i > 0 {
					fmt.Fprint(f, " ")
				}
				fmt.Fprint(f, a.OID)
			}
			v := "i"
			if o.stable {
				v = "s"
			}
			if o.volatile {
				v = "v"
			}
			fmt.Fprintf(f, "\t%d\t%v\t%s\t%v\n", o.result.OID, !o.lax, v, o.variadic)
		}
	}
	f.Close()
	f, _ = os.Create("/tmp/fqexpr/ops.txt")
	for n, l := range operators {
		for _, o := range l {
			fmt.Fprintf(f, "%s\t%d\t%d\t%d\n", n, o.args[0].OID, o.args[1].OID, o.result.OID)
		}
	}
	for n, l := range prefixes {
		for _, o := range l {
			fmt.Fprintf(f, "%s\t%d\t%d\t%d\n", n, 0, o.args[0].OID, o.result.OID)
		}
	}
	f.Close()
	f, _ = os.Create("/tmp/fqexpr/aggs.txt")
	for _, m := range []map[string][]*overload{aggregates, windows, setOverloads} {
		for n, l := range m {
			for _, o := range l {
				fmt.Fprintf(f, "%s\t", n)
				for i, a := range o.args {
					if i > 0 {
						fmt.Fprint(f, " ")
					}
					fmt.Fprint(f, a.OID)
				}
				fmt.Fprintf(f, "\t%d\n", o.result.OID)
			}
		}
	}
	f.Close()
}
