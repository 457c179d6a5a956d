// Package grpclog is empty: see the package tidy.
package grpclog
