package embedded

import (
	"net"
	"strconv"

	"github.com/fqgw/fqgw"
)

// loopback splits the address that an embedded server listens on. They know no
// passwords, so only this machine may reach them.
func loopback(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fqgw.Errorf(fqgw.CodeInvalidParameter, "%q is not an address to listen on", addr).WithHint("Give host:port, such as 127.0.0.1:0 for any port.")
	}
	if ip := net.ParseIP(host); host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", 0, fqgw.Errorf(fqgw.CodeInvalidParameter, "an embedded server listens on loopback only, not on %q", host).
			WithHint("Use 127.0.0.1, or a real Kafka and Redis.")
	}
	return host, port, nil
}

// startFailed says which server could not be started.
func startFailed(what, addr string, err error) error {
	e := fqgw.Errorf(fqgw.CodeIO, "the embedded %s cannot start on %s: %v", what, addr, err)
	e.Err = err
	return e
}
