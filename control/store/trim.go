package store

import (
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
)

// trim cuts off the end of etcd's database file that no page of it was ever
// taken from. It grows by 16 MiB at a time, and etcd has all of it in memory
// from the start (MAP_POPULATE). Only what the file says of its own size is
// read; whether the rest of it is sound is etcd's to find out.
func trim(dir string) error {
	file := filepath.Join(dir, "member", "snap", "db")
	before, err := os.Stat(file)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("cannot look at the database: %w", err)
	}
	db, err := bbolt.Open(file, 0o600, &bbolt.Options{ReadOnly: true, Timeout: time.Second})
	if err != nil {
		return fmt.Errorf("cannot read the size of the database: %w", err)
	}
	used := before.Size()
	err = db.View(func(tx *bbolt.Tx) error {
		used = tx.Size()
		return nil
	})
	if err := db.Close(); err != nil {
		return fmt.Errorf("cannot close the database: %w", err)
	}
	if err != nil || used >= before.Size() {
		return err
	}
	if err := os.Truncate(file, used); err != nil {
		return fmt.Errorf("cannot shorten the database: %w", err)
	}
	return nil
}
