package embedded

import (
	"fmt"
	"net"
	"os"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Kafka is a broker of one node that keeps its topics in a directory. A record
// that it has acknowledged is in the operating system's hands: it survives a
// killed process, but the last seconds may not survive a lost machine.
type Kafka struct {
	cluster *kfake.Cluster
	Brokers []string // host:port
}

// StartKafka listens on addr (port 0: any) and keeps its data below dir.
func StartKafka(addr, dir string) (*Kafka, error) {
	host, portText, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(portText)
	if err != nil {
		return nil, fmt.Errorf("port %q: %w", portText, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	c, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(port), kfake.DataDir(dir), kfake.ClusterID("fqgw"),
		kfake.ListenFn(func(network, address string) (net.Listener, error) {
			_, p, err := net.SplitHostPort(address)
			if err != nil {
				return nil, err
			}
			return net.Listen(network, net.JoinHostPort(host, p))
		}),
		kfake.BrokerConfigs(map[string]string{"log.retention.ms": "-1", "log.retention.bytes": "-1"}))
	if err != nil {
		return nil, err
	}
	return &Kafka{cluster: c, Brokers: c.ListenAddrs()}, nil
}

// Close stops the broker.
func (k *Kafka) Close() error {
	k.cluster.Close()
	return nil
}
