package control

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/store"
)

// How deliveries are tried.
const (
	deliveryLimit = 30 * time.Second // of one
	giveUpAfter   = 24 * time.Hour   // since the event
	leastRetry    = time.Second
	mostRetry     = 5 * time.Minute
	mostAsked     = time.Hour // that a recipient may ask to be left alone
	perRecipient  = 4         // deliveries under way to one recipient
	inAll         = 64
)

// postman is what this node, while it leads, knows of deliveries. It belongs to
// the Controller's goroutine.
type postman struct {
	busy map[string]bool      // queues with a delivery under way
	next map[string]time.Time // queues that are left alone until then
	to   map[string]int       // deliveries under way by recipient
	sent map[string]bool      // keys that were delivered; true: and deleted, which is yet to be seen
}

func newPostman() *postman {
	return &postman{
		busy: map[string]bool{}, next: map[string]time.Time{}, to: map[string]int{}, sent: map[string]bool{},
	}
}

// deliver begins what is due: of each queue its first entry, so that nobody
// hears of a rollout's events out of order.
func (c *Controller) deliver(now time.Time, fence store.Compare) {
	p := c.postman
	for key := range p.sent {
		if _, there := c.mirror.outbox[key]; !there {
			delete(p.sent, key)
		}
	}
	for queue, keys := range c.mirror.queues {
		if p.busy[queue] || now.Before(p.next[queue]) || len(p.busy) >= inAll {
			continue
		}
		e := c.mirror.outbox[keys[0]]
		if p.sent[keys[0]] {
			continue
		}
		if at := e.value.TriedAt.Add(pauseAfter(e.value.Failures)); e.value.Failures > 0 && now.Before(at) && at.Sub(now) <= mostRetry {
			continue
		}
		if p.to[e.value.To] < perRecipient {
			c.send(queue, e, fence)
		}
	}
}

// send delivers one entry in a worker, and writes down there what came of it.
// The leader's fence goes with that: one that was relieved meanwhile changes
// nothing, and the next one delivers the entry again under the same ID.
func (c *Controller) send(queue string, e entry[notify.Entry], fence store.Compare) {
	p := c.postman
	deliver, why := c.courier(&e.value)
	if deliver == nil && why == "" {
		return
	}
	p.busy[queue] = true
	p.to[e.value.To]++
	_, sent := p.sent[e.value.Key()]
	schema := c.schema()
	c.work(func(ctx context.Context) func() {
		var err error
		switch {
		case sent: // all that is left is to write it down
		case deliver != nil:
			ctx, cancel := context.WithTimeout(ctx, deliveryLimit)
			err = deliver(ctx)
			cancel()
		default:
			err = fmt.Errorf("%s: %w", why, notify.ErrRefused)
		}
		if err != nil && ctx.Err() != nil {
			return nil // this node stops; the next leader goes on
		}
		after := outcome(e.value, err, c.clock())
		committed := c.writeOutcome(ctx, e, after, err, fence, schema)
		return func() { c.delivered(p, queue, e.value, after, err, committed) }
	})
}

// courier returns what delivers e, or why nothing ever will. Neither: not here.
func (c *Controller) courier(e *notify.Entry) (deliver func(context.Context) error, why string) {
	if e.Hook != nil && c.opts.Deliver != nil {
		// A hook that is told is a webhook that only this plan knows of.
		doc := configs.Notifier{Name: e.Hook.Name, Webhook: &configs.WebhookTarget{URL: e.Hook.URL, SecretFile: e.Hook.SecretFile}}
		return func(ctx context.Context) error { return c.opts.Deliver(ctx, &doc, e) }, ""
	}
	name, _ := strings.CutPrefix(e.To, notify.ToNotifier(""))
	n, ok := c.mirror.notifiers[name]
	switch {
	case e.Hook != nil:
		return nil, ""
	case !ok:
		return nil, "the notifier was deleted"
	case c.opts.Deliver == nil:
		return nil, ""
	}
	doc := n.value
	if f := e.Forward; f != nil && f.Release != "" {
		whole := *e
		whole.Forward = &notify.Forward{Release: f.Release}
		if r, there := c.mirror.releases[f.Release]; there {
			whole.Forward.Document = &r.value
		}
		e = &whole
	}
	return func(ctx context.Context) error { return c.opts.Deliver(ctx, &doc, e) }, ""
}

// goesOn reports whether a delivery ended without a failure, and left something.
func goesOn(err error) bool {
	p, ok := errors.AsType[*notify.Progress](err)
	return ok && p.Err == nil
}

// outcome is the entry after a delivery that did not do everything.
func outcome(e notify.Entry, err error, now time.Time) notify.Entry {
	if err == nil {
		return e
	}
	if p, ok := errors.AsType[*notify.Progress](err); ok {
		if e.Moves = p.Left; p.Err == nil {
			return e
		}
	}
	e.Failures++
	e.TriedAt = now
	e.LastError = strings.ToValidUTF8(err.Error(), "")
	e.LastError = strings.ToValidUTF8(e.LastError[:min(len(e.LastError), maxOutcome)], "")
	e.Dead = errors.Is(err, notify.ErrRefused) || now.Sub(e.Begun()) > giveUpAfter
	return e
}

// writeOutcome deletes what was delivered and writes down what failed.
func (c *Controller) writeOutcome(ctx context.Context, e entry[notify.Entry], after notify.Entry, failure error, fence store.Compare, schema int) bool {
	key := store.OutboxKey(after.Key())
	txn := store.Txn{If: []store.Compare{fence, store.ModRevision(key, e.mod)}, Then: []store.Op{store.Delete(key)}}
	if failure != nil {
		value, err := encodeIn(schema, e.raw, after)
		if err != nil {
			panic(fmt.Sprintf("BUG: cannot encode an outbox entry: %v", err))
		}
		txn.Then = []store.Op{store.Put(key, value)}
	}
	res, err := c.opts.Store.Commit(ctx, txn)
	return err == nil && res.Committed
}

// delivered takes in what came of a delivery. Was is the postman that sent it:
// a leader that was relieved and leads again has a new one.
func (c *Controller) delivered(was *postman, queue string, before, after notify.Entry, failure error, committed bool) {
	if !goesOn(failure) {
		c.count(after, failure)
	}
	p := c.postman
	if was != p {
		return
	}
	delete(p.busy, queue)
	if p.to[before.To]--; p.to[before.To] <= 0 {
		delete(p.to, before.To)
	}
	p.next[queue] = c.clock().Add(leastRetry)
	if failure == nil {
		p.sent[before.Key()] = committed
		if committed {
			delete(p.next, queue)
		}
		return
	}
	if goesOn(failure) {
		return
	}
	pause := pauseAfter(after.Failures)
	if asked, ok := errors.AsType[*notify.RetryAfter](failure); ok {
		pause = min(max(pause, asked.After), mostAsked)
	}
	p.next[queue] = c.clock().Add(pause + rand.N(pause/4+1))
	fields := []zap.Field{
		zap.String("event", before.ID), zap.String("kind", before.Kind), zap.String("recipient", before.To),
		zap.Int("failures", after.Failures), zap.String("reason", after.LastError),
	}
	if after.Dead {
		c.log.Error("event not told: a dead letter", fields...)
	} else if after.Failures == 1 {
		c.log.Warn("event not told yet; it is tried again", fields...)
	}
}

// pauseAfter is how long an entry that failed n times is left alone.
func pauseAfter(n int) time.Duration {
	if n <= 0 {
		return 0
	}
	return min(leastRetry<<min(n-1, 20), mostRetry)
}
