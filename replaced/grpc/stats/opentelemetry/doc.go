// Package opentelemetry is empty: see the package tidy.
package opentelemetry
