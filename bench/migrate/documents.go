package main

// The documents of the recipe, with shorter timeouts: in expand a trigger keeps both
// columns the same, so that a version reads what any other wrote.
const (
	expandDocument = `kind: Migration
name: users-email-expand
application: shop
engine: postgres
phase: expand
lock_timeout: 200ms
statement_timeout: 10s
steps:
  - name: add-column
    sql: ALTER TABLE users ADD COLUMN email_new text
  - name: sync
    sql: |
      CREATE FUNCTION users_email_sync() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN
        IF TG_OP = 'INSERT' THEN
          NEW.email_new := coalesce(NEW.email_new, NEW.email);
          NEW.email := coalesce(NEW.email, NEW.email_new);
        ELSIF NEW.email_new IS DISTINCT FROM OLD.email_new THEN
          NEW.email := NEW.email_new;
        ELSE
          NEW.email_new := NEW.email;
        END IF;
        RETURN NEW;
      END $$
  - name: sync-rows
    sql: CREATE TRIGGER users_email_sync BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION users_email_sync()
`
	fillDocument = `kind: Migration
name: users-email-fill
application: shop
engine: postgres
phase: migrate
needs: [users-email-expand]
lock_timeout: 200ms
steps:
  - name: fill
    sql: UPDATE users SET email_new = email WHERE id IN (SELECT id FROM users WHERE email_new IS NULL LIMIT {size})
    batch: {size: 250, pause: 10ms}
`
	contractDocument = `kind: Migration
name: users-email-contract
application: shop
engine: postgres
phase: contract
needs: [users-email-fill]
breaks: [v1.4, v1.5]
lock_timeout: 200ms
steps:
  - name: allow-none
    sql: ALTER TABLE users ALTER COLUMN email DROP NOT NULL
  - name: no-sync-rows
    sql: DROP TRIGGER users_email_sync ON users
  - name: no-sync
    sql: DROP FUNCTION users_email_sync()
  - name: drop-column
    sql: ALTER TABLE users DROP COLUMN email
  - name: require
    sql: ALTER TABLE users ALTER COLUMN email_new SET NOT NULL
`
	serviceDocument = `kind: Service
name: shop
routes: [{path: /}]
stable: v1.4
versions:
  v1.4: {endpoints: ["%s"]}
  v1.5: {endpoints: ["%s"]}
  v1.6: {endpoints: ["%s"]}
`
	rolloutDocument = `kind: Rollout
service: shop
to: %s
migrations: [%s]
strategy: canary
stages: [{weight: 50%%, duration: 1h}, {weight: 100%%}]
keep_previous: 1s
`
)
