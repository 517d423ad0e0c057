package configs

// Notifier sends events to people. Decoded and validated; sending is later work.
type Notifier struct {
	Name      string           `json:"name" yaml:"name"`
	Slack     *SlackTarget     `json:"slack,omitempty" yaml:"slack,omitempty"`
	Email     *EmailTarget     `json:"email,omitempty" yaml:"email,omitempty"`
	PagerDuty *PagerDutyTarget `json:"pagerduty,omitempty" yaml:"pagerduty,omitempty"`
	Webhook   *WebhookTarget   `json:"webhook,omitempty" yaml:"webhook,omitempty"`
	On        []string         `json:"on" yaml:"on"`
}

// SlackTarget is a Slack incoming webhook.
type SlackTarget struct {
	WebhookURLFile string `json:"webhook_url_file" yaml:"webhook_url_file"`
}

// EmailTarget is an SMTP server and who gets mail from it.
type EmailTarget struct {
	SMTP string   `json:"smtp" yaml:"smtp"`
	From string   `json:"from" yaml:"from"`
	To   []string `json:"to" yaml:"to"`
}

// PagerDutyTarget is an Events v2 integration.
type PagerDutyTarget struct {
	RoutingKeyFile string `json:"routing_key_file" yaml:"routing_key_file"`
}

// WebhookTarget is a signed POST.
type WebhookTarget struct {
	URL        string `json:"url" yaml:"url"`
	SecretFile string `json:"secret_file,omitempty" yaml:"secret_file,omitempty"`
}

// Freeze is a window in which no stage begins. Decoded and validated; holding
// rollouts is later work.
type Freeze struct {
	Name     string         `json:"name" yaml:"name"`
	Schedule FreezeSchedule `json:"schedule" yaml:"schedule"`
}

// FreezeSchedule repeats weekly.
type FreezeSchedule struct {
	Days     []string `json:"days" yaml:"days"` // mon … sun
	From     string   `json:"from" yaml:"from"` // HH:MM
	To       string   `json:"to" yaml:"to"`     // HH:MM, at most 24:00
	TimeZone string   `json:"time_zone,omitempty" yaml:"time_zone,omitempty"`
}
