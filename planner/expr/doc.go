// Package expr is the one expression library of fqgw: PostgreSQL's types, casts,
// operators and functions, and a row evaluator of each. The binder builds trees
// with the constructors here (Func, Op, Cast, And, Case …), which choose
// overloads by PostgreSQL's rules and insert the casts; every path of the
// program then evaluates the same trees.
//
// Nodes are pointers, are immutable once built (a *Param whose type is still
// unknown excepted), and may be evaluated from many goroutines. String of a node
// is SQL that parses and binds to an equal tree, to be shown; what is kept, hashed
// or compared is its encoding (Encode).
//
// The package does no I/O, reads no clock and starts no goroutine: now is
// Env.Now, and what reaches beyond the library goes through Env.Session.
package expr

import _ "time/tzdata" // zones must be there whatever the machine has
