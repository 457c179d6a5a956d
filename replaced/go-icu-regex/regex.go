// Package regex has the interface of go-icu-regex and none of its engine: it
// refuses every pattern. go-mysql-server's REGEXP functions import it, which
// fqgw never runs; ICU would be compiled from WebAssembly at every start.
package regex

import (
	"context"
	"errors"
)

// ErrNotBuilt is what every use of a Regex gives.
var ErrNotBuilt = errors.New("ICU's regular expressions are not built into this program")

// Regex matches one pattern against one string at a time.
type Regex interface {
	SetRegexString(ctx context.Context, regexStr string, flags RegexFlags) error
	SetMatchString(ctx context.Context, matchStr string) error
	IndexOf(ctx context.Context, start int, occurrence int, endIndex bool) (int, error)
	Matches(ctx context.Context, start int, occurrence int) (bool, error)
	Replace(ctx context.Context, replacementStr string, position int, occurrence int) (string, error)
	Substring(ctx context.Context, start int, occurrence int) (string, bool, error)
	StringBufferSize() uint32
	Close() error
}

// RegexFlags are ICU's flags.
type RegexFlags uint32

const (
	RegexFlags_None             RegexFlags = 0
	RegexFlags_Unix_Lines       RegexFlags = 1
	RegexFlags_Case_Insensitive RegexFlags = 2
	RegexFlags_Multiline        RegexFlags = 8
	RegexFlags_Dot_All          RegexFlags = 32
)

// SetRegexLeakHandler does nothing: there is nothing here that could leak.
func SetRegexLeakHandler(func()) {}

// CreateRegex gives a Regex that refuses every pattern with ErrNotBuilt.
func CreateRegex(uint32) Regex { return refused{} }

type refused struct{}

func (refused) SetRegexString(context.Context, string, RegexFlags) error  { return ErrNotBuilt }
func (refused) SetMatchString(context.Context, string) error              { return ErrNotBuilt }
func (refused) IndexOf(context.Context, int, int, bool) (int, error)      { return 0, ErrNotBuilt }
func (refused) Matches(context.Context, int, int) (bool, error)           { return false, ErrNotBuilt }
func (refused) Replace(context.Context, string, int, int) (string, error) { return "", ErrNotBuilt }
func (refused) Substring(context.Context, int, int) (string, bool, error) {
	return "", false, ErrNotBuilt
}
func (refused) StringBufferSize() uint32 { return 0 }
func (refused) Close() error             { return nil }
