package compile

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/route"
	"github.com/weirproxy/weir/proxy/upstream"
)

// names are versions in name order.
type names []string

func (n names) String() string { return strings.Join(n, "\x00") }

// cutVersions returns the versions that get nothing under s.
func (b *builder) cutVersions(s rollout.Service) names {
	var cut names
	for _, c := range b.cuts[s.Rollout] {
		if s.Counts(c) && !slices.Contains(cut, c.Version) {
			cut = append(cut, c.Version)
		}
	}
	slices.Sort(cut)
	return cut
}

// service compiles one service.
func (b *builder) service(name string, source Source, state State, cut names, p print, last *built) (*built, error) {
	doc, st := source.Document, state.Service
	doc.SetDefaults()
	if doc.Name != name {
		return nil, fmt.Errorf("cannot route service %q: its document is of service %q", name, doc.Name)
	}
	if problems := doc.Validate(); len(problems) > 0 {
		return nil, fmt.Errorf("cannot route service %q: %w", name, problems)
	}
	merged := st.Merge(doc)
	if err := known(name, st, merged); err != nil {
		return nil, err
	}
	s := &built{
		names: namesOf(merged), print: p, source: source, state: state, document: doc, versions: merged,
		service: &route.Service{
			Name:           name,
			Rollout:        st.Rollout,
			Timeout:        doc.Timeout.Std(),
			IdleTimeout:    doc.IdleTimeout.Std(),
			ConnectTimeout: doc.ConnectTimeout.Std(),
			MaxBody:        doc.MaxBody,
		},
	}
	s.print.addresses = b.addressesOf(s.names)
	s.service.Environment = doc.Environment
	s.service.Flags, _ = b.flagsOf(name)
	s.service.FlagsDraw = slices.ContainsFunc(s.service.Flags, func(f *route.Flag) bool { return f.KeyBy == route.Address && f.Draws() })
	s.service.HostPolicy, s.service.Host = hostPolicy(doc.Host)
	s.service.Protocol = protocol(doc.Protocol)
	var err error
	if s.service.ErrorStatus, err = route.ErrorStatuses(doc.ErrorStatus...); err != nil {
		return nil, fmt.Errorf("cannot route service %q: %w", name, err)
	}
	if s.service.Sticky, err = b.sticky(doc, last); err != nil {
		return nil, err
	}
	order := slices.Sorted(maps.Keys(merged))
	s.service.Stable = slices.Index(order, st.Stable)
	s.service.Versions = b.versions(doc, st, cut, order, merged, last)
	if err := b.split(s, order, cut); err != nil {
		return nil, err
	}
	if s.service.Force, err = b.force(st, s.service, cut); err != nil {
		return nil, err
	}
	s.service.Pins = pins(doc, st, s.service, cut)
	s.service.Mirror = mirror(st, s.service, cut)
	s.service.SetReplays(retry(doc.Retry), doc.Shield, fallback(doc.Fallback, s))
	if err := edges(s, doc); err != nil {
		return nil, fmt.Errorf("cannot route service %q: %w", name, err)
	}
	s.previews = previews(st.Preview, s.rules, s.service)
	route.Prepare(s.rules)
	route.Prepare(s.previews)
	return s, nil
}

// known checks that the service has the versions that its state speaks of.
func known(name string, st rollout.Service, versions map[string]configs.Version) error {
	if len(versions) > route.MaxVersions {
		return fmt.Errorf("cannot route service %q: it has %d versions, more than %d", name, len(versions), route.MaxVersions)
	}
	if err := st.Validate(); err != nil {
		return fmt.Errorf("cannot route service %q: %w", name, err)
	}
	if _, ok := versions[st.Stable]; !ok {
		return fmt.Errorf("cannot route service %q: there is no version %q, which is stable", name, st.Stable)
	}
	if m := st.Mirror; m != nil && m.Share > 0 {
		if _, ok := versions[m.To]; !ok {
			return fmt.Errorf("cannot route service %q: there is no version %q, which requests are copied to", name, m.To)
		}
	}
	for _, version := range slices.Sorted(maps.Keys(st.Weights)) {
		if _, ok := versions[version]; !ok && st.Weights[version] > 0 {
			return fmt.Errorf("cannot route service %q: there is no version %q, which has weight", name, version)
		}
	}
	return nil
}

// versions returns the versions in order. One that is what it was keeps its pool.
func (b *builder) versions(doc configs.Service, st rollout.Service, cut names, order []string, merged map[string]configs.Version, last *built) []*route.Version {
	versions := make([]*route.Version, len(order))
	for i, name := range order {
		v, policy := merged[name], poolPolicy(doc, name == st.Stable)
		admits := admitted(st, cut, name, len(v.Endpoints))
		endpoints, waiting := b.endpoints(doc, name, v.Endpoints[:admits]), b.endpoints(doc, name, v.Endpoints[admits:])
		if last != nil && i < len(last.service.Versions) {
			old := last.service.Versions[i]
			if old.Name == name && old.Revision == v.Revision && old.Pool.Policy() == policy &&
				slices.Equal(old.Pool.Endpoints(), endpoints) && slices.Equal(old.Waiting, waiting) {
				versions[i] = old
				continue
			}
		}
		versions[i] = &route.Version{
			Name: name, Revision: v.Revision, Index: i,
			Pool: upstream.NewPool(endpoints, policy), Recorder: b.Recorders.Recorder(doc.Name, name), Budget: budget(last, name),
			Waiting: waiting,
		}
	}
	return versions
}

// split maps the buckets to versions. The buckets of a version that is cut go to
// stable, and no other bucket moves.
func (b *builder) split(s *built, order []string, cut names) error {
	st := s.state.Service
	labelled, labels, err := st.Split()
	if err != nil {
		return err
	}
	target := make([]uint8, len(labelled)) // label in the state -> version index
	for i, name := range labelled {
		if slices.Contains(cut, name) {
			name = st.Stable
		}
		// A version that has no bucket any more may be gone.
		target[i] = uint8(max(0, slices.Index(order, name)))
	}
	counts := labels.Counts(len(labelled))
	weights := make([]int, len(order))
	for i, n := range counts {
		weights[target[i]] += n
	}
	s.effective = make(map[string]configs.Weight, len(order))
	having := 0
	for i, name := range order {
		s.effective[name] = configs.Weight(weights[i])
		if weights[i] > 0 {
			having++
		}
	}
	s.service.Mixed = having > 1
	if !s.service.Mixed {
		s.service.Split = b.whole(slices.Index(weights, route.Buckets))
		return nil
	}
	mapped := make(route.Labels, route.Buckets)
	for bucket, label := range labels {
		mapped[bucket] = target[label]
	}
	s.service.Split = route.NewSplit(mapped, len(order))
	return nil
}

// whole returns the split that gives everything to one version.
func (b *builder) whole(version int) *route.Split {
	for len(b.built.uniform) <= version {
		labels := make(route.Labels, route.Buckets)
		for bucket := range labels {
			labels[bucket] = uint8(len(b.built.uniform))
		}
		b.built.uniform = append(b.built.uniform, route.NewSplit(labels, len(b.built.uniform)+1))
	}
	return b.built.uniform[version]
}

// sticky compiles the sticky key, and keeps the last one if it is the same.
func (b *builder) sticky(doc configs.Service, last *built) (*route.Sticky, error) {
	if doc.Sticky == nil {
		return nil, nil
	}
	if b.Keys == nil {
		return nil, fmt.Errorf("cannot route service %q: the keys for its sticky key have not been read yet", doc.Name)
	}
	sticky := &route.Sticky{Keys: b.Keys}
	switch doc.Sticky.By {
	case "cookie":
		sticky.By = route.Cookie
		if c := doc.Sticky.Cookie; c != nil {
			sticky.Name, sticky.MaxAge, sticky.Domain, sticky.Path = c.Name, c.MaxAge.Std(), c.Domain, c.Path
		}
	case "header":
		sticky.By, sticky.Name = route.Header, doc.Sticky.Header
	case "query":
		sticky.By, sticky.Name = route.Query, doc.Sticky.Query
	case "address":
		sticky.By = route.Address
	default:
		return nil, fmt.Errorf("cannot route service %q: unknown sticky key %q", doc.Name, doc.Sticky.By)
	}
	if last != nil && last.service.Sticky != nil && *last.service.Sticky == *sticky {
		return last.service.Sticky, nil
	}
	return sticky, nil
}

// protocol is what the endpoints speak. HTTP/1.1 unless the document says otherwise.
func protocol(name string) route.Protocol {
	switch name {
	case "h2c":
		return route.H2C
	case "h2":
		return route.H2
	}
	return route.HTTP1
}

func hostPolicy(host string) (route.HostPolicy, string) {
	switch host {
	case "", "client":
		return route.HostClient, ""
	case "endpoint":
		return route.HostEndpoint, ""
	}
	return route.HostLiteral, host
}
