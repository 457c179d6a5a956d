// Package jsonpath has the interface of dolthub/jsonpath and refuses every path.
// go-mysql-server's JSON functions import it, which fqgw never runs; it brings
// Go's type checker into the program.
package jsonpath

import "errors"

// ErrNotBuilt is what every path gives.
var ErrNotBuilt = errors.New("MySQL's JSON paths are not built into this program")

// ErrKeyError matches the errors of keys that are not there: none comes from here.
var ErrKeyError keyErrors

type keyErrors struct{}

// Is is false for every error.
func (keyErrors) Is(error) bool { return false }

// Compiled is a path; there is none.
type Compiled struct{}

// Compile gives ErrNotBuilt.
func Compile(string) (*Compiled, error) { return nil, ErrNotBuilt }

// Lookup gives ErrNotBuilt.
func (*Compiled) Lookup(any) (any, error) { return nil, ErrNotBuilt }

// JsonPathLookup gives ErrNotBuilt.
func JsonPathLookup(any, string) (any, error) { return nil, ErrNotBuilt }
