// Package encoding is empty: see the package tidy.
package encoding
