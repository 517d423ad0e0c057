package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/release"
)

func (c *cli) newReleasePendingCommand() *cobra.Command {
	var environment string
	cmd := &cobra.Command{
		Use:     "pending [APPLICATION]",
		Short:   "Show what each environment runs, and what waits to be released",
		Long:    "pending shows for each application what its environments run, what is under\nway, and which releases an environment does not have yet.",
		Example: "  weir release pending\n  weir release pending shop --environment staging",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withApplications(cmd.Context(), environment, 30, argument(args), func(w io.Writer, list []api.Application) error {
				t := newTable(w, "APPLICATION", "RUNS", "PENDING FOR "+strings.ToUpper(environment)).yield("RUNS")
				for _, app := range list {
					t.row(app.Name, runs(&app), orDash(strings.Join(app.Pending, ", ")))
				}
				return t.end()
			})
		},
	}
	cmd.Flags().StringVar(&environment, "environment", release.DefaultEnvironment, "for which releases are pending")
	return cmd
}

// runs is what the environments of an application run, in one cell.
func runs(app *api.Application) string {
	parts := make([]string, 0, len(app.Environments))
	for _, e := range app.Environments {
		text := e.Name + " " + orDash(e.Version)
		if e.Candidate != "" {
			text += fmt.Sprintf(" (%s of %s)", e.Weight, e.Candidate)
		}
		parts = append(parts, text)
	}
	return orDash(strings.Join(parts, ", "))
}

func (c *cli) newReleaseTasksCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "tasks APPLICATION",
		Short:   "Show where each task is",
		Long:    "tasks shows for each task of an application's releases whether the\nusers of each environment have it.",
		Example: "  weir release tasks shop",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			var list []release.Task
			a, err := client.get(cmd.Context(), "/v1/applications/"+url.PathEscape(args[0])+"/tasks", &list)
			if err != nil {
				return err
			}
			return c.print(a, func(w io.Writer) error { return writeTasks(w, args[0], list) })
		},
	}
}

// writeTasks writes a column for each environment, production last.
func writeTasks(w io.Writer, application string, list []release.Task) error {
	if len(list) == 0 {
		fmt.Fprintf(w, "No task of %s is known. `weir release create` finds them in commits.\n", application)
		return nil
	}
	environments := slices.SortedFunc(maps.Keys(list[0].Environments), release.CompareEnvironments)
	columns := []string{"TASK", "RELEASE"}
	for _, name := range environments {
		columns = append(columns, strings.ToUpper(name))
	}
	t := newTable(w, append(columns, "TITLE")...).yield("TITLE")
	for _, task := range list {
		row := []string{task.ID, task.Release}
		for _, name := range environments {
			row = append(row, task.Environments[name].Text(name))
		}
		t.row(append(row, orDash(task.Title))...)
	}
	return t.end()
}

func (c *cli) newReleaseDeploymentsCommand() *cobra.Command {
	var environment string
	cmd := &cobra.Command{
		Use:   "deployments [APPLICATION]",
		Short: "Show recent deployments",
		Long: `deployments shows rollouts, and what other systems reported, the newest first:
who brought what where, with what, how long it took and how it ended.`,
		Example: "  weir release deployments\n  weir release deployments shop --environment staging",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			q := url.Values{"application": {argument(args)}, "environment": {environment}}
			var list []api.Deployment
			a, err := client.get(cmd.Context(), "/v1/deployments?"+q.Encode(), &list)
			if err != nil {
				return err
			}
			return c.print(a, func(w io.Writer) error {
				t := newTable(w, "APPLICATION", "VERSION", "ENVIRONMENT", "STATE", "STARTED", "TOOK", "BY", "VIA", "REASON").yield("REASON", "VIA")
				for _, d := range list {
					t.row(d.Application, d.Version, d.Environment, deploymentState(&d), ago(d.StartedAt), tookText(&d), orDash(d.By), orDash(d.Via), orDash(firstLine(d.Reason)))
				}
				return t.end()
			})
		},
	}
	cmd.Flags().StringVar(&environment, "environment", "", "only those into this environment")
	return cmd
}

func (c *cli) newReleaseMetricsCommand() *cobra.Command {
	var environment string
	var days int
	cmd := &cobra.Command{
		Use:   "metrics [APPLICATION]",
		Short: "Show how often and how well an application is deployed",
		Long: `metrics shows the four figures of DORA's research (dora.dev) over the last days:

  deployments   that went live, and how many a week
  lead time     median from a change's commit until all users had it
  failed        of the deployments that users met, how many were put back
  restore       median from when users met such a one until they were back

A dash is what is not known: no such deployment, or no times of commits.`,
		Example: "  weir release metrics\n  weir release metrics shop --days 90",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withApplications(cmd.Context(), environment, days, argument(args), func(w io.Writer, list []api.Application) error {
				t := newTable(w, "APPLICATION", "DEPLOYMENTS", "A WEEK", "LEAD TIME", "FAILED", "RESTORE")
				for _, app := range list {
					m := app.Metrics
					failed := "-" // no user met a deployment
					if m.Deployments+m.Failures > 0 {
						failed = fmt.Sprintf("%d (%s)", m.Failures, percent(m.FailureRate))
					}
					t.row(app.Name, fmt.Sprint(m.Deployments), fmt.Sprintf("%.1f", m.PerWeek), secondsText(m.LeadTime), failed, secondsText(m.Restore))
				}
				return t.end()
			})
		},
	}
	cmd.Flags().StringVar(&environment, "environment", release.DefaultEnvironment, "whose deployments are counted")
	cmd.Flags().IntVar(&days, "days", 30, "length of the period that ends now")
	return cmd
}

func secondsText(s release.Seconds) string {
	if s == 0 {
		return "-"
	}
	return span(time.Duration(float64(s) * float64(time.Second)))
}

// withApplications prints something of applications, or of the one that is named.
func (c *cli) withApplications(ctx context.Context, environment string, days int, name string, table func(io.Writer, []api.Application) error) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	var list []api.Application
	a, err := client.get(ctx, fmt.Sprintf("/v1/applications?environment=%s&days=%d", url.QueryEscape(environment), days), &list)
	if err != nil {
		return err
	}
	if name != "" {
		i := slices.IndexFunc(list, func(app api.Application) bool { return app.Name == name })
		if i < 0 {
			return fmt.Errorf("there is no application %q\n  hint: `weir release pending` lists them", name)
		}
		if c.output != "table" {
			return c.printValue(list[i])
		}
		list = list[i : i+1]
	}
	return c.print(a, func(w io.Writer) error { return table(w, list) })
}

func (c *cli) newReleaseDeployedCommand() *cobra.Command {
	var r api.DeploymentReport
	state := ""
	cmd := &cobra.Command{
		Use:   "deployed APPLICATION VERSION --environment NAME",
		Short: "Report a deployment that weir did not do itself",
		Long: `deployed tells weir of a deployment of another system: to staging, say, or of a
job. Say it once when it is done, or when it begins and, with --id, when it ends.`,
		Example: `  weir release deployed shop v1.5.0 --environment staging
  weir release deployed shop v1.5.0 --environment staging --state deploying -o json
  weir release deployed shop v1.5.0 --environment staging --id ID --state failed --reason "smoke test"`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			r.Application, r.Version, r.State = args[0], args[1], release.State(state)
			if r.Environment == "" {
				return usagef("say where: --environment staging")
			}
			if !slices.Contains(release.States(), r.State) {
				return usagef("there is no state %q; write --state live, deploying, failed, rolled_back, aborted, waiting or superseded", state)
			}
			client, err := c.client()
			if err != nil {
				return err
			}
			a, err := client.do(cmd.Context(), call{method: http.MethodPost, path: "/v1/deployments", body: r})
			if err != nil {
				return err
			}
			return c.printResult(a)
		},
	}
	cmd.Flags().StringVar(&r.Environment, "environment", "", "where; staging, say")
	cmd.Flags().StringVar(&state, "state", string(release.Live), "how it stands: live, deploying, failed, rolled_back, aborted, waiting or superseded")
	cmd.Flags().StringVar(&r.ID, "id", "", "of a deployment that was reported before")
	cmd.Flags().StringVar(&r.Via, "via", "", "what with: a pipeline, say")
	cmd.Flags().StringVar(&r.Link, "link", "", "to the pipeline or its log")
	cmd.Flags().StringVar(&r.Reason, "reason", "", "why it ended as it did")
	return cmd
}
