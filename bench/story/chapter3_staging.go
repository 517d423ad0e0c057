package main

// staging deploys v1.5 to staging: its tasks are live there, and wait for
// production alone.
func (s *story) staging() {
	s.refused("%s --ready-only", s.toProduction("v1.5", "@sarah")).says("v1.5 is not in staging")
	s.ships("staging", "v1.5", false, func() {
		s.weir("%s", s.toStaging("v1.5", "@sarah")).says("succeeded")
	})
	s.told(s.slack, `
		Rollout started: shop v1.5 → staging
		by @sarah via GitHub Actions
		…
		Service: shop-staging
		<https://ci.example.com/v1.5|View pipeline>
	`, `
		Rollout complete: shop v1.5 → staging
		Duration: …s
		…
		v1.5 is stable now; …
		by @sarah via GitHub Actions
		Service: shop-staging
		<https://ci.example.com/v1.5|View pipeline>
	`)
	s.told(s.tracker, "/tasks/SHOP-12: Canary in staging", "/tasks/SHOP-12: In staging")
	s.told(s.github, "/repos/example/shop/issues/34/labels: In staging")
	s.told(s.pager, "resolve")
	s.weir("release show shop v1.5").says("users of staging are on it")
	s.stands(`
		         staging  production
		runs     v1.5     v1.4
		pending  -        v1.5
		SHOP-11  live     live
		#34      live     merged
		SHOP-12  live     merged
	`)
	s.delivers()
}
