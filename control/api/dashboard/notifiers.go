package dashboard

import (
	"time"

	"github.com/weirproxy/weir/control/api"
)

// notifiersPage shows who is told, and what could not be told.
type notifiersPage struct {
	Now       time.Time
	Notifiers []api.Notifier
	Outbox    []api.Told
	Size      int
	CanAct    bool
	CanResend bool // this weir can send a dead letter again
}

func (d *Dashboard) notifiers(r *request) (content, error) {
	p := &notifiersPage{Now: r.view.At, Size: r.view.OutboxSize, CanAct: r.who.Role >= api.Operator}
	for i := range r.view.Notifiers {
		p.Notifiers = append(p.Notifiers, api.NotifierOf(&r.view.Notifiers[i]))
	}
	for i := range r.view.Outbox {
		p.Outbox = append(p.Outbox, api.ToldOf(&r.view.Outbox[i]))
	}
	return content{title: "Notifiers", data: p}, nil
}
