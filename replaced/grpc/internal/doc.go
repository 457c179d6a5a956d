// Package internal is empty: see the package tidy.
package internal
