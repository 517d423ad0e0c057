package control

import (
	"context"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/hook"
	"github.com/weirproxy/weir/control/rollout"
)

// question is a gate or check that the leader asks. Nothing of it is written
// down but its answer, which is in the rollout: a leader that takes over is told
// by the state machine what is still to be asked, and asks under the same key.
type question struct {
	rollout  string
	underWay bool
	failures int       // calls in a row without an answer
	next     time.Time // it is not asked before
	wanted   time.Time // when the state machine last asked for it

	// answer is what the state machine has not been told yet.
	answer *rollout.HookAnswered
}

// maxQuestions bounds the calls of hooks that are under way.
const maxQuestions = 64

// forgetAfter is how long a question is remembered that nobody asks any more.
const forgetAfter = 2 * time.Minute

// askHooks has the hooks of effects asked that are due. Only the leader does.
func (c *Controller) askHooks(effects []rollout.Effect, r rollout.State, now time.Time) {
	for _, e := range effects {
		q, ok := e.(rollout.AskHook)
		if !ok || c.opts.AskHook == nil {
			continue
		}
		known := c.questions[q.Key]
		if known == nil {
			known = &question{rollout: r.ID}
			c.questions[q.Key] = known
		}
		known.wanted = now
		if !known.underWay && known.answer == nil && !now.Before(known.next) && c.asking < maxQuestions {
			c.call(known, q, r)
		}
	}
}

// call asks a hook once, in a worker.
func (c *Controller) call(known *question, q rollout.AskHook, r rollout.State) {
	known.underWay = true
	c.asking++
	c.work(func(ctx context.Context) func() {
		reply := c.opts.AskHook(ctx, q, r)
		if ctx.Err() != nil {
			return nil // this node stops; the next leader asks again
		}
		return func() {
			known.underWay = false
			c.asking--
			c.countHook(q.Hook.Name, string(reply.Answer))
			c.heard(known, q, reply, c.clock())
		}
	})
}

// heard takes in a reply. A check without one is called again as often as its
// plan says before the state machine hears of it; a gate is asked until it answers.
func (c *Controller) heard(known *question, q rollout.AskHook, reply hook.Reply, now time.Time) {
	h := q.Hook
	h.SetDefaults()
	pause := max(h.Interval.Std(), reply.After)
	if reply.Answer != rollout.HookNone {
		known.failures = 0
	} else if known.failures++; h.Mode == configs.HookCheck && known.failures <= *h.Retries {
		known.next = now.Add(max(pauseAfter(known.failures), reply.After))
		return
	}
	known.next = now.Add(pause)
	if reply.Answer == rollout.HookNone && known.failures == 1 {
		c.log.Warn("hook gave no answer; it is asked again", zap.String("rollout", known.rollout), zap.String("hook", h.Name), zap.String("reason", reply.Text))
	}
	known.answer = &rollout.HookAnswered{At: now, Key: q.Key, Name: h.Name, Answer: reply.Answer, Text: reply.Text}
}

// answered is an answer that the state machine has not been told yet.
func (c *Controller) answered(t *trial, now time.Time) rollout.Event {
	for _, q := range c.questions {
		if q.rollout == t.id && q.answer != nil {
			answer := *q.answer
			q.answer = nil
			answer.At, answer.StableUp = now, c.versionUp(t.service, t.from)
			return answer
		}
	}
	return nil
}

// forgetQuestions drops what nobody asks any more.
func (c *Controller) forgetQuestions(now time.Time) {
	for key, q := range c.questions {
		if !q.underWay && now.Sub(q.wanted) > forgetAfter {
			delete(c.questions, key)
		}
	}
}
