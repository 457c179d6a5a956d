package grpc_test

import (
	"errors"
	"fmt"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

func TestStatus(t *testing.T) {
	if status.Error(codes.OK, "fine") != nil {
		t.Error("OK is an error")
	}
	err := fmt.Errorf("around: %w", status.Errorf(codes.NotFound, "no %s", "x"))
	if s, ok := status.FromError(err); !ok || s.Code() != codes.NotFound || s.Message() != "no x" {
		t.Errorf("%v, %v", s, ok)
	}
	if s, ok := status.FromError(errors.New("else")); ok || s.Code() != codes.Unknown || s.Message() != "else" {
		t.Errorf("%v, %v", s, ok)
	}
	if s, ok := status.FromError(nil); !ok || s.Code() != codes.OK {
		t.Errorf("%v, %v", s, ok)
	}
}

func TestMetadata(t *testing.T) {
	md := metadata.Join(metadata.New(map[string]string{"A": "1"}), metadata.MD{"a": {"2"}})
	if got := fmt.Sprint(md.Get("A")); got != "[1 2]" {
		t.Error(got)
	}
}

// Nothing here connects or serves.
func TestRefused(t *testing.T) {
	_, dial := grpc.Dial("localhost:1")
	_, client := grpc.NewClient("localhost:1")
	for _, err := range []error{dial, client, grpc.NewServer().Serve(nil), (&grpc.ClientConn{}).Invoke(t.Context(), "m", nil, nil)} {
		if s, ok := status.FromError(err); !ok || s.Code() != codes.Unimplemented {
			t.Errorf("%v", err)
		}
	}
}
