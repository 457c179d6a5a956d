// Package googledirectpath is empty: see the package tidy.
package googledirectpath
