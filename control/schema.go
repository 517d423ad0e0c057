package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/weirproxy/weir/control/store"
)

// schemaMax is the newest form of stored values that this release reads and writes.
//
// A release that only adds fields leaves it as it is: fields that an older release
// does not know stay when it writes a value again. One that gives a stored value
// another meaning raises it by one, and goes on writing the form before until every
// node of the fleet reads the new one: see Controller.schema.
const schemaMax = 1

// schemaField names the form of a stored value. The first form has no name.
const schemaField = "schema"

// formed are the values with a form: those that one node writes and others go on
// from. A cut and a kill have none, for every release must obey them: their fields
// only grow.
func formed(prefix string) bool {
	switch prefix {
	case store.States, store.Rollouts, store.Evidences, store.Outbox:
		return true
	}
	return false
}

// schemaOf is the form of a stored value. What is no JSON object has none.
func schemaOf(value []byte) int {
	if !bytes.Contains(value, []byte(`"`+schemaField+`"`)) {
		return 1
	}
	var v struct {
		Schema int `json:"schema"`
	}
	if json.Unmarshal(value, &v) != nil {
		return 1 // whoever decodes it says what is wrong
	}
	return max(v.Schema, 1)
}

// readable says why a value is of a form that this release does not know.
func (m *mirror) readable(kv store.KV) error {
	prefix, _ := split(kv.Key)
	if !formed(prefix) {
		return nil
	}
	if schema := schemaOf(kv.Value); schema > m.schema {
		return fmt.Errorf("%q was written by a newer weir: its form is %d, this release reads up to %d", kv.Key, schema, m.schema)
	}
	return nil
}

// formSettles is how long every live node must read a newer form before it is
// written: one that is away for a restart must find what it can read.
const formSettles = 10 * time.Minute

// forms is what a Controller knows of the forms that its fleet reads.
type forms struct {
	written int // at most
	settles time.Duration
	since   time.Time // when all could read a newer one; zero: they cannot
}

// look takes in that every live node reads forms up to the given one.
func (f forms) look(lowest int, now time.Time) forms {
	switch {
	case lowest <= f.written:
		f.written, f.since = lowest, time.Time{}
	case f.since.IsZero():
		f.since = now
	case now.Sub(f.since) >= f.settles:
		f.written, f.since = lowest, time.Time{}
	}
	return f
}

// readByAll is the newest form that every live node reads.
func (c *Controller) readByAll() int {
	lowest := c.mirror.schema
	for _, n := range c.mirror.nodes {
		lowest = min(lowest, max(n.value.SchemaMax, 1))
	}
	return lowest
}

// schema is the form in which this node writes.
func (c *Controller) schema() int { return min(c.forms.written, c.readByAll()) }

// unreadStates are the services whose state this node cannot read, with the reason.
func (m *mirror) unreadStates() map[string]string {
	var unread map[string]string
	for key, why := range m.bad {
		if prefix, name := split(key); prefix == store.States {
			if unread == nil {
				unread = make(map[string]string)
			}
			unread[name] = why
		}
	}
	return unread
}

// encode writes v as the store keeps it, in the present form. Fields of old that
// this release does not know stay.
func (c *Controller) encode(old []byte, v any) ([]byte, error) { return encodeIn(c.schema(), old, v) }

func encodeIn(schema int, old []byte, v any) ([]byte, error) {
	value, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("cannot encode %T: %w", v, err)
	}
	return inForm(schema, old, value, v)
}

// inForm is value, the JSON of something of record's type, as the store keeps it.
func inForm(schema int, old, value []byte, record any) ([]byte, error) {
	if len(old) > 0 {
		value = store.KeepUnknown(old, value, record)
	}
	return withSchema(value, schema)
}

// withSchema names the form of a value.
func withSchema(value []byte, schema int) ([]byte, error) {
	if schemaOf(value) == schema {
		return value, nil
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(value, &fields); err != nil {
		return nil, fmt.Errorf("cannot name the form of a stored value: %w", err)
	}
	delete(fields, schemaField)
	if schema > 1 {
		fields[schemaField] = json.RawMessage(fmt.Sprint(schema))
	}
	return json.Marshal(fields)
}

// unread is what this node has not taken in: services that do not compile, and
// values that it cannot read, of which it serves the last good form.
func (c *Controller) unread() map[string]string {
	if len(c.mirror.bad) == 0 {
		return c.refused
	}
	all := maps.Clone(c.refused)
	if all == nil {
		all = make(map[string]string)
	}
	for key, why := range c.mirror.bad {
		if len(all) >= maxUnread {
			break
		}
		all[key] = why
	}
	return all
}

// maxUnread bounds what a node announces: it is written whenever a revision is applied.
const maxUnread = 100
