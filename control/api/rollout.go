package api

import (
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/weirproxy/weir/analysis"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control"
	"github.com/weirproxy/weir/control/rollout"
)

// Rollout is one attempt to make a candidate the stable version.
type Rollout struct {
	ID         string                    `json:"id"`
	Service    string                    `json:"service"`
	Strategy   string                    `json:"strategy" enum:"canary,blue-green,rolling,all-at-once,manual"`
	From       string                    `json:"from" doc:"Stable when the rollout began"`
	To         string                    `json:"to" doc:"The candidate"`
	Candidates []string                  `json:"candidates" doc:"All versions under trial; more than one only with weights by hand"`
	Phase      rollout.Phase             `json:"phase" enum:"queued,pending,progressing,paused,baking,succeeded,rolled_back,aborted,failed,superseded"`
	Stage      int                       `json:"stage" doc:"Index of the stage from 0; -1: before the first"`
	StageName  string                    `json:"stage_name,omitempty"`
	Stages     int                       `json:"stages" doc:"How many stages the plan has"`
	Weights    map[string]configs.Weight `json:"weights"`
	StartedAt  time.Time                 `json:"started_at"`
	UpdatedAt  time.Time                 `json:"updated_at"`
	EndedAt    *time.Time                `json:"ended_at,omitempty"`
	Verdict    analysis.Kind             `json:"verdict" enum:",pass,fail,inconclusive,shared,error" doc:"Of the judge; empty: none yet"`
	Reason     string                    `json:"reason" doc:"Why it stands where it stands, in one sentence"`
	WaitingFor rollout.Wait              `json:"waiting_for" enum:",approval,hook,evidence,ack,freeze,health,capacity,environment"`
	Missing    []string                  `json:"missing,omitempty" doc:"All that people, environments and freezes keep the next move from, one sentence each, as of now"`

	InForce      bool     `json:"in_force" doc:"It decides the service's weights now"`
	Elapsed      float64  `json:"elapsed_seconds" doc:"Since the rollout began"`
	StageElapsed float64  `json:"stage_elapsed_seconds" doc:"Time that counts towards the stage; it stands still while paused"`
	StageLength  float64  `json:"stage_duration_seconds" doc:"What the plan gives the stage"`
	Actor        string   `json:"actor,omitempty" doc:"Who started it"`
	Replaces     string   `json:"replaces,omitempty" doc:"Id of the rollout that it took the place of"`
	Generation   int      `json:"generation" doc:"Fresh starts of the evidence"`
	Allowed      []string `json:"allowed" doc:"Verbs that it takes now"`
	Revision     int64    `json:"revision" doc:"Its ETag"`

	Decision *Decision    `json:"decision,omitempty" doc:"The verdict with its numbers"`
	WarmUp   *WarmUp      `json:"warm_up,omitempty" doc:"Connections to the candidate that were opened before it got more weight"`
	Rules    []Rule       `json:"rules,omitempty"`
	Cuts     []Cut        `json:"cuts,omitempty" doc:"Nodes that took the candidate to 0 ahead of the state"`
	History  []Transition `json:"history,omitempty" doc:"Oldest first"`

	Approvals []Approval   `json:"approvals,omitempty" doc:"Who agreed to what, oldest first"`
	Override  *Override    `json:"override,omitempty" doc:"A person went on without environments that the plan requires"`
	Hooks     []HookAnswer `json:"hooks,omitempty" doc:"What gates and checks said last, in the present stage"`

	Plan *configs.Rollout  `json:"plan,omitempty" doc:"As it was started"`
	Meta map[string]string `json:"meta,omitempty"`
}

// Approval is a person's yes to one step.
type Approval struct {
	Actor  string    `json:"actor"`
	At     time.Time `json:"at"`
	Stage  int       `json:"stage" doc:"Index of the stage that may begin, from 0; one beyond the last: becoming stable"`
	Reason string    `json:"reason,omitempty"`
}

// Override is a person's word to go on without environments that the plan requires.
type Override struct {
	Actor   string    `json:"actor"`
	At      time.Time `json:"at"`
	Reason  string    `json:"reason"`
	Missing []string  `json:"missing" doc:"What was missing, one sentence each"`
}

func overrideOf(o *rollout.Override) *Override {
	if o == nil {
		return nil
	}
	out := &Override{Actor: o.Actor, At: o.At, Reason: o.Reason, Missing: []string{}}
	for _, m := range o.Missing {
		out.Missing = append(out.Missing, m.String())
	}
	return out
}

// HookAnswer is what a gate or check said last.
type HookAnswer struct {
	Name   string         `json:"name"`
	Answer rollout.Answer `json:"answer" enum:"go,wait,refuse,none"`
	Text   string         `json:"text,omitempty" doc:"The hook's reason, or why there is no answer"`
	At     time.Time      `json:"at"`
}

// WarmUp is how connections to a candidate were opened ahead of a raise, on the
// node that leads.
type WarmUp struct {
	At     time.Time `json:"at"`
	Done   bool      `json:"done" doc:"The raise waits for it no longer than 2 s"`
	Wanted int       `json:"wanted" doc:"Connections that the candidate should have"`
	Opened int       `json:"opened" doc:"Those of them that there were not"`
	Took   float64   `json:"took_ms" doc:"Milliseconds"`
	Error  string    `json:"error,omitempty" doc:"Why not all were opened"`
}

func warmUpOf(w control.WarmUp) *WarmUp {
	if w.At.IsZero() {
		return nil
	}
	return &WarmUp{At: w.At, Done: w.Done, Wanted: w.Wanted, Opened: w.Opened, Took: milliseconds(w.Took), Error: w.Err}
}

// Decision is a verdict with the numbers that led to it.
type Decision struct {
	Verdict analysis.Kind `json:"verdict"`
	Rule    string        `json:"rule,omitempty" doc:"Id of the deciding rule"`
	Path    analysis.Path `json:"path,omitempty" doc:"fast, slow, literal, health, fuse, smoke or value"`
	Action  string        `json:"action,omitempty" doc:"What the rule asks for: rollback, pause or notify"`
	T       float64       `json:"t" doc:"Seconds since the trial began"`

	CandidateRequests uint64  `json:"candidate_requests"`
	CandidateBad      uint64  `json:"candidate_bad" doc:"Bad requests: errors, or slower than the limit"`
	CandidateCounted  uint64  `json:"candidate_counted" doc:"Of those, what is evidence: one per bucket where the service has a sticky key"`
	CandidateRate     float64 `json:"candidate_rate" doc:"Share of all bad requests, 0 to 1"`
	StableRequests    uint64  `json:"stable_requests"`
	StableBad         uint64  `json:"stable_bad"`
	StableCounted     uint64  `json:"stable_counted"`
	StableRate        float64 `json:"stable_rate"`
	Limit             float64 `json:"limit" doc:"Largest allowed share of bad requests"`
	Evidence          float64 `json:"evidence" doc:"Grows while the limit is broken; acts at the threshold"`
	Threshold         float64 `json:"threshold"`
	NoBaseline        bool    `json:"no_baseline,omitempty" doc:"Stable had too few requests to compare with: the bound on false rollbacks does not cover this"`

	Measured *Measured `json:"measured,omitempty" doc:"Of a rule on memory, cpu or a metric of the plan: the last measurement"`

	Needed uint64 `json:"needed,omitempty" doc:"Of inconclusive: candidate requests that the rule needs"`
	Seen   uint64 `json:"seen,omitempty" doc:"Of those, how many there were"`
	Text   string `json:"text" doc:"The same in one sentence"`
}

// Measured is a measurement beside its limit: bytes, cores, or what the metric counts.
type Measured struct {
	Candidate float64  `json:"candidate"`
	Stable    *float64 `json:"stable,omitempty"`
	Limit     float64  `json:"limit"`
}

// Rule is how one check or trigger stands.
type Rule struct {
	Condition string             `json:"condition"`
	Check     bool               `json:"check" doc:"A limit that a stage must pass; else a trigger"`
	State     analysis.RuleState `json:"state" enum:"waiting,holding,pass,inconclusive,shared,fail,error"`
	Decision
}

// Cut is a node's fact that it took a version to 0.
type Cut struct {
	Node     string    `json:"node"`
	Version  string    `json:"version"`
	At       time.Time `json:"at"`
	Actor    string    `json:"actor" doc:"A person, or weir"`
	Reason   string    `json:"reason"`
	Decision *Decision `json:"decision,omitempty"`
}

// Transition is one change of a rollout.
type Transition struct {
	At       time.Time                 `json:"at"`
	From     rollout.Phase             `json:"from"`
	To       rollout.Phase             `json:"to"`
	Stage    int                       `json:"stage"`
	Weights  map[string]configs.Weight `json:"weights"`
	Actor    string                    `json:"actor" doc:"A person, or weir"`
	Reason   string                    `json:"reason"`
	Decision *Decision                 `json:"decision,omitempty"`
}

// Standing is why the rollout stands where it stands, one sentence each: the reason
// and all that gates wait for, as of now.
func (r *Rollout) Standing() []string {
	switch r.WaitingFor {
	case rollout.WaitApproval, rollout.WaitEnvironment, rollout.WaitFreeze:
		if len(r.Missing) > 0 {
			return r.Missing // the reason is the same, without the time
		}
	}
	var all []string
	if r.Reason != "" {
		all = append(all, r.Reason)
	}
	return append(all, r.Missing...)
}

// actorWeir is the actor of what weir decided by itself.
const actorWeir = "weir"

// summaryOf leaves out what is long: plan, rules, cuts and history.
func summaryOf(v *control.RolloutView) Rollout {
	s := &v.State
	r := Rollout{
		ID: s.ID, Service: s.Service, Strategy: s.Strategy, From: s.From, To: s.To,
		Candidates: append([]string{}, s.Candidates...), Phase: s.Phase,
		Stage: s.Stage, Stages: len(s.Plan.Stages), Weights: s.Weights,
		StartedAt: s.StartedAt, UpdatedAt: s.UpdatedAt,
		Verdict: v.Verdict.Kind, Reason: s.Reason, WaitingFor: s.WaitingFor, Missing: v.Missing,
		WarmUp: warmUpOf(v.WarmUp), InForce: v.InForce, Elapsed: v.Elapsed.Seconds(), StageElapsed: v.StageElapsed.Seconds(),
		Actor: s.Actor, Replaces: s.Replaces, Generation: s.Generation,
		Allowed: append([]string{}, s.Allowed()...), Revision: v.ModRevision,
		Decision: decisionOf(&v.Verdict), Meta: s.Plan.Meta,
	}
	if r.Weights == nil {
		r.Weights = map[string]configs.Weight{}
	}
	if s.Stage >= 0 && s.Stage < len(s.Plan.Stages) {
		r.StageName = stageName(s.Plan.Stages, s.Stage)
		r.StageLength = s.Plan.Stages[s.Stage].Duration.Std().Seconds()
	}
	if !s.EndedAt.IsZero() {
		r.EndedAt = &s.EndedAt
	}
	// What moved the rollout outlives what the judge thinks of it now.
	if s.Verdict != nil && (s.Phase.Final() || r.Decision == nil) {
		r.Verdict, r.Decision = s.Verdict.Kind, decisionOf(s.Verdict)
	}
	return r
}

func stageName(stages []configs.Stage, i int) string {
	if stages[i].Name != "" {
		return stages[i].Name
	}
	return strconv.Itoa(i + 1)
}

func rolloutOf(v *control.RolloutView) Rollout {
	r := summaryOf(v)
	r.Plan = &v.State.Plan
	r.Rules = rulesOf(v.Rules)
	r.Cuts = cutsOf(v.Cuts)
	r.History = historyOf(v.State.History)
	for _, a := range v.State.Approvals {
		r.Approvals = append(r.Approvals, Approval{Actor: a.Actor, At: a.At, Stage: a.Stage, Reason: a.Reason})
	}
	r.Override = overrideOf(v.State.Overridden)
	for _, name := range slices.Sorted(maps.Keys(v.State.Hooks)) {
		h := v.State.Hooks[name]
		r.Hooks = append(r.Hooks, HookAnswer{Name: name, Answer: h.Answer, Text: h.Text, At: h.At})
	}
	return r
}

func rulesOf(reports []analysis.RuleReport) []Rule {
	rules := make([]Rule, 0, len(reports))
	for _, r := range reports {
		rule := Rule{Condition: r.Condition.String(), Check: r.Check, State: r.State}
		if d := decisionOf(&r.Verdict); d != nil {
			rule.Decision = *d
		}
		rules = append(rules, rule)
	}
	return rules
}

func cutsOf(cuts []rollout.Cut) []Cut {
	out := make([]Cut, 0, len(cuts))
	for _, c := range cuts {
		out = append(out, Cut{
			Node: c.Node, Version: c.Version, At: c.At, Actor: orWeir(c.Actor), Reason: c.Reason,
			Decision: decisionOf(&c.Verdict),
		})
	}
	return out
}

func historyOf(history []rollout.Transition) []Transition {
	out := make([]Transition, 0, len(history))
	for _, t := range history {
		out = append(out, Transition{
			At: t.At, From: t.From, To: t.To, Stage: t.Stage, Weights: t.Weights,
			Actor: orWeir(t.Actor), Reason: t.Reason, Decision: decisionOf(t.Verdict),
		})
	}
	return out
}

func orWeir(actor string) string {
	if actor == "" {
		return actorWeir
	}
	return actor
}

// decisionOf is nil for the verdict of no judge.
func decisionOf(v *analysis.Verdict) *Decision {
	if v == nil || v.Kind == "" {
		return nil
	}
	var measured *Measured
	if v.Value != nil {
		measured = &Measured{v.Value.Candidate, v.Value.Stable, v.Value.Limit}
	}
	return &Decision{
		Measured: measured, Verdict: v.Kind, Rule: v.Rule, Path: v.Path, Action: string(v.Action), T: v.At.Seconds(),
		CandidateRequests: v.Candidate.N, CandidateBad: v.Candidate.Raw,
		CandidateCounted: v.Candidate.X, CandidateRate: v.CandidateRate,
		StableRequests: v.Stable.N, StableBad: v.Stable.Raw,
		StableCounted: v.Stable.X, StableRate: v.StableRate,
		Limit: v.Limit, Evidence: v.Evidence, Threshold: v.Threshold, NoBaseline: v.NoBaseline,
		Needed: v.Needed, Seen: v.Seen, Text: v.Text,
	}
}
