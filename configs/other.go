package configs

// Notifier sends events of rollouts to people or programs, or to a tracker where
// tasks are, or a hub what is deployed. Exactly one of Slack, Email, PagerDuty,
// Webhook, Tracker and Hub is set. Secrets are named by file, one line of
// printable text each, below the `secrets` folder of every node; they are read
// anew for each message and never shown.
type Notifier struct {
	// Name identifies the notifier: lower-case letters, digits and dashes, at most 63.
	Name string `json:"name" yaml:"name"`

	Slack     *SlackTarget     `json:"slack,omitempty" yaml:"slack,omitempty"`
	Email     *EmailTarget     `json:"email,omitempty" yaml:"email,omitempty"`
	PagerDuty *PagerDutyTarget `json:"pagerduty,omitempty" yaml:"pagerduty,omitempty"`
	Webhook   *WebhookTarget   `json:"webhook,omitempty" yaml:"webhook,omitempty"`
	Tracker   *TrackerTarget   `json:"tracker,omitempty" yaml:"tracker,omitempty"`
	Hub       *HubTarget       `json:"hub,omitempty" yaml:"hub,omitempty"`

	// On names the events: `started`, `stage` (a stage or the bake begins, weights
	// change by hand, a rollout starts over), `paused`, `resumed`, `approval` (a
	// person is waited for), `waiting` (an environment that the plan requires is
	// waited for, or a person goes on without it), `succeeded`, `failed` (ended before any user
	// traffic), `rolled_back` (by weir), `aborted` (by a person), `observed` (a
	// trigger with action notify broke), or `all`. At least one. Empty: only for a
	// tracker, whose `states` say it, and a hub, which hears of deployments.
	On []string `json:"on,omitempty" yaml:"on,omitempty"`

	// Services limits the notifier to rollouts of these. Empty: of all.
	Services []string `json:"services,omitempty" yaml:"services,omitempty"`
}

// Channel is how a notifier reaches its people: slack, email, pagerduty, webhook,
// tracker or hub. Empty: by none that this release knows.
func (n *Notifier) Channel() string {
	switch {
	case n.Slack != nil:
		return "slack"
	case n.Email != nil:
		return "email"
	case n.PagerDuty != nil:
		return "pagerduty"
	case n.Webhook != nil:
		return "webhook"
	case n.Tracker != nil:
		return "tracker"
	case n.Hub != nil:
		return "hub"
	}
	return ""
}

// SlackTarget is a Slack incoming webhook.
type SlackTarget struct {
	// WebhookURLFile holds the webhook's URL, which is a secret.
	WebhookURLFile string `json:"webhook_url_file" yaml:"webhook_url_file"`
}

// EmailTarget is an SMTP server and who gets mail from it.
type EmailTarget struct {
	SMTP string   `json:"smtp" yaml:"smtp"` // host:port
	From string   `json:"from" yaml:"from"` // address of the sender
	To   []string `json:"to" yaml:"to"`     // each gets a mail of their own

	// TLS is `auto` (default: STARTTLS if the server offers it), `starttls`
	// (nothing is sent without it), `implicit` (TLS from the first byte, as on
	// port 465) or `off`.
	TLS string `json:"tls,omitempty" yaml:"tls,omitempty"`

	// CAFile holds the authorities, as PEM, that the server's certificate may be
	// signed by, below the `secrets` folder of every node. Empty: the system's.
	CAFile string `json:"ca_file,omitempty" yaml:"ca_file,omitempty"`

	// Username logs in with the password of PasswordFile. Empty: no login.
	Username string `json:"username,omitempty" yaml:"username,omitempty"`

	// PasswordFile holds the password, below the `secrets` folder of every node.
	// It is never sent in clear without TLS. Empty: no login.
	PasswordFile string `json:"password_file,omitempty" yaml:"password_file,omitempty"`
}

// PagerDutyTarget is an integration of PagerDuty's Events API v2. Failures and
// pauses open an alert, one for each rollout; resuming, success and a person's
// abort resolve it, whether or not On names them. Other events are change events.
type PagerDutyTarget struct {
	// RoutingKeyFile holds the integration key: 32 letters and digits.
	RoutingKeyFile string `json:"routing_key_file" yaml:"routing_key_file"`

	// URL is where events are sent. Empty: https://events.pagerduty.com. Europe's
	// service region has https://events.eu.pagerduty.com.
	URL string `json:"url,omitempty" yaml:"url,omitempty"`
}

// WebhookTarget is a signed POST of JSON. The same event carries the same
// `Weir-Key` however often it is sent.
type WebhookTarget struct {
	URL string `json:"url" yaml:"url"` // http or https; redirects are not followed

	// SecretFile holds the key of `Weir-Signature`: `t=<seconds>,v1=<hex>`, the
	// HMAC-SHA256 of the seconds, a full stop and the body. Empty: unsigned.
	SecretFile string `json:"secret_file,omitempty" yaml:"secret_file,omitempty"`
}

// HubTarget is the control API of another weir, which shows the deployments and
// releases of several clusters. What this one deploys or is reported is forwarded
// there; what it was forwarded itself is not.
type HubTarget struct {
	// URL is the hub's control address: https://weir.example.com.
	URL string `json:"url" yaml:"url"`

	// Cluster is what the hub calls this cluster, as its `control.clusters` has it:
	// lower-case letters, digits and dashes, at most 63.
	Cluster string `json:"cluster" yaml:"cluster"`

	// SecretFile holds the key that is shared with the hub, at least 16 characters,
	// below the `secrets` folder of every node. Calls are signed like a webhook's.
	SecretFile string `json:"secret_file" yaml:"secret_file"`

	// Applications limits it to these. Empty: all.
	Applications []string `json:"applications,omitempty" yaml:"applications,omitempty"`
}
