package notify

import (
	"context"
	"fmt"
	"strings"

	"github.com/weirproxy/weir/configs"
)

// slackMessage is what an incoming webhook of Slack takes: a text for
// notifications on a phone, and an attachment, whose one use is the coloured bar
// beside its blocks. Mattermost and Rocket.Chat read the same text.
// Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
type slackMessage struct {
	Text        string            `json:"text"`
	Attachments []slackAttachment `json:"attachments"`
}

type slackAttachment struct {
	Color    string       `json:"color"`
	Fallback string       `json:"fallback"`
	Blocks   []slackBlock `json:"blocks"`
}

type slackBlock struct {
	Type     string      `json:"type"`
	Text     *slackText  `json:"text,omitempty"`
	Fields   []slackText `json:"fields,omitempty"`
	Elements []slackText `json:"elements,omitempty"`
}

type slackText struct {
	Type string `json:"type"`
	Text string `json:"text"`
}

// Slack's bounds on one section.
const (
	slackSection = 3000
	slackField   = 2000
	slackFields  = 10
)

func (s *Sender) slack(ctx context.Context, t *configs.SlackTarget, e *Entry, m Message) error {
	url, err := s.secrets.Read(t.WebhookURLFile)
	if err != nil {
		return err
	}
	if err := checkURL(t.WebhookURLFile, url); err != nil {
		return err
	}
	return s.post(ctx, url, slackOf(e, m), nil, "")
}

func slackOf(e *Entry, m Message) slackMessage {
	var body strings.Builder
	for _, l := range m.Lines {
		body.WriteString(slackEscape(l) + "\n")
	}
	var links []string
	for _, l := range m.Links {
		links = append(links, fmt.Sprintf("<%s|%s>", slackEscape(l.URL), slackEscape(l.Name)))
	}
	var blocks []slackBlock
	if text := strings.TrimSpace(body.String()); text != "" {
		blocks = append(blocks, slackBlock{Type: "section", Text: mrkdwn(clipped(text, slackSection))})
	}
	fields := slackBlock{Type: "section"}
	for _, f := range m.Facts[:min(len(m.Facts), slackFields)] {
		fields.Fields = append(fields.Fields, *mrkdwn(clipped(fmt.Sprintf("*%s*\n%s", slackEscape(f.Name), slackEscape(f.Value)), slackField)))
	}
	if len(fields.Fields) > 0 {
		blocks = append(blocks, fields)
	}
	if len(links) > 0 {
		blocks = append(blocks, slackBlock{Type: "section", Text: mrkdwn(clipped(strings.Join(links, "   "), slackSection))})
	}
	// Slack knows no key of a message: people tell a duplicate by this line.
	blocks = append(blocks, slackBlock{Type: "context", Elements: []slackText{*mrkdwn("weir · " + slackEscape(e.ID))}})
	title := slackEscape(m.Title)
	return slackMessage{
		Text:        "*" + title + "*",
		Attachments: []slackAttachment{{Color: slackColor(m.Mood), Fallback: title, Blocks: blocks}},
	}
}

func mrkdwn(text string) *slackText { return &slackText{Type: "mrkdwn", Text: text} }

// slackEscape takes their meaning from the three characters that Slack reads as
// its own, so that nobody's reason can ping a channel or hide a link.
func slackEscape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(s)
}

func slackColor(m Mood) string {
	switch m {
	case MoodGood:
		return "#2eb67d"
	case MoodWarning:
		return "#ecb22e"
	case MoodBad:
		return "#e01e5a"
	}
	return "#8d8d8d"
}

// checkURL keeps what is no URL from being called; the error does not show it.
func checkURL(file, url string) error {
	if !isLink(url) {
		return fmt.Errorf("cannot use secret %q: it does not hold an http or https URL", file)
	}
	return nil
}
