package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
)

// Cut is a node's fact that it took the candidate of a rollout to 0. A Kill is
// kept in the same form, with the flag in place of the rollout.
type Cut struct {
	Rollout string `json:"rollout"`
	Node    string `json:"node"`
	Value   []byte `json:"value"`
}

// journal is the file of the cuts, or of the kills, that this node made. It is
// appended to before etcd hears of one, and rewritten when one is forgotten.
//
// One line is one cut: checksum, length and JSON, split by spaces. A crash can
// tear the last line only, which was then never acknowledged.
type journal struct {
	path string
	what string // it is of: "cut of rollout"

	mu   sync.Mutex
	file *os.File
	cuts []Cut
}

// openJournal reads the journal at path, or makes one. Lines that cannot be
// read are dropped from it and counted; if they were more than a torn tail the
// file as found is kept aside, whose name is returned.
func openJournal(path, what string) (j *journal, aside string, err error) {
	b, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, "", fmt.Errorf("cannot read journal %q: %w", path, err)
	}
	cuts, torn, damaged := parseJournal(b)
	j = &journal{path: path, what: what, cuts: cuts}
	if damaged > 0 {
		aside = path + ".damaged"
		if err := writeFile(aside, b); err != nil {
			return nil, "", err
		}
	}
	if torn || damaged > 0 || b == nil {
		// Without this the next line would be glued to the torn one.
		if err := writeFile(path, formatJournal(cuts)); err != nil {
			return nil, "", err
		}
	}
	if err := j.reopen(); err != nil {
		return nil, "", err
	}
	return j, aside, nil
}

// append makes c durable. When it returns nil the cut survives a crash.
// A cut that is journalled already is not written again.
func (j *journal) append(c Cut) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return fmt.Errorf("cannot journal %s %q: %w", j.what, c.Rollout, ErrClosed)
	}
	i := slices.IndexFunc(j.cuts, c.same)
	if i >= 0 && bytes.Equal(j.cuts[i].Value, c.Value) {
		return nil
	}
	err := j.writeLocked(formatCut(c))
	if err != nil {
		return fmt.Errorf("cannot journal %s %q in %q: %w", j.what, c.Rollout, j.path, err)
	}
	if i >= 0 {
		j.cuts[i] = c
	} else {
		j.cuts = append(j.cuts, c)
	}
	return nil
}

// writeLocked appends line whole, or takes back what it wrote of it.
func (j *journal) writeLocked(line []byte) error {
	end, err := j.file.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	_, err = j.file.Write(line)
	if err == nil {
		err = j.file.Sync()
	}
	if err != nil {
		return errors.Join(err, j.file.Truncate(end))
	}
	return nil
}

// all returns the journalled cuts, oldest first.
func (j *journal) all() []Cut {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.cuts)
}

func (j *journal) has(c Cut) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.ContainsFunc(j.cuts, c.same)
}

// forget drops the cuts of a rollout that ended: all, or those of one value.
func (j *journal) forget(rollout string, value []byte) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	kept := slices.DeleteFunc(slices.Clone(j.cuts), func(c Cut) bool {
		return c.Rollout == rollout && (value == nil || bytes.Equal(c.Value, value))
	})
	if len(kept) == len(j.cuts) {
		return nil
	}
	if j.file == nil {
		return fmt.Errorf("cannot forget %s %q: %w", j.what, rollout, ErrClosed)
	}
	if err := writeFile(j.path, formatJournal(kept)); err != nil {
		return fmt.Errorf("cannot forget %s %q: %w", j.what, rollout, err)
	}
	j.cuts = kept
	return j.reopen()
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.file == nil {
		return nil
	}
	err := j.file.Close()
	j.file = nil
	return err
}

// reopen makes file the one that path names now: a rewrite replaced it.
func (j *journal) reopen() error {
	f, err := os.OpenFile(j.path, os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open journal %q: %w", j.path, err)
	}
	if j.file != nil {
		j.file.Close()
	}
	j.file = f
	return syncDir(filepath.Dir(j.path))
}

func (c Cut) same(o Cut) bool { return c.Rollout == o.Rollout && c.Node == o.Node }

func formatCut(c Cut) []byte {
	// A struct of strings and bytes always marshals.
	b, _ := json.Marshal(c)
	return fmt.Appendf(nil, "%s %d %s\n", checksum(b), len(b), b)
}

func formatJournal(cuts []Cut) []byte {
	var b []byte
	for _, c := range cuts {
		b = append(b, formatCut(c)...)
	}
	return b
}

// parseJournal returns the cuts in b, the last of each rollout and node.
// torn says that b ends within a line; damaged counts whole lines that cannot be read.
func parseJournal(b []byte) (cuts []Cut, torn bool, damaged int) {
	for len(b) > 0 {
		line, rest, whole := bytes.Cut(b, []byte{'\n'})
		b = rest
		if !whole {
			return cuts, true, damaged
		}
		c, ok := parseCut(line)
		if !ok {
			damaged++
			continue
		}
		if i := slices.IndexFunc(cuts, c.same); i >= 0 {
			cuts[i] = c
		} else {
			cuts = append(cuts, c)
		}
	}
	return cuts, false, damaged
}

func parseCut(line []byte) (Cut, bool) {
	sum, rest, ok1 := bytes.Cut(line, []byte{' '})
	size, body, ok2 := bytes.Cut(rest, []byte{' '})
	n, err := strconv.Atoi(string(size))
	if !ok1 || !ok2 || err != nil || n != len(body) || string(sum) != checksum(body) {
		return Cut{}, false
	}
	var c Cut
	if json.Unmarshal(body, &c) != nil || c.Rollout == "" || c.Node == "" {
		return Cut{}, false
	}
	return c, true
}
