package analysis

import "time"

const (
	clusterBlock = 30 * time.Second
	// A warning needs so many errors, and a spread of so many times what
	// independent requests would show.
	clusterErrors = 30
	clusterPhi    = 3
)

// clusters measures whether stable's requests fail one by one or together. Stable
// is split into two lanes by its buckets; what all share, an outage say, hits
// both, and their difference shows only failures that go with clients.
type clusters struct {
	Block   int64     `json:"block"` // the open one, counted from the start
	Open    [2]uint64 `json:"open"`
	Squares float64   `json:"squares"` // of the lanes' differences in closed blocks
	Errors  float64   `json:"errors"`  // in closed blocks
}

func (c *clusters) add(at time.Duration, halves [2]uint64) {
	if block := int64((at - 1) / clusterBlock); block > c.Block {
		d := float64(c.Open[0]) - float64(c.Open[1])
		c.Squares += d * d
		c.Errors += float64(c.Open[0] + c.Open[1])
		c.Block, c.Open = block, [2]uint64{}
	}
	for k, n := range halves {
		if n < 1<<40 {
			c.Open[k] += n
		}
	}
}

// phi is about 1 where requests fail independently. It is 0 while too little is
// known.
func (c *clusters) phi() float64 {
	if c.Errors < clusterErrors {
		return 0
	}
	return c.Squares / c.Errors
}

// Phi is how much stable's errors cluster by client: about 1 where requests fail
// independently, 0 while fewer than thirty errors are known. Above 3 the promise
// of the judge rests on counting one bad outcome per bucket, and a person should
// know.
func (j *Judge) Phi() float64 { return j.state.Clusters.phi() }

// clustered reports whether the warning is due.
func (j *Judge) clustered() bool { return j.Phi() > clusterPhi }
