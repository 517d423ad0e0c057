package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"syscall"
)

// formatVersion is that of every file the store writes. A reader refuses a newer one.
const formatVersion = 1

// header is the first line of a sealed file; the payload follows it.
type header struct {
	Kind    string `json:"kind"`
	Version int    `json:"version"`
	Bytes   int    `json:"bytes"`
	CRC32C  string `json:"crc32c"`
}

func checksum(b []byte) string {
	return fmt.Sprintf("%08x", crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
}

// seal returns payload behind a header that lets unseal prove it whole.
func seal(kind string, payload []byte) []byte {
	// A struct of strings and ints always marshals.
	line, _ := json.Marshal(header{kind, formatVersion, len(payload), checksum(payload)})
	return append(append(line, '\n'), payload...)
}

// unseal returns the payload of what seal made, or an error that wraps ErrDamaged.
func unseal(kind string, b []byte) ([]byte, error) {
	line, payload, ok := bytes.Cut(b, []byte{'\n'})
	if !ok {
		return nil, fmt.Errorf("%w: it has no header line", ErrDamaged)
	}
	var h header
	if err := json.Unmarshal(line, &h); err != nil {
		return nil, fmt.Errorf("%w: its header is not readable: %v", ErrDamaged, err)
	}
	if h.Kind != kind {
		return nil, fmt.Errorf("%w: its kind is %q, not %q", ErrDamaged, h.Kind, kind)
	}
	if h.Version > formatVersion {
		return nil, fmt.Errorf("its format version is %d, this weir reads up to %d: use the newer weir that wrote it", h.Version, formatVersion)
	}
	if h.Bytes != len(payload) {
		return nil, fmt.Errorf("%w: it has %d of %d bytes", ErrDamaged, len(payload), h.Bytes)
	}
	if h.CRC32C != checksum(payload) {
		return nil, fmt.Errorf("%w: its checksum is wrong", ErrDamaged)
	}
	return payload, nil
}

// writeFile replaces path by b so that a crash leaves either the old file or
// the new one: write beside it, fsync, rename, fsync the directory. Mode 0600.
func writeFile(path string, b []byte) error {
	tmp := path + ".tmp"
	err := func() error {
		f, err := os.OpenFile(tmp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
		if err != nil {
			return err
		}
		_, err = f.Write(b)
		if err == nil {
			err = f.Sync()
		}
		if cerr := f.Close(); err == nil {
			err = cerr
		}
		if err == nil {
			err = os.Rename(tmp, path)
		}
		return err
	}()
	if err != nil {
		return fmt.Errorf("cannot write %q: %w", path, errors.Join(err, removeIfThere(tmp)))
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes the names in dir durable.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("cannot sync directory %q: %w", dir, err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("cannot sync directory %q: %w", dir, err)
	}
	return nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// setAside renames a file that cannot be used, so that it is neither read again nor lost.
func setAside(path string) (aside string, err error) {
	aside = path + ".damaged"
	if err := os.Rename(path, aside); err != nil {
		return "", fmt.Errorf("cannot set %q aside: %w", path, err)
	}
	return aside, nil
}

// makePrivateDir creates dir with mode 0700. One that exists keeps its mode.
func makePrivateDir(dir string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("cannot create state directory %q: %w", dir, err)
	}
	return nil
}

// lockDir takes dir for this process until the file is closed. It fails with
// ErrLocked at once if another process has it; a crash leaves no stale lock.
func lockDir(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("cannot lock state directory %q: %w", dir, err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = ErrLocked
	}
	return nil, fmt.Errorf("cannot lock state directory %q: %w", dir, err)
}
