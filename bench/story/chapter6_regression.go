package main

import "time"

// regression ships v1.6, which is well in staging and not in production: it is put
// back by itself.
func (s *story) regression() {
	s.commit("v1.6", 5*time.Hour, "perf(search): half the queries (SHOP-13)")
	s.tag("v1.6")
	s.cut("v1.6", "v1.5")
	s.ships("staging", "v1.6", false, func() { s.weir("%s", s.toStaging("v1.6", "@tom")) })
	s.told(s.slack, "Rollout started: shop v1.6 → staging\n…", "Rollout complete: shop v1.6 → staging\n…")
	s.told(s.pager, "resolve")

	var began time.Time
	s.ships("production", "v1.6", true, func() {
		s.weir("%s", s.toProduction("v1.6", "@tom"))
		s.waitsFor("approval")
		s.say("before anybody approves, v1.6 begins to fail")
		time.Sleep(4 * time.Second) // so that what is restored was away for a time that can be told from none
		began = time.Now()
		s.breaks("production", "v1.6", "errors=0.5")
		s.refused("rollout watch shop").says("rolled_back", "error_rate > 1% is broken")
	})
	s.stable("v1.5")
	s.suffer("a version fails, and is put back", began)
	s.told(s.slack, "Rollout waits: shop v1.6 → production\n…", `
		Rollout started: shop v1.6 → production
		by @tom via GitHub Actions
		…
	`, "Approval wanted: shop v1.6 → production\n…", `
		Rolled back: shop v1.6 → production
		Error: error_rate > 1% is broken: …
		All traffic is back on v1.5.
		…
		by @tom via GitHub Actions
		…
		<https://ci.example.com/v1.6|View pipeline>
	`)
	s.told(s.pager, "trigger …: Rolled back: shop v1.6 → production…")
	s.told(s.tracker, "/tasks/SHOP-13: Merged", "/tasks/SHOP-13: Canary in staging", "/tasks/SHOP-13: In staging",
		"/tasks/SHOP-13: Canary in production", "/tasks/SHOP-13: Rolled back in production")
	s.weir("rollout why shop").says("rolled_back", "error_rate > 1%")
	s.stands(`
		         staging  production
		runs     v1.6     v1.5
		pending  -        v1.6
		SHOP-11  live     live
		#34      live     live
		SHOP-12  live     live
		SHOP-13  live     rolled_back
	`)
	s.delivers()
}
