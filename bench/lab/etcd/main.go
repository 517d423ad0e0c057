// Command etcd is a member of an etcd, or all of it, in a process of its own, so
// that a proof can kill it.
package main

import (
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.etcd.io/etcd/server/v3/embed"
)

func main() {
	dir := flag.String("dir", "", "data directory")
	client := flag.String("client", "http://127.0.0.1:2379", "URL for clients")
	peer := flag.String("peer", "http://127.0.0.1:2380", "URL for peers")
	name := flag.String("name", "default", "of this member")
	cluster := flag.String("cluster", "", "all members as name=peer URL, with commas between; empty: this one alone")
	file := flag.String("config", "", "etcd's own configuration file, in place of all else")
	flag.Parse()
	var err error
	if *file != "" {
		err = runFile(*file)
	} else {
		err = run(*dir, *client, *peer, *name, *cluster)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(dir, client, peer, name, cluster string) error {
	clientURL, err := url.Parse(client)
	if err != nil {
		return fmt.Errorf("cannot listen for clients: %w", err)
	}
	peerURL, err := url.Parse(peer)
	if err != nil {
		return fmt.Errorf("cannot listen for peers: %w", err)
	}
	cfg := embed.NewConfig()
	cfg.Dir, cfg.Name = dir, name
	cfg.LogLevel = "warn"
	cfg.ListenClientUrls, cfg.AdvertiseClientUrls = []url.URL{*clientURL}, []url.URL{*clientURL}
	cfg.ListenPeerUrls, cfg.AdvertisePeerUrls = []url.URL{*peerURL}, []url.URL{*peerURL}
	cfg.InitialCluster = cluster
	if cluster == "" {
		cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	}
	return serve(cfg)
}

// runFile runs etcd as its own binary would with --config-file.
func runFile(file string) error {
	cfg, err := embed.ConfigFromFile(file)
	if err != nil {
		return fmt.Errorf("cannot read %q: %w", file, err)
	}
	cfg.LogLevel = "warn"
	return serve(cfg)
}

func serve(cfg *embed.Config) error {
	dir := cfg.Dir
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return fmt.Errorf("cannot start etcd in %q: %w", dir, err)
	}
	defer e.Close()
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	select {
	case <-e.Server.ReadyNotify():
	case <-stop:
		return nil
	case <-time.After(time.Minute):
		return fmt.Errorf("etcd in %q was not ready within a minute", dir)
	}
	fmt.Println("ready")
	select {
	case <-stop:
		return nil
	case err := <-e.Err():
		return fmt.Errorf("etcd in %q ended: %w", dir, err)
	}
}
