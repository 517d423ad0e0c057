package lab

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// WeightLog is a version's weight over time, as who changed it knows it: a
// change came into force somewhere between its request and its answer.
type WeightLog struct {
	changes []weightChange
}

type weightChange struct {
	asked, answered time.Time
	weight          float64 // share, 0 to 1
}

// Add records the next change. The first must be answered before the traffic begins.
func (l *WeightLog) Add(asked, answered time.Time, basisPoints int) {
	l.changes = append(l.changes, weightChange{asked, answered, float64(basisPoints) / 10_000})
}

// Drift is how far a version's requests are from what its weights promise.
type Drift struct {
	Requests int
	Sum      float64 // of observed minus weight in force
	Variance float64 // of Sum, if each request is drawn by its weight
}

func (d *Drift) add(hit bool, weight float64) {
	d.Requests++
	d.Sum -= weight
	if hit {
		d.Sum++
	}
	d.Variance += weight * (1 - weight)
}

// Errors is |Sum| in standard errors; 0 without requests.
func (d Drift) Errors() float64 {
	if d.Variance == 0 {
		return 0
	}
	return math.Abs(d.Sum) / math.Sqrt(d.Variance)
}

func (d Drift) String() string {
	return fmt.Sprintf("%+.0f of %d requests, %.2f standard errors", d.Sum, d.Requests, d.Errors())
}

// Drift compares the answered shots with the weights that were in force. sure
// holds those during which no change was under way, so that their weight is
// beyond doubt. all holds every one; its weight is that at the middle of the
// shot, a change being taken at the middle of its own time. What that gets
// wrong adds up to nothing over many changes up and down.
func (l *WeightLog) Drift(version string, shots Shots) (all, sure Drift) {
	for _, s := range shots {
		if s.Fate != Answered || s.Version == "" {
			continue
		}
		hit := s.Version == version
		if weight, ok := l.sure(s.Began, s.Ended); ok {
			sure.add(hit, weight)
		}
		all.add(hit, l.at(s.Began.Add(s.Ended.Sub(s.Began)/2)))
	}
	return all, sure
}

// sure is the weight from began to ended; ok is false if it may have changed.
func (l *WeightLog) sure(began, ended time.Time) (weight float64, ok bool) {
	next, _ := slices.BinarySearchFunc(l.changes, ended, func(c weightChange, t time.Time) int { return c.asked.Compare(t) })
	if next == 0 || l.changes[next-1].answered.After(began) {
		return 0, false
	}
	return l.changes[next-1].weight, true
}

// at is the weight at a moment, changes being taken at their middle.
func (l *WeightLog) at(t time.Time) float64 {
	next, _ := slices.BinarySearchFunc(l.changes, t, func(c weightChange, t time.Time) int {
		return c.asked.Add(c.answered.Sub(c.asked) / 2).Compare(t)
	})
	return l.changes[max(next-1, 0)].weight
}
