package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/control/api"
)

func notifierPath(name string) string { return "/v1/notifiers/" + url.PathEscape(name) }

func (c *cli) newNotifyCommand() *cobra.Command {
	test := &cobra.Command{
		Use:   "test NAME",
		Short: "Send a test message to a notifier",
		Long: `test has the node that answers send a message to a notifier, at once, and says
whether it was taken or why not. What is waiting for the notifier stays as it is.`,
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
	return group("notify", "Try a notifier", test)
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
			t.row(n.Name, orDash(n.Channel), strings.Join(n.Document.On, ","), fmt.Sprint(n.Waiting), fmt.Sprint(n.Dead), orDash(n.LastError))
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
		fmt.Fprintf(w, "%s: %s, on %s\n", n.Name, orDash(n.Channel), strings.Join(n.Document.On, ", "))
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
