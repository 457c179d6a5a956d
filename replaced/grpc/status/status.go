// Package status has gRPC's errors: a code and a message.
package status

import (
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
)

// Status is the outcome of a call.
type Status struct {
	code    codes.Code
	message string
}

// Code is OK for a nil Status.
func (s *Status) Code() codes.Code {
	if s == nil {
		return codes.OK
	}
	return s.code
}

// Message is empty for a nil Status.
func (s *Status) Message() string {
	if s == nil {
		return ""
	}
	return s.message
}

// Err is nil for OK.
func (s *Status) Err() error {
	if s.Code() == codes.OK {
		return nil
	}
	return &statusError{s}
}

type statusError struct{ status *Status }

func (e *statusError) Error() string {
	return fmt.Sprintf("rpc error: code = %d desc = %s", e.status.code, e.status.message)
}

func (e *statusError) GRPCStatus() *Status { return e.status }

// Error is nil for OK.
func Error(c codes.Code, message string) error { return (&Status{c, message}).Err() }

// Errorf is nil for OK.
func Errorf(c codes.Code, format string, args ...any) error {
	return Error(c, fmt.Sprintf(format, args...))
}

// FromError gives the Status of an error that has one in its chain; another
// error is Unknown and false, nil is OK.
func FromError(err error) (*Status, bool) {
	if err == nil {
		return nil, true
	}
	var with interface{ GRPCStatus() *Status }
	if errors.As(err, &with) {
		return with.GRPCStatus(), true
	}
	return &Status{codes.Unknown, err.Error()}, false
}
