package rollout

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/proxy/route"
)

// Split returns the versions that have buckets and the label of each bucket, an
// index into order. Labels are nil if the first of order has all.
//
// Labels that do not fit the weights are made anew from the weights and the
// rollout's id, so that every node comes to the same ones.
func (s Service) Split() (order []string, labels route.Labels, err error) {
	if err := checkWeights(s.Weights); err != nil {
		return nil, nil, fmt.Errorf("cannot split service %q: %w", s.Name, err)
	}
	if whole, ok := whole(s.Weights); ok {
		return []string{whole}, nil, nil
	}
	if s.fits() {
		return s.Order, s.Labels, nil
	}
	fresh := Service{Stable: s.Stable, Weights: map[string]configs.Weight{s.Stable: configs.Whole}}
	fresh, err = fresh.weigh(s.Weights, s.Rollout)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot split service %q: %w", s.Name, err)
	}
	return fresh.Order, fresh.Labels, nil
}

// fits reports whether the labels give each version exactly its weight.
func (s Service) fits() bool {
	if len(s.Labels) != route.Buckets || len(s.Order) == 0 || len(s.Order) > route.MaxVersions {
		return false
	}
	if s.Labels.Validate(len(s.Order)) != nil {
		return false
	}
	counted := make(map[string]configs.Weight, len(s.Order))
	for i, n := range s.Labels.Counts(len(s.Order)) {
		if _, twice := counted[s.Order[i]]; twice {
			return false
		}
		counted[s.Order[i]] = configs.Weight(n)
	}
	return sameWeights(counted, s.Weights)
}

// weigh returns s with the given weights. It moves as few keys as possible; seed
// draws which.
func (s Service) weigh(weights map[string]configs.Weight, seed string) (Service, error) {
	if err := checkWeights(weights); err != nil {
		return s, err
	}
	order, labels := s.labelled(weights)
	s.Weights = maps.Clone(weights)
	if _, ok := whole(weights); ok {
		// Without a mix there is nothing to remember of which keys were where.
		s.Order, s.Labels = nil, nil
		return s, nil
	}
	parts := make([]int, len(order))
	for i, version := range order {
		parts[i] = int(weights[version])
	}
	labels, err := route.Relabel(labels, parts, seed)
	if err != nil {
		return s, err
	}
	s.Order, s.Labels = order, labels
	return s, nil
}

// labelled returns the labels in force under an order that has every version of
// weights. Stable is the first of a fresh order: Relabel nests the shares of
// later versions in earlier ones. Labels that start anew move no key needlessly:
// where one version had everything, any labels of the right counts move as few.
func (s Service) labelled(weights map[string]configs.Weight) ([]string, route.Labels) {
	order, labels := []string{s.Stable}, route.Labels(nil)
	if _, one := whole(s.Weights); !one && s.fits() {
		order, labels = compact(s.Order, s.Labels)
	}
	for _, version := range slices.Sorted(maps.Keys(weights)) {
		if weights[version] > 0 && !slices.Contains(order, version) {
			order = append(order, version)
		}
	}
	return order, labels
}

// compact drops versions that have no bucket any more, but the first.
func compact(order []string, labels route.Labels) ([]string, route.Labels) {
	var kept []string
	number := make([]uint8, len(order))
	for i, n := range labels.Counts(len(order)) {
		if i == 0 || n > 0 {
			number[i] = uint8(len(kept))
			kept = append(kept, order[i])
		}
	}
	if len(kept) == len(order) {
		return kept, labels
	}
	renumbered := make(route.Labels, len(labels))
	for bucket, label := range labels {
		renumbered[bucket] = number[label]
	}
	return kept, renumbered
}

// whole returns the version that has all the weight, if one has.
func whole(weights map[string]configs.Weight) (string, bool) {
	for version, weight := range weights {
		if weight == configs.Whole {
			return version, true
		}
	}
	return "", false
}

// maxWeighted bounds the versions of one split, so that those before and after a
// change have labels together.
const maxWeighted = 64

func checkWeights(weights map[string]configs.Weight) error {
	if len(weights) > maxWeighted {
		return fmt.Errorf("%d versions are more than can have weight at once: at most %d", len(weights), maxWeighted)
	}
	sum := configs.Weight(0)
	for _, version := range slices.Sorted(maps.Keys(weights)) {
		weight := weights[version]
		if version == "" || weight < 0 || weight > configs.Whole {
			return fmt.Errorf("weight %d of version %q is not between 0%% and 100%%", weight, version)
		}
		sum += weight
	}
	if sum != configs.Whole {
		return fmt.Errorf("the weights add up to %s, not 100%%", percent(sum))
	}
	return nil
}

// sameWeights compares without regard to versions that have none.
func sameWeights(a, b map[string]configs.Weight) bool {
	for version, weight := range a {
		if b[version] != weight {
			return false
		}
	}
	for version, weight := range b {
		if a[version] != weight {
			return false
		}
	}
	return true
}

// onTrial returns the versions other than stable that have weight, in name order.
func onTrial(weights map[string]configs.Weight, stable string) []string {
	var names []string
	for _, version := range slices.Sorted(maps.Keys(weights)) {
		if version != stable && weights[version] > 0 {
			names = append(names, version)
		}
	}
	return names
}

// percent writes a weight as people do: 5%, 0.25%.
func percent(w configs.Weight) string {
	text := fmt.Sprintf("%d.%02d", w/100, w%100)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".") + "%"
}

// describe writes weights in name order: blue 95%, green 5%.
func describe(weights map[string]configs.Weight) string {
	var parts []string
	for _, version := range slices.Sorted(maps.Keys(weights)) {
		parts = append(parts, version+" "+percent(weights[version]))
	}
	return strings.Join(parts, ", ")
}
