// Package socket reads and writes TCP connections without a word to Go's scheduler.
//
// Around each system call the runtime prepares to lose the processor. Where
// processors go idle between requests, as a server's do that waits for others, the
// call also wakes the runtime's watchdog, which then looks after the processors 50
// times, every 20 µs: of a gateway that answers 20,000 reads a second that was a
// tenth of its CPU. A call on a socket that does not block returns at once, so
// nobody needs to be told of it.
package socket

import "net"

// longest is the longest read or write, in bytes, of which the scheduler is not
// told: for what takes longer than a goroutine's turn it should be.
const longest = 64 << 10

// Quick is the connection, its reads and writes as the package says, if it is one
// of TCP on Linux; else c. One goroutine may read at a time, and one may write; the
// rest is as net.Conn says. Of c nothing may be used any more but what is called
// through the answer, which then may be asked, too, by the interface Quiet.
func Quick(c net.Conn) net.Conn { return quick(c) }

// Quiet is a connection that says whether there is nothing to read from it: no
// bytes, no end and no error.
type Quiet interface {
	net.Conn
	Quiet() bool
}
