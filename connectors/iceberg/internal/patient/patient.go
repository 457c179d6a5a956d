// Package patient makes HTTP connections that do not wait for ever.
package patient

import (
	"context"
	"net"
	"net/http"
	"time"
)

// Transport is a transport of connections of its own on which no single step takes
// longer than patience: to connect, to write, to wait for an answer or the next
// bytes of one.
func Transport(patience time.Duration) *http.Transport {
	d := &net.Dialer{Timeout: patience, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			c, err := d.DialContext(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			return &conn{c, patience}, nil
		},
		TLSHandshakeTimeout:   patience,
		ResponseHeaderTimeout: patience,
		ExpectContinueTimeout: time.Second,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   64,
		IdleConnTimeout:       patience,
	}
}

// conn has a new deadline for each step. One that is idle too long is closed by it,
// as the transport would do.
type conn struct {
	net.Conn
	patience time.Duration
}

func (c *conn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

// Write gives the answer its time too: a Read may wait since before.
func (c *conn) Write(p []byte) (int, error) {
	if err := c.SetDeadline(time.Now().Add(c.patience)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}
