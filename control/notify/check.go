package notify

import "github.com/weirproxy/weir/configs"

// Check says what on this node stands in the way of a notifier, without sending
// anything.
func (s *Sender) Check(n *configs.Notifier) []string {
	var problems []string
	try := func(file string, use func(secret string) error) {
		if file == "" {
			return
		}
		secret, err := s.secrets.Read(file)
		if err == nil {
			err = use(secret)
		}
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	anything := func(string) error { return nil }
	switch {
	case n.Slack != nil:
		try(n.Slack.WebhookURLFile, func(url string) error { return checkURL(n.Slack.WebhookURLFile, url) })
	case n.Email != nil:
		try(n.Email.PasswordFile, anything)
		if file := n.Email.CAFile; file != "" {
			if _, err := s.secrets.Authorities(file); err != nil {
				problems = append(problems, err.Error())
			}
		}
	case n.PagerDuty != nil:
		try(n.PagerDuty.RoutingKeyFile, func(key string) error { return checkRoutingKey(n.PagerDuty.RoutingKeyFile, key) })
	case n.Webhook != nil:
		try(n.Webhook.SecretFile, anything)
	case n.Tracker != nil:
		try(n.Tracker.TokenFile, anything)
	case n.Hub != nil:
		try(n.Hub.SecretFile, anything)
	}
	return problems
}
