package main

// contract drops the old column: not while a version that needs it could come back,
// and then for good.
func (s *story) contract() {
	s.file("users-email-drop.yaml", `kind: Migration
name: users-email-drop
application: shop
engine: sqlite
phase: contract
needs: [users-email-fill]
breaks: [v1.4, v1.5]
steps:
  - {name: drop-column, sql: ALTER TABLE users DROP COLUMN email}
`)
	s.weir("migrate plan -f users-email-drop.yaml %s", production).says("no way back to v1.4, v1.5", "version v1.5 is kept for undo")
	s.refused("migrate up -f users-email-drop.yaml %s", production).says("--no-way-back")
	s.refused("migrate up -f users-email-drop.yaml %s --no-way-back", production).says("version v1.5 is kept for undo")
	s.holds("shop.db", countEmail, "2500 with email, 2500 with email_new")

	s.say("v1.5 is kept no more")
	s.awaits("v1.5 is kept no more", func() (bool, error) {
		code, out, problem, err := s.nodes[0].CLI(words("migrate plan -f users-email-drop.yaml " + production)...)
		return code == 0 && !said{s, "", out + problem}.has("version v1."), err
	})
	s.weir("migrate up -f users-email-drop.yaml %s --no-way-back", production).says("done")
	s.holds("shop.db", "SELECT group_concat(name, ', ') FROM pragma_table_info('users')", "id, email_new")
	s.weir("get migrations").says("shop/production/users-email-drop")

	s.refused("rollout undo shop").says("v1.5")
	s.refused("rollout start -f to-production.yaml --to v1.5").says("no way back to v1.5: migration users-email-drop has dropped what it needs")
	s.refused("weights shop v1.6.1=50%% v1.5=50%%").says("no way back to v1.5: migration users-email-drop has dropped what it needs")
	s.stable("v1.6.1")
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
}
