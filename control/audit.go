package control

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// AuditView is one change: who made it, when, and what was before and after.
type AuditView struct {
	ID      string `json:"-"` // sorts by time
	At      time.Time
	Actor   string   // a token's or a person's name; empty: weir
	Role    string   `json:",omitempty"` // viewer, operator, admin; local: no tokens are in use; empty: weir
	Action  string   // apply, delete or `rollout <phase>`
	Object  string   // services/<name>, rollouts/<id> …
	Text    string   // one sentence
	Changes []string `json:",omitempty"` // `field: before → after`, bounded
}

// Bounds of what an entry says about a change. A document may be large; that
// it changed, and where, is what the trail is for.
const (
	maxChanges    = 50
	maxChangeText = 500
)

// audit is the write of one entry of the trail. Keys sort by time.
func (c *Controller) audit(a AuditView) store.Op {
	c.auditSeq++
	a.Role, a.Changes = c.role, bounded(a.Changes)
	value, err := json.Marshal(a)
	if err != nil {
		panic(fmt.Sprintf("BUG: cannot encode an audit entry: %v", err))
	}
	return store.Put(store.AuditKey(fmt.Sprintf("%016x-%s-%06x", a.At.UnixNano(), c.opts.Node, c.auditSeq)), value)
}

func bounded(changes []string) []string {
	var out []string
	for i, s := range changes {
		if i == maxChanges {
			return append(out, fmt.Sprintf("… and %d more", len(changes)-i))
		}
		if len(s) > maxChangeText {
			s = strings.ToValidUTF8(s[:maxChangeText], "") + "…"
		}
		out = append(out, s)
	}
	return out
}

// logAudit writes what this node changed into its log: each change is in one
// node's log alone, and there only once it is in the state.
func (c *Controller) logAudit(u store.Update) {
	if u.Full {
		return
	}
	for _, kv := range u.Puts {
		prefix, id := split(kv.Key)
		if prefix != store.Audit || nodeOfAudit(id) != c.opts.Node {
			continue
		}
		a := c.mirror.audit[id].value
		actor := a.Actor
		if actor == "" {
			actor = "weir"
		}
		c.log.Info("audit", zap.String("actor", actor), zap.String("role", a.Role), zap.String("action", a.Action),
			zap.String("object", a.Object), zap.String("text", a.Text), zap.Strings("changes", loggable(a.Changes)))
	}
}

// loggable is what a log may hold of changes. Logs are shipped to places that no
// token of ours guards, and what headers are set to may be a secret after all: of
// headers and match values, of meta, and of what is written whole, only the field
// is named. The trail has the rest.
func loggable(changes []string) []string {
	out := make([]string, len(changes))
	for i, change := range changes {
		out[i] = change
		path, values, _ := strings.Cut(change, ": ")
		before, after, _ := strings.Cut(values, " → ")
		if private(path) || composite(before) || composite(after) {
			out[i] = path + ": changed"
		}
	}
	return out
}

// private reports whether a field's value is not for logs.
func private(path string) bool {
	return strings.Contains(path, "header") || path == "meta" || strings.HasPrefix(path, "meta.")
}

// composite reports whether a value is a list or an object, whatever is in it.
func composite(value string) bool {
	return strings.HasPrefix(value, "{") || strings.HasPrefix(value, "[")
}

// nodeOfAudit is the node that wrote an entry: the key without time and number.
func nodeOfAudit(id string) string {
	const before, after = 17, 7
	if len(id) <= before+after {
		return ""
	}
	return id[before : len(id)-after]
}

// moved names what differs between two moments of a rollout and its service.
func moved(before, after rollout.Pair) []string {
	var out []string
	add := func(field, was, is string) {
		if was != is {
			out = append(out, fmt.Sprintf("%s: %s → %s", field, orNothing(was), orNothing(is)))
		}
	}
	was, is := before.Rollout, after.Rollout
	add("phase", string(was.Phase), string(is.Phase))
	if was.ID != "" && was.Stage != is.Stage {
		add("stage", fmt.Sprint(was.Stage+1), fmt.Sprint(is.Stage+1))
	}
	add("waiting_for", string(was.WaitingFor), string(is.WaitingFor))
	add("missing", rollout.Sentences(was.Missing), rollout.Sentences(is.Missing))
	if o := is.Overridden; o != nil && !reflect.DeepEqual(o, was.Overridden) {
		add("overridden", "", fmt.Sprintf("%s, by %s: %s", rollout.Sentences(o.Missing), o.Actor, o.Reason))
	}
	for _, version := range slices.Sorted(maps.Keys(merged(before.Service.Weights, after.Service.Weights))) {
		add("weights."+version, before.Service.Weights[version].String(), after.Service.Weights[version].String())
	}
	add("stable", before.Service.Stable, after.Service.Stable)
	return out
}

func merged[V any](a, b map[string]V) map[string]V {
	m := make(map[string]V, len(a)+len(b))
	maps.Copy(m, a)
	maps.Copy(m, b)
	return m
}

func orNothing(s string) string {
	if s == "" {
		return "nothing"
	}
	return s
}

// differences names the fields in which two documents differ, nested ones by
// their path.
func differences[T any](a, b T) []string {
	// Stable and weights of a document only matter to a new service.
	return configs.Differences(a, b, func(path string) bool {
		top, _, _ := strings.Cut(path, ".")
		return top == "stable" || top == "weights"
	})
}

// AuditQuery chooses entries of the trail. The zero query takes the newest.
type AuditQuery struct {
	Object string    // services/shop, or all of services/; empty: any
	Actor  string    // empty: anybody
	Weir   bool      // only what weir did by itself
	Since  time.Time // zero: from the beginning
	Before string    // ID of an entry: only older ones; empty: from the newest
	Limit  int       // how many at most
}

// Takes reports whether the query chooses an entry.
func (q AuditQuery) Takes(a *AuditView) bool {
	return (q.Object == "" || a.Object == q.Object || strings.HasSuffix(q.Object, "/") && strings.HasPrefix(a.Object, q.Object)) &&
		(q.Actor == "" || a.Actor == q.Actor) && !(q.Weir && a.Actor != "") &&
		!a.At.Before(q.Since) && (q.Before == "" || a.ID < q.Before)
}

// Audit returns what a query chooses of the trail, the newest first. The trail
// holds 5 000 entries of 90 days.
func (c *Controller) Audit(ctx context.Context, q AuditQuery) ([]AuditView, error) {
	done := make(chan []AuditView, 1)
	err := c.postUntil(ctx, func() {
		var out []AuditView
		for _, id := range slices.Backward(c.mirror.auditKeys()) {
			if len(out) >= q.Limit {
				break
			}
			a := c.mirror.audit[id].value
			a.ID = id
			if q.Takes(&a) {
				out = append(out, a)
			}
		}
		done <- out
	})
	if err != nil {
		return nil, err
	}
	return <-done, nil
}
