package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/bench/lab"
	"github.com/weirproxy/weir/configs/grafana"
)

// mustFire is the alert that the scene sets off.
const mustFire = "WeirRolledBack"

// query is one of a dashboard, with its variables filled in.
type query struct {
	where   string
	expr    string
	instant bool
	empty   bool // it may give no data
}

// queries are all of all dashboards: panels of both services and flags, variables,
// marks.
func (s *scene) queries() ([]query, error) {
	var all []query
	for _, made := range grafana.All() {
		text, err := fileOf(made.UID)
		if err != nil {
			return nil, err
		}
		var d grafana.Dashboard // as it is shipped
		if err := json.Unmarshal(text, &d); err != nil {
			return nil, fmt.Errorf("%s: %w", made.UID, err)
		}
		subjects := []string{"shop"}
		switch d.UID {
		case "weir-service":
			subjects = append(subjects, "cart")
		case "weir-flag":
			subjects = []string{ramped, killed}
		}
		for _, subject := range subjects {
			if err := s.checkVariables(d, subject); err != nil {
				return nil, err
			}
			all = append(all, s.queriesOf(d, subject)...)
		}
	}
	if len(all) < 100 {
		return nil, fmt.Errorf("only %d queries were found", len(all))
	}
	return all, nil
}

func (s *scene) queriesOf(d grafana.Dashboard, subject string) []query {
	var all []query
	values := s.variables(subject)
	for _, p := range d.Panels {
		for _, t := range p.Targets {
			all = append(all, query{where: fmt.Sprintf("%s (%s), panel %q", d.UID, subject, p.Title), expr: fill(t.Expr, values), instant: t.Instant})
		}
	}
	for _, a := range d.Annotations.List {
		all = append(all, query{where: fmt.Sprintf("%s (%s), mark %q", d.UID, subject, a.Name), expr: fill(a.Expr, values), empty: !happened(a.Name, subject)})
	}
	return all
}

// happened reports whether the scene has what a mark marks.
func happened(mark, subject string) bool {
	switch mark {
	case "Put back":
		return subject == "cart"
	case "Switched off":
		return subject == killed
	}
	return subject != killed // a rollout
}

// fill puts values in place of variables.
func fill(expr string, values map[string]string) string {
	return regexp.MustCompile(`\$\{?\w+\}?`).ReplaceAllStringFunc(expr, func(name string) string {
		if v, ok := values[strings.Trim(name, "${}")]; ok {
			return v
		}
		return name
	})
}

// checkVariables holds that a person is offered what the queries are tried with.
func (s *scene) checkVariables(d grafana.Dashboard, subject string) error {
	values := s.variables(subject)
	asks := regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)
	for _, v := range d.Templating.List[1:] {
		m := asks.FindStringSubmatch(fill(v.Definition, values))
		if m == nil {
			return fmt.Errorf("%s: variable %s asks for %s", d.UID, v.Name, v.Definition)
		}
		err := lab.Await(fmt.Sprintf("%s: variable %s offers %s", d.UID, v.Name, values[v.Name]), patience, func() (bool, error) {
			offered, err := s.prometheus.LabelValues(m[2], m[1])
			return slices.Contains(offered, values[v.Name]) || v.AllValue != "" && len(offered) > 0, err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// await waits until every query gives data.
func (s *scene) await(queries []query) error {
	deadline := time.Now().Add(patience)
	left := queries
	for {
		var without []query
		for _, q := range left {
			ok, err := s.gives(q)
			if err != nil {
				return fmt.Errorf("%s: %w", q.where, err)
			}
			if !ok {
				without = append(without, q)
			}
		}
		if left = without; len(left) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			break
		}
		time.Sleep(time.Second)
	}
	var errs []error
	for _, q := range left {
		errs = append(errs, fmt.Errorf("%s has no data: %s", q.where, q.expr))
	}
	return errors.Join(errs...)
}

// gives reports whether a query gives a number, or need not.
func (s *scene) gives(q query) (bool, error) {
	var all []lab.Series
	var err error
	if q.instant {
		all, err = s.prometheus.Query(q.expr)
	} else {
		all, err = s.prometheus.Since(q.expr, time.Minute, time.Second)
	}
	for _, one := range all {
		if slices.ContainsFunc(one.Values, func(v float64) bool { return !math.IsNaN(v) }) {
			return true, err
		}
	}
	return q.empty, err
}

// awaitRules waits until every rule was evaluated without an error, every record
// has data, and the alert of what happened fires and says what it means.
func (s *scene) awaitRules() (records, alerts int, err error) {
	err = lab.Await("all rules hold", patience, func() (bool, error) {
		rules, err := s.prometheus.Rules()
		if err != nil {
			return false, err
		}
		records, alerts = 0, 0
		fired := false
		for _, r := range rules {
			if r.Health != "ok" {
				return false, fmt.Errorf("%s is %s: %s", r.Name, r.Health, r.LastError)
			}
			if r.Type == "alerting" {
				alerts++
				fired = fired || r.Name == mustFire && firing(r)
				continue
			}
			records++
			if ok, err := s.gives(query{expr: r.Name, instant: true}); !ok {
				return false, errors.Join(fmt.Errorf("%s has no data", r.Name), err)
			}
		}
		if !fired {
			return false, fmt.Errorf("%s does not fire", mustFire)
		}
		return records > 0 && alerts > 0, nil
	})
	return records, alerts, err
}

func firing(r lab.Rule) bool {
	for _, a := range r.Alerts {
		if a.State == "firing" && strings.Contains(a.Annotations["summary"], "cart was put back") {
			return true
		}
	}
	return false
}
