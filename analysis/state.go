package analysis

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/weirproxy/weir/analysis/evidence"
)

// ErrOtherPolicy says that a stored state belongs to a judge of another policy.
// Its evidence proves nothing here.
var ErrOtherPolicy = errors.New("the state was gathered under another policy")

// MarshalJSON gives the whole state, from which UnmarshalJSON goes on as if
// nothing had been between.
func (j *Judge) MarshalJSON() ([]byte, error) {
	data, err := json.Marshal(&j.state)
	if err != nil {
		return nil, fmt.Errorf("cannot encode judge state: %w", err)
	}
	return data, nil
}

// State is what MarshalJSON encodes, for who encodes it as a part of more: a Marshaler
// within another is read and copied at each level. It is the Judge's own, to be
// encoded before the Judge is used again.
func (j *Judge) State() any { return &j.state }

// UnmarshalJSON takes over a state that a judge of the same policy marshalled;
// ErrOtherPolicy if the policies differ. On any error the judge is unchanged.
func (j *Judge) UnmarshalJSON(data []byte) error {
	var s judgeState
	if err := json.Unmarshal(data, &s); err != nil {
		return fmt.Errorf("cannot decode judge state: %w", err)
	}
	if s.Policy != j.state.Policy {
		return fmt.Errorf("cannot take over judge state: %w", ErrOtherPolicy)
	}
	if err := s.check(&j.state); err != nil {
		return fmt.Errorf("cannot take over judge state: %w", err)
	}
	j.state, j.decided = s, false
	return nil
}

// check says whether a decoded state has the shape of like, and values that a
// judge can have reached.
func (s *judgeState) check(like *judgeState) error {
	if c := s.Clusters; !(c.Squares >= 0 && c.Errors >= 0) || c.Block < 0 {
		return errors.New("the clusters are out of range")
	}
	if s.Now < 0 || s.WeightAt < 0 || s.SkipTo < 0 || s.Stage.Index < 0 || s.Health.Failing < NoEndpoint {
		return errors.New("a time or an index is negative")
	}
	if len(s.Rules) != len(like.Rules) {
		return fmt.Errorf("it has %d rules instead of %d", len(s.Rules), len(like.Rules))
	}
	for i := range s.Rules {
		r := &s.Rules[i]
		if len(r.Fast) != len(like.Rules[i].Fast) {
			return fmt.Errorf("rule %d has %d detectors instead of %d", i, len(r.Fast), len(like.Rules[i].Fast))
		}
		if err := r.Slack.Check(); err != nil {
			return fmt.Errorf("rule %d: %w", i, err)
		}
		if len(r.Slacks) > evidence.MaxStrata {
			return fmt.Errorf("rule %d has %d strata, more than %d", i, len(r.Slacks), evidence.MaxStrata)
		}
		for k := range r.Slacks {
			if err := r.Slacks[k].Check(); err != nil {
				return fmt.Errorf("rule %d: %w", i, err)
			}
		}
		if len(r.Clear) != len(like.Rules[i].Clear) {
			return fmt.Errorf("rule %d has %d proofs instead of %d", i, len(r.Clear), len(like.Rules[i].Clear))
		}
		for k := range r.Clear {
			if err := r.Clear[k].Check(); err != nil {
				return fmt.Errorf("rule %d: %w", i, err)
			}
		}
		if r.Slow.Half < 0 || r.Slow.From < 0 || r.Slow.From > len(r.Slow.OpenParts) {
			return fmt.Errorf("rule %d: the window is out of range", i)
		}
		for k := range r.Fast {
			f := &r.Fast[k]
			want := &like.Rules[i].Fast[k]
			if (f.Follower == nil) != (want.Follower == nil) || (f.Strata == nil) != (want.Strata == nil) {
				return fmt.Errorf("rule %d: detector %d is of another kind", i, k)
			}
			if err := f.check(); err != nil {
				return fmt.Errorf("rule %d: %w", i, err)
			}
			if err := r.Fast[k].Recent.check(); err != nil {
				return fmt.Errorf("rule %d: %w", i, err)
			}
		}
	}
	return nil
}

func (r *recent) check() error {
	var sum pair
	for _, p := range r.Slots {
		if !p.Stable.sane() || !p.Candidate.sane() {
			return errors.New("the recent counts are out of range")
		}
		sum.add(p)
	}
	if r.Slot < 0 || sum != r.Sum {
		return errors.New("the recent counts do not add up")
	}
	return nil
}

// fingerprint tells policies apart by what their evidence means. The timeout only
// says how long is waited, and may change under a rollout.
func (p Policy) fingerprint() string {
	p.Timeout = 0
	data, err := json.Marshal(p)
	if err != nil {
		panic("BUG: a policy cannot be encoded: " + err.Error())
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:16])
}
