package main

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	_ "modernc.org/sqlite" // the shop's database is a file
)

const (
	customers = 2500
	database  = "--database sqlite:shop.db"
)

// expand adds the column that v1.5 writes beside the old one: v1.4 goes on as before.
func (s *story) expand() {
	s.database(fmt.Sprintf(`CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT);
		WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
		INSERT INTO users SELECT i, 'user-' || i || '@example.com' FROM n`, customers))
	s.file("users-email.yaml", `kind: Migration
name: users-email-expand
application: shop
engine: sqlite
phase: expand
steps:
  - {name: add-column, sql: ALTER TABLE users ADD COLUMN email_new TEXT}
`)
	s.weir("migrate plan -f users-email.yaml %s", database).says("users-email-expand", "pending")
	s.weir("migrate up -f users-email.yaml %s", database).says("done")
	s.holds("SELECT count(email) || ' with email, ' || count(email_new) || ' with email_new' FROM users", "2500 with email, 0 with email_new")
}

// fill brings the old rows to the new shape, now that no version writes the old one
// alone.
func (s *story) fill() {
	s.file("users-email-fill.yaml", `kind: Migration
name: users-email-fill
application: shop
engine: sqlite
phase: migrate
needs: [users-email-expand]
steps:
  - name: fill
    sql: >-
      UPDATE users SET email_new = email WHERE id IN
      (SELECT id FROM users WHERE email_new IS NULL AND email IS NOT NULL LIMIT {size})
    batch: {size: 1000, pause: 100ms}
`)
	s.weir("migrate up -f users-email-fill.yaml %s", database).says("done")
	s.holds("SELECT count(*) || ' of ' || (SELECT count(*) FROM users) || ' filled' FROM users WHERE email_new = email", "2500 of 2500 filled")
}

// database runs a statement as the application does, which has its file.
func (s *story) database(statement string) {
	s.query(func(db *sql.DB) error {
		_, err := db.Exec(statement)
		return err
	})
}

// holds compares what the database answers with the story.
func (s *story) holds(question, want string) {
	s.query(func(db *sql.DB) error {
		var got string
		if err := db.QueryRow(question).Scan(&got); err != nil {
			return err
		}
		s.say("the database: %s", got)
		if got != want {
			return fmt.Errorf("the database holds %q, and the story says %q", got, want)
		}
		return nil
	})
}

func (s *story) query(ask func(*sql.DB) error) {
	if s.err != nil {
		return
	}
	db, err := sql.Open("sqlite", filepath.Join(s.lab.Dir, "shop.db"))
	if err == nil {
		err = errors.Join(ask(db), db.Close())
	}
	s.check(err)
}
