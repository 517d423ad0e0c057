package control

import (
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy/route"
)

// RotateKeys has the sticky cookie signed by a new key. Every node learns the key
// first, then it signs, and the one before verifies what it signed for as long as
// such cookies count: nobody's version changes by it. The leader takes the later
// steps by itself.
type RotateKeys struct{ Actor string }

func (RotateKeys) command() {}

// KeyView is one key of the sticky cookie. It holds no secret.
type KeyView struct {
	ID      string
	State   string    // waiting, signing or retired
	Added   time.Time // zero: with the first node, or not known
	Retired time.Time // when it signed last; zero: it signs or is yet to
	Until   time.Time // when a retired one is forgotten; else zero
	Lacking []string  // nodes that have not said that they know a waiting one
}

// States of a key.
const (
	KeyWaiting = "waiting" // it verifies, and signs once every node knows it
	KeySigning = "signing"
	KeyRetired = "retired" // it verifies what it signed
)

// leastSettle is how long a new key waits at least: a node that is away for a
// moment holds no lease, and nobody waits for its word. One that stays away for
// longer than blind_after gives candidates nothing, so that the bucket of a cookie
// which it does not know decides nothing there.
const leastSettle = time.Minute

// keyTurn is what the leader remembers of the cookie's keys.
type keyTurn struct {
	settles time.Duration // at least how long a new key waits
	looked  time.Time
}

// planRotate adds a key that verifies and does not sign yet.
func (c *Controller) planRotate(cmd RotateKeys, now time.Time) (plan, error) {
	keys := c.mirror.keys
	if keys == nil || !c.mirror.keysStored || c.mirror.bad[store.CookieKey] != "" {
		return plan{}, refuse(Unavailable, "try again in a moment", "the cookie's keys have not been read yet")
	}
	for _, k := range keys.Keys() {
		if k.Waits() {
			return plan{}, refuse(Conflict, "`weir keys list` shows what it waits for", "a rotation is under way: key %s is known and does not sign yet", k.ID)
		}
	}
	if len(keys.Keys()) >= route.MaxKeys {
		return plan{}, refuse(Conflict, "wait until the oldest is forgotten; `weir keys list` shows when", "there are %d keys already, most of them retired", route.MaxKeys)
	}
	next, id, err := keys.WithKey(rand.Reader, now.Unix())
	if err != nil {
		return plan{}, err
	}
	text := fmt.Sprintf("cookie key %s is new; it signs once every node knows it, and %s verifies until then and for as long as its cookies count", id, keys.SigningID())
	txn, err := c.keysTxn(next, AuditView{At: now, Actor: cmd.Actor, Action: "rotate", Object: store.CookieKey, Text: text})
	return plan{write: true, txn: txn, reply: Reply{Name: id, Text: text}}, err
}

// keysTxn writes keys if they are still what next was made from.
func (c *Controller) keysTxn(next *route.Keyring, entry AuditView) (store.Txn, error) {
	value, err := next.Marshal()
	if err != nil {
		return store.Txn{}, err
	}
	return store.Txn{
		If:   []store.Compare{store.ModRevision(store.CookieKey, c.mirror.keysMod)},
		Then: []store.Op{store.Put(store.CookieKey, value), c.audit(entry)},
	}, nil
}

// turnKeys takes the next step of a rotation when it is due. Only the leader does it.
func (c *Controller) turnKeys(now time.Time, fence store.Compare) {
	if now.Sub(c.keyTurn.looked) < sayEvery || c.waits(store.CookieKey, now) || !c.mirror.keysStored || c.mirror.source != store.SourceEtcd {
		return
	}
	c.keyTurn.looked = now
	next, text := c.nextKeys(now)
	if next == nil {
		return
	}
	txn, err := c.keysTxn(next, AuditView{At: now, Actor: "weir", Action: "rotate", Object: store.CookieKey, Text: text})
	if err != nil {
		panic(fmt.Sprintf("BUG: cannot encode the cookie's keys: %v", err))
	}
	txn.If = append(txn.If, fence)
	c.commit(store.CookieKey, "", txn)
}

// nextKeys are the keys after the step that is due, and what it is; nil: none is.
func (c *Controller) nextKeys(now time.Time) (*route.Keyring, string) {
	keys := c.mirror.keys
	if keys == nil || c.mirror.bad[store.CookieKey] != "" {
		return nil, ""
	}
	for _, k := range keys.Keys() {
		if !k.Waits() || now.Sub(time.Unix(k.Added, 0)) < c.keyTurn.settles || len(c.lacking()) > 0 {
			continue
		}
		next, err := keys.Signing(k.ID, now.Unix())
		if err != nil {
			panic(fmt.Sprintf("BUG: a key that waits cannot sign: %v", err))
		}
		return next, fmt.Sprintf("cookie key %s signs now; %s verifies what it signed for %s", k.ID, keys.SigningID(), c.longestMaxAge())
	}
	next := keys.Pruned(now.Add(-c.longestMaxAge()).Unix())
	if gone := len(keys.Keys()) - len(next.Keys()); gone > 0 {
		return next, fmt.Sprintf("%d retired cookie keys forgotten: what they signed is out of date", gone)
	}
	return nil, ""
}

// lacking are the nodes that have not said that they know the present keys.
func (c *Controller) lacking() []string {
	var names []string
	known := min(c.mirror.keysMod, c.mirror.relevant)
	for _, name := range slices.Sorted(maps.Keys(c.mirror.nodes)) {
		n := c.mirror.nodes[name].value
		if _, unread := n.Refused[store.CookieKey]; unread || n.Revision < known && name != c.opts.Node {
			names = append(names, name)
		}
	}
	return names
}

// longestMaxAge is how long a cookie of any service counts at most. The default is
// the least: a service may have been deleted and come back.
func (c *Controller) longestMaxAge() time.Duration {
	longest := route.DefaultMaxAge
	for _, s := range c.mirror.services {
		if sticky := s.value.Sticky; sticky != nil && sticky.Cookie != nil {
			longest = max(longest, sticky.Cookie.MaxAge.Std())
		}
	}
	return longest
}

// showKeys says where a rotation stands.
func (c *Controller) showKeys() []KeyView {
	if c.mirror.keys == nil {
		return nil
	}
	var views []KeyView
	for _, k := range c.mirror.keys.Keys() {
		v := KeyView{ID: k.ID, State: KeySigning, Added: unixTime(k.Added), Retired: unixTime(k.Retired)}
		switch {
		case k.Waits():
			v.State, v.Lacking = KeyWaiting, c.lacking()
		case !k.Signs:
			v.State, v.Until = KeyRetired, unixTime(k.LastCookie()).Add(c.longestMaxAge())
		}
		views = append(views, v)
	}
	return views
}

func unixTime(seconds int64) time.Time {
	if seconds == 0 {
		return time.Time{}
	}
	return time.Unix(seconds, 0).UTC()
}
