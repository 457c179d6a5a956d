// Package reflection is empty: see the package tidy.
package reflection
