// Package embedded starts the servers that fqgw needs when none are configured:
// an online store and a Kafka broker, in this process, on loopback. They are
// reached through their ports by the same connectors as real servers.
package embedded

import (
	"github.com/alicebob/miniredis/v2"
)

// Redis is an online store in memory: nothing of it is on disk.
type Redis struct {
	server *miniredis.Miniredis
	Addr   string // host:port
}

// StartRedis listens on addr (port 0: any), which must be of this machine's loopback.
func StartRedis(addr string) (*Redis, error) {
	if _, _, err := loopback(addr); err != nil {
		return nil, err
	}
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr(addr); err != nil {
		return nil, startFailed("Redis", addr, err)
	}
	return &Redis{server: m, Addr: m.Addr()}, nil
}

// Close stops the server; what it held is gone.
func (r *Redis) Close() error {
	r.server.Close()
	return nil
}
