package configs

import (
	"net/mail"
	"net/url"
	"path/filepath"
	"strings"
)

// notifierEvents are what a notifier can be told of.
func notifierEvents() []string {
	return []string{"started", "stage", "paused", "resumed", "approval", "waiting", "succeeded", "failed", "rolled_back", "aborted", "observed", "all"}
}

// Bounds of a notifier, which is a document and not a mailing list.
const (
	maxRecipients = 50
	maxNotified   = 1000 // services that a notifier names
)

// Validate returns all problems of n. Paths are canonical and without places:
// Document.Locate adds them.
func (n *Notifier) Validate() Problems {
	r := &report{}
	r.name("name", n.Name)
	targets := 0
	if n.Slack != nil {
		targets++
		r.secret("slack.webhook_url_file", n.Slack.WebhookURLFile, "the file that holds the webhook's URL")
	}
	if n.PagerDuty != nil {
		targets++
		r.secret("pagerduty.routing_key_file", n.PagerDuty.RoutingKeyFile, "the file that holds the routing key")
		if n.PagerDuty.URL != "" {
			r.url("pagerduty.url", n.PagerDuty.URL, "https://events.eu.pagerduty.com")
		}
	}
	if n.Webhook != nil {
		targets++
		r.url("webhook.url", n.Webhook.URL, "https://ci.example.com/hooks/weir")
		if n.Webhook.SecretFile != "" {
			r.secret("webhook.secret_file", n.Webhook.SecretFile, "")
		}
	}
	if n.Email != nil {
		targets++
		n.Email.check(r)
	}
	if n.Tracker != nil {
		targets++
		n.Tracker.check(r)
	}
	if n.Hub != nil {
		targets++
		n.Hub.check(r)
	}
	if targets != 1 {
		r.add("", "write one of slack, email, pagerduty, webhook, tracker or hub", "the notifier has %d targets", targets)
	}
	n.checkOn(r)
	return r.problems
}

// checkOn checks what the notifier is told of.
func (n *Notifier) checkOn(r *report) {
	if n.Tracker != nil {
		if len(n.On) > 0 {
			r.add("on", "remove it; tracker.states says what is told", "a tracker is told of tasks, not of events")
		}
		if len(n.Services) > 0 {
			r.add("services", "write tracker.applications", "tasks are of applications, not of services")
		}
		return
	}
	if n.Hub != nil {
		if len(n.On) > 0 {
			r.add("on", "remove it", "a hub is told of deployments and releases, not of events")
		}
		if len(n.Services) > 0 {
			r.add("services", "write hub.applications", "deployments are of applications, not of services")
		}
		return
	}
	if len(n.On) == 0 {
		r.add("on", "write on: [failed, rolled_back]", "the notifier is told of nothing")
	}
	for i, event := range n.On {
		r.choice(item("on", i), event, notifierEvents()...)
		if event == "" {
			r.add(item("on", i), "write "+oneOf(notifierEvents()), "the event is empty")
		}
	}
	for i, service := range n.Services {
		r.name(item("services", i), service)
	}
	if len(n.Services) > maxNotified {
		r.add("services", "leave it out for all services", "there are %d services, more than %d", len(n.Services), maxNotified)
	}
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
	if len(e.To) > maxRecipients {
		r.add("email.to", "write the address of a mailing list", "there are %d recipients, more than %d", len(e.To), maxRecipients)
	}
	for i, to := range e.To {
		mailbox(item("email.to", i), to)
	}
	r.choice("email.tls", e.TLS, "auto", "starttls", "implicit", "off")
	if e.CAFile != "" {
		r.secret("email.ca_file", e.CAFile, "the file of authorities")
		if e.TLS == "off" {
			r.add("email.tls", "write tls: starttls", "there is a ca_file, and no TLS to use it for")
		}
	}
	switch {
	case e.Username == "" && e.PasswordFile != "":
		r.add("email.username", "write who logs in", "there is a password, and nobody that it is of")
	case e.Username != "":
		r.secret("email.password_file", e.PasswordFile, "the file that holds the password of "+e.Username)
		if e.TLS == "off" {
			r.add("email.tls", "write tls: starttls", "a login needs TLS")
		}
	}
}

// secret checks the name of a file below the folder of secrets. What says what
// it holds, where it is needed.
func (r *report) secret(path, file, what string) {
	switch {
	case file == "":
		r.wanted(path, file, what)
	case !filepath.IsLocal(file) || strings.Contains(file, "\\"):
		r.add(path, "write a path such as secrets/slack; the node's `secrets` names the folder that it lies below", "%q leads out of the folder of secrets", file)
	}
}

// url checks an address of HTTP.
func (r *report) url(path, address, example string) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		r.add(path, "write a URL such as "+example, "%q is not a URL", address)
	case u.User != nil:
		r.add(path, "leave user and password out; documents are no place for secrets", "the URL holds a user")
	}
}

func (r *report) wanted(path, value, what string) {
	if value == "" {
		r.add(path, "write "+what, "it is missing")
	}
}

func (h *HubTarget) check(r *report) {
	r.url("hub.url", h.URL, "https://weir.example.com")
	r.name("hub.cluster", h.Cluster)
	r.secret("hub.secret_file", h.SecretFile, "the file that holds the key shared with the hub")
	for i, name := range h.Applications {
		r.name(item("hub.applications", i), name)
	}
}
