// Package insecure is empty: see the package tidy.
package insecure
