package compile

import "github.com/weirproxy/weir/proxy/route"

// countBuckets returns how many buckets of s lead to a version.
func countBuckets(s *route.Service, version string) int {
	n := 0
	for bucket := range route.Buckets {
		if s.Versions[s.Split.Pick(bucket)].Name == version {
			n++
		}
	}
	return n
}
