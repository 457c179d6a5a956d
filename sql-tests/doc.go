// Package sqltests holds the scripts that pin what statements answer, by topic,
// and the test that runs each through a real driver over both protocols.
package sqltests
