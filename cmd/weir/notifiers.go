package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
)

func notifierPath(name string) string { return "/v1/notifiers/" + url.PathEscape(name) }

func (c *cli) newNotifyCommand() *cobra.Command {
	test := &cobra.Command{
		Use:   "test NAME",
		Short: "Send a test message to a notifier",
		Long: `test has the node that answers send a message to a notifier, at once, and says
whether it was taken or why not. What is waiting for the notifier stays as it is.

A tracker is sent nothing: test shows the requests that it would be sent, without
their token, for a task of the newest release and each change that it is told of.`,
		Example: `  weir notify test deployments`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			a, err := client.do(cmd.Context(), call{method: http.MethodPost, path: notifierPath(args[0]) + "/test"})
			if err != nil {
				return err
			}
			return c.printResult(a)
		},
	}
	return group("notify", "Try a notifier, see to what could not be told", test, c.newDeadLetters(), c.newResend())
}

func (c *cli) newDeadLetters() *cobra.Command {
	return &cobra.Command{
		Use:   "dead",
		Short: "List what could not be told",
		Long: `dead lists the dead letters: events that a notifier or a hook of a plan refused, or
did not take for a day. They are kept for a week.`,
		Example: `  weir notify dead`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			var dead api.Outbox
			a, err := client.get(cmd.Context(), "/v1/outbox?dead=true", &dead)
			if err != nil {
				return err
			}
			return c.print(a, func(w io.Writer) error { return listDead(w, dead) })
		},
	}
}

func listDead(w io.Writer, dead api.Outbox) error {
	if len(dead.Entries) == 0 {
		fmt.Fprintln(w, "There are no dead letters.")
		return nil
	}
	t := newTable(w, "KEY", "RECIPIENT", "AT", "WHAT", "LAST ERROR").yield("LAST ERROR", "WHAT")
	for _, e := range dead.Entries {
		recipient := "notifier " + e.Recipient
		if e.Hook {
			recipient = "hook " + e.Recipient
		}
		t.row(e.Key, recipient, clock(e.At), e.Text, orDash(e.LastError))
	}
	if err := t.end(); err != nil {
		return err
	}
	if more := dead.Size - len(dead.Entries); more > 0 {
		fmt.Fprintf(w, "and %d more\n", more)
	}
	return nil
}

func (c *cli) newResend() *cobra.Command {
	var all bool
	var recipient string
	cmd := &cobra.Command{
		Use:   "resend KEY | --all",
		Short: "Send dead letters again",
		Long: `resend has a dead letter delivered after all, or all of them, or all of one
notifier or hook, 100 at a time: each is tried for another day. Recipients see
the same key as before.`,
		Example: `  weir notify resend shop-20260312-1401-4c2aq:3:notifier:deployments
  weir notify resend --all --notifier deployments`,
		Args: func(cmd *cobra.Command, args []string) error {
			if all == (len(args) == 1) || len(args) > 1 {
				return errors.New("name one letter, or write --all")
			}
			if recipient != "" && !all {
				return errors.New("--notifier goes with --all")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			path := "/v1/outbox/resend"
			switch {
			case !all:
				path = "/v1/outbox/" + url.PathEscape(args[0]) + "/resend"
			case recipient != "":
				path += "?recipient=" + url.QueryEscape(recipient)
			}
			a, err := client.do(cmd.Context(), call{method: http.MethodPost, path: path})
			if err != nil {
				return err
			}
			return c.printResult(a)
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "all dead letters")
	cmd.Flags().StringVar(&recipient, "notifier", "", "with --all: those of this notifier or hook")
	return cmd
}

func (c *cli) getNotifiers(ctx context.Context, client *client) error {
	var list []api.Notifier
	a, err := client.get(ctx, "/v1/notifiers", &list)
	if err != nil {
		return err
	}
	return c.print(a, func(w io.Writer) error {
		if len(list) == 0 {
			fmt.Fprintln(w, "There are no notifiers. Make one with `weir apply -f FILE`.")
			return nil
		}
		t := newTable(w, "NOTIFIER", "CHANNEL", "ON", "WAITING", "DEAD", "LAST ERROR").yield("LAST ERROR", "ON")
		for _, n := range list {
			t.row(n.Name, orDash(n.Channel), strings.Join(heard(&n.Document), ","), fmt.Sprint(n.Waiting), fmt.Sprint(n.Dead), orDash(n.LastError))
		}
		return t.end()
	})
}

func (c *cli) getNotifier(ctx context.Context, client *client, name string) error {
	var n api.Notifier
	a, err := client.get(ctx, notifierPath(name), &n)
	if err != nil {
		return err
	}
	return c.print(a, func(w io.Writer) error {
		fmt.Fprintf(w, "%s: %s, on %s\n", n.Name, orDash(n.Channel), strings.Join(heard(&n.Document), ", "))
		if len(n.Document.Services) > 0 {
			fmt.Fprintf(w, "of %s\n", strings.Join(n.Document.Services, ", "))
		}
		switch {
		case n.Waiting > 0 && n.Since != nil:
			fmt.Fprintf(w, "%d events wait, the oldest since %s\n", n.Waiting, clock(*n.Since))
		default:
			fmt.Fprintln(w, "everything is told")
		}
		if n.Dead > 0 {
			fmt.Fprintf(w, "%d events were given up\n", n.Dead)
		}
		if n.LastError != "" && n.FailedAt != nil {
			fmt.Fprintf(w, "the last delivery failed at %s: %s\n", clock(*n.FailedAt), n.LastError)
		}
		return nil
	})
}

// heard is what a notifier is told of.
func heard(n *configs.Notifier) []string {
	if n.Hub != nil {
		return []string{"deployments", "releases"}
	}
	if n.Tracker == nil {
		return n.On
	}
	var states []string
	for _, s := range n.Tracker.States {
		if !slices.Contains(states, s.State) {
			states = append(states, s.State)
		}
	}
	return states
}
