// Package credentials is empty: see the package tidy.
package credentials
