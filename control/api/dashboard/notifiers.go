package dashboard

import (
	"time"

	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/notify"
)

// notifiersPage shows who is told, and what could not be told.
type notifiersPage struct {
	Now       time.Time
	Notifiers []api.Notifier
	Dead      letters // given up
	Waiting   letters // on their way
	CanAct    bool
}

// letters are events for recipients.
type letters struct {
	Shown []api.Told
	Of    int
}

func (d *Dashboard) notifiers(r *request) (content, error) {
	p := &notifiersPage{Now: r.view.At, CanAct: r.who.Role >= api.Operator}
	for i := range r.view.Notifiers {
		p.Notifiers = append(p.Notifiers, api.NotifierOf(&r.view.Notifiers[i]))
	}
	p.Dead.Of, p.Waiting.Of = r.view.OutboxDead, r.view.OutboxSize-r.view.OutboxDead
	p.Dead.take(r.view.DeadLetters, true)
	p.Waiting.take(r.view.Outbox, false)
	return content{title: "Notifiers", data: p}, nil
}

// lettersShown is how many of each kind the page has.
const lettersShown = 100

func (l *letters) take(entries []notify.Entry, dead bool) {
	for i := range entries {
		if len(l.Shown) < lettersShown && entries[i].Dead == dead {
			l.Shown = append(l.Shown, api.ToldOf(&entries[i]))
		}
	}
}
