// Package google is empty: see the package tidy.
package google
