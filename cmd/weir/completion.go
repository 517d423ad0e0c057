package main

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/control/api"
)

// completionTimeout is the longest that a shell waits for names after Tab.
const completionTimeout = 500 * time.Millisecond

// complete has all commands of root offer names after Tab: those of the state
// come from the control API. Whatever fails offers nothing and says nothing.
func (c *cli) complete(root *cobra.Command) {
	services, rollouts := c.offer(serviceNames), c.offer(rolloutNames(""))
	arguments := map[string]cobra.CompletionFunc{
		"get": c.kindThenName, "delete": c.kindThenName,
		"weights": c.serviceThenVersions, "top": first(services), "audit": first(c.offer(objectNames)),
		"flag kill": first(c.offer(flagNames)), "flag restore": first(c.offer(flagNames)), "flag weights": first(c.offer(flagNames)), "flag evaluate": first(c.offer(flagNames)),
		"notify test": first(c.offer(notifierNames)), "rollout history": first(services),
		"rollout status": first(rollouts), "rollout watch": first(rollouts), "rollout why": first(rollouts),
		"apply": nothing, "freeze": nothing, "version": nothing, "demo": nothing, "serve": nothing,
		"notify resend": first(c.offer(deadLetters)), "notify dead": nothing, "healthz": nothing,
		"log keys": nothing, "log level": first(fixed("debug", "info", "warn", "error")), "debug": nothing,
		"migrate plan": nothing, "migrate up": nothing, "migrate status": nothing,
		"rollout list": nothing, "rollout start": nothing, "token new": nothing, "state export": nothing, "state import": nothing,
		"keys list": nothing, "keys rotate": nothing,
	}
	for _, verb := range []string{"deployments", "list", "pending", "tasks", "metrics"} {
		arguments["release "+verb] = first(c.offer(applicationNames))
	}
	for _, verb := range []string{"show", "changelog", "create", "deployed"} {
		arguments["release "+verb] = c.applicationThenVersion
	}
	for _, v := range verbCommands() {
		arguments["rollout "+v.verb] = first(c.offer(rolloutNames(v.verb)))
	}
	for path, offers := range arguments {
		if cmd, rest, err := root.Find(strings.Fields(path)); err == nil && len(rest) == 0 {
			cmd.ValidArgs, cmd.ValidArgsFunction = nil, offers
		}
	}
	flags := map[string]cobra.CompletionFunc{
		"service": services, "actor": nothing,
		"output": fixed("table", "json", "yaml"), "sort": fixed(namesOf(topOrders())...), "role": fixed("viewer", "operator", "admin"),
		"phase": fixed("queued", "pending", "progressing", "paused", "baking", "succeeded", "rolled_back", "aborted", "failed", "superseded"),
		"fault": fixed("none", "errors=50%", "latency=300ms", "down"),
	}
	offerFlags(root, flags)
}

// offerFlags gives the flags of a command, and of all below it, what they offer.
func offerFlags(cmd *cobra.Command, flags map[string]cobra.CompletionFunc) {
	for name, offers := range flags {
		f := cmd.Flag(name)
		if f == nil || f.Value.Type() == "bool" || name == "output" && f.DefValue == "" { // a file there
			continue
		}
		_ = cmd.RegisterFlagCompletionFunc(name, offers) // an inherited one has it already
	}
	for _, name := range []string{"file", "config"} {
		if cmd.Flag(name) != nil {
			_ = cmd.MarkFlagFilename(name, "yaml", "yml", "json")
		}
	}
	for _, child := range cmd.Commands() {
		offerFlags(child, flags)
	}
}

func namesOf[S ~string](all []S) []string {
	names := make([]string, len(all))
	for i, s := range all {
		names[i] = string(s)
	}
	return names
}

func nothing(*cobra.Command, []string, string) ([]cobra.Completion, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveNoFileComp
}

func fixed(choices ...string) cobra.CompletionFunc {
	return cobra.FixedCompletions(choices, cobra.ShellCompDirectiveNoFileComp)
}

// first offers for the first argument alone.
func first(offers cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nothing(cmd, args, begun)
		}
		return offers(cmd, args, begun)
	}
}

// names asks the control API for what there is.
type names func(ctx context.Context, client *client) ([]cobra.Completion, error)

func (c *cli) offer(list names) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
		return c.ask(list), cobra.ShellCompDirectiveNoFileComp
	}
}

// ask returns nothing if the control API does not answer in time.
func (c *cli) ask(list names) []cobra.Completion {
	if err := c.checkGlobals(); err != nil {
		return nil
	}
	client, err := c.client()
	if err != nil {
		return nil
	}
	quick, hangUp := client.steady(completionTimeout)
	defer hangUp()
	ctx, cancel := context.WithTimeout(context.Background(), completionTimeout)
	defer cancel()
	found, err := list(ctx, quick)
	if err != nil {
		return nil
	}
	return found
}

// described is a choice with what a shell shows beside it: the description is
// other people's text.
func described(choice, format string, args ...any) cobra.Completion {
	return cobra.CompletionWithDesc(choice, shorten(fmt.Sprintf(format, args...), 60))
}

func serviceNames(ctx context.Context, client *client) ([]cobra.Completion, error) {
	var list []api.Service
	_, err := client.get(ctx, "/v1/services", &list)
	var out []cobra.Completion
	for _, s := range list {
		out = append(out, described(s.Name, "stable %s", s.Stable))
	}
	return out, err
}

// rolloutNames are ids, the newest first, and the services that stand for them.
// With a verb only what takes it now.
func rolloutNames(verb string) names {
	return func(ctx context.Context, client *client) ([]cobra.Completion, error) {
		var list []api.Rollout
		_, err := client.get(ctx, "/v1/rollouts?limit=50", &list)
		var ids, services []cobra.Completion
		seen := make(map[string]bool)
		for _, r := range list {
			if verb != "" && verb != "retry" && !slices.Contains(r.Allowed, verb) || verb == "retry" && !r.Phase.Final() {
				continue
			}
			ids = append(ids, described(r.ID, "%s of %s to %s, %s", r.Strategy, r.Service, r.To, r.Phase))
			if !seen[r.Service] {
				seen[r.Service] = true
				services = append(services, described(r.Service, "%s, %s to %s", r.Phase, r.From, r.To))
			}
		}
		return append(services, ids...), err
	}
}

func nodeNames(ctx context.Context, client *client) ([]cobra.Completion, error) {
	var list []api.Node
	_, err := client.get(ctx, "/v1/nodes", &list)
	var out []cobra.Completion
	for _, n := range list {
		out = append(out, described(n.Name, "weir %s", n.Version))
	}
	return out, err
}

func notifierNames(ctx context.Context, client *client) ([]cobra.Completion, error) {
	var list []api.Notifier
	_, err := client.get(ctx, "/v1/notifiers", &list)
	var out []cobra.Completion
	for _, n := range list {
		out = append(out, described(n.Name, "%s", n.Channel))
	}
	return out, err
}

func freezeNames(ctx context.Context, client *client) ([]cobra.Completion, error) {
	var list []api.Freeze
	_, err := client.get(ctx, "/v1/freezes", &list)
	var out []cobra.Completion
	for _, f := range list {
		out = append(out, described(f.Name, "%s", freezeNow(&f)))
	}
	return out, err
}

func flagNames(ctx context.Context, client *client) ([]cobra.Completion, error) {
	var list []api.Flag
	_, err := client.get(ctx, "/v1/flags", &list)
	var out []cobra.Completion
	for _, f := range list {
		out = append(out, described(f.Name, "%s, stable %s", f.Type, f.Stable))
	}
	return out, err
}

func deadLetters(ctx context.Context, client *client) ([]cobra.Completion, error) {
	var dead api.Outbox
	_, err := client.get(ctx, "/v1/outbox?dead=true", &dead)
	var out []cobra.Completion
	for _, e := range dead.Entries {
		out = append(out, described(e.Key, "%s to %s", e.Kind, e.Recipient))
	}
	return out, err
}

// nameLists tell the names of each kind.
func nameLists() map[string]names {
	return map[string]names{
		"services": serviceNames, "rollouts": rolloutNames(""), "nodes": nodeNames, "notifiers": notifierNames, "freezes": freezeNames,
		"flags": flagNames, "migrations": migrationNames,
	}
}

// objectNames are what the audit trail is asked about.
func objectNames(ctx context.Context, client *client) ([]cobra.Completion, error) {
	out := []cobra.Completion{"services/", "rollouts/", "notifiers/", "freezes/"}
	services, err := serviceNames(ctx, client)
	for _, s := range services {
		out = append(out, "services/"+s)
	}
	return out, err
}

// kindThenName is for commands that take a kind and a name of it.
func (c *cli) kindThenName(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	deletes := cmd.Name() == "delete"
	if len(args) == 0 {
		if deletes {
			return []cobra.Completion{"service", "notifier", "freeze", "flag", "migration"}, cobra.ShellCompDirectiveNoFileComp
		}
		return kinds(), cobra.ShellCompDirectiveNoFileComp
	}
	kind, err := kindOf(args[0])
	if err != nil || len(args) > 1 {
		return nothing(cmd, args, begun)
	}
	lists := nameLists()
	if deletes {
		delete(lists, "rollouts")
		delete(lists, "nodes")
	}
	if lists[kind] == nil {
		return nothing(cmd, args, begun)
	}
	return c.ask(lists[kind]), cobra.ShellCompDirectiveNoFileComp
}

func migrationNames(ctx context.Context, client *client) ([]cobra.Completion, error) {
	var list []api.Migration
	_, err := client.get(ctx, "/v1/migrations", &list)
	var out []cobra.Completion
	for _, m := range list {
		out = append(out, described(m.ID(), "%s, %s", m.Phase, m.State))
	}
	return out, err
}

func applicationNames(ctx context.Context, client *client) ([]cobra.Completion, error) {
	var list []api.Release
	_, err := client.get(ctx, "/v1/releases", &list)
	var out []cobra.Completion
	for _, r := range list {
		if !slices.Contains(out, r.Application) {
			out = append(out, r.Application)
		}
	}
	return out, err
}

// applicationThenVersion is for commands about one release.
func (c *cli) applicationThenVersion(cmd *cobra.Command, args []string, begun string) ([]cobra.Completion, cobra.ShellCompDirective) {
	switch len(args) {
	case 0:
		return c.ask(applicationNames), cobra.ShellCompDirectiveNoFileComp
	case 1:
		return c.ask(func(ctx context.Context, client *client) ([]cobra.Completion, error) {
			var list []api.Release
			_, err := client.get(ctx, "/v1/releases", &list)
			var out []cobra.Completion
			for _, r := range list {
				if r.Application == args[0] {
					out = append(out, described(r.Version, "on %s", orDash(strings.Join(r.Environments, ", "))))
				}
			}
			return out, err
		}), cobra.ShellCompDirectiveNoFileComp
	}
	return nothing(cmd, args, begun)
}

// serviceThenVersions is for `weights SERVICE VERSION=PERCENT…`.
func (c *cli) serviceThenVersions(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) == 0 {
		return c.ask(serviceNames), cobra.ShellCompDirectiveNoFileComp
	}
	versions := c.ask(func(ctx context.Context, client *client) ([]cobra.Completion, error) {
		var s api.Service
		_, err := client.get(ctx, "/v1/services/"+url.PathEscape(args[0]), &s)
		var out []cobra.Completion
		for _, v := range s.Versions {
			taken := slices.ContainsFunc(args[1:], func(arg string) bool { return strings.HasPrefix(arg, v.Name+"=") })
			if !taken {
				out = append(out, described(v.Name+"=", "%s, %s now", v.Role, v.Weight))
			}
		}
		return out, err
	})
	return versions, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}
