package configs

import (
	"fmt"
	"net/mail"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// NotifierEvents are what a notifier can be told of.
func notifierEvents() []string {
	return []string{"started", "stage", "paused", "resumed", "approval", "succeeded", "failed", "rolled_back", "aborted", "all"}
}

// Validate returns all problems of n. Paths are canonical and without places:
// Document.Locate adds them.
func (n *Notifier) Validate() Problems {
	r := &report{}
	r.name("name", n.Name)
	targets := 0
	if n.Slack != nil {
		targets++
		r.wanted("slack.webhook_url_file", n.Slack.WebhookURLFile, "the file that holds the webhook's URL")
	}
	if n.PagerDuty != nil {
		targets++
		r.wanted("pagerduty.routing_key_file", n.PagerDuty.RoutingKeyFile, "the file that holds the routing key")
	}
	if n.Webhook != nil {
		targets++
		u, err := url.Parse(n.Webhook.URL)
		if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			r.add("webhook.url", "write a URL such as https://ci.example.com/hooks/weir", "%q is not a URL", n.Webhook.URL)
		}
	}
	if n.Email != nil {
		targets++
		n.Email.check(r)
	}
	if targets != 1 {
		r.add("", "write one of slack, email, pagerduty or webhook", "the notifier has %d targets", targets)
	}
	if len(n.On) == 0 {
		r.add("on", "write on: [failed, rolled_back]", "the notifier is told of nothing")
	}
	for i, event := range n.On {
		r.choice(item("on", i), event, notifierEvents()...)
	}
	return r.problems
}

func (e *EmailTarget) check(r *report) {
	r.address("email.smtp", e.SMTP, false)
	mailbox := func(path, address string) {
		if _, err := mail.ParseAddress(address); err != nil {
			r.add(path, "write an address such as oncall@example.com", "%q is not a mail address", address)
		}
	}
	mailbox("email.from", e.From)
	if len(e.To) == 0 {
		r.add("email.to", "write to: [oncall@example.com]", "nobody gets the mail")
	}
	for i, to := range e.To {
		mailbox(item("email.to", i), to)
	}
}

func (r *report) wanted(path, value, what string) {
	if value == "" {
		r.add(path, "write "+what, "it is missing")
	}
}

// Validate returns all problems of f. Paths are canonical and without places:
// Document.Locate adds them.
func (f *Freeze) Validate() Problems {
	r := &report{}
	r.name("name", f.Name)
	if len(f.Schedule.Days) == 0 {
		r.add("schedule.days", "write days: [fri]", "no day is named")
	}
	for i, day := range f.Schedule.Days {
		r.choice(item("schedule.days", i), day, "mon", "tue", "wed", "thu", "fri", "sat", "sun")
		if day == "" {
			r.add(item("schedule.days", i), "write mon to sun", "the day is empty")
		}
	}
	from, to := r.clock("schedule.from", f.Schedule.From), r.clock("schedule.to", f.Schedule.To)
	if from >= 0 && to >= 0 && from >= to {
		r.add("schedule.to", "write two freezes for one that spans midnight", "the freeze ends at %s, before it begins at %s", f.Schedule.To, f.Schedule.From)
	}
	if zone := f.Schedule.TimeZone; zone != "" {
		if _, err := time.LoadLocation(zone); err != nil || zone == "Local" || strings.HasPrefix(zone, "/") {
			r.add("schedule.time_zone", "write a name such as Europe/Lisbon, or UTC", "there is no time zone %q", zone)
		}
	}
	return r.problems
}

// clock returns the minute of the day of HH:MM, or -1.
func (r *report) clock(path, s string) int {
	if regexp.MustCompile(`^([01][0-9]|2[0-3]):[0-5][0-9]$|^24:00$`).MatchString(s) {
		var hour, minute int
		if _, err := fmt.Sscanf(s, "%d:%d", &hour, &minute); err == nil {
			return hour*60 + minute
		}
	}
	r.add(path, "write a time such as 12:00, quoted", "%q is not a time of day", s)
	return -1
}
