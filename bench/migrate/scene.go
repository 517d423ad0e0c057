package main

import (
	"bufio"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// scene is a site with its database, its clients and its weir.
type scene struct {
	options
	result *lab.Result
	missed bool

	node    *lab.Node
	db      *sql.DB
	url     string
	dir     string
	weir    string
	clients *clients
	ends    []func()
}

func open(l *lab.Lab, pg *lab.Postgres, o options) (_ *scene, err error) {
	s := &scene{options: o, url: pg.URL, dir: l.Dir, weir: l.Weir(), result: lab.NewResult(o.out)}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.db, err = pg.Open(); err != nil {
		return nil, err
	}
	s.ends = append(s.ends, func() { _ = s.db.Close() })
	for _, query := range []string{
		"CREATE TABLE users (id bigint PRIMARY KEY, email text NOT NULL)",
		fmt.Sprintf("INSERT INTO users SELECT i, 'seed-' || i || '@example.com' FROM generate_series(0, %d) i", o.rows-1),
	} {
		if _, err := s.db.Exec(query); err != nil {
			return nil, err
		}
	}
	var addresses []any
	for _, b := range builds() {
		address, err := l.Address()
		if err != nil {
			return nil, err
		}
		db, err := pg.Open()
		if err != nil {
			return nil, err
		}
		db.SetMaxOpenConns(20)
		db.SetMaxIdleConns(20)
		end, err := b.serve(address, db)
		if err != nil {
			return nil, err
		}
		s.ends = append(s.ends, end, func() { _ = db.Close() })
		addresses = append(addresses, address)
	}
	if s.node, err = l.Node(lab.NodeOptions{Name: "edge"}); err != nil {
		return nil, err
	}
	s.ends = append(s.ends, s.node.API.Close)
	for name, text := range map[string]string{"expand": expandDocument, "fill": fillDocument, "contract": contractDocument} {
		if err := os.WriteFile(s.file(name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	answer, err := s.node.API.Call(http.MethodPut, "/v1/services/shop", lab.Document(fmt.Sprintf(serviceDocument, addresses...)))
	if err == nil && answer.Status >= 300 {
		err = fmt.Errorf("the service is refused: %s", answer.Body)
	}
	if err != nil {
		return nil, err
	}
	s.clients = &clients{base: "http://" + s.node.Clients, rows: o.rows, count: o.clients}
	s.clients.begin("before anything")
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.clients.run(ctx) })
	s.ends = append(s.ends, func() { cancel(); running.Wait() })
	return s, nil
}

// close ends what was opened, the last first.
func (s *scene) close() {
	for len(s.ends) > 0 {
		s.ends[len(s.ends)-1]()
		s.ends = s.ends[:len(s.ends)-1]
	}
}

func (s *scene) file(name string) string { return filepath.Join(s.dir, name+".yaml") }

// command is `weir migrate up` of one document.
func (s *scene) command(name string, flags ...string) *exec.Cmd {
	cmd := exec.Command(s.weir, append([]string{"migrate", "up", "-f", s.file(name)}, flags...)...)
	cmd.Env = append(os.Environ(), "WEIR_DATABASE="+s.url, "WEIR_CONTROL="+s.node.Control)
	return cmd
}

// up runs it to its end.
func (s *scene) up(name string, flags ...string) (said string, err error) {
	out, err := s.command(name, flags...).CombinedOutput()
	return string(out), err
}

// killedAt runs it until it prints mark, and kills it some moments later. False: it
// had ended by itself.
func (s *scene) killedAt(mark, name string, within time.Duration, flags ...string) (bool, error) {
	cmd := s.command(name, flags...)
	out, err := cmd.StderrPipe()
	if err != nil {
		return false, err
	}
	if err := cmd.Start(); err != nil {
		return false, err
	}
	var said []string
	for lines := bufio.NewScanner(out); lines.Scan(); {
		said = append(said, lines.Text())
		if strings.Contains(lines.Text(), mark) {
			time.Sleep(rand.N(within))
			_ = cmd.Process.Kill() // it may have ended
			break
		}
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return false, nil
	case errors.As(err, &exit) && exit.ExitCode() < 0:
		return true, nil // by the signal
	}
	return false, fmt.Errorf("weir migrate up %s: %w\n%s", name, err, strings.Join(said, "\n"))
}

// reading keeps the table as a long report does, until the returned function.
func (s *scene) reading() (end func() error, err error) {
	tx, err := s.db.Begin()
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec("LOCK TABLE users IN ACCESS SHARE MODE"); err != nil {
		return nil, errors.Join(err, tx.Rollback())
	}
	return tx.Rollback, nil
}

// row prints a figure, and with a bar whether it is met.
func (s *scene) row(what, got, bar string, met bool) {
	verdict := ""
	if bar != "" {
		verdict = "met"
		if !met {
			verdict, s.missed = "MISSED", true
		}
	}
	s.result.Printf("%-58s %14s  %-14s %s\n", what, got, bar, verdict)
}
