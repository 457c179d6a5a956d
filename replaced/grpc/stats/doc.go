// Package stats is empty: see the package tidy.
package stats
