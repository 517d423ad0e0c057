package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/control/api"
)

func (c *cli) newGetCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "get services|rollouts|nodes|notifiers|freezes|flags|migrations [NAME]",
		Short: "Show services, rollouts, nodes, notifiers, freezes, flags or migrations",
		Long: `get shows what there is, or one of it in detail. -o json is what the API
answers; its names are stable.`,
		Example: `  weir get services
  weir get services shop
  weir get rollouts -o json
  weir get nodes`,
		Args:      cobra.RangeArgs(1, 2),
		ValidArgs: []string{"services", "rollouts", "nodes", "notifiers", "freezes", "flags", "migrations"},
		RunE: func(cmd *cobra.Command, args []string) error {
			kind, err := kindOf(args[0])
			if err != nil {
				return err
			}
			client, err := c.client()
			if err != nil {
				return err
			}
			name := ""
			if len(args) > 1 {
				name = args[1]
			}
			return c.get(cmd.Context(), client, kind, name)
		},
	}
}

func kinds() []string {
	return []string{"services", "rollouts", "nodes", "notifiers", "freezes", "flags", "migrations"}
}

// kindOf takes a kind in the singular or the plural.
func kindOf(s string) (string, error) {
	for _, kind := range kinds() {
		if strings.EqualFold(s, kind) || strings.EqualFold(s, strings.TrimSuffix(kind, "s")) {
			return kind, nil
		}
	}
	return "", usagef("there is no kind %q; write %s", s, strings.Join(kinds(), ", "))
}

func (c *cli) get(ctx context.Context, client *client, kind, name string) error {
	switch {
	case kind == "services" && name == "":
		return c.getServices(ctx, client)
	case kind == "services":
		return c.getService(ctx, client, name)
	case kind == "rollouts" && name == "":
		return c.listRollouts(ctx, client, "")
	case kind == "rollouts":
		return c.rolloutStatus(ctx, client, name)
	case kind == "freezes":
		return c.getFreezes(ctx, client, name)
	case kind == "flags" && name == "":
		return c.getFlags(ctx, client)
	case kind == "flags":
		return c.getFlag(ctx, client, name)
	case kind == "migrations":
		return c.getMigrations(ctx, client, name)
	case kind == "notifiers" && name == "":
		return c.getNotifiers(ctx, client)
	case kind == "notifiers":
		return c.getNotifier(ctx, client, name)
	}
	return c.getNodes(ctx, client, name)
}

func (c *cli) getServices(ctx context.Context, client *client) error {
	var list []api.Service
	a, err := client.get(ctx, "/v1/services", &list)
	if err != nil {
		return err
	}
	return c.print(a, func(w io.Writer) error {
		if len(list) == 0 {
			fmt.Fprintln(w, "There are no services. Make one with `weir apply -f FILE`.")
			return nil
		}
		t := newTable(w, "SERVICE", "STABLE", "WEIGHTS", "ENDPOINTS UP", "RPS", "ERRORS", "ROLLOUT").yield("ENDPOINTS UP", "WEIGHTS")
		for _, s := range list {
			up, all, rps, errors := totals(s.Versions)
			t.row(s.Name, s.Stable, weightsText(s.Weights), fmt.Sprintf("%d/%d", up, all),
				fmt.Sprintf("%.0f", rps), percent(errors), orDash(s.Rollout))
		}
		if err := t.end(); err != nil {
			return err
		}
		for _, s := range list {
			writeRefused(w, &s)
		}
		return nil
	})
}

// totals adds up a service's versions; errors is a share of the requests.
func totals(versions []api.Version) (up, all int, rps, errors float64) {
	for _, v := range versions {
		for _, e := range v.Endpoints {
			all++
			if e.Up {
				up++
			}
		}
		rps += v.RPS
		errors += v.RPS * v.ErrorRate
	}
	if rps > 0 {
		errors /= rps
	}
	return up, all, rps, errors
}

func writeRefused(w io.Writer, s *api.Service) {
	if s.Refused != "" {
		fmt.Fprintf(w, "warning: the document of %s is not in use, its last good form is: %s\n", s.Name, s.Refused)
	}
}

func (c *cli) getService(ctx context.Context, client *client, name string) error {
	var s api.Service
	a, err := client.get(ctx, servicePath(name), &s)
	if err != nil {
		return err
	}
	return c.print(a, func(w io.Writer) error {
		fmt.Fprintf(w, "%s: stable %s, %s\n", s.Name, s.Stable, weightsText(s.Weights))
		if s.Rollout != "" {
			fmt.Fprintf(w, "rollout %s is in force; `weir rollout status %s` shows it\n", s.Rollout, s.Name)
		}
		if s.Previous != "" && s.KeepUntil != nil {
			fmt.Fprintf(w, "%s is kept until %s for `weir rollout undo %s`\n", s.Previous, clock(*s.KeepUntil), s.Name)
		}
		writeRefused(w, &s)
		fmt.Fprintln(w)
		t := newTable(w, "VERSION", "ROLE", "WEIGHT", "ENDPOINTS", "RPS", "ERRORS", "P50", "P99", "REVISION").yield("REVISION", "ENDPOINTS", "P50")
		for _, v := range s.Versions {
			t.row(v.Name, v.Role, v.Weight.String(), endpointsText(v.Endpoints), fmt.Sprintf("%.0f", v.RPS),
				percent(v.ErrorRate), millis(v.P50), millis(v.P99), orDash(v.Revision))
		}
		return t.end()
	})
}

// endpointsText lists addresses; those that are not simply up say what they are.
func endpointsText(endpoints []api.Endpoint) string {
	parts := make([]string, 0, len(endpoints))
	for _, e := range endpoints {
		var notes []string
		if e.Name != "" {
			notes = append(notes, e.Name)
		}
		switch {
		case e.Until != nil:
			notes = append(notes, fmt.Sprintf("%s for %s", e.State, span(time.Until(*e.Until))))
		case e.State != "up":
			notes = append(notes, e.State)
		}
		text := e.Address
		if len(notes) > 0 {
			text += " (" + strings.Join(notes, ", ") + ")"
		}
		parts = append(parts, text)
	}
	return orDash(strings.Join(parts, " "))
}

func (c *cli) getNodes(ctx context.Context, client *client, name string) error {
	var list []api.Node
	a, err := client.get(ctx, "/v1/nodes", &list)
	if err != nil {
		return err
	}
	if name != "" {
		i := slices.IndexFunc(list, func(n api.Node) bool { return n.Name == name })
		if i < 0 {
			return fmt.Errorf("there is no node %q\n  hint: %s", name, client.near(ctx, "nodes", name, ""))
		}
		if c.output != "table" {
			return c.printValue(list[i])
		}
		list = list[i : i+1]
	}
	return c.print(a, func(w io.Writer) error {
		t := newTable(w, "NODE", "VERSION", "REVISION", "SEEN", "NOTES").yield("NOTES", "VERSION")
		for _, n := range list {
			t.row(n.Name, n.Version, fmt.Sprint(n.Revision), ago(n.SeenAt), orDash(nodeNotes(&n)))
		}
		return t.end()
	})
}

func nodeNotes(n *api.Node) string {
	var notes []string
	if n.Leader {
		notes = append(notes, "leads")
	}
	if n.Self {
		notes = append(notes, "answered this")
	}
	if n.Silent {
		notes = append(notes, "SILENT: has not applied the present state, rollouts do not wait for it")
	}
	for service, why := range n.Refused {
		notes = append(notes, fmt.Sprintf("refuses %s: %s", service, why))
	}
	slices.Sort(notes)
	return strings.Join(notes, ", ")
}
