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

	"github.com/weirproxy/weir/configs/changelog"
	"github.com/weirproxy/weir/control/api"
	"github.com/weirproxy/weir/control/release"
)

func releasePath(application, version string) string {
	return "/v1/releases/" + url.PathEscape(application) + "/" + url.PathEscape(version)
}

func (c *cli) newReleaseCommand() *cobra.Command {
	return group("release", "What shipped where: releases, tasks and figures of delivery",
		c.newReleaseCreateCommand(), c.newReleaseListCommand(), c.newReleaseShowCommand(), c.newReleaseChangelogCommand(),
		c.newReleasePendingCommand(), c.newReleaseTasksCommand(), c.newReleaseMetricsCommand(), c.newReleaseDeployedCommand())
}

func (c *cli) newReleaseListCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "list [APPLICATION]",
		Short:   "List releases and where they are",
		Long:    "list shows all releases, the newest first, with the environments whose users are on them.",
		Example: "  weir release list\n  weir release list shop",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			return c.listReleases(cmd.Context(), client, argument(args))
		},
	}
}

func argument(args []string) string {
	if len(args) == 0 {
		return ""
	}
	return args[0]
}

func (c *cli) listReleases(ctx context.Context, client *client, application string) error {
	path := "/v1/releases"
	if application != "" {
		path += "?application=" + url.QueryEscape(application)
	}
	var list []api.Release
	a, err := client.get(ctx, path, &list)
	if err != nil {
		return err
	}
	return c.print(a, func(w io.Writer) error {
		if len(list) == 0 {
			fmt.Fprintln(w, "There are no releases. `weir release create` makes one from commits.")
			return nil
		}
		t := newTable(w, "APPLICATION", "VERSION", "CUT", "CHANGES", "TASKS", "IN", "AUTHOR").yield("AUTHOR", "IN")
		for _, r := range list {
			cut := "-"
			if at := r.Document.CutAt(); !at.IsZero() {
				cut = ago(at)
			}
			t.row(r.Application, r.Version, cut, fmt.Sprint(len(r.Document.Changes)), fmt.Sprint(len(r.Document.Tasks)),
				orDash(strings.Join(r.Environments, ",")), orDash(r.Document.Author))
		}
		return t.end()
	})
}

func (c *cli) newReleaseShowCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "show APPLICATION VERSION",
		Short:   "Show a release, its tasks and its deployments",
		Long:    "show tells what a release holds, where it was deployed, and how each of its deployments went.",
		Example: "  weir release show shop v1.5.0",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			var r api.Release
			a, err := client.get(cmd.Context(), releasePath(args[0], args[1]), &r)
			if err != nil {
				return err
			}
			return c.print(a, func(w io.Writer) error { return writeRelease(w, &r) })
		},
	}
}

func writeRelease(w io.Writer, r *api.Release) error {
	where := "no environment"
	if len(r.Environments) > 0 {
		where = strings.Join(r.Environments, ", ")
	}
	fmt.Fprintf(w, "%s %s: %d changes, %d tasks; users of %s are on it\n", r.Application, r.Version, len(r.Document.Changes), len(r.Document.Tasks), where)
	if len(r.Document.Tasks) > 0 {
		fmt.Fprintln(w)
		t := newTable(w, "TASK", "TITLE", "LINK").yield("TITLE")
		for _, task := range r.Document.Tasks {
			t.row(task.ID, orDash(task.Title), orDash(task.Link))
		}
		if err := t.end(); err != nil {
			return err
		}
	}
	if len(r.Deployments) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := newTable(w, "ENVIRONMENT", "STATE", "STARTED", "TOOK", "BY", "REASON").yield("REASON")
	for _, d := range r.Deployments {
		took := "-"
		if !d.EndedAt.IsZero() {
			took = span(d.Took())
		}
		t.row(d.Environment, deploymentState(&d), ago(d.StartedAt), took, orDash(d.By), orDash(firstLine(d.Reason)))
	}
	return t.end()
}

func deploymentState(d *api.Deployment) string {
	if d.State == release.Deploying && d.Weight > 0 {
		return fmt.Sprintf("%s %s", d.State, d.Weight)
	}
	return string(d.State)
}

func (c *cli) newReleaseChangelogCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "changelog APPLICATION VERSION",
		Short:   "Print a release's changelog as Markdown",
		Long:    "changelog prints what is new in a release as Markdown: grouped, a line\na change, so that grep finds what shipped with what.",
		Example: "  weir release changelog shop v1.5.0 > CHANGELOG.md",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			var r api.Release
			a, err := client.get(cmd.Context(), releasePath(args[0], args[1]), &r)
			if err != nil {
				return err
			}
			return c.print(a, func(w io.Writer) error {
				_, err := fmt.Fprint(w, changelog.Markdown(&r.Document))
				return err
			})
		},
	}
}

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
			return c.print(a, func(w io.Writer) error {
				t := newTable(w, "TASK", "RELEASE", "STATE", "TITLE").yield("TITLE")
				for _, task := range list {
					t.row(task.ID, task.Release, placesText(task.Environments), orDash(task.Title))
				}
				return t.end()
			})
		},
	}
}

func placesText(places map[string]release.TaskPlace) string {
	var parts []string
	for name, p := range places {
		text := fmt.Sprintf("%s %s", name, p.State)
		if p.State == release.TaskDeploying {
			text += " " + p.Weight.String()
		}
		parts = append(parts, text)
	}
	slices.Sort(parts)
	return orDash(strings.Join(parts, ", "))
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
  restore       median from the start of such a one until users were back`,
		Example: "  weir release metrics\n  weir release metrics shop --days 90",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.withApplications(cmd.Context(), environment, days, argument(args), func(w io.Writer, list []api.Application) error {
				t := newTable(w, "APPLICATION", "DEPLOYMENTS", "A WEEK", "LEAD TIME", "FAILED", "RESTORE")
				for _, app := range list {
					m := app.Metrics
					t.row(app.Name, fmt.Sprint(m.Deployments), fmt.Sprintf("%.1f", m.PerWeek), secondsText(m.LeadTime),
						fmt.Sprintf("%d (%s)", m.Failures, percent(m.FailureRate)), secondsText(m.Restore))
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
