package main

// production ramps v1.5 when it has proven itself in staging: one user in ten, then
// as many as people let it.
func (s *story) production() {
	s.ships("production", "v1.5", false, func() {
		s.weir("%s", s.toProduction("v1.5", "@sarah"))
		s.waitsFor("environment")
		s.weir("rollout status shop").says("waiting for environment", "v1.5 has been live in staging for")
		s.stands(`
			         staging  production
			runs     v1.5     v1.4, waiting v1.5
			pending  -        v1.5
			SHOP-11  live     live
			#34      live     merged
			SHOP-12  live     merged
		`)
		s.told(s.slack, `
			Rollout waits: shop v1.5 → production
			…
			<https://ci.example.com/v1.5|View pipeline>
		`)
		s.waitsFor("approval")
		s.stands(`
			         staging  production
			runs     v1.5     v1.4, 10% v1.5
			pending  -        v1.5
			SHOP-11  live     live
			#34      live     10%
			SHOP-12  live     10%
		`)
		s.told(s.slack, `
			Rollout started: shop v1.5 → production
			by @sarah via GitHub Actions
			…
			<https://ci.example.com/v1.5|View pipeline>
		`, `
			Approval wanted: shop v1.5 → production
			by @sarah via GitHub Actions
			…
			<https://ci.example.com/v1.5|View pipeline>
		`)
		s.weir("rollout approve shop --reason 'looks good'")
		s.weir("rollout watch shop").says("succeeded")
	})
	s.stable("v1.5")
	s.told(s.slack, `
		Rollout approved: shop v1.5 → production
		Approved by …: looks good. …
		…
	`, `
		Rollout complete: shop v1.5 → production
		Duration: …s
		…
		<https://ci.example.com/v1.5|View pipeline>
	`)
	s.told(s.tracker, "/tasks/SHOP-12: Canary in production", "/tasks/SHOP-12: In production")
	s.told(s.github, "/repos/example/shop/issues/34/labels: In production")
	s.told(s.pager, "resolve")
	s.weir("release tasks shop").says("SHOP-12")
	s.stands(`
		         staging  production
		runs     v1.5     v1.5
		pending  -        -
		SHOP-11  live     live
		#34      live     live
		SHOP-12  live     live
	`)
	s.delivers()
	s.fill()
}
