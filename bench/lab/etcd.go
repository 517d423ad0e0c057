package lab

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

// Etcd is an external etcd with one member, in a process of its own.
type Etcd struct {
	*Process
	URL string

	lab    *Lab
	peer   string
	name   string
	binary string
	client *clientv3.Client
}

// Etcd starts an etcd.
func (l *Lab) Etcd(name string) (*Etcd, error) {
	binary, err := l.build("bench/lab/etcd")
	if err != nil {
		return nil, err
	}
	client, err := l.Address()
	if err != nil {
		return nil, err
	}
	peer, err := l.Address()
	if err != nil {
		return nil, err
	}
	e := &Etcd{URL: "http://" + client, peer: "http://" + peer, lab: l, name: l.unique(name), binary: binary}
	if err := e.Start(); err != nil {
		return nil, err
	}
	e.client, err = clientv3.New(clientv3.Config{Endpoints: []string{e.URL}, Logger: zap.NewNop()})
	if err != nil {
		return nil, fmt.Errorf("cannot connect to etcd at %q: %w", e.URL, err)
	}
	return e, nil
}

// Start starts etcd again after a Kill, with the same address and data.
func (e *Etcd) Start() (err error) {
	e.Process, err = e.lab.start(e.name, e.binary,
		"-dir", filepath.Join(e.lab.Dir, e.name), "-client", e.URL, "-peer", e.peer)
	if err != nil {
		return err
	}
	probe, err := clientv3.New(clientv3.Config{Endpoints: []string{e.URL}, Logger: zap.NewNop()})
	if err != nil {
		return err
	}
	defer probe.Close()
	return e.awaitReady(30*time.Second, func() bool {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		_, err := probe.Get(ctx, "ready")
		return err == nil
	})
}

// Get reads one key; nil if it is absent.
func (e *Etcd) Get(key string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	resp, err := e.client.Get(ctx, key)
	if err != nil {
		return nil, fmt.Errorf("cannot read %q from etcd: %w", key, err)
	}
	if len(resp.Kvs) == 0 {
		return nil, nil
	}
	return resp.Kvs[0].Value, nil
}

// Keys lists the keys below a prefix.
func (e *Etcd) Keys(prefix string) ([]string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	resp, err := e.client.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithKeysOnly())
	if err != nil {
		return nil, fmt.Errorf("cannot list %q in etcd: %w", prefix, err)
	}
	var keys []string
	for _, kv := range resp.Kvs {
		keys = append(keys, string(kv.Key))
	}
	return keys, nil
}

// Close lets go of the connection.
func (e *Etcd) Close() error { return e.client.Close() }
