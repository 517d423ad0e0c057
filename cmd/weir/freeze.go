package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
)

func freezePath(name string) string { return "/v1/freezes/" + url.PathEscape(name) }

type freezeFlags struct {
	lasts    time.Duration
	reason   string
	name     string
	services []string
}

func (c *cli) newFreezeCommand() *cobra.Command {
	var f freezeFlags
	cmd := &cobra.Command{
		Use:   "freeze",
		Short: "Let no stage begin and nothing be promoted for a while",
		Long: `freeze makes a freeze that is in force at once: rollouts stay where they are, and
new ones wait. What puts traffic back - the judge, a trigger, an abort, an undo -
never waits for a freeze. ` + "`weir delete freeze NAME`" + ` ends it. Freezes that repeat
weekly are documents: ` + "`weir apply -f FILE`" + `.`,
		Example: `  weir freeze --for 2h --reason "incident 4711"
  weir freeze --for 30m --service shop
  weir delete freeze now`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.freeze(cmd.Context(), f, time.Now()) },
	}
	cmd.Flags().DurationVar(&f.lasts, "for", 0, "how long; without it the freeze lasts until it is deleted")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why; shown wherever a rollout waits for it")
	cmd.Flags().StringVar(&f.name, "name", "now", "name of the freeze, by which it is deleted")
	cmd.Flags().StringArrayVar(&f.services, "service", nil, "only this service; may be given again")
	return cmd
}

func (c *cli) freeze(ctx context.Context, f freezeFlags, now time.Time) error {
	doc := configs.Freeze{Name: f.name, Services: f.services, Reason: f.reason}
	switch {
	case f.lasts < 0:
		return usagef("a freeze cannot last %s", f.lasts)
	case f.lasts > 0:
		doc.Until = now.Add(f.lasts).Round(time.Second).Format(time.RFC3339)
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	a, err := client.do(ctx, call{method: http.MethodPut, path: freezePath(f.name), body: doc})
	if err != nil {
		return err
	}
	return c.printResult(a)
}

func (c *cli) getFreezes(ctx context.Context, client *client, name string) error {
	var list []api.Freeze
	a, err := client.get(ctx, "/v1/freezes", &list)
	if err != nil {
		return err
	}
	if name != "" {
		i := slices.IndexFunc(list, func(f api.Freeze) bool { return f.Name == name })
		if i < 0 {
			return fmt.Errorf("there is no freeze %q\n  hint: %s", name, client.near(ctx, "freezes", name, ""))
		}
		if c.output != "table" {
			return c.printValue(list[i])
		}
		list = list[i : i+1]
	}
	return c.print(a, func(w io.Writer) error {
		if len(list) == 0 {
			fmt.Fprintln(w, "There are no freezes. `weir freeze --for 2h` makes one.")
			return nil
		}
		t := newTable(w, "FREEZE", "NOW", "SERVICES", "WINDOW", "REASON").yield("REASON", "SERVICES", "WINDOW")
		for _, f := range list {
			services := "all"
			if len(f.Document.Services) > 0 {
				services = strings.Join(f.Document.Services, ",")
			}
			t.row(f.Name, freezeNow(&f), services, freezeWindow(&f.Document), orDash(f.Document.Reason))
		}
		return t.end()
	})
}

// freezeNow says what a freeze does now.
func freezeNow(f *api.Freeze) string {
	at := func(t *time.Time) string { return t.Local().Format("2006-01-02 15:04 MST") }
	switch {
	case f.Active && f.Until != nil:
		return "in force until " + at(f.Until)
	case f.Active:
		return "in force"
	case f.Next != nil:
		return "from " + at(f.Next)
	}
	return "over"
}

// freezeWindow is a schedule in one cell.
func freezeWindow(f *configs.Freeze) string {
	s := f.Schedule
	if s == nil {
		return "-"
	}
	zone := s.TimeZone
	if zone == "" {
		zone = "UTC"
	}
	return fmt.Sprintf("%s %s-%s %s", strings.Join(s.Days, ","), s.From, s.To, zone)
}
