package compile

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// The model: an etcd that orders transactions, two nodes that both believe to
// lead and act on their own, possibly old, view, a person, and a bad candidate
// that the second node cuts, crashing and restarting as it likes. Every step of
// every party is taken in every order. Step and Build are the real ones.
//
// That both lead at once asks for more than the fence allows, which is stricter.

// flaw is a rule that the model leaves out, to see that the check would notice.
type flaw string

const (
	sound            flaw = ""
	noCompareOfCuts  flaw = "a raise does not compare that there is no cut"
	noCompareOfMods  flaw = "a transaction does not compare revisions"
	journalForgotten flaw = "a restarted node does not read its journal"
	forgetsEarly     flaw = "a node forgets its journal before its copy of the state is on disk"
	noCutInTables    flaw = "a table ignores the cuts in etcd"
)

// world is a state of the model. It is a value: every action makes a new one.
type world struct {
	log     history
	nodes   [2]node
	pending [3]txn // of the nodes and, last, of the person
	wishes  int    // what the person has left to ask for
	crashes int    // what the second node has left
	cuts    int    // likewise
	ever    bool   // the second node has a cut on its disk, or had
}

// history is etcd's: one snapshot a revision, three bytes each, so that worlds
// are comparable.
type history string

type snapshot struct {
	pair int // index into checker.pairs
	mod  int // revision that wrote the pair
	cut  bool
}

func (h history) last() int { return len(h)/3 - 1 }

func (h history) at(revision int) snapshot {
	b := h[3*revision:]
	return snapshot{pair: int(b[0]), mod: int(b[1]), cut: b[2] == 1}
}

func (h history) with(s snapshot) history {
	cut := byte(0)
	if s.cut {
		cut = 1
	}
	return h + history([]byte{byte(s.pair), byte(s.mod), cut})
}

// node is one process. What is in its table is not here: it follows from view
// and cut, and is checked whenever one of them changes.
type node struct {
	up      bool
	view    int  // revision that its watch has come to
	copy    int  // revision of its copy on disk
	cut     bool // it has cut the candidate, and knows
	journal bool // so does its disk
	put     bool // so does etcd, as far as it knows
}

type txn struct {
	open  bool
	base  int // revision of the view that it was made from
	after int // pair
}

// checker holds what is common to all worlds of one exploration.
type checker struct {
	t       *testing.T
	flaw    flaw
	verb    rollout.Command
	service configs.Service
	inputs  Input
	pairs   []rollout.Pair
	index   map[string]int
	weights map[[2]int]configs.Weight // by pair and cut
	steps   map[[3]int]int            // by pair, kind of event, and whether it is late
	seen    map[world]bool
	broken  string
}

const (
	byTick = iota
	byCut
	byPerson
)

func newChecker(t *testing.T, verb rollout.Command, f flaw) (*checker, world) {
	t.Helper()
	service := configs.Service{
		Name: "shop", Stable: "blue", Routes: []configs.Route{{Path: "/"}},
		Versions: map[string]configs.Version{
			"blue":  {Endpoints: []string{"127.0.0.1:9001"}},
			"green": {Endpoints: []string{"127.0.0.1:9002"}},
		},
	}
	c := &checker{
		t: t, flaw: f, verb: verb, service: service,
		inputs:  Input{Endpoints: upstream.NewRegistry(upstream.Options{}), Recorders: stats.NewRegistry()},
		index:   map[string]int{},
		weights: map[[2]int]configs.Weight{},
		steps:   map[[3]int]int{},
		seen:    map[world]bool{},
	}
	t.Cleanup(c.inputs.Endpoints.Close)
	plan := configs.Rollout{Service: "shop", To: "green", Strategy: configs.StrategyCanary, Stages: []configs.Stage{
		{Weight: new(configs.Weight(500)), Duration: configs.Duration(time.Second)},
		{Weight: new(configs.Weight(5000)), Duration: configs.Duration(time.Second)},
	}}
	p, err := rollout.New("r1", plan, service, rollout.NewService(service, noon), noon, "ana")
	if err != nil {
		t.Fatal(err)
	}
	first := c.intern(p)
	running := c.step(first, byTick)
	return c, world{
		log:   history("").with(snapshot{pair: first}).with(snapshot{pair: running, mod: 1}),
		nodes: [2]node{{up: true}, {up: true}}, wishes: 1, crashes: 1, cuts: 1,
	}
}

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func (c *checker) intern(p rollout.Pair) int {
	b, err := json.Marshal(p)
	if err != nil {
		c.t.Fatal(err)
	}
	if i, ok := c.index[string(b)]; ok {
		return i
	}
	c.index[string(b)] = len(c.pairs)
	c.pairs = append(c.pairs, p)
	return len(c.pairs) - 1
}

// step is the real Step, remembered. All cuts of the model are equal.
func (c *checker) step(pair, kind int) int {
	key := [3]int{pair, kind}
	if next, ok := c.steps[key]; ok {
		return next
	}
	p := c.pairs[pair]
	var ev rollout.Event
	switch kind {
	case byTick:
		ev = rollout.Tick{At: noon, Verdict: analysis.Verdict{Kind: analysis.Pass}, CandidateUp: true, StableUp: true, Acked: true}
	case byCut:
		ev = rollout.CutSeen{At: noon, Cut: c.cutOf(p)}
	case byPerson:
		ev = c.verb
	}
	next, _, err := rollout.Step(p, ev, time.Second)
	if err != nil {
		next = p
	}
	c.steps[key] = c.intern(next)
	return c.steps[key]
}

// cutOf is the cut that the second node makes under p.
func (c *checker) cutOf(p rollout.Pair) rollout.Cut {
	v := analysis.Verdict{Kind: analysis.Fail, Rule: "errors"}
	return rollout.Cut{Rollout: p.Rollout.ID, Service: "shop", Version: "green", Node: "b", Boot: "1", At: noon, Reason: "errors", Verdict: v}
}

// weight is what the table of a node gives the candidate, by the real Build.
func (c *checker) weight(s snapshot, cut bool) configs.Weight {
	cut = cut || s.cut && c.flaw != noCutInTables
	key := [2]int{s.pair, 0}
	if cut {
		key[1] = 1
	}
	if w, ok := c.weights[key]; ok {
		return w
	}
	in := c.inputs
	p := c.pairs[s.pair]
	in.Services = map[string]Source{"shop": {Document: c.service, ModRevision: 1}}
	in.States = map[string]State{"shop": {Service: p.Service, ModRevision: 2}}
	if cut {
		in.Cuts = []rollout.Cut{c.cutOf(p)}
	}
	table, out := Build(in)
	if len(out.Refused) > 0 {
		c.t.Fatalf("refused: %v", out.Refused)
	}
	w := out.Built.Effective("shop")["green"]
	if got := countBuckets(table.Service("shop"), "green"); got != int(w) {
		c.t.Fatalf("the split gives green %d buckets, Effective says %d", got, w)
	}
	c.weights[key] = w
	return w
}

// maxRevisions bounds the history. A sound world ends by itself, before that.
const maxRevisions = 9

// explore takes every action in w and in what comes of it.
func (c *checker) explore(w world) {
	for queue := []world{w}; len(queue) > 0 && c.broken == ""; queue = queue[1:] {
		w = queue[0]
		if c.seen[w] {
			continue
		}
		if w.log.last() > maxRevisions {
			c.fail(w, "the history does not end")
			return
		}
		c.seen[w] = true
		c.settle(w)
		queue = append(queue, c.actions(w)...)
	}
}

// published checks the table that a node has just made.
func (c *checker) published(w world, n int) {
	me := w.nodes[n]
	s := w.log.at(me.view)
	weight := c.weight(s, me.cut)
	if weight == 0 || c.succeeded(w) {
		return // a success that came before the cut is taken back: see settle
	}
	if s.cut {
		c.fail(w, "node %d gives the candidate %d although it knows a cut in etcd", n, weight)
	}
	if n == 1 && (me.cut || w.ever) {
		c.fail(w, "the node that cut gives the candidate %d", weight)
	}
}

// succeeded reports whether the rollout was over before the cut reached etcd.
func (c *checker) succeeded(w world) bool {
	for revision := range w.log.last() + 1 {
		if s := w.log.at(revision); !s.cut && c.pairs[s.pair].Rollout.Phase == rollout.Succeeded {
			return true
		}
	}
	return false
}

// settle lets all be delivered and the first node lead: a cut that stands in
// etcd must end with everything on stable.
func (c *checker) settle(w world) {
	last := w.log.at(w.log.last())
	if !last.cut {
		return
	}
	next := c.step(last.pair, byCut)
	if p := c.pairs[next]; p.Service.Weights["green"] > 0 {
		c.fail(w, "the rollout ends %s with the candidate at %d in spite of a cut", p.Rollout.Phase, p.Service.Weights["green"])
	}
}

func (c *checker) fail(w world, format string, args ...any) {
	if c.broken == "" {
		c.broken = fmt.Sprintf(format, args...) + fmt.Sprintf("; revision %d, nodes %+v", w.log.last(), w.nodes)
	}
}
