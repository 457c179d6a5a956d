// Package rls is empty: see the package tidy.
package rls
