//go:build !linux || race

package socket

import "net"

// With the race detector the runtime's own calls are used: it sees in them what
// happens before what.
func quick(c net.Conn) net.Conn { return c }
