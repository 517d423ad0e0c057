package main

import "time"

// release cuts v1.5 from commits: it waits for both environments, and its tasks
// are merged.
func (s *story) release() {
	s.commit("v1.5", 50*time.Hour, "feat(checkout): one page, behind a flag (SHOP-12)")
	s.commit("v1.5", 30*time.Hour, "fix: prices with tax (#34)")
	s.tag("v1.5")
	s.cut("v1.5", "v1.4").says("shop/v1.5")
	s.weir("release changelog shop v1.5").says("# shop v1.5", "since v1.4",
		"## Features", "**checkout**: one page, behind a flag", "## Fixes", "prices with tax")
	s.weir("release pending shop").says("staging v1.4, production v1.4", "v1.5")
	s.told(s.tracker, "/tasks/SHOP-12: Merged")
	s.stands(`
		         staging  production
		runs     v1.4     v1.4
		pending  v1.5     v1.5
		SHOP-11  live     live
		#34      merged   merged
		SHOP-12  merged   merged
	`)
	s.delivers()
}
