// Package backoff is empty: see the package tidy.
package backoff
