package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"

	"github.com/spf13/cobra"

	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/api"
)

// applied is what `apply` did, or would do, with one document.
type applied struct {
	Kind   string      `json:"kind"`
	Name   string      `json:"name"`
	Result *api.Result `json:"result,omitempty"`
	Error  string      `json:"error,omitempty"`
}

type applyFlags struct {
	files        []string
	dryRun       bool
	resetWeights bool
}

func (c *cli) newApplyCommand() *cobra.Command {
	var f applyFlags
	cmd := &cobra.Command{
		Use:   "apply -f FILE",
		Short: "Create or change services, and start rollouts, from documents",
		Long: `apply puts every Service, Flag, Notifier and Freeze document into weir's state and starts
every Rollout document, in the order of the files. All documents are read first: if one has a
problem, nothing is applied. It stops at the first document that is refused and
says which were applied and which were not.

The stable version and the weights of a service that exists stay as they are:
a release in progress is never undone by an apply. --reset-weights says otherwise.`,
		Example: `  weir apply -f shop.yaml
  weir apply -f shop.yaml --dry-run
  kustomize build . | weir apply -f -`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return c.apply(cmd.Context(), f) },
	}
	cmd.Flags().StringArrayVarP(&f.files, "file", "f", nil, "file of documents, - for the standard input; may be given again")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only say what would change")
	cmd.Flags().BoolVar(&f.resetWeights, "reset-weights", false, "take stable and weights from the documents")
	return cmd
}

func (c *cli) apply(ctx context.Context, f applyFlags) error {
	documents, err := c.applicable(f.files)
	if err != nil {
		return err
	}
	client, err := c.client()
	if err != nil {
		return err
	}
	var done []applied
	var refused error
	for i := range documents {
		one := applied{Kind: string(documents[i].Kind()), Name: documents[i].Name()}
		switch {
		case refused != nil:
			one.Error = "not applied: a document before it was refused"
		default:
			one.Result, err = client.apply(ctx, documents, i, f)
			if err != nil {
				refused, one.Error = fmt.Errorf("cannot apply %s %q: %w", one.Kind, one.Name, err), err.Error()
			}
		}
		done = append(done, one)
	}
	if err := c.printApplied(done); err != nil {
		return err
	}
	return refused
}

// applicable reads all files, and refuses what `apply` cannot apply before
// anything is.
func (c *cli) applicable(files []string) ([]configs.Document, error) {
	if len(files) == 0 {
		return nil, usagef("which file? write -f FILE, or -f - for the standard input")
	}
	var all []configs.Document
	bad := false
	for _, file := range files {
		documents, err := c.documents(file)
		if err != nil {
			fmt.Fprintln(c.err, err)
			bad = true
		}
		for _, d := range documents {
			if why := whyNotApplied(d.Kind()); why != "" {
				fmt.Fprintf(c.err, "%s:%d: %s %q: %s\n", d.File, d.Line, d.Kind(), d.Name(), why)
				bad = true
			}
		}
		all = append(all, documents...)
	}
	if bad {
		return nil, fmt.Errorf("nothing was applied")
	}
	return all, nil
}

func whyNotApplied(kind configs.Kind) string {
	switch kind {
	case configs.KindNode:
		return "a node reads it when it starts: weir serve -c FILE"
	case configs.KindMigration:
		return "it is carried out where the database's credentials are: weir migrate up -f FILE"
	}
	return ""
}

// apply applies one of several documents, after those before it.
func (c *client) apply(ctx context.Context, all []configs.Document, i int, f applyFlags) (*api.Result, error) {
	d := &all[i]
	if d.Rollout != nil {
		if f.dryRun {
			return c.dryRollout(ctx, d.Rollout, slices.ContainsFunc(all[:i], func(o configs.Document) bool {
				return o.Name() == cmp.Or(d.Rollout.Service, d.Rollout.Flag) && (o.Service != nil || o.Flag != nil)
			}))
		}
		return c.change(ctx, call{method: http.MethodPost, path: "/v1/rollouts", body: d.Rollout})
	}
	query := url.Values{}
	if f.dryRun {
		query.Set("dry_run", "true")
	}
	path, body := "", any(nil)
	switch {
	case d.Notifier != nil:
		path, body = notifierPath(d.Notifier.Name), d.Notifier
	case d.Flag != nil:
		path, body = flagPath(d.Flag.Name), d.Flag
	case d.Freeze != nil:
		path, body = freezePath(d.Freeze.Name), d.Freeze
	default:
		path, body = servicePath(d.Service.Name), d.Service
		if f.resetWeights {
			query.Set("reset_weights", "true")
		}
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.change(ctx, call{method: http.MethodPut, path: path, body: body})
}

// dryRollout says what a rollout would do. One of a service that the same apply
// would create can only be said to fit nothing yet.
func (c *client) dryRollout(ctx context.Context, plan *configs.Rollout, created bool) (*api.Result, error) {
	r, err := c.change(ctx, call{method: http.MethodPost, path: "/v1/rollouts?dry_run=true", body: plan})
	if p, ok := errors.AsType[*refusedError](err); ok && p.Status == http.StatusNotFound && created {
		return &api.Result{Service: plan.Service, Text: fmt.Sprintf("would release %s to %s by %s", plan.Service, plan.To, plan.Strategy),
			Warnings: []string{"the service is not there yet: no more can be said"}}, nil
	}
	return r, err
}

// change carries out a call that answers with a Result.
func (c *client) change(ctx context.Context, in call) (*api.Result, error) {
	a, err := c.do(ctx, in)
	if err != nil {
		return nil, err
	}
	r := &api.Result{}
	return r, a.into(r)
}

func servicePath(name string) string { return "/v1/services/" + url.PathEscape(name) }

func rolloutPath(id string) string { return "/v1/rollouts/" + url.PathEscape(id) }

func (c *cli) printApplied(done []applied) error {
	if c.output != "table" {
		return c.printValue(done)
	}
	for _, one := range done {
		if one.Result == nil {
			fmt.Fprintf(c.out, "%s %s: %s\n", one.Kind, one.Name, firstLine(one.Error))
			continue
		}
		writeResult(c.out, one.Result)
	}
	return nil
}
