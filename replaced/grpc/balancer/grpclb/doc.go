// Package grpclb is empty: see the package tidy.
package grpclb
