package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// flag switches a feature of v1.5 on for some, until it fails: the flag is off
// everywhere, and what was deployed stays as it is.
func (s *story) flag() {
	s.file("flag.yaml", `kind: Flag
name: one-page-checkout
services: [shop]
key: {header: X-User-Id}
---
kind: Rollout
flag: one-page-checkout
strategy: flag
to: on
stages:
  - {weight: 20%, duration: 2s}
  - {weight: 50%, duration: 60s}
`)
	s.weir("apply -f flag.yaml").says("at 20% of", "a break of half the requests is proven after about")
	const name = "flag:one-page-checkout"
	s.awaits("half of the users have the flag", func() (bool, error) {
		r, err := newest(s.nodes[0].API, name)
		return r.Stage == 1, err
	})
	s.weir("rollout status %s", name)
	began := time.Now()
	s.say("the new checkout begins to fail")
	s.breaks("production", "v1.5", "errors=1&told=one-page-checkout=on")
	s.refused("rollout watch %s", name).says("rolled_back", "error_rate")
	s.isOff("one-page-checkout")
	s.suffer("a feature fails, and its flag is off", began)
	s.told(s.slack, `
		Rollout started: flag one-page-checkout on
		…
	`, `
		Rolled back: flag one-page-checkout on
		Error: error_rate > 1% is broken: …
		Everybody gets off.
		…
	`)
	s.told(s.pager, `trigger …: Rolled back: flag one-page-checkout on…`)
	s.silent(s.tracker)
	s.breaks("production", "v1.5", "")
	s.stable("v1.5")
	s.stands(`
		         staging  production
		runs     v1.5     v1.5
		pending  -        -
		SHOP-11  live     live
		#34      live     live
		SHOP-12  live     live
	`)
	s.delivers()
}

// isOff asks every node as an application does.
func (s *story) isOff(flag string) {
	for _, n := range s.nodes {
		s.awaits("applications have the flag off", func() (bool, error) { return s.hundred(n, flag, "off") })
	}
}

// hundred reports whether a hundred users all have a variant.
func (s *story) hundred(n *lab.Node, flag, variant string) (bool, error) {
	for user := range 100 {
		got, err := asked(n, flag, fmt.Sprintf("user-%d", user))
		if err != nil || got != variant {
			return false, err
		}
	}
	return true, nil
}

// variantOf reads an answer of OFREP.
func variantOf(resp *http.Response, err error) (string, error) {
	if err != nil {
		return "", err
	}
	body, err := io.ReadAll(resp.Body)
	var answer struct {
		Variant string `json:"variant"`
	}
	if err := errors.Join(err, resp.Body.Close(), json.Unmarshal(body, &answer)); err != nil || answer.Variant == "" {
		return "", fmt.Errorf("cannot read the flag: %d %s: %w", resp.StatusCode, body, err)
	}
	return answer.Variant, nil
}
