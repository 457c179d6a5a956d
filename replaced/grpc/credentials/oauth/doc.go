// Package oauth is empty: see the package tidy.
package oauth
