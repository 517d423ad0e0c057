package lab

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// Cluster is an external etcd of several members, each in a process of its own.
type Cluster struct {
	Members []*ClusterMember

	client *clientv3.Client
}

// ClusterMember is one of them.
type ClusterMember struct {
	*Process
	URL string

	lab  *Lab
	args []string
	name string
	bin  string
}

// Cluster starts an etcd of so many members and waits until it takes writes.
func (l *Lab) Cluster(name string, size int) (*Cluster, error) {
	binary, err := l.build("bench/lab/etcd")
	if err != nil {
		return nil, err
	}
	name = l.unique(name)
	c := &Cluster{}
	var all, urls []string
	for i := range size {
		client, err := l.Address()
		if err != nil {
			return nil, err
		}
		peer, err := l.Address()
		if err != nil {
			return nil, err
		}
		m := &ClusterMember{URL: "http://" + client, lab: l, name: fmt.Sprintf("%s-%d", name, i+1), bin: binary}
		m.args = []string{"-dir", filepath.Join(l.Dir, m.name), "-name", m.name, "-client", m.URL, "-peer", "http://" + peer}
		all, urls = append(all, m.name+"=http://"+peer), append(urls, m.URL)
		c.Members = append(c.Members, m)
	}
	for _, m := range c.Members {
		m.args = append(m.args, "-cluster", strings.Join(all, ","))
		if err := m.Start(); err != nil {
			return nil, err
		}
	}
	c.client, err = clientv3.New(clientv3.Config{Endpoints: urls, Logger: zap.NewNop()})
	if err != nil {
		return nil, fmt.Errorf("cannot connect to etcd: %w", err)
	}
	return c, c.AwaitReady(time.Minute)
}

// EtcdOf starts a member with a configuration file of etcd's own.
func (l *Lab) EtcdOf(name, file string) (*Process, error) {
	binary, err := l.build("bench/lab/etcd")
	if err != nil {
		return nil, err
	}
	return l.start(name, binary, "-config", file)
}

// Start starts a member, again after a Kill with what it had.
func (m *ClusterMember) Start() (err error) {
	m.Process, err = m.lab.start(m.name, m.bin, m.args...)
	return err
}

// AwaitReady waits until the cluster takes a write.
func (c *Cluster) AwaitReady(patience time.Duration) error {
	return Await("etcd taking writes", patience, func() (bool, error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := c.client.Put(ctx, "ready", "yes")
		return err == nil, err
	})
}

// Leader is the member that leads.
func (c *Cluster) Leader() (*ClusterMember, error) {
	var problems []error
	for _, m := range c.Members {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		status, err := c.client.Status(ctx, m.URL)
		cancel()
		if err == nil && status.Leader == status.Header.MemberId {
			return m, nil
		}
		problems = append(problems, err)
	}
	return nil, fmt.Errorf("no member of etcd leads: %w", errors.Join(problems...))
}

// Get reads one key; nil if it is absent.
func (c *Cluster) Get(key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	resp, err := c.client.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("cannot read %q from etcd: %w", key, err)
	}
	if len(resp.Kvs) == 0 {
		return nil, nil
	}
	return resp.Kvs[0].Value, nil
}

// Close lets go of the connection.
func (c *Cluster) Close() error { return c.client.Close() }
