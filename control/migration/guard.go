package migration

import (
	"fmt"
	"slices"

	"github.com/weirproxy/weir/configs"
)

// breaks reports whether a version that may be any of as cannot run after r.
func (r *Record) breaks(as []string) bool {
	return slices.ContainsFunc(as, func(v string) bool { return slices.Contains(r.Breaks, v) })
}

// Leave says what stands against a contract, a line a version that it breaks and
// that is in use. Nothing: it may be run.
func Leave(contract *Record, uses []Use) []string {
	var against []string
	for i := range uses {
		if contract.breaks(uses[i].As) {
			against = append(against, uses[i].String())
		}
	}
	return against
}

// Barred says why a version that may be any of as, its own name first, cannot get
// requests any more: one line. Empty: it can.
func Barred(records []Record, as []string) string {
	for i := range records {
		r := &records[i]
		if !r.Bars() || !r.breaks(as) {
			continue
		}
		version, did := as[0], "has dropped"
		if j := slices.IndexFunc(as, func(v string) bool { return slices.Contains(r.Breaks, v) }); j > 0 {
			version = fmt.Sprintf("%s (%s)", as[0], as[j])
		}
		if r.State != Done {
			did = "is dropping"
		}
		return fmt.Sprintf("no way back to %s: migration %s %s what it needs", version, r.Name, did)
	}
	return ""
}

// Missing says what of the migrations that code needs is not done, a line each.
// Nothing: the code may get requests. A contract is none of them, unless it was
// done before: run with the code it would break the version that the code
// replaces, and with it the way back.
func Missing(records []Record, environment string, wanted []string) []string {
	var missing []string
	for _, name := range wanted {
		i := slices.IndexFunc(records, func(r Record) bool { return r.Name == name })
		switch {
		case i < 0:
			missing = append(missing, fmt.Sprintf("migration %q was never told of in %s: run `weir migrate up -f FILE --environment %s`, or tell of it with `weir migrate status --tell`", name, environment, environment))
		case records[i].State == Done:
		case records[i].Phase == configs.PhaseContract:
			missing = append(missing, fmt.Sprintf("migration %q is a contract: never in the same release as code; leave it out, release the code, and run it when nothing needs what it takes away", name))
		default:
			missing = append(missing, fmt.Sprintf("migration %q (%s) is %s in %s, %d of %d steps are done: run `weir migrate up -f FILE --environment %s`",
				name, records[i].Phase, records[i].State, environment, records[i].StepsDone, records[i].Steps, environment))
		}
	}
	return missing
}
