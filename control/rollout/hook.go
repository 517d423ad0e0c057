package rollout

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/weirproxy/weir/configs"
)

// Answer is what a hook said to a question.
type Answer string

// Answers of hooks.
const (
	HookGo     Answer = "go"
	HookWait   Answer = "wait"   // ask again
	HookRefuse Answer = "refuse" // of a gate: ask again; of a check: it failed
	HookNone   Answer = "none"   // it could not be asked, though it was tried as often as the plan says
)

// HookState is the last answer of a gate or check in the present round.
type HookState struct {
	Answer Answer    `json:"answer"`
	Text   string    `json:"text,omitempty"` // the hook's reason, at most 300 bytes
	At     time.Time `json:"at"`
}

// AskHook has a gate or a check asked. A Tick gives it again until the answer
// is known, a HookAnswered with the same key; it is for the caller not to ask
// twice at once nor more often than Hook.Interval. A leader that takes over asks
// again under the same key.
type AskHook struct {
	Key   string // names the question: the same however often it is asked
	Hook  configs.Hook
	Stage int    // the present one; -1: before the first
	For   string // what depends on the answer, in words
}

// HookAnswered is what came of an AskHook.
type HookAnswered struct {
	At       time.Time
	Key      string
	Name     string // of the hook
	Answer   Answer
	Text     string
	StableUp bool // stable has a healthy endpoint: a refusal may put the traffic back
}

func (AskHook) effect()     {}
func (HookAnswered) event() {}

// asks reports whether gates or checks are still to let the rollout go on. It
// asks all at once, and names the first that has not.
func (m *machine) asks(next move) bool {
	held := false
	for _, h := range m.before(next) {
		s := m.Rollout.Hooks[h.Name]
		if s.Answer == HookGo {
			continue
		}
		if !held {
			held = true
			text := fmt.Sprintf("%s %s has not answered yet", h.Mode, h.Name)
			if s.Answer != "" {
				text = fmt.Sprintf("%s %s says %s", h.Mode, h.Name, s.Answer)
			}
			if s.Text != "" {
				text += ": " + s.Text
			}
			m.await(WaitHook, "%s", text)
		}
		m.emit(m.question(h, m.purpose(next)))
	}
	return held
}

// before are the gates and checks that stand before a move.
func (m *machine) before(next move) []configs.Hook {
	plan := &m.Rollout.Plan
	var all []configs.Hook
	add := func(hooks []configs.Hook, applies func(at string) bool) {
		for _, h := range hooks {
			if h.SetDefaults(); h.Mode != configs.HookNotify && applies(h.At) {
				all = append(all, h)
			}
		}
	}
	if next.leaves >= 0 && next.leaves < len(plan.Stages) {
		add(plan.Stages[next.leaves].Hooks, func(at string) bool { return at == "" || at == configs.HookEnd })
	}
	add(plan.Hooks, func(at string) bool {
		switch at {
		case configs.HookStart:
			return next.leaves < 0 && next.enters == 0
		case configs.HookStage:
			return next.leaves >= 0
		case configs.HookIncrease:
			return next.raises && next.enters >= 0 && next.enters < len(plan.Stages)
		case configs.HookPromotion:
			return next.enters == len(plan.Stages)
		}
		return false
	})
	if next.enters >= 0 && next.enters < len(plan.Stages) {
		add(plan.Stages[next.enters].Hooks, func(at string) bool { return at == configs.HookStart })
	}
	return all
}

// watchers are the checks that are asked again and again while the candidate
// has weight.
func (m *machine) watchers() []configs.Hook {
	r := &m.Rollout
	if r.Phase.Final() || r.Weights[r.To] == 0 {
		return nil
	}
	var all []configs.Hook
	add := func(hooks []configs.Hook) {
		for _, h := range hooks {
			if h.Mode == configs.HookCheck && h.At == configs.HookAny {
				h.SetDefaults()
				all = append(all, h)
			}
		}
	}
	add(r.Plan.Hooks)
	if m.phase() == Progressing && !r.manual() {
		add(r.Plan.Stages[r.Stage].Hooks)
	}
	return all
}

// watch asks the checks that hold at any time, and acts again on what one has
// refused. It reports whether the rest of the tick is off.
func (m *machine) watch(t Tick) bool {
	acted := false
	for _, h := range m.watchers() {
		m.emit(m.question(h, "the rollout may live on"))
	}
	for _, h := range m.mine() {
		if s, ok := m.Rollout.Hooks[h.Name]; ok && m.broken(h, s.Answer) && h.OnFail != "pause" {
			m.refused(h, s, t.StableUp)
			acted = true
		}
	}
	return acted
}

// mine are the hooks that the rollout may be asking now.
func (m *machine) mine() []configs.Hook {
	if r := &m.Rollout; r.manual() || r.Phase.Final() || r.Phase == Queued || r.Ending != nil {
		return nil
	}
	return append(m.before(m.ahead()), m.watchers()...)
}

func (m *machine) question(h configs.Hook, what string) AskHook {
	return AskHook{Key: m.hookKey(h.Name), Hook: h, Stage: m.Rollout.Stage, For: what}
}

// hookKey names a question. A new round asks anew.
func (m *machine) hookKey(name string) string {
	return m.Rollout.ID + "/" + name + "/" + strconv.Itoa(m.Rollout.Round)
}

func (m *machine) purpose(next move) string {
	switch {
	case next.enters < 0:
		return "the bake begins"
	case next.enters >= len(m.Rollout.Plan.Stages):
		return m.Rollout.To + " becomes stable"
	}
	return m.stageName(next.enters) + " begins"
}

// broken reports whether an answer breaks a check.
func (m *machine) broken(h configs.Hook, a Answer) bool {
	return h.Mode == configs.HookCheck && (a == HookRefuse || a == HookNone && h.OnError == "fail")
}

// hookAnswered takes in an answer. One to a question that is not asked any more
// is nobody's.
func (m *machine) hookAnswered(ev HookAnswered) {
	r := &m.Rollout
	for _, h := range m.mine() {
		if h.Name != ev.Name || m.hookKey(h.Name) != ev.Key {
			continue
		}
		was := r.Hooks[h.Name]
		s := HookState{Answer: ev.Answer, Text: clip(ev.Text), At: m.at}
		if was.Answer != s.Answer || was.Text != s.Text {
			r.Hooks = maps.Clone(r.Hooks)
			if r.Hooks == nil {
				r.Hooks = make(map[string]HookState)
			}
			r.Hooks[h.Name] = s
			r.UpdatedAt = m.at
		}
		if m.broken(h, ev.Answer) {
			m.refused(h, s, ev.StableUp)
		}
		return
	}
}

// refused does what a check that failed asks for.
func (m *machine) refused(h configs.Hook, s HookState, stableUp bool) {
	r := &m.Rollout
	reason := fmt.Sprintf("check %s failed", h.Name)
	if s.Text != "" {
		reason += ": " + s.Text
	}
	switch {
	case h.OnFail == "pause":
		if r.Phase != Paused {
			m.hold(self, reason, nil)
		}
	case r.Weights[r.To] == 0:
		if r.Phase != Paused {
			m.fallBack(Failed, AnnounceFailed, self, reason, nil)
		}
	case !stableUp:
		if r.Phase != Paused {
			m.wait(WaitHealth, "%s; held, because stable version %s has no healthy endpoint", reason, r.From)
		}
	default:
		m.emit(CutNow{m.cut(r.To, "", reason, m.at)})
	}
}

// askAnew begins a round: what hooks said of the stretch before counts no more.
func (m *machine) askAnew() {
	plan := &m.Rollout.Plan
	if len(plan.Hooks) > 0 || slices.ContainsFunc(plan.Stages, func(s configs.Stage) bool { return len(s.Hooks) > 0 }) {
		m.Rollout.Hooks = nil
		m.Rollout.Round++
	}
}

// unask drops what hooks said about a move that waits for something else.
func (m *machine) unask(next move) {
	r := &m.Rollout
	hooks := maps.Clone(r.Hooks)
	for _, h := range m.before(next) {
		delete(hooks, h.Name)
	}
	if len(hooks) < len(r.Hooks) {
		r.Hooks = hooks
		r.Round++
	}
}

// clip bounds what others write into the state.
func clip(text string) string {
	const most = 300
	if len(text) <= most {
		return text
	}
	for cut := most; ; cut-- {
		if c := text[cut]; c < 0x80 || c >= 0xC0 {
			return text[:cut] + "…"
		}
	}
}
