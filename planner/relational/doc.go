// Package relational runs plans on go-mysql-server: the general route. It is
// the one door to that library.
//
// A plan becomes a tree of go-mysql-server's nodes. Its joins, projections,
// filters, limits and unions run as its executor has them; what it does not do
// as PostgreSQL does (grouping, windows, sorting, DISTINCT, full and lateral
// joins, common table expressions) are nodes of ours, which its executor asks
// us to run through an override builder. Every scalar in the tree is an
// expression of planner/expr in a wrapper: a rule of the analyzer walks the
// finished tree and refuses (XX000) any other.
//
// A row is a sql.Row whose elements are fqgw.Value, or nil where an outer join
// filled in; field indexes are those of the plan, so no rule that moves columns
// is on the analyzer's list.
package relational
