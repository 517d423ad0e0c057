package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// Bars of the proof.
const (
	stallBar = time.Second // the slowest request while a reader keeps the table
	settle   = 2 * time.Second
)

// walk does what a team does, in order.
func (s *scene) walk() error {
	for _, chapter := range []struct {
		name string
		do   func() error
	}{
		{"code before its column", s.tooEarly},
		{"a reader keeps the table", s.readerHolds},
		{"expand, killed again and again", func() error { return s.killed("expand", []string{"add-column", "sync", "sync-rows"}) }},
		{"v1.5 released, put back, released", s.second},
		{"fill, killed again and again", s.fill},
		{"v1.6 released", s.third},
		{"contract, killed again and again", s.contract},
		{"no way back", s.noWayBack},
	} {
		s.clients.begin(chapter.name)
		if err := chapter.do(); err != nil {
			return fmt.Errorf("%s: %w", chapter.name, err)
		}
		time.Sleep(settle)
	}
	return nil
}

func (s *scene) tooEarly() error {
	time.Sleep(settle)
	_, err := s.start("v1.5", "users-email-expand")
	s.row("a rollout whose column is not there is refused", refusedText(err), "refused", refusedWith(err, "was never told of"))
	return nil
}

// readerHolds tries the expand while a reader keeps the table: it gives up after
// lock_timeout, and the requests that queue behind it go on.
func (s *scene) readerHolds() error {
	end, err := s.reading()
	if err != nil {
		return err
	}
	deadline := time.Now().Add(s.reader)
	tries, gaveUp := 0, 0
	for ; time.Now().Before(deadline); tries++ {
		said, err := s.up("expand")
		if err != nil && strings.Contains(said, "a lock was not free within lock_timeout, and nothing was changed") {
			gaveUp++
		} else if err != nil {
			return errors.Join(fmt.Errorf("%w: %s", err, said), end())
		}
	}
	s.row("runs that met the reader and gave up", fmt.Sprintf("%d of %d", gaveUp, tries), "all", gaveUp == tries)
	return end()
}

// killed kills a migration in the middle of each step, in whose transaction the
// proof has it linger, and then lets it end.
func (s *scene) killed(name string, steps []string, flags ...string) error {
	for _, step := range steps {
		if err := s.linger(step); err != nil {
			return err
		}
		kills := 0
		for tries := 0; kills < s.kills && tries < 10*s.kills; tries++ {
			killed, err := s.killedAt(": "+step+": begun", name, lingers/2, flags...)
			switch {
			case err != nil && strings.Contains(err.Error(), "within lock_timeout"):
				// What was killed before still has its lock; nothing was changed.
			case err != nil:
				return err
			case killed:
				kills++
			}
		}
		if done, err := s.done(name, step); err != nil || done {
			return errors.Join(err, fmt.Errorf("step %s is noted as done, and every run was killed before", step))
		}
		s.row(fmt.Sprintf("kills in the middle of step %s", step), fmt.Sprint(kills), fmt.Sprint(s.kills), kills == s.kills)
	}
	if err := s.linger(""); err != nil {
		return err
	}
	if err := lab.Await(name+" ends", time.Minute, func() (bool, error) {
		said, err := s.up(name, flags...)
		if err != nil {
			err = fmt.Errorf("%w: %s", err, said)
		}
		return err == nil, err
	}); err != nil {
		return err
	}
	state, err := s.state(name)
	s.row(name+" is done, and weir knows it", state, "done", state == "done")
	return err
}

// lingers is how long a step stays in its transaction after it was carried out.
const lingers = 250 * time.Millisecond

// linger has the note of a step take its time; empty: no step's does.
func (s *scene) linger(step string) error {
	for _, query := range []string{
		"CREATE TABLE IF NOT EXISTS proof_linger (step text)",
		`CREATE OR REPLACE FUNCTION proof_linger() RETURNS trigger LANGUAGE plpgsql AS $$
		 BEGIN PERFORM pg_sleep(` + fmt.Sprint(lingers.Seconds()) + `) FROM proof_linger WHERE step = NEW.name; RETURN NEW; END $$`,
		"CREATE OR REPLACE TRIGGER proof_linger BEFORE INSERT ON weir_migrations FOR EACH ROW EXECUTE FUNCTION proof_linger()",
		"DELETE FROM proof_linger",
		"INSERT INTO proof_linger VALUES ('" + step + "')",
	} {
		if _, err := s.db.Exec(query); err != nil {
			return err
		}
	}
	return nil
}

// done reports whether the ledger has a step as done.
func (s *scene) done(name, step string) (bool, error) {
	var n int
	err := s.db.QueryRow("SELECT count(*) FROM pg_catalog.pg_class WHERE oid = to_regclass('weir_migrations')").Scan(&n)
	if err != nil || n == 0 {
		return false, err
	}
	err = s.db.QueryRow("SELECT count(*) FROM weir_migrations WHERE migration = $1 AND name = $2 AND step > 0 AND done_at <> ''", "users-email-"+name, step).Scan(&n)
	return n > 0, err
}

// state is what the control plane says of a migration.
func (s *scene) state(name string) (string, error) {
	var m struct {
		State string `json:"state"`
	}
	err := s.node.API.Get("/v1/migrations/shop/production/users-email-"+name, &m)
	return m.State, err
}

// second releases v1.5, takes it back in the middle, and releases it again.
func (s *scene) second() error {
	id, err := s.start("v1.5", "users-email-expand")
	if err != nil {
		return err
	}
	time.Sleep(settle)
	if err := s.act(id, "abort", nil); err != nil {
		return err
	}
	time.Sleep(settle)
	return s.release("v1.5", "users-email-expand")
}

func (s *scene) fill() error {
	var empty int
	const unfilled = "SELECT count(*) FROM users WHERE email_new IS NULL"
	if err := s.db.QueryRow(unfilled).Scan(&empty); err != nil {
		return err
	}
	s.row("users without the new column before the fill", fmt.Sprint(empty), "", true)
	kills := 0
	for range s.kills * 3 {
		killed, err := s.killedAt(" rows", "fill", 100*time.Millisecond)
		if err != nil {
			return err
		}
		if !killed {
			break
		}
		kills++
	}
	s.row("kills of the fill, in batches and between them", fmt.Sprint(kills), "some", kills > 0)
	if said, err := s.up("fill"); err != nil {
		return fmt.Errorf("%w: %s", err, said)
	}
	if err := s.db.QueryRow(unfilled).Scan(&empty); err != nil {
		return err
	}
	s.row("users without it after the fill", fmt.Sprint(empty), "0", empty == 0)
	var apart int
	if err := s.db.QueryRow("SELECT count(*) FROM users WHERE email_new IS DISTINCT FROM email").Scan(&apart); err != nil {
		return err
	}
	s.row("users whose columns differ", fmt.Sprint(apart), "0", apart == 0)
	return nil
}

func (s *scene) third() error {
	said, err := s.up("contract", "--no-way-back")
	s.row("a contract while v1.5 is stable is refused", exitText(err), "refused", err != nil && strings.Contains(said, "version v1.5 is stable"))
	if err := s.release("v1.6", "users-email-fill"); err != nil {
		return err
	}
	said, err = s.up("contract", "--no-way-back")
	s.row("a contract while v1.5 is kept is refused", exitText(err), "refused", err != nil && strings.Contains(said, "version v1.5 is "))
	begun := time.Now()
	err = lab.Await("leave for the contract", time.Minute, func() (bool, error) {
		code, out, errOut, err := s.node.CLI("migrate", "plan", "-f", s.file("contract"), "--database", s.url)
		return err == nil && code == 0 && !strings.Contains(out, "has no leave") && !strings.Contains(errOut, "not known"), err
	})
	s.row("nothing asks for v1.5 any more after", time.Since(begun).Round(100*time.Millisecond).String(), "", true)
	return err
}

func (s *scene) contract() error {
	return s.killed("contract", []string{"allow-none", "no-sync-rows", "no-sync", "drop-column", "require"}, "--no-way-back")
}

func (s *scene) noWayBack() error {
	const want = "no way back to v1.5: migration users-email-contract has dropped what it needs"
	_, err := s.start("v1.5", "users-email-expand")
	s.row("a rollout to v1.5 is refused", refusedText(err), "refused", refusedWith(err, want))
	answer, err := s.node.API.Call(http.MethodPut, "/v1/services/shop/weights", map[string]string{"v1.6": "90%", "v1.5": "10%"})
	if err != nil {
		return err
	}
	s.row("weights by hand to v1.5 are refused", fmt.Sprint(answer.Status), "409", answer.Status == http.StatusConflict && strings.Contains(string(answer.Body), want))
	return nil
}

// release begins a rollout and gives it everybody.
func (s *scene) release(version, needs string) error {
	id, err := s.start(version, needs)
	if err != nil {
		return err
	}
	time.Sleep(settle)
	if err := s.act(id, "promote", map[string]any{"full": true}); err != nil {
		return err
	}
	return lab.Await(version+" is stable", 30*time.Second, func() (bool, error) {
		var service struct {
			Stable string `json:"stable"`
		}
		err := s.node.API.Get("/v1/services/shop", &service)
		return service.Stable == version, err
	})
}

// refusal is an answer that is not what was asked for.
type refusal struct {
	status int
	text   string
}

func (e *refusal) Error() string { return fmt.Sprintf("%d %s", e.status, e.text) }

func refusedWith(err error, text string) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.status == http.StatusConflict && strings.Contains(r.text, text)
}

func refusedText(err error) string {
	if err == nil {
		return "begun"
	}
	if r, ok := errors.AsType[*refusal](err); ok {
		return fmt.Sprint(r.status)
	}
	return err.Error()
}

func exitText(err error) string {
	if err == nil {
		return "done"
	}
	return "refused"
}

func (s *scene) start(version, needs string) (id string, err error) {
	answer, err := s.node.API.Call(http.MethodPost, "/v1/rollouts", lab.Document(fmt.Sprintf(rolloutDocument, version, needs)))
	if err != nil {
		return "", err
	}
	if answer.Status >= 300 {
		return "", &refusal{answer.Status, string(answer.Body)}
	}
	var r struct {
		ID      string `json:"id"`
		Rollout string `json:"rollout"`
	}
	if err := json.Unmarshal(answer.Body, &r); err != nil {
		return "", err
	}
	id = r.ID + r.Rollout
	return id, lab.Await("half of the users are on "+version, 30*time.Second, func() (bool, error) {
		var state struct {
			Weights map[string]string `json:"weights"`
		}
		err := s.node.API.Get("/v1/rollouts/"+id, &state)
		return state.Weights[version] == "50%", err
	})
}

func (s *scene) act(id, verb string, body any) error {
	answer, err := s.node.API.Call(http.MethodPost, "/v1/rollouts/"+id+"/"+verb, body)
	if err == nil && answer.Status >= 300 {
		err = &refusal{answer.Status, string(answer.Body)}
	}
	return err
}

// summary tells what the clients met.
func (s *scene) summary() {
	c := s.clients
	c.mu.Lock()
	defer c.mu.Unlock()
	s.result.Printf("\n%-40s %9s %7s %7s %9s %9s\n", "clients, during", "requests", "errors", "stale", "p99", "slowest")
	requests, failed, stale := 0, 0, 0
	for i := range c.spans {
		sp := &c.spans[i]
		if sp.requests == 0 {
			continue
		}
		requests, failed, stale = requests+sp.requests, failed+sp.errors, stale+sp.stale
		s.result.Printf("%-40s %9d %7d %7d %9s %9s\n", sp.name, sp.requests, sp.errors, sp.stale,
			sp.percentile(.99).Round(100*time.Microsecond), sp.percentile(1).Round(time.Millisecond))
		if sp.name == "a reader keeps the table" {
			defer s.row("slowest request while a reader kept the table "+s.reader.String(), sp.percentile(1).Round(time.Millisecond).String(), "1s", sp.percentile(1) < stallBar)
		}
	}
	s.result.Printf("\n")
	s.row("requests", fmt.Sprint(requests), "", true)
	s.row("errors", fmt.Sprint(failed), "0", failed == 0)
	s.row("answers that were not what was written last", fmt.Sprint(stale), "0", stale == 0)
	for _, bad := range c.bad {
		s.result.Printf("  %s\n", bad)
	}
}
