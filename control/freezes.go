package control

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/control/store"
)

// ApplyFreeze creates or replaces a Freeze.
type ApplyFreeze struct {
	Document configs.Freeze
	IfMatch  int64 // ModRevision of the document; 0: any; -1: it must be absent
	DryRun   bool
	Actor    string
}

// DeleteFreeze ends a Freeze.
type DeleteFreeze struct {
	Name    string
	IfMatch int64
	Actor   string
}

func (ApplyFreeze) command()  {}
func (DeleteFreeze) command() {}

// FreezeView is one Freeze as a person sees it.
type FreezeView struct {
	Document    configs.Freeze
	ModRevision int64
	Active      bool
	Until       time.Time // of one in force; zero: it has no end
	Next        time.Time // of one that is not: when it begins; zero: never again
}

// maxFreezes bounds the Freeze documents of a cluster.
const maxFreezes = 100

// freezeEvery is how often it is looked up which freezes are in force.
const freezeEvery = time.Second

// freezes is what is in force, as of a moment.
type freezes struct {
	at     time.Time
	active []activeFreeze
	shown  []FreezeView
}

type activeFreeze struct {
	doc   configs.Freeze
	until time.Time
}

// frozen returns the freeze that holds a service the longest; nil: none does.
func (c *Controller) frozen(service string, now time.Time) *rollout.Freeze {
	c.lookForFrost(now)
	var longest *rollout.Freeze
	for _, f := range c.frost.active {
		if !f.doc.Covers(service) || !f.until.IsZero() && !now.Before(f.until) {
			continue
		}
		if longest == nil || !longest.Until.IsZero() && (f.until.IsZero() || f.until.After(longest.Until)) {
			longest = &rollout.Freeze{Name: f.doc.Name, Reason: f.doc.Reason, Until: f.until}
		}
	}
	return longest
}

func (c *Controller) lookForFrost(now time.Time) {
	if since := now.Sub(c.frost.at); since < 0 || since >= freezeEvery {
		c.frost = c.mirror.frost(now)
	}
}

func (m *mirror) frost(now time.Time) freezes {
	f := freezes{at: now}
	for _, name := range slices.Sorted(maps.Keys(m.freezes)) {
		doc := m.freezes[name].value
		v := FreezeView{Document: doc, ModRevision: m.freezes[name].mod}
		if v.Until, v.Active = doc.Active(now); v.Active {
			f.active = append(f.active, activeFreeze{doc, v.Until})
		} else {
			v.Until = time.Time{}
			v.Next, _ = doc.Next(now)
		}
		f.shown = append(f.shown, v)
	}
	return f
}

// unfrozen refuses a change by hand that gives a candidate more in a freeze.
func (c *Controller) unfrozen(service string, before, after map[string]configs.Weight, stable string, now time.Time) error {
	f := c.frozen(service, now)
	if f == nil {
		return nil
	}
	for version, weight := range after {
		if version != stable && weight > before[version] {
			return refuse(Conflict, "wait for its end, or delete it; weights may fall meanwhile", "%s of %q cannot rise: %s", version, service, f)
		}
	}
	return nil
}

// showFreezes returns what a View shows. The slice must not be changed.
func (c *Controller) showFreezes(now time.Time) []FreezeView {
	c.lookForFrost(now)
	return c.frost.shown
}

func (c *Controller) freezeDocuments() documents[configs.Freeze] {
	return documents[configs.Freeze]{"freeze", "freezes", maxFreezes, store.FreezeKey, c.mirror.freezes}
}

func (c *Controller) planApplyFreeze(cmd ApplyFreeze, now time.Time) (plan, error) {
	doc := cmd.Document
	if problems := doc.Validate(); len(problems) > 0 {
		return plan{}, &Error{Kind: Invalid, Text: fmt.Sprintf("freeze %q cannot be used", doc.Name), Problems: texts(problems)}
	}
	until, active := doc.Active(now)
	if !active && doc.Schedule == nil {
		return plan{}, refuse(Invalid, "write a later time", "freeze %q would be over already: until %s", doc.Name, doc.Until)
	}
	p, err := planPut(c, c.freezeDocuments(), putting[configs.Freeze]{doc.Name, doc, cmd.IfMatch, cmd.DryRun, cmd.Actor}, now)
	if active {
		p.reply.Text += "; in force now: " + rollout.Freeze{Name: doc.Name, Reason: doc.Reason, Until: until}.String()
	}
	return p, err
}

// Freeze returns the freeze of that name.
func (v *View) Freeze(name string) (*FreezeView, bool) {
	for i := range v.Freezes {
		if v.Freezes[i].Document.Name == name {
			return &v.Freezes[i], true
		}
	}
	return nil, false
}
