package route

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/cespare/xxhash/v2"
	"github.com/dchest/siphash"

	"github.com/weirproxy/weir/proxy/stats"
)

// Flag decides which of its variants a user gets. Immutable once in a Table;
// evaluating takes no lock and allocates nothing.
type Flag struct {
	Name string

	// Variants are in the order of their names; all indexes are into them.
	Variants []Variant

	// Default is the variant of everybody while the flag is killed.
	Default int

	// Killed says that a person switched the flag off: no rule counts and nobody is drawn.
	Killed bool

	// Stable is the variant of those whom nothing else gives one.
	Stable int

	// Split draws the variant of those whom no rule gives one. Mixed says that
	// it has more than one: without it no key is needed.
	Split *Split
	Mixed bool

	// Rules are asked in order; the first that holds and draws the user decides.
	Rules []FlagRule

	// KeyBy and KeyName say what users of routed requests are told apart by. An
	// application names them itself.
	KeyBy   By
	KeyName string

	// Rollout is the id of the rollout in force. Empty: none.
	Rollout string

	// Record says that the outcomes of routed requests are counted by variant.
	Record bool

	keys *Keyring
	seed uint64
}

// TargetingKey is the attribute that is the subject's key, by OpenFeature's name.
const TargetingKey = "targetingKey"

// MaxFlags bounds the flags that the requests of one service carry.
const MaxFlags = 16

// Variant is one of the values of a flag.
type Variant struct {
	Name  string
	Value json.RawMessage // of the flag's type; must not be changed

	// Recorder counts the outcomes of requests that had the variant. Never nil.
	Recorder *stats.Recorder

	// piece is `name=variant`, as it is passed on.
	piece string
}

// FlagRule gives its variant to a share of those whom it is about.
type FlagRule struct {
	// Name tells the draw of the rule's users from those of other rules; rules of
	// one name, or of none, are told apart by their order.
	Name string

	Variant int

	All          []Condition // that must be met. Empty: everybody meets them
	Environments []string    // in which it counts. Empty: in all
	From, Until  int64       // unix seconds; 0: no bound

	Share int // basis points of users, drawn by their key; Buckets or more: all of them

	seed uint64
}

// Subject is whom a flag is evaluated for.
type Subject interface {
	// Value returns what the subject carries by a name; nil: nothing.
	Value(by By, name string) []byte

	// FlagKey returns what the subject is told apart by, for a flag whose key is
	// by that name; nil: by nothing.
	FlagKey(by By, name string) []byte
}

// Reason says why a variant was chosen, in OpenFeature's words.
type Reason uint8

// Reasons of an evaluation.
const (
	ReasonStatic   Reason = iota // everybody gets it
	ReasonTargeted               // a rule
	ReasonSplit                  // drawn
	ReasonKilled                 // a person switched the flag off
	ReasonKeyless                // it would be drawn, but the subject has no key
)

// String returns the reason as OpenFeature's specification spells it.
func (r Reason) String() string {
	switch r {
	case ReasonTargeted:
		return "TARGETING_MATCH"
	case ReasonSplit:
		return "SPLIT"
	case ReasonKilled, ReasonKeyless:
		// Not DISABLED: SDKs then give the application's own default in place of
		// the flag's.
		return "DEFAULT"
	}
	return "STATIC"
}

// Evaluation is what a subject gets.
type Evaluation struct {
	Variant int32 // index
	Bucket  int32 // of the split, if it drew; else -1
	Reason  Reason
}

// NewFlag completes f with the keys that draw its users, which a flag that draws
// must have; nil is for one that does not. Its Variants have their recorders.
func NewFlag(f Flag, keys *Keyring) *Flag {
	f.keys, f.seed = keys, xxhash.Sum64String("flag\x00"+f.Name)
	f.Variants, f.Rules = slices.Clone(f.Variants), slices.Clone(f.Rules)
	for i := range f.Variants {
		f.Variants[i].piece = f.Name + "=" + f.Variants[i].Name
	}
	named := make(map[string]int, len(f.Rules))
	for i := range f.Rules {
		r := &f.Rules[i]
		named[r.Name]++
		r.seed = f.seed ^ xxhash.Sum64String("rule\x00"+r.Name+"\x00"+strconv.Itoa(named[r.Name]))
	}
	return &f
}

// Draws reports whether a user's key decides anything, now or later.
func (f *Flag) Draws() bool {
	return f.Mixed || slices.ContainsFunc(f.Rules, func(r FlagRule) bool {
		return r.Share < Buckets || slices.ContainsFunc(r.All, func(c Condition) bool { return c.share < Buckets })
	})
}

// Evaluate gives s its variant in an environment at a time, in unix seconds.
func (f *Flag) Evaluate(s Subject, environment string, unix int64) Evaluation {
	if f.Killed {
		return Evaluation{Variant: int32(f.Default), Bucket: -1, Reason: ReasonKilled}
	}
	for i := range f.Rules {
		if r := &f.Rules[i]; f.holds(r, s, environment, unix) {
			return Evaluation{Variant: int32(r.Variant), Bucket: -1, Reason: ReasonTargeted}
		}
	}
	if !f.Mixed {
		return Evaluation{Variant: int32(f.Split.Pick(0)), Bucket: f.bucketOf(s), Reason: ReasonStatic}
	}
	key := s.FlagKey(f.KeyBy, f.KeyName)
	if len(key) == 0 {
		return Evaluation{Variant: int32(f.Stable), Bucket: -1, Reason: ReasonKeyless}
	}
	bucket := f.draw(key, f.seed)
	return Evaluation{Variant: int32(f.Split.Pick(bucket)), Bucket: int32(bucket), Reason: ReasonSplit}
}

// bucketOf finds the bucket that one user's failures count once by, while a
// rollout gives everybody one variant.
func (f *Flag) bucketOf(s Subject) int32 {
	if f.Rollout == "" || f.keys == nil {
		return -1
	}
	key := s.FlagKey(f.KeyBy, f.KeyName)
	if len(key) == 0 {
		return -1
	}
	return int32(f.draw(key, f.seed))
}

func (f *Flag) draw(key []byte, seed uint64) int {
	return BucketAt(siphash.Hash(f.keys.salt0^seed, f.keys.salt1, key))
}

func (f *Flag) holds(r *FlagRule, s Subject, environment string, unix int64) bool {
	if r.From != 0 && unix < r.From || r.Until != 0 && unix >= r.Until {
		return false
	}
	if len(r.Environments) > 0 && !slices.Contains(r.Environments, environment) {
		return false
	}
	for i := range r.All {
		c := &r.All[i]
		value := s.Value(c.By, c.Name)
		if c.By == Attribute && c.Name == TargetingKey {
			value = s.FlagKey(f.KeyBy, f.KeyName)
		}
		if !c.Met(value) {
			return false
		}
	}
	if r.Share >= Buckets {
		return true
	}
	key := s.FlagKey(f.KeyBy, f.KeyName)
	return len(key) > 0 && f.draw(key, r.seed) < r.Share
}

// AppendPiece appends `name=variant` of an evaluation.
func (f *Flag) AppendPiece(dst []byte, e Evaluation) []byte {
	return append(dst, f.Variants[e.Variant].piece...)
}
