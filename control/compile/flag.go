package compile

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/route"
)

// FlagSource is the document of a flag with the revision that wrote it.
type FlagSource struct {
	Document    configs.Flag
	ModRevision int64

	// Killed says that everybody gets the document's default, whatever the state says.
	Killed bool
}

// builtFlag is one flag as it is evaluated.
type builtFlag struct {
	print     flagPrint
	source    FlagSource
	flag      *route.Flag
	services  []string
	effective map[string]configs.Weight
	serial    int64 // differs from that of every other form of the flag
}

// flagPrint tells apart what a flag is compiled from.
type flagPrint struct {
	source, state int64
	keys          *route.Keyring
	cut           string
	killed        bool
}

// compileFlags makes all flags; one that does not compile keeps its last good form.
func (b *builder) compileFlags() {
	b.built.flags = make(map[string]*builtFlag, len(b.Flags))
	for name, source := range b.Flags {
		last, id := b.Last.flags[name], configs.FlagService(name)
		state, ok := b.States[id]
		if why, unread := b.Unread[id]; unread && !ok && last == nil {
			b.refused[id] = why
			continue
		}
		if !ok {
			state = State{Service: rollout.NewService(source.Document.Service(), time.Time{})}
		}
		cut := b.cutVersions(state.Service)
		p := flagPrint{source: source.ModRevision, state: state.ModRevision, keys: b.Keys, cut: cut.String(), killed: source.Killed}
		if last != nil && last.print == p {
			b.built.flags[name] = last
			continue
		}
		f, err := b.flag(name, source, state, cut)
		if err != nil {
			b.refused[id] = err.Error()
			if last == nil {
				continue
			}
			kept := last.source
			kept.Killed = source.Killed // a kill and a cut count in every form
			if f, err = b.flag(name, kept, state, cut); err != nil {
				flag := *last.flag
				flag.Killed = source.Killed
				f = &builtFlag{source: kept, flag: &flag, services: last.services, effective: last.effective}
			}
		}
		f.print, f.serial = p, b.built.serial+1
		b.built.serial++
		b.built.flags[name] = f
	}
}

// flag compiles one flag.
func (b *builder) flag(name string, source FlagSource, state State, cut names) (*builtFlag, error) {
	doc, st := source.Document, state.Service
	doc.SetDefaults()
	if doc.Name != name {
		return nil, fmt.Errorf("cannot use flag %q: its document is of flag %q", name, doc.Name)
	}
	if problems := doc.Validate(); len(problems) > 0 {
		return nil, fmt.Errorf("cannot use flag %q: %w", name, problems)
	}
	id := configs.FlagService(name)
	if err := known(id, st, doc.Service().Versions); err != nil {
		return nil, err
	}
	order := doc.Names()
	drawn := &built{state: state, service: &route.Service{}}
	if err := b.split(drawn, order, cut); err != nil {
		return nil, err
	}
	f := route.Flag{
		Name: name, Default: slices.Index(order, doc.Default), Killed: source.Killed, Stable: slices.Index(order, st.Stable),
		Split: drawn.service.Split, Mixed: drawn.service.Mixed, Rollout: st.Rollout, Record: doc.Record || st.Rollout != "",
		KeyBy: route.Address,
	}
	if k := doc.Key; k != nil {
		f.KeyBy, f.KeyName = place(k.Header, k.Cookie, k.Query)
	}
	for _, variant := range order {
		f.Variants = append(f.Variants, route.Variant{Name: variant, Value: []byte(doc.Variants[variant]), Recorder: b.Recorders.Recorder(id, variant)})
	}
	for _, rule := range doc.Rules {
		f.Rules = append(f.Rules, flagRule(rule, order))
	}
	if b.Keys == nil && f.Draws() {
		return nil, fmt.Errorf("cannot use flag %q: the keys that draw its users have not been read yet", name)
	}
	return &builtFlag{source: source, flag: route.NewFlag(f, b.Keys), services: doc.Services, effective: drawn.effective}, nil
}

func flagRule(rule configs.FlagRule, order []string) route.FlagRule {
	out := route.FlagRule{Name: rule.Name, Variant: slices.Index(order, rule.Variant), Environments: rule.Environments, Share: int(rule.Share)}
	if rule.Share == 0 {
		out.Share = route.Buckets
	}
	for _, c := range rule.When {
		by, name := place(c.Header, c.Cookie, c.Query)
		if c.Attribute != "" {
			by, name = route.Attribute, c.Attribute
		}
		out.All = append(out.All, route.NewCondition(by, name, c.Values, 0, nil, ""))
	}
	out.From, out.Until = unix(rule.From), unix(rule.Until)
	return out
}

// unix reads a time of a valid document; 0: none is written.
func unix(text string) int64 {
	at, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil:
		return 0
	case at.Unix() == 0:
		return -1 // as long ago as the first second of all
	}
	return at.Unix()
}

// place is where a document says that something stands.
func place(header, cookie, query string) (route.By, string) {
	switch {
	case cookie != "":
		return route.Cookie, cookie
	case query != "":
		return route.Query, query
	}
	return route.Header, header
}

// flagsOf returns the flags that a service's requests carry, in the order of
// their names, and a text that tells them apart from any others.
func (b *builder) flagsOf(service string) (flags []*route.Flag, print string) {
	var text strings.Builder
	for _, f := range b.built.carried[service] {
		flags = append(flags, f.flag)
		fmt.Fprintf(&text, "%s@%d ", f.flag.Name, f.serial)
	}
	return flags, text.String()
}

// carry finds out which services carry which flags: of too many for one service
// the last by name are left out, and say so.
func (b *builder) carry() {
	b.built.carried = make(map[string][]*builtFlag)
	for _, name := range sortedKeys(b.built.flags) {
		f := b.built.flags[name]
		for _, service := range f.services {
			if len(b.built.carried[service]) >= route.MaxFlags {
				b.refused[configs.FlagService(name)] = fmt.Sprintf("requests of service %q carry %d flags already, and no more", service, route.MaxFlags)
				continue
			}
			b.built.carried[service] = append(b.built.carried[service], f)
		}
	}
}
