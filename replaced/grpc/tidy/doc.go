// Package tidy says why so many packages here are empty: `go mod tidy` reads the
// imports of the tests of everything that is imported, and those of iceberg-go
// reach Google's storage client and with it most of gRPC. Nothing of that is
// ever built here, but each package must be there. When tidy misses another one,
// add it the same way.
package tidy
