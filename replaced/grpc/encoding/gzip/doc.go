// Package gzip is empty: see the package tidy.
package gzip
