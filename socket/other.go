//go:build !linux || 386 || race

package socket

import "net"

// With the race detector the runtime's own calls are used: it sees in them what
// happens before what. On 32-bit x86 one system call stands for all operations of
// sockets.
func quick(c net.Conn) net.Conn { return c }
