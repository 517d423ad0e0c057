package configs

import (
	"time"
)

const (
	maxHooks     = 16 // of one plan, its stages' included
	maxApprovers = 10
	maxHookURL   = 2048
)

// checkGates checks what a rollout waits for besides time and evidence.
func (p *Rollout) checkGates(r *report) {
	r.choice("approval", p.Approval, "manual")
	r.count("approvers", p.Approvers, maxApprovers)
	asked := p.Approval != ""
	for i, stage := range p.Stages {
		r.choice(field(item("stages", i), "approval"), stage.Approval, "manual")
		asked = asked || stage.Approval != ""
	}
	if p.Approvers > 0 && !asked {
		r.add("approvers", "write approval: manual too", "nobody is asked to approve")
	}
	r.span("progress_deadline", p.ProgressDeadline, maxSpan)
	if d := p.ProgressDeadline; d > 0 && d < Duration(time.Second) {
		r.add("progress_deadline", "write at least 1s", "%s is too short for anything to progress", d)
	}
	r.choice("on_deadline", p.OnDeadline, "rollback", "pause")
	if p.OnDeadline != "" && p.ProgressDeadline == 0 {
		r.add("on_deadline", "write progress_deadline: 10m too", "there is no deadline")
	}
	r.choice("concurrency", p.Concurrency, "reject", "queue", "replace")
	r.span("abort.ramp", p.Abort.Ramp, Duration(10*time.Minute))
	if d := p.Abort.Ramp; d > 0 && d < Duration(time.Second) {
		r.add("abort.ramp", "write at least 1s, or leave it out", "a ramp of %s is no ramp", d)
	}
	p.checkHooks(r)
	p.checkRequires(r)
}

func (p *Rollout) checkHooks(r *report) {
	seen := map[string]bool{}
	check := func(path string, hooks []Hook, stage bool) {
		for i := range hooks {
			at := item(path, i)
			hooks[i].check(r, at, stage)
			if name := hooks[i].Name; name != "" && seen[name] {
				r.add(field(at, "name"), "give each hook its own", "there is another hook %q", name)
			}
			seen[hooks[i].Name] = true
		}
	}
	check("hooks", p.Hooks, false)
	n := len(p.Hooks)
	for i, stage := range p.Stages {
		check(field(item("stages", i), "hooks"), stage.Hooks, true)
		n += len(stage.Hooks)
	}
	if n > maxHooks {
		r.add("hooks", "keep the most important ones", "there are %d hooks, more than %d", n, maxHooks)
	}
}

// check checks one hook. Stage says that it is a stage's own.
func (h *Hook) check(r *report, path string, stage bool) {
	r.name(field(path, "name"), h.Name)
	points := []string{HookStart, HookStage, HookIncrease, HookPromotion, HookEnd, HookRollback, HookAny}
	if stage {
		points = []string{HookStart, HookEnd, HookAny}
	}
	at := h.At
	switch {
	case at == "" && stage:
		at = HookEnd
	case at == "":
		r.add(field(path, "at"), "write "+oneOf(points), "it is not said when the hook is called")
	default:
		r.choice(field(path, "at"), at, points...)
	}
	r.choice(field(path, "mode"), h.Mode, HookGate, HookCheck, HookNotify)
	h.checkPoint(r, path, at, stage)
	h.checkTarget(r, path)
	r.span(field(path, "timeout"), h.Timeout, Duration(time.Minute))
	r.span(field(path, "interval"), h.Interval, Duration(time.Hour))
	if d := h.Interval; d > 0 && d < Duration(time.Second) {
		r.add(field(path, "interval"), "write at least 1s", "%s is too often", d)
	}
	if h.Retries != nil && (*h.Retries < 0 || *h.Retries > 10) {
		r.add(field(path, "retries"), "write a number from 0 to 10", "%d is not a number of retries", *h.Retries)
	}
	r.choice(field(path, "on_fail"), h.OnFail, "rollback", "pause")
	r.choice(field(path, "on_error"), h.OnError, "hold", "fail")
	for name, set := range map[string]bool{"on_fail": h.OnFail != "", "on_error": h.OnError != "", "retries": h.Retries != nil} {
		if set && h.Mode != HookCheck {
			r.add(field(path, name), "remove it, or write mode: check", "only a check has %s", name)
		}
	}
}

// checkPoint checks that the mode fits the place: what puts traffic back waits
// for nobody.
func (h *Hook) checkPoint(r *report, path, at string, stage bool) {
	mode := h.Mode
	if mode == "" {
		mode = HookGate
	}
	over := !stage && (at == HookEnd || at == HookRollback)
	switch {
	case over && mode != HookNotify:
		r.add(field(path, "mode"), "write mode: notify", "a %s cannot stand at %s: nothing that puts traffic back waits for one", mode, at)
	case at == HookAny && mode == HookGate:
		r.add(field(path, "mode"), "write mode: check, which is asked again and again", "a gate stands before something, not at any time")
	case stage && mode == HookNotify:
		r.add(field(path, "mode"), "write it among the rollout's hooks, at: stage", "a stage's own hook is asked, not told")
	}
}

// checkTarget checks where the hook is called. Who may start a rollout may make
// weir's nodes send signed requests: to http and https alone, with a body of
// weir's, whose answer is shown in part. What must not be reached from there is
// the network's to forbid; loopback is allowed, as hooks often run beside weir.
func (h *Hook) checkTarget(r *report, path string) {
	r.url(field(path, "url"), h.URL, "https://ci.example.com/gate")
	if len(h.URL) > maxHookURL {
		r.add(field(path, "url"), "use a shorter one", "the URL is %d bytes long", len(h.URL))
	}
	if h.SecretFile != "" {
		r.secret(field(path, "secret_file"), h.SecretFile, "")
	}
}
