package main

import (
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"
)

// build is one version of the site: what it writes and what it reads.
type build struct {
	version, write, read string
}

// builds are the versions of the site in the order of their releases.
func builds() []build {
	return []build{
		{"v1.4", "INSERT INTO users (id, email) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email",
			"SELECT email FROM users WHERE id = $1"},
		{"v1.5", "INSERT INTO users (id, email, email_new) VALUES ($1, $2, $2) ON CONFLICT (id) DO UPDATE SET email = EXCLUDED.email, email_new = EXCLUDED.email_new",
			"SELECT coalesce(email_new, email) FROM users WHERE id = $1"},
		{"v1.6", "INSERT INTO users (id, email_new) VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET email_new = EXCLUDED.email_new",
			"SELECT email_new FROM users WHERE id = $1"},
	}
}

// serve runs a version on address until the returned function ends it.
func (b build) serve(address string, db *sql.DB) (end func(), err error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("cannot serve %s: %w", b.version, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		var email string
		if err := db.QueryRowContext(r.Context(), b.read, r.PathValue("id")).Scan(&email); err != nil {
			http.Error(w, b.version+": "+err.Error(), http.StatusInternalServerError)
			return
		}
		_, _ = io.WriteString(w, email) // who left does not read it
	})
	mux.HandleFunc("PUT /users/{id}", func(w http.ResponseWriter, r *http.Request) {
		email, err := io.ReadAll(r.Body)
		if err == nil {
			_, err = db.ExecContext(r.Context(), b.write, r.PathValue("id"), string(email))
		}
		if err != nil {
			http.Error(w, b.version+": "+err.Error(), http.StatusInternalServerError)
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	go func() { _ = server.Serve(ln) }() // it ends by Close
	return func() { _ = server.Close() }, nil
}
