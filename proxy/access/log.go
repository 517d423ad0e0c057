package access

import (
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

	// Queue is how many lines may wait to be written, rounded up to a power of
	// two; those beyond are dropped. 0 means 8192.
	Queue int

	// Every is the longest time that a line waits to be written. 0 means 100 ms.
	Every time.Duration
}

// Log is an access log. Write may be called by any number of goroutines, and
// takes no lock; Run writes.
type Log struct {
	options Options
	errors  *zap.Logger

	slots []slot
	tail  atomic.Uint64 // the next to be filled
	_     [56]byte
	head  uint64 // the next to be written; Run's alone

	dropped atomic.Uint64
	wake    chan struct{}
	reopen  chan struct{}

	out  io.Writer
	file *os.File // nil: out is not ours
	down bool     // the last write failed
}

// slot holds one line. It may be filled at position p of the queue when turn is
// p, and written when turn is p+1 (Vyukov's bounded queue).
type slot struct {
	turn atomic.Uint64
	line []byte
	_    [32]byte
}

const (
	batch = 64 << 10 // bytes written at once, about
	// usual is the room that a slot has for its line from the start.
	usual = 512
	// keep is the longest line whose buffer a slot keeps.
	keep = 2 << 10
	// farewell bounds the last writes, to a pipe that nobody reads say.
	farewell = 2 * time.Second
)

// New opens a log. Run must follow, and ends it.
func New(o Options, errors *zap.Logger) (*Log, error) {
	if o.Queue <= 0 {
		o.Queue = 8192
	}
	if o.Every <= 0 {
		o.Every = 100 * time.Millisecond
	}
	size := 4
	for size < o.Queue {
		size *= 2
	}
	l := &Log{
		options: o, errors: errors, slots: make([]slot, size), out: o.Output,
		wake: make(chan struct{}, 1), reopen: make(chan struct{}, 1),
	}
	slab := make([]byte, size*usual) // resident only as far as it is used
	for i := range l.slots {
		l.slots[i].turn.Store(uint64(i))
		l.slots[i].line = slab[i*usual : i*usual : (i+1)*usual]
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
	size := uint64(len(l.slots))
	for {
		p := l.tail.Load()
		s := &l.slots[p&(size-1)]
		turn := s.turn.Load()
		switch {
		case turn == p && l.tail.CompareAndSwap(p, p+1):
			s.line = appendEntry(s.line[:0], l.options.Format, l.options.Query, e)
			s.turn.Store(p + 1)
			if p&(size/4-1) == 0 { // a quarter came since the last time
				select {
				case l.wake <- struct{}{}:
				default:
				}
			}
			return
		case turn < p:
			l.dropped.Add(1)
			return
		}
	}
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
	var buf []byte
	for {
		select {
		case <-ctx.Done():
			if l.file != nil {
				// Not every file has deadlines; one that is a pipe does.
				_ = l.file.SetWriteDeadline(time.Now().Add(farewell))
			}
			l.flush(buf)
			l.close()
			return nil
		case <-l.reopen:
			buf = l.flush(buf)
			if err := l.open(); err != nil {
				l.errors.Error("access log goes on in its old file", zap.Error(err))
			}
		case <-l.wake:
		case <-tick.C:
		}
		buf = l.flush(buf)
	}
}

// flush writes what is queued, in batches. It returns the buffer for the next.
func (l *Log) flush(buf []byte) []byte {
	lines := uint64(0)
	for size := uint64(len(l.slots)); ; {
		s := &l.slots[l.head&(size-1)]
		ready := s.turn.Load() == l.head+1
		if ready {
			buf = append(buf, s.line...)
			if cap(s.line) > keep {
				s.line = make([]byte, 0, usual)
			}
			s.turn.Store(l.head + size)
			l.head++
			lines++
		}
		if len(buf) >= batch || !ready && len(buf) > 0 {
			l.write(buf, lines)
			buf, lines = buf[:0], 0
		}
		if !ready {
			return buf
		}
	}
}

// write tells of the first failure of a row, and of its end.
func (l *Log) write(b []byte, lines uint64) {
	_, err := l.out.Write(b)
	switch {
	case err != nil:
		l.dropped.Add(lines)
		if !l.down {
			l.errors.Error("access log cannot be written", zap.Error(err))
		}
	case l.down:
		l.errors.Info("access log is written again")
	}
	l.down = err != nil
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
