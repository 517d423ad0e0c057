package store

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.uber.org/goleak"
	"go.uber.org/zap"
)

// childEtcd makes this test binary an etcd in the directory named. Clients
// reach it by a socket there: a port could be taken while the process is down.
const childEtcd = "STORE_TEST_ETCD"

// childOpen makes it a process that opens the store in the directory named.
const childOpen = "STORE_TEST_OPEN"

func TestMain(m *testing.M) {
	if arg := os.Getenv(childEtcd); arg != "" {
		serveEtcd(arg)
		return
	}
	if dir := os.Getenv(childOpen); dir != "" {
		openAndTell(dir)
		return
	}
	goleak.VerifyTestMain(m)
}

// serveEtcd runs an etcd until the parent, who holds the other end of our
// standard input, ends or kills us.
func serveEtcd(dir string) {
	cfg := embed.NewConfig()
	cfg.Name, cfg.Dir, cfg.UnsafeNoFsync = "external", filepath.Join(dir, "data"), true
	cfg.ListenClientUrls = []url.URL{{Scheme: "unix", Path: filepath.Join(dir, "sock")}}
	cfg.AdvertiseClientUrls = cfg.ListenClientUrls
	cfg.ListenPeerUrls = []url.URL{}
	cfg.AdvertisePeerUrls = []url.URL{{Scheme: "http", Host: "127.0.0.1:0"}}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(zap.NewNop())
	server, err := embed.StartEtcd(cfg)
	if err != nil {
		fmt.Fprintln(os.Stderr, "test etcd:", err)
		os.Exit(1)
	}
	<-server.Server.ReadyNotify()
	fmt.Println("ready")
	_, _ = io.Copy(io.Discard, os.Stdin)
	os.Exit(0)
}

// etcdProcess is an etcd in a process of its own, to be killed and brought back.
type etcdProcess struct {
	t   *testing.T
	dir string
	cmd *exec.Cmd
	// life is held open while the process is to live.
	life io.Closer
}

func startEtcd(t *testing.T) *etcdProcess {
	t.Helper()
	// Not t.TempDir: the path of a socket has to be short.
	dir, err := os.MkdirTemp("", "etcd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	e := &etcdProcess{t: t, dir: dir}
	e.start()
	t.Cleanup(e.kill)
	return e
}

func (e *etcdProcess) endpoint() string { return "unix://" + e.dir + "/sock" }

func (e *etcdProcess) start() {
	e.t.Helper()
	e.cmd = exec.Command(os.Args[0])
	e.cmd.Env = append(os.Environ(), childEtcd+"="+e.dir)
	e.cmd.Stderr = os.Stderr
	life, err := e.cmd.StdinPipe()
	if err != nil {
		e.t.Fatal(err)
	}
	out, err := e.cmd.StdoutPipe()
	if err != nil {
		e.t.Fatal(err)
	}
	if err := e.cmd.Start(); err != nil {
		e.t.Fatal(err)
	}
	e.life = life
	if _, err := out.Read(make([]byte, 1)); err != nil {
		e.t.Fatalf("etcd did not get ready: %v", err)
	}
}

// kill ends the process as a power cut would.
func (e *etcdProcess) kill() {
	if e.cmd == nil {
		return
	}
	_ = e.cmd.Process.Kill()
	_ = e.cmd.Wait()
	e.life.Close()
	e.cmd = nil
}

func (e *etcdProcess) wipe() {
	e.t.Helper()
	if err := os.RemoveAll(filepath.Join(e.dir, "data")); err != nil {
		e.t.Fatal(err)
	}
}

// freeze stops the process without ending it: connections stay, answers do not come.
func (e *etcdProcess) freeze() { e.signal(syscall.SIGSTOP) }
func (e *etcdProcess) thaw()   { e.signal(syscall.SIGCONT) }

func (e *etcdProcess) signal(sig os.Signal) {
	e.t.Helper()
	if err := e.cmd.Process.Signal(sig); err != nil {
		e.t.Fatal(err)
	}
}

// node is a running store with its consumer.
type node struct {
	*Store
	t *testing.T
	// view is what the consumer holds after the updates it took.
	view map[string]string
	last Update
	stop func()
}

func testTuning() tuning {
	return tuning{
		leaseTTL:    2 * time.Second,
		callTimeout: time.Second,
		probeEvery:  100 * time.Millisecond,
		firstLoad:   500 * time.Millisecond,
		spaceEvery:  200 * time.Millisecond,
		diskEvery:   20 * time.Millisecond,
		cutGrace:    100 * time.Millisecond,
		noFsync:     true,
	}
}

func (e *etcdProcess) options(name string) Options {
	return Options{
		External: &External{Endpoints: []string{e.endpoint()}},
		Prefix:   "/weir/" + strings.ReplaceAll(e.t.Name(), "/", "-"),
		Dir:      filepath.Join(e.t.TempDir(), "node"),
		Node:     name,
		tuning:   testTuning(),
	}
}

func embeddedOptions(t *testing.T) Options {
	return Options{
		Embedded: &Embedded{Dir: filepath.Join(t.TempDir(), "node")},
		Node:     "edge-1",
		tuning:   testTuning(),
	}
}

func openNode(t *testing.T, opts Options) *node {
	t.Helper()
	s, err := Open(t.Context(), opts, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	n := &node{Store: s, t: t, view: map[string]string{}}
	n.stop = func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	t.Cleanup(func() { n.stop() })
	return n
}

// run starts the store; stop, also called at the end of the test, ends it cleanly.
func (n *node) run() *node {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	closeStore := n.stop
	n.stop = func() {
		cancel()
		if err := <-done; err != nil {
			n.t.Error(err)
		}
		closeStore()
		n.stop = func() {}
	}
	return n
}

// take applies the next update, and checks what holds for every update.
func (n *node) take(limit time.Duration) bool {
	n.t.Helper()
	select {
	case u, ok := <-n.Updates():
		if !ok {
			n.t.Fatal("the updates ended")
		}
		if u.Full {
			n.view = map[string]string{}
		} else if u.Revision <= n.last.Revision {
			n.t.Fatalf("update at revision %d after one at %d", u.Revision, n.last.Revision)
		}
		for _, kv := range u.Puts {
			if !u.Full && kv.ModRevision != u.Revision {
				n.t.Fatalf("%s of revision %d in the update of %d", kv.Key, kv.ModRevision, u.Revision)
			}
			n.view[kv.Key] = string(kv.Value)
		}
		for _, k := range u.Deletes {
			delete(n.view, k)
		}
		n.last = u
		return true
	case <-time.After(limit):
		return false
	}
}

// await takes updates until ok says that the view is as it should be.
func (n *node) await(what string, ok func() bool) {
	n.t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !ok() {
		n.take(20 * time.Millisecond)
		if time.Now().After(deadline) {
			n.t.Fatalf("not within 10s: %s; view %v, status %+v", what, n.view, n.Status())
		}
	}
}

func (n *node) awaitKey(key, value string) {
	n.t.Helper()
	n.await(fmt.Sprintf("%s is %q", key, value), func() bool { return n.view[key] == value })
}

func (n *node) commit(txn Txn) Result {
	n.t.Helper()
	res, err := n.Commit(n.t.Context(), txn)
	if err != nil {
		n.t.Fatal(err)
	}
	return res
}

func (n *node) put(key, value string) Result {
	n.t.Helper()
	return n.commit(Txn{Then: []Op{Put(key, []byte(value))}})
}

// raw is the node's own client, for what the store does not offer.
func (n *node) raw() *clientv3.Client { return n.client }
