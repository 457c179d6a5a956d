// Package mem is empty: see the package tidy.
package mem
