package main

import (
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"

	_ "modernc.org/sqlite" // the shop's databases are files
)

const (
	customers  = 2500 // of production
	testers    = 10   // of staging
	staging    = "--environment staging --database sqlite:staging.db"
	production = "--database sqlite:shop.db"
	countEmail = "SELECT count(email) || ' with email, ' || count(email_new) || ' with email_new' FROM users"
)

// expand adds the column that v1.5 writes beside the old one: v1.4 goes on as before.
// Without it v1.5 goes nowhere.
func (s *story) expand() {
	for file, n := range map[string]int{"staging.db": testers, "shop.db": customers} {
		s.database(file, fmt.Sprintf(`CREATE TABLE users (id INTEGER PRIMARY KEY, email TEXT);
			WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
			INSERT INTO users SELECT i, 'user-' || i || '@example.com' FROM n`, n))
	}
	s.refused("%s", s.toStaging("v1.5", "@sarah")).says(`migration "users-email-expand" was never told of in staging`)
	s.file("users-email.yaml", `kind: Migration
name: users-email-expand
application: shop
engine: sqlite
phase: expand
steps:
  - {name: add-column, sql: ALTER TABLE users ADD COLUMN email_new TEXT}
`)
	s.weir("migrate up -f users-email.yaml %s", staging).says("done")
	s.weir("migrate plan -f users-email.yaml %s", production).says("users-email-expand", "pending")
	s.weir("migrate up -f users-email.yaml %s", production).says("done")
	s.holds("shop.db", countEmail, "2500 with email, 0 with email_new")
	s.weir("get migrations").says("shop/production/users-email-expand", "shop/staging/users-email-expand")
	s.stands(`
		         staging  production
		runs     v1.4     v1.4
		pending  v1.5     v1.5
		SHOP-11  live     live
		#34      merged   merged
		SHOP-12  merged   merged
	`)
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
	s.weir("migrate up -f users-email-fill.yaml %s", staging).says("done")
	s.weir("migrate up -f users-email-fill.yaml %s", production).says("done", "2500 rows")
	s.holds("staging.db", countEmail, "10 with email, 10 with email_new")
	s.holds("shop.db", countEmail, "2500 with email, 2500 with email_new")
}

// database runs a statement as the application does, which has the file.
func (s *story) database(file, statement string) {
	s.query(file, func(db *sql.DB) error {
		_, err := db.Exec(statement)
		return err
	})
}

// holds compares what the database answers with the story.
func (s *story) holds(file, question, want string) {
	s.query(file, func(db *sql.DB) error {
		var got string
		if err := db.QueryRow(question).Scan(&got); err != nil {
			return err
		}
		s.say("%s holds %s", file, got)
		if got != want {
			return fmt.Errorf("%s holds %q, and the story says %q", file, got, want)
		}
		return nil
	})
}

func (s *story) query(file string, ask func(*sql.DB) error) {
	if s.err != nil {
		return
	}
	db, err := sql.Open("sqlite", filepath.Join(s.lab.Dir, file))
	if err == nil {
		err = errors.Join(ask(db), db.Close())
	}
	s.check(err)
}
