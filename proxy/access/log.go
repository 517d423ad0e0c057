package access

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// Options say where lines go and how they look.
type Options struct {
	Format Format

	// Query puts the query into the line. It often holds what nobody should read.
	Query bool

	// File is appended to, and opened anew by Reopen. Empty: Output.
	File string

	// Output is where lines go without a File. Nil: standard error.
	Output io.Writer

	// Queue is how many bytes of lines may wait to be written, in steps of
	// 64 KiB, four at least; lines beyond are dropped. 0 means 4 MiB.
	Queue int

	// Every is the longest time that a line waits to be written. 0 means 100 ms.
	Every time.Duration
}

// Log is an access log. Write may be called by any number of goroutines, and
// takes no lock; Run writes.
type Log struct {
	options Options
	errors  *zap.Logger

	queue   *pages
	dropped atomic.Uint64
	second  atomic.Pointer[stamp] // of the last line
	reopen  chan struct{}

	out  io.Writer
	file *os.File // nil: out is not ours
	down bool     // the last write failed
}

const (
	pageSize = 64 << 10
	// usual is the length up to which a line costs no allocation.
	usual = 1 << 10
	// farewell bounds the last writes, to a pipe that nobody reads say.
	farewell = 2 * time.Second
)

// New opens a log. Run must follow, and ends it.
func New(o Options, errors *zap.Logger) (*Log, error) {
	if o.Queue <= 0 {
		o.Queue = 4 << 20
	}
	if o.Every <= 0 {
		o.Every = 100 * time.Millisecond
	}
	l := &Log{
		options: o, errors: errors, out: o.Output, reopen: make(chan struct{}, 1),
		queue: newPages(pageSize, max(o.Queue/pageSize, 4)),
	}
	if o.File != "" {
		return l, l.open()
	}
	if l.out == nil {
		l.out = os.Stderr
	}
	return l, nil
}

// Write queues a line, or drops it if the queue is full.
func (l *Log) Write(e *Entry) {
	var room [usual]byte
	line := appendEntry(room[:0], l.options.Format, l.options.Query, l.stampOf(e.Time), e)
	if !l.queue.put(line) {
		l.dropped.Add(1)
	}
}

// stampOf is what is written of a second, made once for all of its lines.
func (l *Log) stampOf(t time.Time) *stamp {
	if s := l.second.Load(); s != nil && s.unix == t.Unix() {
		return s
	}
	s := newStamp(l.options.Format, t)
	l.second.Store(s)
	return s
}

// Dropped is the number of lines that were not written: the queue was full, or
// writing failed.
func (l *Log) Dropped() uint64 { return l.dropped.Load() }

// Reopen makes Run open the file anew, after it was moved away. It does not wait.
func (l *Log) Reopen() {
	select {
	case l.reopen <- struct{}{}:
	default:
	}
}

// Run writes until ctx ends, and then what is queued, within two seconds. Call
// it once, and end it after the last Write.
func (l *Log) Run(ctx context.Context) error {
	tick := time.NewTicker(l.options.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			if l.file != nil {
				// Not every file has deadlines; one that is a pipe does.
				_ = l.file.SetWriteDeadline(time.Now().Add(farewell))
			}
			l.flush()
			l.close()
			return nil
		case full := <-l.queue.closed:
			l.write(full)
		case <-l.reopen:
			l.flush()
			if err := l.open(); err != nil {
				l.errors.Error("access log goes on in its old file", zap.Error(err))
			}
		case <-tick.C:
			l.flush()
		}
	}
}

// flush writes what is queued.
func (l *Log) flush() {
	l.queue.cut()
	for {
		select {
		case full := <-l.queue.closed:
			l.write(full)
		default:
			return
		}
	}
}

// write tells of the first failure of a row, and of its end.
func (l *Log) write(full *page) {
	lines := full.lines()
	_, err := l.out.Write(lines)
	switch {
	case err != nil:
		l.dropped.Add(uint64(bytes.Count(lines, []byte("\n"))))
		if !l.down {
			l.errors.Error("access log cannot be written", zap.Error(err))
		}
	case l.down:
		l.errors.Info("access log is written again")
	}
	l.down = err != nil
	l.queue.done(full)
}

// open opens the file, and then lets go of the one before.
func (l *Log) open() error {
	if l.options.File == "" {
		return nil
	}
	file, err := os.OpenFile(l.options.File, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return fmt.Errorf("cannot open the access log: %w", err)
	}
	l.close()
	l.out, l.file = file, file
	return nil
}

func (l *Log) close() {
	if l.file == nil {
		return
	}
	if err := l.file.Close(); err != nil && !errors.Is(err, os.ErrClosed) {
		l.errors.Error("access log was not closed in order", zap.Error(err))
	}
	l.file = nil
}
