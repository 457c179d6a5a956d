// Package substrait has those function declarations of Substrait that
// iceberg-go's filters are made of, in Substrait's own format and under its
// names. A filter with another function fails when it is made: it is not found.
package substrait

import "embed"

//go:embed extensions/*
var extensions embed.FS

// GetSubstraitExtensionsFS has the declarations below extensions/.
func GetSubstraitExtensionsFS() embed.FS { return extensions }
