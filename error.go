package fqgw

import (
	"context"
	"errors"
	"fmt"
)

// Code is a SQLSTATE (PostgreSQL, Appendix A).
type Code string

// The SQLSTATEs that fqgw raises by name; others may be written as literals.
const (
	CodeFeatureNotSupported Code = "0A000"
	CodeProtocolViolation   Code = "08P01"
	CodeCardinality         Code = "21000"
	CodeStringTooLong       Code = "22001"
	CodeOutOfRange          Code = "22003"
	CodeDatetimeFormat      Code = "22007"
	CodeDatetimeOverflow    Code = "22008"
	CodeDivisionByZero      Code = "22012"
	CodeNotInRepertoire     Code = "22021"
	CodeInvalidParameter    Code = "22023"
	CodeInvalidText         Code = "22P02"
	CodeInvalidBinary       Code = "22P03"
	CodeBadCopyFormat       Code = "22P04"
	CodeNotNullViolation    Code = "23502"
	CodeUniqueViolation     Code = "23505"
	CodeCheckViolation      Code = "23514"
	CodeActiveTransaction   Code = "25001"
	CodeReadOnly            Code = "25006"
	CodeNoTransaction       Code = "25P01"
	CodeFailedTransaction   Code = "25P02"
	CodeInvalidStatement    Code = "26000"
	CodeInvalidCursor       Code = "34000"
	CodeInvalidCatalog      Code = "3D000"
	CodeInvalidSchema       Code = "3F000"
	CodeSerialization       Code = "40001"
	CodeSyntax              Code = "42601"
	CodeAmbiguousColumn     Code = "42702"
	CodeUndefinedColumn     Code = "42703"
	CodeUndefinedObject     Code = "42704"
	CodeDuplicateAlias      Code = "42712"
	CodeAmbiguousFunction   Code = "42725"
	CodeGrouping            Code = "42803"
	CodeDatatypeMismatch    Code = "42804"
	CodeWrongObjectType     Code = "42809"
	CodeUndefinedFunction   Code = "42883"
	CodeUndefinedTable      Code = "42P01"
	CodeUndefinedParameter  Code = "42P02"
	CodeDuplicateCursor     Code = "42P03"
	CodeDuplicatePrepared   Code = "42P05"
	CodeDuplicateTable      Code = "42P07"
	CodeInvalidColumnRef    Code = "42P10"
	CodeInvalidDefinition   Code = "42P17"
	CodeIndeterminateType   Code = "42P18"
	CodeDiskFull            Code = "53100"
	CodeOutOfMemory         Code = "53200"
	CodeTooManyConnections  Code = "53300"
	CodeLimitExceeded       Code = "54000"
	CodeTooComplex          Code = "54001"
	CodeNotInState          Code = "55000"
	CodeLockNotAvailable    Code = "55P03"
	CodeQueryCanceled       Code = "57014"
	CodeAdminShutdown       Code = "57P01"
	CodeIO                  Code = "58030"
	CodeConnectionFailure   Code = "08006"
	CodeInternal            Code = "XX000"
	CodeDataCorrupted       Code = "XX001"
)

// Error is an error that a client sees. Code is its SQLSTATE. Position is the
// 1-based character in the statement's text, 0 for none.
type Error struct {
	Code     Code
	Message  string
	Detail   string
	Hint     string
	Position int
	Column   string // for constraint violations
	Err      error  // the cause, if any
}

func (e *Error) Error() string { return e.Message }
func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error; a %w among args becomes its cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// WithHint, WithDetail and At set one field and return e, for use at the raise.
func (e *Error) WithHint(format string, args ...any) *Error {
	e.Hint = fmt.Sprintf(format, args...)
	return e
}

func (e *Error) WithDetail(format string, args ...any) *Error {
	e.Detail = fmt.Sprintf(format, args...)
	return e
}

// At sets the position unless one is set already.
func (e *Error) At(pos int) *Error {
	if e.Position == 0 {
		e.Position = pos
	}
	return e
}

// AsError turns any error into one that a client can be sent: an Error as it
// is, a context's end as 57014, anything else as XX000.
func AsError(err error) *Error {
	var e *Error
	switch {
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: CodeQueryCanceled, Message: "canceling statement due to statement timeout", Err: err}
	case errors.Is(err, context.Canceled):
		return &Error{Code: CodeQueryCanceled, Message: "canceling statement due to user request", Err: err}
	}
	return &Error{Code: CodeInternal, Message: err.Error(), Err: err}
}

// HasCode says whether err is an *Error with that code.
func HasCode(err error, code Code) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == code
}

// UnlessMissing is err, but nil where it says that a table or topic is not there
// (42P01): for who wants it gone.
func UnlessMissing(err error) error {
	if HasCode(err, CodeUndefinedTable) {
		return nil
	}
	return err
}

// Nearest is the candidate with the least edit distance to name, for hints; ""
// when none is near (more than a third of the letters differ).
func Nearest(name string, candidates []string) string {
	best, least := "", len(name)/3+2
	for _, c := range candidates {
		if d := editDistance(name, c); d < least {
			best, least = c, d
		}
	}
	return best
}

func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		prev := row[0]
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := prev + btoi(a[i-1] != b[j-1])
			prev = row[j]
			row[j] = min(cost, row[j]+1, row[j-1]+1)
		}
	}
	return row[len(b)]
}
