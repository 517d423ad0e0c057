package control

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/weirproxy/weir/control/store"
)

// A change that a cut stands against is not told that somebody else was quicker.
func TestBlockedBy_NamesTheCut(t *testing.T) {
	value, err := json.Marshal(cutOf(0))
	if err != nil {
		t.Fatal(err)
	}
	other := store.KV{Key: store.RolloutKey("r1"), Value: []byte("{}")}
	if err := blockedBy([]store.KV{other}); err != nil {
		t.Errorf("without a cut: %v", err)
	}
	err = blockedBy([]store.KV{other, {Key: store.CutKey("r1", "edge-2"), Value: value}})
	if err == nil || !strings.Contains(err.Error(), "edge-2 has cut green of rollout r1") || !strings.Contains(err.Error(), "broken") {
		t.Errorf("with a cut: %v", err)
	}
	if err := blockedBy([]store.KV{{Key: store.CutKey("r1", "edge-2"), Value: []byte("\x01")}}); err != nil {
		t.Errorf("with one that cannot be read: %v", err)
	}
}
