package control

import (
	"bytes"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/compile"
	"github.com/weirproxy/weir/control/migration"
	"github.com/weirproxy/weir/control/notify"
	"github.com/weirproxy/weir/control/release"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
	"github.com/weirproxy/weir/proxy/route"
)

// mirror is the state as the store has it, decoded. What cannot be decoded
// keeps its last good value and is named in bad.
type mirror struct {
	schema   int   // the newest form of values that is read
	revision int64 // of the last update
	relevant int64 // of the last update that changed what a node serves
	source   store.Source

	services map[string]entry[configs.Service]
	states   map[string]entry[rollout.Service]
	sources  map[string]compile.Source // services and states once more, as they are
	splits   map[string]compile.State  // compiled from
	rollouts map[string]entry[rollout.State]
	evidence map[string]entry[evidence]
	cuts     map[string]map[string]entry[rollout.Cut] // by rollout and node
	nodes    map[string]entry[nodeRecord]
	tallies  map[string]tally
	audit    map[string]entry[AuditView]
	leader   string

	notifiers  map[string]entry[configs.Notifier]
	freezes    map[string]entry[configs.Freeze]
	flags      map[string]entry[configs.Flag]    // each stands among services as well
	kills      map[string]entry[Kill]            // by flag
	releases   map[string]entry[configs.Release] // by application/version
	deploys    map[string]entry[release.Deployment]
	migrations map[string]entry[migration.Record] // by application/environment/name
	queued     map[string]bool                    // rollouts that wait for another
	outbox     map[string]entry[notify.Entry]     // by the key below outbox/
	queues     map[string][]string                // keys of what is still to be delivered, by queue, in order

	keys       *route.Keyring
	rawKeys    []byte
	keysMod    int64 // ModRevision of what keys was read from
	keysStored bool  // etcd has a value of keys/cookie, readable or not

	bad map[string]string // key -> why its value cannot be read

	names  []string       // what serviceNames returns; nil: to be found
	newest []string       // what newestFirst returns; nil: to be found
	told   []string       // what auditKeys returns; nil: to be found
	trail  []AuditView    // what newestAudit returns; nil: to be found
	shown  []notify.Entry // what shownOutbox returns; nil: to be found
	dead   []notify.Entry // what shownDead returns; nil: to be found
	listed []NotifierView // what listNotifiers returns; nil: to be found
	cut    *shipped       // what listShipped returns; nil: to be found
	board  *release.Board // what whereabouts returns; nil: to be found

	migrated []MigrationView // what listMigrations returns; nil: to be found
}

// nodeRecord is the value of nodes/<node>.
type nodeRecord struct {
	Boot      string            `json:"boot"`
	Version   string            `json:"version"`
	Revision  int64             `json:"revision"`
	Refused   map[string]string `json:"refused,omitempty"`
	SchemaMax int               `json:"schema_max"`
	At        time.Time         `json:"at"`
}

func newMirror() *mirror {
	return &mirror{
		schema:   schemaMax,
		services: make(map[string]entry[configs.Service]),
		states:   make(map[string]entry[rollout.Service]),
		sources:  make(map[string]compile.Source),
		splits:   make(map[string]compile.State),
		rollouts: make(map[string]entry[rollout.State]),
		evidence: make(map[string]entry[evidence]),
		cuts:     make(map[string]map[string]entry[rollout.Cut]),
		nodes:    make(map[string]entry[nodeRecord]),
		tallies:  make(map[string]tally),
		audit:    make(map[string]entry[AuditView]),
		bad:      make(map[string]string),

		notifiers:  make(map[string]entry[configs.Notifier]),
		freezes:    make(map[string]entry[configs.Freeze]),
		flags:      make(map[string]entry[configs.Flag]),
		kills:      make(map[string]entry[Kill]),
		releases:   make(map[string]entry[configs.Release]),
		deploys:    make(map[string]entry[release.Deployment]),
		migrations: make(map[string]entry[migration.Record]),
		outbox:     make(map[string]entry[notify.Entry]),
		queues:     make(map[string][]string),
		queued:     make(map[string]bool),
	}
}

// changes names what an update touched.
type changes struct {
	served   bool     // something that a table is compiled from
	rollouts []string // ids whose state changed, in order
	cuts     []string // ids of rollouts whose cuts changed
	audit    bool
	told     bool // notifiers, freezes or the outbox
}

// apply takes an update in. A full one drops what it does not hold.
func (m *mirror) apply(u store.Update) changes {
	var ch changes
	if u.Full {
		held := make(map[string]bool, len(u.Puts))
		for _, kv := range u.Puts {
			held[kv.Key] = true
		}
		m.keysStored = held[store.CookieKey]
		for _, key := range m.keysHeld() {
			if !held[key] {
				m.drop(key, &ch)
			}
		}
	}
	for _, kv := range u.Puts {
		m.put(kv, &ch)
	}
	for _, key := range u.Deletes {
		m.drop(key, &ch)
	}
	if ch.told {
		m.listed = nil
	}
	if ch.served || ch.told {
		m.board = nil
	}
	m.revision, m.source = u.Revision, u.Source
	if ch.served || u.Full {
		m.relevant = u.Revision
	}
	return ch
}

// put takes a value in. One that is here already changes nothing: a state that
// is read as a whole again costs little.
func (m *mirror) put(kv store.KV, ch *changes) {
	if m.has(kv) {
		delete(m.bad, kv.Key)
		return
	}
	if err := m.readable(kv); err != nil {
		m.bad[kv.Key] = err.Error()
		return
	}
	var err error
	switch prefix, name := split(kv.Key); prefix {
	case store.Services:
		var doc *configs.Service
		if doc, err = configs.DecodeStoredService(kv.Value); err == nil {
			doc.SetDefaults()
			if m.services[name].mod == 0 {
				m.names = nil
			}
			m.services[name] = entry[configs.Service]{value: *doc, raw: kv.Value, mod: kv.ModRevision}
			m.sources[name] = compile.Source{Document: *doc, ModRevision: kv.ModRevision}
			ch.served = true
		}
	case store.States:
		if err = put(m.states, name, kv); err == nil {
			m.splits[name] = compile.State{Service: m.states[name].value, ModRevision: kv.ModRevision}
		}
		ch.served = true
	case store.Rollouts:
		was, known := m.rollouts[name]
		err = put(m.rollouts, name, kv)
		m.requeue(name)
		if !known || !was.value.StartedAt.Equal(m.rollouts[name].value.StartedAt) {
			m.newest = nil
		}
		ch.rollouts = append(ch.rollouts, name)
		ch.served = true
	case store.Evidences:
		err = put(m.evidence, name, kv)
	case store.Nodes:
		err = put(m.nodes, name, kv)
	case store.Tallies:
		var t tally
		if t, err = decodeTally(kv.Value); err == nil {
			m.tallies[name] = t
		}
	case store.Audit:
		err = m.putAudit(name, kv)
		ch.audit = true
	case store.Notifiers:
		err = putDocument(m.notifiers, name, kv, configs.DecodeStoredNotifier)
		ch.told = true
	case store.Freezes:
		err = putDocument(m.freezes, name, kv, configs.DecodeStoredFreeze)
		ch.told = true
	case store.Flags:
		if err = putDocument(m.flags, name, kv, configs.DecodeStoredFlag); err == nil {
			flag := m.flags[name]
			m.services[configs.FlagService(name)] = entry[configs.Service]{value: flag.value.Service(), raw: flag.raw, mod: flag.mod}
		}
		ch.served = true
	case store.Releases:
		err = putDocument(m.releases, name, kv, configs.DecodeStoredRelease)
		ch.told, m.cut = true, nil
	case store.Deploys:
		err = put(m.deploys, name, kv)
		ch.told, m.cut = true, nil
	case store.Migrates:
		err = put(m.migrations, name, kv)
		ch.told, m.migrated = true, nil
	case store.Kills:
		err = put(m.kills, name, kv)
		ch.served = true
	case store.Outbox:
		err = m.putOutbox(name, kv)
		ch.told = true
	case store.Cuts:
		id, node, ok := store.CutOf(kv.Key)
		if !ok {
			break
		}
		if m.cuts[id] == nil {
			m.cuts[id] = make(map[string]entry[rollout.Cut])
		}
		err = put(m.cuts[id], node, kv)
		ch.cuts = append(ch.cuts, id)
		ch.served = true
	case store.LeaderKey:
		m.leader = string(kv.Value)
	case store.CookieKey:
		m.keysStored = true
		var keys *route.Keyring
		if keys, err = route.ParseKeyring(kv.Value); err == nil {
			m.keys, m.rawKeys, m.keysMod = keys, kv.Value, kv.ModRevision
			ch.served = true
		}
	}
	if err != nil {
		m.bad[kv.Key] = err.Error()
		return
	}
	delete(m.bad, kv.Key)
}

// has reports whether the very same value was read before.
func (m *mirror) has(kv store.KV) bool {
	switch prefix, name := split(kv.Key); prefix {
	case store.Services:
		return same(m.services[name], kv)
	case store.States:
		return same(m.states[name], kv)
	case store.Rollouts:
		return same(m.rollouts[name], kv)
	case store.Audit:
		return same(m.audit[name], kv)
	case store.Outbox:
		return same(m.outbox[name], kv)
	case store.CookieKey:
		return m.keys != nil && m.keysStored && m.keysMod == kv.ModRevision && bytes.Equal(m.rawKeys, kv.Value)
	}
	return false
}

func (m *mirror) drop(key string, ch *changes) {
	delete(m.bad, key)
	switch prefix, name := split(key); prefix {
	case store.Services:
		delete(m.services, name)
		delete(m.sources, name)
		m.names = nil
		ch.served = true
	case store.States:
		delete(m.states, name)
		delete(m.splits, name)
		ch.served = true
	case store.Rollouts:
		delete(m.rollouts, name)
		m.requeue(name)
		m.newest = nil
		ch.rollouts = append(ch.rollouts, name)
		ch.served = true
	case store.Evidences:
		delete(m.evidence, name)
	case store.Nodes:
		delete(m.nodes, name)
	case store.Tallies:
		delete(m.tallies, name) // what it said was taken; nothing is subtracted
	case store.Audit:
		m.dropAudit(name)
		ch.audit = true
	case store.Notifiers:
		delete(m.notifiers, name)
		ch.told = true
	case store.Freezes:
		delete(m.freezes, name)
		ch.told = true
	case store.Flags:
		delete(m.flags, name)
		delete(m.services, configs.FlagService(name))
		ch.served = true
	case store.Releases:
		delete(m.releases, name)
		ch.told, m.cut = true, nil
	case store.Deploys:
		delete(m.deploys, name)
		ch.told, m.cut = true, nil
	case store.Migrates:
		delete(m.migrations, name)
		ch.told, m.migrated = true, nil
	case store.Kills:
		delete(m.kills, name)
		ch.served = true
	case store.Outbox:
		m.dropOutbox(name)
		ch.told = true
	case store.Cuts:
		if id, node, ok := store.CutOf(key); ok {
			delete(m.cuts[id], node)
			if len(m.cuts[id]) == 0 {
				delete(m.cuts, id)
			}
			ch.cuts = append(ch.cuts, id)
			ch.served = true
		}
	case store.LeaderKey:
		m.leader = ""
	case store.CookieKey:
		m.keysStored = false
	}
	// Cookie keys are kept when their key vanishes: without them every sticky
	// client would move.
}
