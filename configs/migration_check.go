package configs

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Bounds of one Migration.
const (
	maxSteps     = 100
	maxSQL       = 64 << 10
	maxNeeds     = 100
	maxBatch     = 1_000_000
	maxLockWait  = 10 * time.Minute
	maxStatement = 24 * time.Hour
	maxArguments = 100
)

// Validate returns all problems of m. Paths are canonical and without places:
// Document.Locate adds them.
func (m *Migration) Validate() Problems {
	r := &report{}
	r.wanted("engine", m.Engine, "engine: postgres, mysql or sqlite")
	r.choice("engine", m.Engine, EnginePostgres, EngineMySQL, EngineSQLite)
	m.checkNames(r)
	r.span("lock_timeout", m.LockTimeout, Duration(maxLockWait))
	r.span("statement_timeout", m.StatementTimeout, Duration(maxStatement))
	switch {
	case m.Hook != nil && len(m.Steps) > 0:
		r.add("hook", "write two migrations", "a migration has steps or a hook, not both")
	case m.Hook == nil && len(m.Steps) == 0:
		r.add("steps", "write steps: [{name: add-column, sql: …}], or a hook", "there is nothing to do")
	case len(m.Steps) > maxSteps:
		r.add("steps", "write two migrations", "there are %d steps, more than %d", len(m.Steps), maxSteps)
		return r.problems
	}
	m.checkHook(r)
	for i := range m.Steps {
		m.checkStep(r, i)
	}
	return r.problems
}

// ValidateNames returns the problems of all but what m does to which database: of
// what is told of it elsewhere.
func (m *Migration) ValidateNames() Problems {
	r := &report{}
	m.checkNames(r)
	return r.problems
}

func (m *Migration) checkNames(r *report) {
	r.name("name", m.Name)
	r.name("application", m.Application)
	r.wanted("phase", m.Phase, "phase: expand, migrate or contract")
	r.choice("phase", m.Phase, PhaseExpand, PhaseMigrate, PhaseContract)
	for i, need := range m.Needs {
		r.name(item("needs", i), need)
		switch {
		case need != "" && need == m.Name:
			r.add(item("needs", i), "remove it", "the migration needs itself")
		case slices.Contains(m.Needs[:i], need):
			r.add(item("needs", i), "remove it", "%q stands here twice", need)
		}
	}
	for i, version := range m.Breaks {
		if !isVersionName(version) {
			r.add(item("breaks", i), versionHint, "%q is not a name", version)
		}
		if slices.Contains(m.Breaks[:i], version) {
			r.add(item("breaks", i), "remove it", "%q stands here twice", version)
		}
	}
	if len(m.Needs) > maxNeeds || len(m.Breaks) > maxNeeds {
		r.add("needs", "keep at most 100 of each", "there are %d needs and %d breaks", len(m.Needs), len(m.Breaks))
	}
	switch {
	case m.Phase == PhaseContract && len(m.Breaks) == 0:
		r.add("breaks", "write breaks: [v1.4], or phase: expand if every version can go on", "a contract takes something away, and no version is named that used it")
	case (m.Phase == PhaseExpand || m.Phase == PhaseMigrate) && len(m.Breaks) > 0:
		r.add("breaks", "write phase: contract", "a migration of phase %s breaks no version", m.Phase)
	}
}

func (m *Migration) checkHook(r *report) {
	h := m.Hook
	if h == nil {
		return
	}
	r.span("hook.timeout", h.Timeout, Duration(maxStatement))
	if len(h.Command) == 0 || len(h.Command) > maxArguments || h.Command[0] == "" {
		r.add("hook.command", "write command: [flyway, migrate]", "there is no command of at most %d words", maxArguments)
	}
	for i, word := range h.Command {
		if strings.ContainsRune(word, 0) || len(word) > 4096 {
			r.add(item("hook.command", i), "write at most 4096 characters", "the word is too long or not a text")
		}
	}
}

func (m *Migration) checkStep(r *report, i int) {
	s, at := &m.Steps[i], item("steps", i)
	r.name(field(at, "name"), s.Name)
	if slices.ContainsFunc(m.Steps[:i], func(o MigrationStep) bool { return o.Name == s.Name && s.Name != "" }) {
		r.add(field(at, "name"), "give it another name", "there is another step %q", s.Name)
	}
	r.statement(field(at, "sql"), s.SQL, true)
	r.statement(field(at, "unless"), s.Unless, false)
	r.span(field(at, "statement_timeout"), s.StatementTimeout, Duration(maxStatement))
	if s.OutsideTransaction && m.Engine != EnginePostgres && m.Engine != "" {
		r.add(field(at, "outside_transaction"), "remove it", "%s has no statement that needs it", m.Engine)
	}
	m.checkBatch(r, s, at)
	if m.Phase == PhaseExpand || m.Phase == PhaseMigrate {
		if what := breaking(s.SQL); what != "" {
			r.add(field(at, "sql"), "do it in a migration of phase: contract, which names the versions that it breaks",
				"%s breaks versions that run, and the phase is %s", what, m.Phase)
		}
	}
}

func (m *Migration) checkBatch(r *report, s *MigrationStep, at string) {
	sized := strings.Contains(s.SQL, "{size}")
	b := s.Batch
	if b == nil {
		if sized {
			r.add(field(at, "batch"), "write batch: {size: 1000}", "the statement says {size}, and there is no batch")
		}
		return
	}
	at = field(at, "batch")
	if !sized && s.SQL != "" {
		r.add(at, "write LIMIT {size} where the statement chooses rows", "the statement does not say {size}: one batch would change every row")
	}
	if s.OutsideTransaction {
		r.add(at, "remove outside_transaction", "each batch is a transaction")
	}
	r.within(field(at, "size"), b.Size, 0, maxBatch, "0 for 1000")
	r.span(field(at, "pause"), b.Pause, Duration(time.Hour))
	if b.AtMost < 0 {
		r.add(field(at, "at_most"), "write a number of rows, or 0 for no bound", "%d is not a number of rows", b.AtMost)
	}
}

func (r *report) statement(path, text string, needed bool) {
	switch trimmed := strings.TrimSpace(text); {
	case trimmed == "" && needed:
		r.add(path, "write one statement", "there is no statement")
	case len(text) > maxSQL:
		r.add(path, "write several steps", "the statement is %d bytes long, more than %d", len(text), maxSQL)
	case strings.ContainsRune(text, 0):
		r.add(path, "remove it", "there is a NUL in the statement")
	case regexp.MustCompile(steering).MatchString(trimmed):
		r.add(path, "remove it: every step is a transaction, and each statement a step", "%q steers a transaction", strings.Fields(trimmed)[0])
	}
}

// What statements look like that matter here. This is a net for mistakes, not a
// parser: quoted texts and comments are taken out first, and what it misses is
// as safe as without it.
const (
	steering  = `(?i)^(BEGIN|COMMIT|ROLLBACK|START\s+TRANSACTION|SAVEPOINT)\b`
	quotedSQL = `(?s)'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/`
	dropping  = `(?i)\b(?:DROP\s+(?:TABLE|COLUMN|VIEW|SCHEMA|DATABASE)|TRUNCATE(?:\s+TABLE)?\s+\w+|RENAME\s+(?:TO|COLUMN|TABLE)|SET\s+NOT\s+NULL)\b`
	adding    = `(?is)^ALTER\s+TABLE\b.*\bADD\b`
	notNull   = `(?i)\b(?:IS\s+)?NOT\s+NULL\b`
	filled    = `(?i)\b(?:DEFAULT|GENERATED|AUTO_INCREMENT|SERIAL|IDENTITY)\b`
)

// breaking names what a statement does that a version in use cannot bear, or "".
func breaking(sql string) string {
	sql = strings.TrimSpace(regexp.MustCompile(quotedSQL).ReplaceAllString(sql, " "))
	if found := regexp.MustCompile(dropping).FindString(sql); found != "" {
		return strings.ToUpper(strings.Join(strings.Fields(found), " "))
	}
	if !regexp.MustCompile(adding).MatchString(sql) || regexp.MustCompile(filled).MatchString(sql) {
		return ""
	}
	for _, found := range regexp.MustCompile(notNull).FindAllString(sql, -1) {
		if !strings.EqualFold(found[:2], "IS") {
			return "a new column that is NOT NULL without a DEFAULT"
		}
	}
	return ""
}
