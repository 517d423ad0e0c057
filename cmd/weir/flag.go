package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
)

func flagPath(name string) string { return "/v1/flags/" + url.PathEscape(name) }

func (c *cli) newFlagCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "flag kill|restore|weights|evaluate NAME",
		Short: "Switch a feature flag off, and on again, or move its shares",
		Long: `flag acts on feature flags, which are documents of kind Flag: ` + "`weir apply -f FILE`" + `
makes them, ` + "`weir get flags`" + ` shows them, and a rollout with ` + "`flag:`" + ` in place of
` + "`service:`" + ` ramps a variant, judged like a version.`,
		Example: `  weir flag kill new-checkout --reason "orders are lost"
  weir flag restore new-checkout
  weir flag weights new-checkout off=90% on=10%`,
	}
	var reason string
	kill := &cobra.Command{
		Use:   "kill NAME",
		Short: "Give everybody the flag's default",
		Long: `kill gives everybody the flag's default, whatever its rules and shares say, until
` + "`weir flag restore`" + `. The node that is asked obeys at once, the others when they
hear of it; a rollout of the flag is aborted. It works without etcd, then survives
a restart of that node, and an apply does not undo it.`,
		Example: `  weir flag kill new-checkout --reason "orders are lost"`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.actOnFlag(cmd.Context(), args[0], "kill", map[string]string{"reason": reason})
		},
	}
	kill.Flags().StringVar(&reason, "reason", "", "why; shown wherever the flag is")
	restore := &cobra.Command{
		Use:     "restore NAME",
		Short:   "Let rules and shares count again",
		Long:    `restore ends a kill: the flag's rules and shares count again.`,
		Example: `  weir flag restore new-checkout`,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.actOnFlag(cmd.Context(), args[0], "restore", nil)
		},
	}
	cmd.AddCommand(kill, restore, c.newFlagWeightsCommand(), c.newFlagEvaluateCommand())
	return cmd
}

func (c *cli) newFlagWeightsCommand() *cobra.Command {
	var f weightsFlags
	cmd := &cobra.Command{
		Use:   "weights NAME [VARIANT=PERCENT…]",
		Short: "Show or move the shares of a flag's variants",
		Long: `weights shows the share of each variant, or moves it. The shares add up to 100 %; a
variant that is left out gets none. Shares that are moved by hand are judged by the
flag's guard, as a rollout is, where the outcomes of requests are known: in the
flag's services. While a planned rollout of the flag is in force the shares are the
plan's, and a killed flag keeps its own until it is restored.`,
		Example: `  weir flag weights new-checkout
  weir flag weights new-checkout off=90% on=10%`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.weights(cmd.Context(), flagPath(args[0])+"/weights", args[1:], f)
		},
	}
	f.register(cmd)
	return cmd
}

func (c *cli) actOnFlag(ctx context.Context, name, verb string, body any) error {
	client, err := c.client()
	if err != nil {
		return err
	}
	a, err := client.do(ctx, call{method: http.MethodPost, path: flagPath(name) + "/" + verb, body: body})
	if err != nil {
		return err
	}
	return c.printResult(a)
}

func (c *cli) getFlags(ctx context.Context, client *client) error {
	var list []api.Flag
	a, err := client.get(ctx, "/v1/flags", &list)
	if err != nil {
		return err
	}
	return c.print(a, func(w io.Writer) error {
		if len(list) == 0 {
			fmt.Fprintln(w, "There are no flags. Make one with `weir apply -f FILE`.")
			return nil
		}
		t := newTable(w, "FLAG", "TYPE", "STABLE", "SHARES", "RULES", "SERVICES", "STATE").yield("SERVICES", "SHARES")
		for _, f := range list {
			t.row(f.Name, f.Type, f.Stable, weightsText(f.Weights), fmt.Sprint(len(f.Document.Rules)),
				orDash(strings.Join(f.Document.Services, ",")), flagState(&f))
		}
		return t.end()
	})
}

// flagState is what a flag does now, in one cell.
func flagState(f *api.Flag) string {
	switch {
	case f.Killed != nil:
		return "KILLED by " + f.Killed.Actor
	case f.Rollout != "":
		return f.Rollout
	}
	return "-"
}

func (c *cli) getFlag(ctx context.Context, client *client, name string) error {
	var f api.Flag
	a, err := client.get(ctx, flagPath(name), &f)
	if err != nil {
		return err
	}
	return c.print(a, func(w io.Writer) error {
		fmt.Fprintf(w, "%s: %s, stable %s, %s\n", f.Name, f.Type, f.Stable, weightsText(f.Weights))
		if k := f.Killed; k != nil {
			fmt.Fprintf(w, "killed by %s at %s: everybody gets the default; %s\n", k.Actor, clock(k.At), orDash(k.Reason))
		}
		if f.Rollout != "" {
			fmt.Fprintf(w, "rollout %s is in force; `weir rollout status %s` shows it\n", f.Rollout, f.Rollout)
		}
		if f.Refused != "" {
			fmt.Fprintf(w, "warning: the document of %s is not in use, its last good form is: %s\n", f.Name, f.Refused)
		}
		fmt.Fprintln(w)
		t := newTable(w, "VARIANT", "ROLE", "SHARE", "VALUE", "RPS", "ERRORS", "P99").yield("VALUE")
		for _, v := range f.Variants {
			t.row(v.Name, v.Role, v.Weight.String(), string(v.Value), fmt.Sprintf("%.0f", v.RPS), percent(v.ErrorRate), millis(v.P99))
		}
		if err := t.end(); err != nil || len(f.Document.Rules) == 0 {
			return err
		}
		fmt.Fprintln(w)
		rules := newTable(w, "RULE", "WHO", "VARIANT").yield("WHO")
		for i, r := range f.Document.Rules {
			name := r.Name
			if name == "" {
				name = fmt.Sprint(i + 1)
			}
			rules.row(name, ruleText(&r), r.Variant)
		}
		return rules.end()
	})
}

// ruleText says whom a rule is about.
func ruleText(r *configs.FlagRule) string {
	var parts []string
	for _, c := range r.When {
		parts = append(parts, c.String())
	}
	if len(r.Environments) > 0 {
		parts = append(parts, "in "+strings.Join(r.Environments, " or "))
	}
	if r.From != "" {
		parts = append(parts, "from "+r.From)
	}
	if r.Until != "" {
		parts = append(parts, "until "+r.Until)
	}
	if len(parts) == 0 {
		parts = append(parts, "everybody")
	}
	if r.Share > 0 {
		parts = append(parts, r.Share.String()+" of them")
	}
	return strings.Join(parts, ", ")
}
