// Package grpc_health_v1 is empty: see the package tidy.
package grpc_health_v1
