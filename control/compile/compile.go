// Package compile turns documents, states and cuts into the table that a node
// routes by. It is pure but for the registries, in which it makes entries for
// endpoints and versions that are new. Every check of the whole happens here.
package compile

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// Source is the document of a service with the revision that wrote it.
type Source struct {
	Document    configs.Service
	ModRevision int64
}

// State is the state of a service with the revision that wrote it.
type State struct {
	Service     rollout.Service
	ModRevision int64
}

// Input is all that a table is made of. Build changes none of it but the
// registries, which must be the same from one Build to the next.
type Input struct {
	// Revision is that of the state which the rest was read at.
	Revision int64

	// Services are the documents by name. A service without one has no route.
	Services map[string]Source

	// Flags are the documents of flags by name. Their states are among States, by
	// configs.FlagService.
	Flags map[string]FlagSource

	// States are by name of the service. A service without one is all on stable.
	States map[string]State

	// Unread are services whose state cannot be read, with the reason. One that is
	// not among States either keeps its last good form, and else has no route.
	Unread map[string]string

	// Cuts are those in etcd and in this node's journal together, in any order.
	// A cut counts wherever it stands: see rollout.Service.Counts.
	Cuts []rollout.Cut

	// Keys sign cookies and salt hashes. Nil: services with a sticky key are refused.
	Keys *route.Keyring

	// Addresses are those that names in endpoints were resolved to. A name that
	// was not yet is dialled as it stands.
	Addresses map[string][]netip.Addr

	Endpoints *upstream.Registry
	Recorders *stats.Registry

	// Last is what the Build before made. Nil: nothing is shared, and a service
	// that does not compile has no last good form.
	Last *Built
}

// Outcome is what Build says besides the table.
type Outcome struct {
	// Refused says, by service, why its present document or state is not what
	// is routed by. Such a service keeps its last good form, if it has one. Never nil.
	Refused map[string]string

	// Built is for the next Build. Never nil.
	Built *Built
}

// Built is a compiled state. Immutable.
type Built struct {
	services map[string]*built
	order    []*built // of their rules
	table    *route.Table
	uniform  []*route.Split // by version index: all buckets are that version's

	flags   map[string]*builtFlag
	carried map[string][]*builtFlag // by service
	serial  int64                   // of the last form of a flag
}

// built is one service as it is routed.
type built struct {
	print   print
	source  Source // what is routed by, which may be older than the present
	state   State
	refused string // why the present form is not routed by; empty: it is

	document  configs.Service // what is routed by, with its defaults
	names     []string        // of its endpoints, to be resolved; in order
	service   *route.Service
	rules     []route.Rule
	previews  []route.Rule // to a version that users have not met
	hidden    bool         // the previews tie with another service's routes
	versions  map[string]configs.Version
	effective map[string]configs.Weight
}

// print tells apart what a service is compiled from. Equal prints and registries
// give equal services.
type print struct {
	source, state int64
	keys          *route.Keyring
	cut           string // names of versions that are cut
	addresses     string // of its names
	flags         string // that its requests carry
}

// Effective returns the weights in force of a service by version, cuts included,
// and nil for a service that is not routed. The map must not be changed.
func (b *Built) Effective(service string) map[string]configs.Weight {
	if s := b.services[service]; s != nil {
		return s.effective
	}
	if name, ok := configs.FlagOf(service); ok && b.flags[name] != nil {
		return b.flags[name].effective
	}
	return nil
}

// Document returns the document that a service is routed by, with its defaults;
// false if it is not routed. It must not be changed.
func (b *Built) Document(service string) (configs.Service, bool) {
	if s := b.services[service]; s != nil {
		return s.document, true
	}
	return configs.Service{}, false
}

// Names returns the names in endpoints of services that are routed, each with the
// shortest interval at which it is to be resolved.
func (b *Built) Names() map[string]time.Duration {
	names := make(map[string]time.Duration)
	for _, s := range b.services {
		interval := s.document.Resolve.Interval.Std()
		for _, name := range s.names {
			if known, ok := names[name]; !ok || interval < known {
				names[name] = interval
			}
		}
	}
	return names
}

// Build compiles a table. What has not changed since Last is shared with it.
//
// A service whose document or state does not compile, or whose routes tie with
// those of a service that changed less recently, keeps its last good form and
// blocks no other. A cut counts in every form.
func Build(in Input) (*route.Table, Outcome) {
	b := &builder{
		Input:   in,
		cuts:    make(map[string][]rollout.Cut),
		built:   &Built{services: make(map[string]*built, len(in.Services))},
		refused: make(map[string]string),
	}
	if in.Last == nil {
		b.Last = &Built{}
	}
	b.built.uniform = slices.Clone(b.Last.uniform)
	for _, c := range in.Cuts {
		b.cuts[c.Rollout] = append(b.cuts[c.Rollout], c)
	}
	b.built.serial = b.Last.serial
	b.compileFlags()
	b.carry()
	for name, source := range in.Services {
		if s := b.form(name, source); s != nil {
			b.built.services[name] = s
		}
	}
	table := b.table()
	for _, name := range sortedKeys(b.built.flags) {
		table.Flags = append(table.Flags, b.built.flags[name].flag)
	}
	b.built.table = table
	return table, Outcome{Refused: b.refused, Built: b.built}
}

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// builder is one Build under way.
type builder struct {
	Input
	cuts    map[string][]rollout.Cut // by rollout
	built   *Built
	refused map[string]string
}

// form returns the service as it is to be routed: in its present form or, if
// that does not compile, in the last good one. Nil: it has none.
func (b *builder) form(name string, source Source) *built {
	last := b.Last.services[name]
	state, ok := b.States[name]
	if why, unread := b.Unread[name]; unread && !ok {
		// What a new service begins with is not what this one has come to.
		return b.lastGood(name, State{}, errors.New(why))
	}
	if !ok {
		state = State{Service: rollout.NewService(source.Document, time.Time{})}
	}
	s, err := b.compile(name, source, state, last)
	if err == nil {
		return s
	}
	return b.lastGood(name, state, err)
}

// lastGood returns the last good document under the present state or, if that
// does not compile either, under the last good state.
func (b *builder) lastGood(name string, state State, why error) *built {
	last := b.Last.services[name]
	b.refused[name] = why.Error()
	if last == nil {
		return nil
	}
	s, err := b.compile(name, last.source, state, last)
	if err != nil {
		s, err = b.compile(name, last.source, last.state, last)
	}
	if err != nil {
		return nil
	}
	// Not the shared one: that may say nothing of a refusal.
	kept := *s
	kept.refused = why.Error()
	return &kept
}

// compile makes a service, or takes it from the last Build if nothing that it is
// made of has changed.
func (b *builder) compile(name string, source Source, state State, last *built) (*built, error) {
	cut := b.cutVersions(state.Service)
	p := print{source: source.ModRevision, state: state.ModRevision, keys: b.Keys, cut: cut.String()}
	_, p.flags = b.flagsOf(name)
	if last != nil {
		p.addresses = b.addressesOf(last.names) // the same names, if the rest is
	}
	if last != nil && last.print == p {
		if last.refused == "" {
			return last, nil
		}
		again := *last // whether it is refused is found out anew
		again.refused, again.hidden = "", false
		return &again, nil
	}
	return b.service(name, source, state, cut, p, last)
}
