package rollout

import (
	"encoding/json"
	"errors"
	"maps"
	"testing"
)

// FuzzStep_StoredValues feeds Step with values as etcd may hold them, written by
// whoever: it takes them or says what is wrong, and never panics.
func FuzzStep_StoredValues(f *testing.F) {
	all := beginnings(f)
	maps.Copy(all, gateBeginnings(f))
	for _, p := range all {
		f.Add([]byte(mustJSON(f, p.Rollout)), []byte(mustJSON(f, p.Service)))
		for _, h := range append(happenings(p), gateHappenings(p)...) {
			next, _, err := Step(p, h.event, h.elapsed)
			if err == nil && !next.Equal(p) {
				f.Add([]byte(mustJSON(f, next.Rollout)), []byte(mustJSON(f, next.Service)))
			}
		}
	}
	f.Add([]byte(`{"id":"r","service":"s","from":"a","to":"b","phase":"paused"}`), []byte(`{"name":"s"}`))
	f.Fuzz(func(t *testing.T, state, service []byte) {
		var p Pair
		if json.Unmarshal(state, &p.Rollout) != nil || json.Unmarshal(service, &p.Service) != nil {
			return
		}
		if order, labels, err := p.Service.Split(); err == nil && labels.Validate(len(order)) != nil {
			t.Fatalf("the split of %s does not hold: %v", service, labels.Validate(len(order)))
		}
		valid := p.Validate() == nil
		for _, h := range append(happenings(p), gateHappenings(p)...) {
			_, _, err := Step(p, h.event, h.elapsed)
			_, refused := errors.AsType[*Refusal](err)
			if err != nil && !refused && valid {
				t.Fatalf("%s of a valid pair: %v", h.name, err)
			}
			if err == nil && !valid {
				t.Fatalf("%s took a pair that is not valid", h.name)
			}
		}
	})
}
