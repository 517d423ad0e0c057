package main

import "time"

// mended ships v1.6.1, with what v1.6 was to bring. It cannot wait for staging.
func (s *story) mended() {
	s.commit("v1.6.1", time.Hour, "fix(search): answers again (SHOP-14)")
	s.tag("v1.6.1")
	s.cut("v1.6.1", "v1.6")
	s.ships("production", "v1.6.1", false, func() {
		s.weir("%s", s.toProduction("v1.6.1", "@tom"))
		s.waitsFor("environment")
		s.weir("rollout override shop --reason 'customers wait for the search'").says("v1.6.1 is not in staging")
		s.waitsFor("approval")
		s.stands(`
			         staging  production
			runs     v1.6     v1.5, 10% v1.6.1
			pending  v1.6.1   v1.6, v1.6.1
			SHOP-11  live     live
			#34      live     live
			SHOP-12  live     live
			SHOP-13  live     10%
			SHOP-14  merged   10%
		`)
		s.weir("rollout approve shop")
		s.weir("rollout watch shop").says("succeeded")
	})
	s.stable("v1.6.1")
	s.told(s.slack, `
		Rollout waits: shop v1.6.1 → production
		…v1.6.1 is not in staging…
		…
	`, `
		Gone on without what is required: shop v1.6.1 → production
		…customers wait for the search…
		…
	`,
		"Rollout started: shop v1.6.1 → production\n…", "Approval wanted: shop v1.6.1 → production\n…",
		"Rollout approved: shop v1.6.1 → production\n…", "Rollout complete: shop v1.6.1 → production\n…")
	s.ships("staging", "v1.6.1", false, func() { s.weir("%s", s.toStaging("v1.6.1", "@tom")) })
	s.told(s.slack, "Rollout started: shop v1.6.1 → staging\n…", "Rollout complete: shop v1.6.1 → staging\n…")
	s.told(s.pager, "resolve", "resolve")
	s.told(s.tracker, "/tasks/SHOP-14: Merged", "/tasks/SHOP-13: Canary in production", "/tasks/SHOP-14: Canary in production",
		"/tasks/SHOP-13: In production", "/tasks/SHOP-14: In production", "/tasks/SHOP-14: Canary in staging", "/tasks/SHOP-14: In staging")
	s.silent(s.tracker)
	s.silent(s.github)
	s.silent(s.slack)
	s.silent(s.pager)
	s.stands(`
		         staging  production
		runs     v1.6.1   v1.6.1
		pending  -        -
		SHOP-11  live     live
		#34      live     live
		SHOP-12  live     live
		SHOP-13  live     live
		SHOP-14  live     live
	`)
	s.delivers()
	s.weir("release list shop")
	s.weir("release metrics shop")
}
