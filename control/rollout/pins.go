package rollout

import (
	"strconv"

	"github.com/cespare/xxhash/v2"

	"github.com/weirproxy/weir/configs"
)

// Pins say by what cookies keep clients on the version that they met. They begin
// with a rollout's first weight, and last until the version before is kept no
// longer. What takes the candidate off the split ends them, and with them every
// pin: each client's next request obeys the split.
type Pins struct {
	// Epoch tells these pins from all others, those of other services too: a
	// cookie may be shared.
	Epoch int64 `json:"epoch"`

	// Versions are what the numbers in cookies mean.
	Versions []string `json:"versions"`

	// Since is when the present stage began, in unix seconds. Who was pinned
	// before is no evidence of it.
	Since int64 `json:"since"`
}

// maxEpoch bounds what a cookie holds: 12 digits.
const maxEpoch = 1_000_000_000_000

// pin brings the service's pins in line with its weights.
func (m *machine) pin() {
	r, s := &m.Rollout, &m.Service
	s.Pins = nil
	on := 0
	for _, version := range r.Candidates {
		if s.Weights[version] > 0 {
			on++
		}
	}
	if !r.Pinned || on == 0 || r.Ending != nil {
		return
	}
	seed := s.Name + "/" + r.ID + "/" + strconv.Itoa(r.Generation)
	pins := &Pins{Epoch: 1 + int64(xxhash.Sum64String(seed)%(maxEpoch-1)), Versions: []string{r.From}, Since: m.at.Unix() + 1}
	for _, version := range r.Candidates {
		if s.Weights[version] == 0 {
			version = "" // its clients obey the split
		}
		pins.Versions = append(pins.Versions, version)
	}
	s.Pins = pins
}

// repin begins another epoch: the build that clients were pinned to has gone.
func (m *machine) repin() {
	if m.Service.Pins != nil {
		m.pin()
	}
}

// pins reports whether clients of the service stay on the version they met.
func pins(svc configs.Service) bool {
	return svc.Sticky != nil && svc.Sticky.By == "cookie" && svc.Sticky.Mode == "pin"
}
