// Package health is empty: see the package tidy.
package health
