package store

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

const (
	// embeddedStart bounds the start; 0.8 s is usual.
	embeddedStart = 30 * time.Second
	// embeddedStop bounds the end of a server that may have died of its disk holding its locks.
	embeddedStop = 5 * time.Second
)

// embedded is an etcd with one member in this process. It listens on no
// socket: its only client is in the process too.
type embedded struct {
	server *embed.Etcd
	client *clientv3.Client
	// died holds why the server gave up while running. It then answers no call.
	died *death
}

// startEmbedded starts etcd in x.Dir and waits until it serves. Its errors
// name the directory and what to do about it.
func startEmbedded(ctx context.Context, x Embedded, t tuning, log *zap.Logger) (*embedded, error) {
	dir := filepath.Join(x.Dir, "etcd")
	if err := makePrivateDir(dir); err != nil {
		return nil, err
	}
	if err := trim(dir); err != nil {
		log.Warn("database not shortened; it takes more memory than it needs", zap.Error(err))
	}
	died := newDeath()
	ctx, cancel := context.WithTimeout(ctx, embeddedStart)
	defer cancel()
	server, err := startServer(ctx, embeddedConfig(dir, t, died.watch(quiet(log))), died)
	if err != nil {
		return nil, fmt.Errorf("cannot open the embedded etcd in %q: %w; "+
			"restore the directory from a backup, or move it away to begin with an empty state", dir, err)
	}
	return &embedded{server: server, client: v3client.New(server.Server), died: died}, nil
}

func embeddedConfig(dir string, t tuning, log *zap.Logger) *embed.Config {
	cfg := embed.NewConfig()
	cfg.Name = "weir"
	cfg.Dir = dir
	// Nobody connects to the one member of a cluster in one process. etcd still
	// wants it to have an address; 0 is one that cannot be dialled.
	nowhere := url.URL{Scheme: "http", Host: "127.0.0.1:0"}
	cfg.ListenPeerUrls, cfg.ListenClientUrls = []url.URL{}, []url.URL{}
	cfg.AdvertisePeerUrls, cfg.AdvertiseClientUrls = []url.URL{nowhere}, []url.URL{nowhere}
	cfg.InitialCluster = cfg.InitialClusterFromName(cfg.Name)
	cfg.EnableGRPCGateway = false
	// The only reader is in this process. By revisions etcd would compact every
	// five minutes, and keep all that was written meanwhile.
	cfg.AutoCompactionMode = embed.CompactorModePeriodic
	cfg.AutoCompactionRetention = t.retention
	cfg.QuotaBackendBytes = t.quota
	// Nobody else would ever give space back that compaction freed, and etcd has
	// all of its file in memory from the start (MAP_POPULATE).
	cfg.BootstrapDefragThresholdMegabytes = 4
	// etcd holds the transactions since its last snapshot in memory, as they were
	// written, and with 10 000 of them by default tens of megabytes of evidence.
	// A snapshot is a file of some kilobytes; there is no follower to catch up.
	cfg.SnapshotCount, cfg.SnapshotCatchUpEntries = 250, 25
	cfg.InitialElectionTickAdvance = true
	cfg.UnsafeNoFsync = t.noFsync
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(log)
	return cfg
}

// startServer runs StartEtcd where its death does not end the process: on a
// damaged directory etcd logs a fatal message or panics.
func startServer(ctx context.Context, cfg *embed.Config, died *death) (*embed.Etcd, error) {
	type outcome struct {
		server *embed.Etcd
		err    error
	}
	// Buffered: a start that was given up on must not wait for a reader.
	done := make(chan outcome, 1)
	go func() {
		var out outcome
		defer func() {
			if r := recover(); r != nil {
				out.err = fmt.Errorf("etcd panicked: %v", r)
			}
			done <- out
		}()
		out.server, out.err = embed.StartEtcd(cfg)
	}()
	select {
	case out := <-done:
		if out.server == nil || out.err != nil {
			return nil, errors.Join(out.err, died.err())
		}
		select {
		case <-out.server.Server.ReadyNotify():
			return out.server, nil
		case <-died.done:
		case <-ctx.Done():
		}
		closeServer(out.server)
	case <-died.done:
	case <-ctx.Done():
	}
	if err := died.err(); err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("it was not ready in time: %w", ctx.Err())
}

// failure is why the server gave up, nil if it did not.
func (e *embedded) failure() error { return e.died.err() }

func (e *embedded) close() error {
	// The client has no connection; closing it only ends its streams.
	if err := e.client.Close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("cannot close the embedded etcd: %w", err)
	}
	if !closeServer(e.server) {
		return fmt.Errorf("cannot close the embedded etcd: not done within %s", embeddedStop)
	}
	return nil
}

func closeServer(server *embed.Etcd) (inTime bool) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		server.Close()
	}()
	select {
	case <-done:
		return true
	case <-time.After(embeddedStop):
		return false
	}
}

// quiet keeps etcd's own log to what an operator must act on.
func quiet(log *zap.Logger) *zap.Logger {
	return log.Named("etcd").WithOptions(zap.IncreaseLevel(zapcore.ErrorLevel))
}

// death records a fatal message of etcd, which by itself would end the process:
// a proxy whose state store died of a full disk has to go on proxying.
type death struct {
	once sync.Once
	done chan struct{}
	why  error
}

func newDeath() *death { return &death{done: make(chan struct{})} }

func (d *death) watch(log *zap.Logger) *zap.Logger {
	return log.WithOptions(zap.WithFatalHook(d), zap.WithPanicHook(d))
}

// OnWrite implements zapcore.CheckWriteHook: it ends the goroutine, not the process.
func (d *death) OnWrite(e *zapcore.CheckedEntry, fields []zapcore.Field) {
	d.once.Do(func() {
		d.why = fmt.Errorf("etcd gave up: %s", e.Message)
		for _, f := range fields {
			if err, ok := f.Interface.(error); ok {
				d.why = fmt.Errorf("etcd gave up: %s: %w", e.Message, err)
			}
		}
		close(d.done)
	})
	zapcore.WriteThenGoexit.OnWrite(e, fields)
}

func (d *death) err() error {
	select {
	case <-d.done:
		return d.why
	default:
		return nil
	}
}
