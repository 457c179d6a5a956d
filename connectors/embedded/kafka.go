package embedded

import (
	"net"
	"os"
	"strconv"

	"github.com/twmb/franz-go/pkg/kfake"
)

// Kafka is a broker of one node that keeps its topics, their ids and their
// records in a directory, which one process may use at a time.
//
// A record that it has acknowledged was written to its file: it survives a
// killed process. Unless the broker was started with StartSyncedKafka the file
// is not fsynced, and the last seconds may not survive a lost machine. Topics
// survive both.
type Kafka struct {
	cluster *kfake.Cluster
	Brokers []string // host:port
}

// StartKafka listens on addr (port 0: any), which must be of this machine's
// loopback, and keeps its data below dir.
func StartKafka(addr, dir string) (*Kafka, error) { return startKafka(addr, dir) }

// StartSyncedKafka is StartKafka with an fsync of every batch before it is
// acknowledged.
func StartSyncedKafka(addr, dir string) (*Kafka, error) {
	return startKafka(addr, dir, kfake.SyncWrites())
}

func startKafka(addr, dir string, more ...kfake.Opt) (*Kafka, error) {
	host, port, err := loopback(addr)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, startFailed("Kafka", addr, err)
	}
	c, err := kfake.NewCluster(append(more, kfake.NumBrokers(1), kfake.Ports(port), kfake.DataDir(dir), kfake.ClusterID("fqgw"),
		kfake.ListenFn(func(network, _ string) (net.Listener, error) {
			return net.Listen(network, net.JoinHostPort(host, strconv.Itoa(port)))
		}),
		kfake.BrokerConfigs(map[string]string{"log.retention.ms": "-1", "log.retention.bytes": "-1"}))...)
	if err != nil {
		return nil, startFailed("Kafka", addr, err)
	}
	return &Kafka{cluster: c, Brokers: c.ListenAddrs()}, nil
}

// Close stops the broker.
func (k *Kafka) Close() error {
	k.cluster.Close()
	return nil
}
