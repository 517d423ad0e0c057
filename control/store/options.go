package store

import (
	"crypto/tls"
	"errors"
	"path/filepath"
	"time"
)

// Options says where the state is. Exactly one of Embedded and External is set.
type Options struct {
	// Embedded runs etcd inside this process.
	Embedded *Embedded
	// External uses an etcd that runs elsewhere.
	External *External

	// Prefix is the cluster's. Empty: DefaultPrefix.
	Prefix string
	// Dir holds this node's own files: the cut journal and the fuses. It is
	// created with mode 0700 and locked against a second process. Empty: Embedded.Dir.
	Dir string
	// Cache is the file of the disk copy. Empty: "state.json" in Dir.
	Cache string
	// Node is this node's name, unique in its cluster.
	Node string

	tuning tuning
}

// Embedded is an etcd with one member in this process. It listens on nothing.
type Embedded struct {
	// Dir holds etcd's data in "etcd" below it. It is created with mode 0700.
	Dir string
}

// External is an etcd cluster that others run.
type External struct {
	// Endpoints are client URLs, e.g. "http://127.0.0.1:2379".
	Endpoints []string
	// Username and Password are for an etcd with authentication. Empty: none.
	Username, Password string
	// TLS returns what a connection to the named server of an https endpoint is
	// opened with; it is asked at each handshake, so that files may change. Nil:
	// the system's roots.
	TLS func(name string) (*tls.Config, error)
}

// tuning holds what only tests change. Zero values are replaced by the defaults of fill.
type tuning struct {
	// leaseTTL is that of the node's lease, hence of its leadership and announcement.
	leaseTTL time.Duration
	// callTimeout bounds each unary call.
	callTimeout time.Duration
	// probeEvery is how often the connection is proven, probeTimeout how long that may take.
	probeEvery, probeTimeout time.Duration
	// watchSilence is how long the watch may lag behind a known revision before it is distrusted.
	watchSilence time.Duration
	// relistEvery is how often everything is read again although nothing seems wrong.
	relistEvery time.Duration
	// firstLoad is how long the start waits for etcd before the disk copy is served.
	firstLoad time.Duration
	// diskEvery is the least time between two writes of the disk copy, or of one fuse.
	diskEvery time.Duration
	// cutGrace is how long after a full load a missing cut is put back: the
	// consumer has that time to forget cuts of rollouts that ended meanwhile.
	cutGrace time.Duration
	// retention is how long the embedded etcd keeps revisions.
	retention string
	// spaceEvery is how often the size of etcd's database is asked for.
	spaceEvery time.Duration
	// quota is the space quota of the embedded etcd in bytes.
	quota int64
	// noFsync makes the embedded etcd fast and unsafe.
	noFsync bool
	// stopped stops everything about the lease, as SIGSTOP would.
	stopped func() bool
}

func (t *tuning) fill() {
	set := func(d *time.Duration, to time.Duration) {
		if *d == 0 {
			*d = to
		}
	}
	set(&t.leaseTTL, 5*time.Second)
	set(&t.callTimeout, 2*time.Second)
	set(&t.probeEvery, time.Second)
	set(&t.probeTimeout, time.Second)
	set(&t.watchSilence, 10*time.Second)
	set(&t.relistEvery, 5*time.Minute)
	set(&t.firstLoad, 3*time.Second)
	set(&t.spaceEvery, time.Minute)
	set(&t.diskEvery, time.Second)
	set(&t.cutGrace, 500*time.Millisecond)
	if t.quota == 0 {
		t.quota = 1 << 30
	}
	if t.retention == "" {
		t.retention = "1m"
	}
	if t.stopped == nil {
		t.stopped = func() bool { return false }
	}
}

// fill checks o and sets its defaults.
func (o *Options) fill() error {
	if (o.Embedded == nil) == (o.External == nil) {
		return errors.New("cannot open state: set either embedded or etcd endpoints")
	}
	if o.Node == "" {
		return errors.New("cannot open state: the node has no name")
	}
	if o.Embedded != nil && o.Embedded.Dir == "" {
		return errors.New("cannot open state: embedded needs a directory")
	}
	if o.External != nil && len(o.External.Endpoints) == 0 {
		return errors.New("cannot open state: etcd needs at least one endpoint")
	}
	if o.Dir == "" {
		if o.Embedded == nil {
			return errors.New("cannot open state: this node needs a directory for its cut journal")
		}
		o.Dir = o.Embedded.Dir
	}
	if o.Cache == "" {
		o.Cache = filepath.Join(o.Dir, "state.json")
	}
	o.Prefix = cleanPrefix(o.Prefix)
	o.tuning.fill()
	return nil
}
