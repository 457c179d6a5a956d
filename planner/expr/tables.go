package expr

// functionTables are the tables of scalar functions; each subject has its file.
func functionTables() [][]def {
	return [][]def{mathFuncs(), textFuncs(), regexFuncs(), arrayFuncs(), momentFuncs(), jsonFuncs(), systemFuncs()}
}

// operatorTables are the tables of operators.
func operatorTables() [][]opDef {
	return [][]opDef{compareOps(), intOps(), floatOps(), numericOps(), momentOps(), textOps(), likeOps(), arrayOps()}
}

// notOurs are functions that PostgreSQL has and fqgw has not: their call is
// refused as unsupported, not as unknown.
var notOurs = map[string]bool{}
