package main

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/configs"
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
		c.newReleasePendingCommand(), c.newReleaseTasksCommand(), c.newReleaseDeploymentsCommand(), c.newReleaseMetricsCommand(),
		c.newReleaseDeployedCommand())
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
			of := ""
			if application != "" {
				of = " of " + application
			}
			fmt.Fprintf(w, "There are no releases%s. `weir release create` makes one from commits.\n", of)
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
	where := "no environment is on it"
	if len(r.Environments) > 0 {
		where = "users of " + strings.Join(r.Environments, ", ") + " are on it"
	}
	fmt.Fprintf(w, "%s %s: %s, %s; %s\n", r.Application, r.Version, plural(len(r.Document.Changes), "change"), plural(len(r.Document.Tasks), "task"), where)
	if about := madeOf(&r.Document); about != "" {
		fmt.Fprintln(w, about)
	}
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
		t.row(d.Environment, deploymentState(&d), ago(d.StartedAt), tookText(&d), orDash(d.By), orDash(firstLine(d.Reason)))
	}
	return t.end()
}

// madeOf says when, by whom and of what a release was cut.
func madeOf(r *configs.Release) string {
	var about []string
	if at := r.CutAt(); !at.IsZero() {
		about = append(about, "cut "+ago(at))
	}
	if r.Author != "" {
		about = append(about, "by "+r.Author)
	}
	if r.Previous != "" {
		about = append(about, "since "+r.Previous)
	}
	if r.Commit != "" {
		about = append(about, "commit "+r.Commit[:min(len(r.Commit), 8)])
	}
	if r.Link != "" {
		about = append(about, r.Link)
	}
	return strings.Join(about, ", ")
}

// tookText is how long a deployment took; nothing is known of one that is under
// way, or that was reported at once.
func tookText(d *api.Deployment) string {
	if took := d.Took(); took > 0 {
		return span(took)
	}
	return "-"
}

func deploymentState(d *api.Deployment) string {
	if d.State == release.Deploying && d.Weight > 0 {
		return fmt.Sprintf("%s %s", d.State, d.Weight)
	}
	return string(d.State)
}

func (c *cli) newReleaseChangelogCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "changelog APPLICATION [VERSION]",
		Short: "Print a changelog as Markdown",
		Long: `changelog prints what is new in a release, or in all of an application's,
the newest first, as Markdown: grouped, a line a change, so that grep finds
what shipped with what.`,
		Example: "  weir release changelog shop v1.5.0\n  weir release changelog shop > CHANGELOG.md",
		Args:    cobra.RangeArgs(1, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := c.client()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return c.wholeChangelog(cmd.Context(), client, args[0])
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

// wholeChangelog prints that of all releases of an application.
func (c *cli) wholeChangelog(ctx context.Context, client *client, application string) error {
	var list []api.Release
	a, err := client.get(ctx, "/v1/releases?application="+url.QueryEscape(application), &list)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return fmt.Errorf("there are no releases of %q\n  hint: `weir release list` shows what there is", application)
	}
	return c.print(a, func(w io.Writer) error {
		for i := range list {
			if i > 0 {
				fmt.Fprintln(w)
			}
			if _, err := fmt.Fprint(w, changelog.Markdown(&list[i].Document)); err != nil {
				return err
			}
		}
		return nil
	})
}
