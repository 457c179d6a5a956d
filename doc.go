// Package fqgw holds the nouns of the feature query gateway: types and values,
// entities and their keys, events and their order, sources, feature views, the
// catalog, and the contracts of the stores.
//
// It imports the standard library and Arrow only; every other room imports it.
// All times are int64 microseconds since the Unix epoch, UTC, unless a name or
// a comment says otherwise.
package fqgw
