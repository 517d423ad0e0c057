package main

import (
	"archive/tar"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// archive is a tar.gz whose bytes depend on nothing but the files' contents,
// names and which of them can be run.
type archive struct {
	top   string // folder that everything lies in
	at    time.Time
	files [][2]string // file or folder, and its name in the archive
}

// add puts in a file, or a folder with all that is in it but Go.
func (a *archive) add(file, name string) { a.files = append(a.files, [2]string{file, name}) }

func (a *archive) write(file string) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("cannot create %q: %w", file, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	zipped, err := gzip.NewWriterLevel(f, gzip.BestCompression)
	if err != nil {
		return err
	}
	t := tar.NewWriter(zipped)
	for _, one := range a.files {
		// WalkDir goes through a folder in the order of names.
		err := filepath.WalkDir(one[0], func(found string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.HasSuffix(found, ".go") { // no sources of ours
				return err
			}
			within, err := filepath.Rel(one[0], found)
			if err != nil {
				return err
			}
			return a.put(t, found, path.Join(a.top, one[1], filepath.ToSlash(within)))
		})
		if err != nil {
			return fmt.Errorf("cannot put %q into %q: %w", one[0], file, err)
		}
	}
	return errors.Join(t.Close(), zipped.Close())
}

func (a *archive) put(t *tar.Writer, file, name string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	mode := int64(0o644)
	if info.Mode()&0o100 != 0 {
		mode = 0o755
	}
	err = t.WriteHeader(&tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: info.Size(), Mode: mode, ModTime: a.at, Format: tar.FormatPAX,
	})
	if err != nil {
		return err
	}
	_, err = io.Copy(t, f)
	return err
}

// sums writes the SHA-256 of everything that was made, as sha256sum reads it.
func (r *release) sums() error {
	made, err := os.ReadDir(r.out)
	if err != nil {
		return fmt.Errorf("cannot list what was made: %w", err)
	}
	var text strings.Builder
	for _, entry := range made {
		data, err := os.ReadFile(filepath.Join(r.out, entry.Name()))
		if err != nil {
			return fmt.Errorf("cannot sum up what was made: %w", err)
		}
		fmt.Fprintf(&text, "%x  %s\n", sha256.Sum256(data), entry.Name())
	}
	if err := os.WriteFile(filepath.Join(r.out, "SHA256SUMS"), []byte(text.String()), 0o644); err != nil {
		return fmt.Errorf("cannot write the checksums: %w", err)
	}
	return nil
}
