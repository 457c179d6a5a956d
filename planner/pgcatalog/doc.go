// Package pgcatalog answers pg_catalog, information_schema and the static
// relations of schema fqgw from the catalog: every relation that PostgreSQL 15
// has is there with its columns; those that can have no content here are empty.
//
// What PostgreSQL defines once and for all (types, functions, operators, the
// columns of the catalog itself) comes from small tables of facts, embedded
// from facts/ and made by internal/gen. What is defined by users comes from the
// fqgw.Catalog of the session, at each read.
//
// A source and a table of the lake are tables (relkind r), a feature view is a
// materialized view (m) whose join keys are its primary key, a view is a view
// (v). OIDs are those of the catalog's objects; what belongs to an object (its
// row type, its index) has an OID made of its, so that all are stable.
package pgcatalog

//go:generate go run ./internal/gen DIR facts
