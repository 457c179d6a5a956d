// Package relational runs plans on go-mysql-server: the general route. It is
// the one door to that library.
//
// A plan becomes a tree of go-mysql-server's nodes, which its analyzer checks
// and its executor runs: joins, lateral joins, filters, projections, limits and
// UNION ALL are its own nodes and iterators. What it does not do as PostgreSQL
// does (it groups, deduplicates and looks rows up by a hash without comparing)
// is a node of ours that its executor asks us to run: sorting, grouping,
// windows, DISTINCT, INTERSECT and EXCEPT, full joins, common table
// expressions, and the right side of a join, which is a hash table over
// canonical bytes. Every scalar in the tree is planner/expr's, in a wrapper;
// the analyzer refuses (XX000) a tree with any other.
//
// # Rows
//
// To go-mysql-server a relation has one column: the whole row ([]fqgw.Value)
// of a leaf or of a node that makes new rows. A join's row has one element per
// side, so that joining copies two pointers and allocates no value; a nil
// element is the missing side of an outer join. Expressions are bound over the
// plan's columns; a wrapper lays the elements side by side first, which costs
// nothing where there is one.
//
// # Analyzer rules
//
// The allow-list has two: validateResolved, go-mysql-server's own, and
// onlyOurs. All others resolve names, move columns, push filters by looking into
// expressions of its own kinds, or coerce to MySQL's types; what they would do
// for speed is done on the plan before (shape.go), where types are PostgreSQL's.
//
// # Programs
//
// A plan is compiled once per statement into a program and run again with other
// outer rows: the right side of a lateral join, a correlated subquery. What
// cannot differ between those runs (hash tables, rows of leaves) is kept.
package relational
