package app

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

// faultPoint reads FQGW_FAULT=point[:n]: the process kills itself with SIGKILL
// when it comes to that point of the stream for the nth time. Crash tests need
// a real process to die at a chosen place; nil when it is not set.
func faultPoint() func(string) {
	point, nth, _ := strings.Cut(os.Getenv("FQGW_FAULT"), ":")
	if point == "" {
		return nil
	}
	n, err := strconv.ParseInt(nth, 10, 64)
	if err != nil {
		n = 1
	}
	var seen atomic.Int64
	return func(at string) {
		if at == point && seen.Add(1) == n {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
}
