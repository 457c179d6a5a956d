//go:build !unix

package exec

func mapped(int) []byte { return nil }

func unmapped([]byte) bool { return false }
