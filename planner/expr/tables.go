package expr

import (
	_ "embed"
	"strings"
)

// functionTables are the tables of scalar functions; each subject has its file.
func functionTables() [][]def {
	return [][]def{mathFuncs(), textFuncs(), regexFuncs(), arrayFuncs(), momentFuncs(), jsonFuncs(), jsonEditFuncs(), systemFuncs(), privilegeFuncs()}
}

// operatorTables are the tables of operators.
func operatorTables() [][]opDef {
	return [][]opDef{compareOps(), intOps(), floatOps(), numericOps(), momentOps(), textOps(), likeOps(), arrayOps(), jsonEditOps()}
}

//go:embed notours.txt
var notOursText string

// notOurs are functions that PostgreSQL 15 has and fqgw has not: a call of one
// is refused as unsupported (0A000), not as unknown.
var notOurs = func() map[string]bool {
	m := map[string]bool{}
	for _, n := range strings.Fields(notOursText) {
		m[n] = true
	}
	return m
}()
