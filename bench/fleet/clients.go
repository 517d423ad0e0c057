package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/weirproxy/weir/bench/lab"
)

// clients change and read the weights of services on all nodes, whatever fails
// meanwhile, and keep the history of what they were answered.
type clients struct {
	s      *scene
	began  time.Time
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu      sync.Mutex
	history []porcupine.Operation
	target  target
	made    int // services so far
}

// target is the service that is talked about, with what was last heard of it. A
// new one takes its place after an answer that is in doubt: the check would have
// to try that change at every later moment.
type target struct {
	service  string
	revision int64
	rollout  string
	calls    int
}

// Bounds of one service's part of the history, which keep the check short.
const (
	clientCount = 4
	maxCalls    = 120
)

// fewest is how many calls must have been answered for the check to say anything.
const fewest = 300

// converse begins to talk to the nodes.
func (s *scene) converse() *clients {
	ctx, cancel := context.WithCancel(context.Background())
	c := &clients{s: s, began: time.Now(), cancel: cancel}
	for id := range clientCount {
		c.done.Go(func() { c.talk(ctx, id) })
	}
	return c
}

func (c *clients) talk(ctx context.Context, id int) {
	var apis []*lab.API
	for _, n := range c.s.nodes {
		api := lab.NewAPI(n.Control, "")
		defer api.Close()
		apis = append(apis, api)
	}
	for ctx.Err() == nil {
		time.Sleep(20*time.Millisecond + rand.N(80*time.Millisecond))
		api := apis[rand.IntN(len(apis))]
		t, ok := c.aim(api)
		if !ok {
			continue
		}
		in := t.question()
		call := time.Since(c.began).Nanoseconds()
		out, sent := in.ask(api)
		if sent {
			c.note(id, in, out, call)
		}
	}
}

// aim is the service to talk about. It is made if there is none.
func (c *clients) aim(api *lab.API) (t target, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.target.service == "" {
		name := fmt.Sprintf("talk-%d", c.made)
		if err := api.Apply(name, talked(name)); err != nil {
			return t, false // whoever is next tries it at another node
		}
		c.made++
		c.target = target{service: name}
	}
	c.target.calls++
	return c.target, true
}

// talked is a service that nobody sends requests to.
func talked(name string) lab.Document {
	return lab.Document(fmt.Sprintf("kind: Service\nname: %s\nroutes: [{host: %s.example.com}]\n"+
		"versions: {blue: {endpoints: [\"127.0.0.1:9\"]}, green: {endpoints: [\"127.0.0.2:9\"]}}\nstable: blue\n", name, name))
}

// question draws what to ask.
func (t target) question() asked {
	in := asked{service: t.service, verb: "weigh", green: 10 * rand.IntN(11), rollout: t.rollout}
	switch draw := rand.IntN(100); {
	case draw < 35:
		in.verb = "read"
	case draw < 55 && t.revision > 0:
		in.match = t.revision
	case draw < 65 && t.rollout != "":
		in.verb = "pause"
	case draw < 75 && t.rollout != "":
		in.verb = "resume"
	case draw < 80 && t.rollout != "":
		in.verb = "abort"
	case draw < 85 && t.rollout != "":
		in.verb = "promote"
	}
	return in
}

// ask asks a node; sent is false if it was not reached at all.
func (in asked) ask(api *lab.API) (out answered, sent bool) {
	var a *lab.Answer
	var err error
	switch in.verb {
	case "read":
		a, err = api.Call(http.MethodGet, "/v1/services/"+in.service+"?consistent=true", nil)
	case "weigh":
		weights := map[string]string{"blue": fmt.Sprintf("%d%%", 100-in.green), "green": fmt.Sprintf("%d%%", in.green)}
		var headers []string
		if in.match > 0 {
			headers = []string{"If-Match", fmt.Sprintf("%q", fmt.Sprint(in.match))}
		}
		a, err = api.Call(http.MethodPut, "/v1/services/"+in.service+"/weights", weights, headers...)
	default:
		a, err = api.Call(http.MethodPost, "/v1/rollouts/"+in.rollout+"/"+in.verb, map[string]any{})
	}
	if failed, ok := errors.AsType[*net.OpError](err); ok && failed.Op == "dial" {
		return out, false
	}
	if err != nil {
		return answered{status: doubtful}, true
	}
	return in.understand(a), true
}

// understand reads an answer.
func (in asked) understand(a *lab.Answer) (out answered) {
	text := string(a.Body)
	switch {
	case a.Status == http.StatusServiceUnavailable && !strings.Contains(text, "look at the state"),
		a.Status == http.StatusConflict && in.verb == "weigh": // another's cut is on its way
		return answered{status: refused}
	case a.Status == http.StatusPreconditionFailed:
		return answered{status: stale}
	case a.Status == http.StatusNotFound, a.Status == http.StatusConflict:
		return answered{status: forbids}
	case a.Status != http.StatusOK:
		return answered{status: doubtful}
	}
	if in.verb == "read" {
		var s lab.Service
		if a.Into(&s) != nil {
			return answered{status: doubtful}
		}
		return answered{green: int(100*weight(s.Weights["green"]) + 0.5), stable: s.Stable, revision: s.StateRevision, rollout: s.Rollout}
	}
	var r struct {
		ID       string   `json:"id"`
		Revision int64    `json:"revision"`
		Warnings []string `json:"warnings"`
	}
	if a.Into(&r) != nil || strings.Contains(strings.Join(r.Warnings, " "), "did not take the change") {
		return answered{status: doubtful}
	}
	out = answered{revision: r.Revision, rollout: r.ID}
	if r.Revision == 0 {
		out.status = nothing
	}
	return out
}

// note keeps a call with its answer.
func (c *clients) note(client int, in asked, out answered, call int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ended := time.Since(c.began).Nanoseconds()
	if out.status == doubtful {
		ended = 1 << 62
	}
	c.history = append(c.history, porcupine.Operation{ClientId: client, Input: in, Output: out, Call: call, Return: ended})
	if in.service != c.target.service {
		return
	}
	if out.status == done {
		c.target.revision = max(c.target.revision, out.revision)
		if out.rollout != "" {
			c.target.rollout = out.rollout
		}
	}
	if out.status == doubtful && in.verb != "read" || c.target.calls >= maxCalls {
		c.target = target{}
	}
}

// check ends the talk and says whether all answers could have been given by one
// node that did one thing after the other. The picture of what could not be is
// kept in dir.
func (c *clients) check(dir string) row {
	c.cancel()
	c.done.Wait()
	counts := map[status]int{}
	for _, op := range c.history {
		counts[op.Output.(answered).status]++
	}
	out := row{
		fault: fmt.Sprintf("fleet %s: %d calls to 3 nodes", c.s.name, len(c.history)),
		note: fmt.Sprintf("linearizable; %d done, %d had nothing to do, %d stale, %d forbidden, %d refused, %d in doubt",
			counts[done], counts[nothing], counts[stale], counts[forbids], counts[refused], counts[doubtful]),
	}
	result, info := porcupine.CheckOperationsVerbose(model(), c.history, time.Minute)
	if result == porcupine.Ok && (counts[done] >= fewest || c.s.o.only != "") {
		return out
	}
	path := filepath.Join(dir, c.s.name+"-history.html")
	out.state = fmt.Sprintf("the history is not proven linearizable (%s): %s", result, path)
	if file, err := os.Create(path); err == nil {
		_ = porcupine.Visualize(model(), info, file) // the verdict stands without its picture
		_ = file.Close()
	}
	return out
}
