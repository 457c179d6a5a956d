// Package relational runs plans on go-mysql-server: the general route. It is
// the one door to that library.
//
// A plan becomes a tree of go-mysql-server's nodes, which its analyzer checks
// and its executor runs: filters, projections, limits, lateral joins and
// UNION ALL are its own nodes and iterators. What it does not do as PostgreSQL
// does (it groups, deduplicates and looks rows up by a hash without comparing), or
// does slower, is a node of ours that its executor asks us to run; the decisions,
// operator by operator, are in docs/decisions.md. Every scalar in the tree is
// planner/expr's, in a wrapper; the analyzer refuses (XX000) a tree with any other.
//
// # Rows
//
// To go-mysql-server a relation has one column: the whole row ([]fqgw.Value). The
// row of a lateral join has one element per side; a nil element is the missing side
// of an outer join. Expressions are bound over the plan's columns; a wrapper lays
// the elements side by side first, which costs nothing where there is one. Rows are
// valid until the next one is asked for.
//
// # Analyzer rules
//
// The allow-list has two: validateResolved, go-mysql-server's own, and
// onlyOurs. All others resolve names, move columns, push filters by looking into
// expressions of its own kinds, or coerce to MySQL's types; what they would do
// for speed is done on the plan before (planner/pushdown), where types are PostgreSQL's.
//
// # Programs
//
// A plan is compiled once into a program, when it is first run: Programs are kept
// with a statement, for all its runs and sessions. A program does not change; what
// its nodes keep is in the places of an instance, which belongs to one run and runs
// again with other outer rows: the right side of a lateral join, a correlated
// subquery. What cannot differ between those times (hash tables, rows of leaves) is
// kept in it.
package relational
