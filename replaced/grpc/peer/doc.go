// Package peer is empty: see the package tidy.
package peer
