package dashboard

import (
	"fmt"
	"slices"
	"strings"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/rollout"
)

// verb is what a person can do to a rollout, and what will happen then.
type verb struct {
	Name, Title, Effect string
	Tone                string // main: what people came for; grave: it takes traffic away; else empty
	Full                bool   // it can go to the end at once
	Versioned           bool   // refused if the rollout changed since this page was made
}

// verbsOf are the verbs that a rollout takes now, the gravest last.
func verbsOf(r *api.Rollout) []verb {
	var out []verb
	for _, name := range []string{"approve", "override", "promote", "resume", "pause", "retry", "undo", "abort"} {
		if !slices.Contains(r.Allowed, name) || name == "undo" && slices.Contains(r.Allowed, "abort") {
			continue // until it is over, undo is another word for abort
		}
		v := verb{Name: name, Title: title(name), Effect: effectOf(name, r), Versioned: name != "abort"}
		switch name {
		case "abort", "undo":
			v.Tone = "grave"
		case "approve", "resume":
			v.Tone = "main"
		case "promote":
			v.Full = r.Stage+1 < r.Stages && r.Phase != rollout.Baking
		}
		out = append(out, v)
	}
	return out
}

func title(verb string) string { return string(verb[0]-'a'+'A') + verb[1:] }

// effectOf says what a verb will do to the users of a service.
func effectOf(verb string, r *api.Rollout) string {
	share := r.Weights[r.To]
	switch verb {
	case "approve":
		return "You agree to what it waits for, and it goes on as soon as everybody has whom the plan asks. " + sentence(r.Reason)
	case "override":
		return "For when it cannot wait: it goes on without what other environments lack, and the trail keeps your reason with it. " + missing(r)
	case "promote":
		return promotion(r)
	case "resume":
		if share == 0 && r.Stage >= 0 {
			return fmt.Sprintf("%s gets its traffic back, and is judged anew.", r.To)
		}
		return "It goes on from where it stood. Stage time counts again."
	case "pause":
		return fmt.Sprintf("The weights stay as they are (%s has %s) and stage time stands still. The judge goes on: if %s is proven worse, its traffic is put back.", r.To, share, r.To)
	case "retry":
		return fmt.Sprintf("The same plan starts again from its first stage, as a new rollout of %s.", r.To)
	case "undo":
		return fmt.Sprintf("%s becomes the stable version of %s again, with all traffic, at once.", r.From, r.Service)
	}
	switch {
	case share == 0:
		return fmt.Sprintf("No user is on %s. The rollout ends, and %s stays the stable version of %s.", r.To, r.From, r.Service)
	case r.Plan != nil && r.Plan.Abort.Ramp > 0:
		return fmt.Sprintf("All traffic of %s goes back to %s, in steps over %s; %s has %s of it now. A second abort ends it at once.",
			r.Service, r.From, span(r.Plan.Abort.Ramp.Std()), r.To, share)
	}
	return fmt.Sprintf("All traffic of %s goes back to %s at once; %s has %s of it now.", r.Service, r.From, r.To, share)
}

// missing is all that gates wait for.
func missing(r *api.Rollout) string {
	var text []string
	for _, one := range r.Missing {
		text = append(text, sentence(one))
	}
	return strings.Join(text, " ")
}

// promotion says where the next step leads.
func promotion(r *api.Rollout) string {
	next := r.Stage + 1
	if r.Phase == rollout.Baking || r.Plan == nil || next >= len(r.Plan.Stages) || r.Strategy == configs.StrategyManual {
		return fmt.Sprintf("%s becomes the stable version of %s, with all traffic, whatever time and evidence say.", r.To, r.Service)
	}
	return fmt.Sprintf("Stage %d of %d begins now, whatever time and evidence say: %s gets %s. The judge goes on.",
		next+1, len(r.Plan.Stages), r.To, whatOf(r.Plan.Stages, next))
}
