package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
)

// Exit codes, which scripts rely on.
const (
	exitDone        = 0
	exitFailed      = 1 // refused, or rolled back or aborted for `rollout watch` and `start --wait`
	exitUsage       = 2
	exitUnreachable = 3 // the control API cannot be reached
)

const defaultControl = "http://127.0.0.1:9797"

// cli is what all subcommands share: the streams and the global flags.
type cli struct {
	in       io.Reader
	out, err io.Writer

	control string
	token   string
	files   clientFiles
	output  string

	running bool // arguments and flags were understood, a subcommand runs
}

// usageError is a command line that makes no sense.
type usageError struct{ error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// errSilent is a failure that was printed already.
var errSilent = errors.New("")

// run is the program. It returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	c := &cli{in: in, out: out, err: errOut}
	root := c.newRootCommand()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	cmd, err := root.ExecuteContextC(ctx)
	return c.exit(cmd, err)
}

// exit prints an error once and gives its exit code.
func (c *cli) exit(cmd *cobra.Command, err error) int {
	var unreachable *unreachableError
	var usage usageError
	switch {
	case err == nil:
		return exitDone
	case errors.Is(err, errSilent):
		return exitFailed
	case errors.As(err, &unreachable):
		fmt.Fprintf(c.err, "weir: %v\n", err)
		return exitUnreachable
	case !c.running || errors.As(err, &usage):
		fmt.Fprintf(c.err, "weir: %v\nRun `%s --help` for what it takes.\n", err, cmd.CommandPath())
		return exitUsage
	}
	fmt.Fprintf(c.err, "weir: %v\n", err)
	return exitFailed
}

func (c *cli) newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "weir",
		Short: "An edge reverse proxy that releases software",
		Long: `weir routes every request to the blue, green or canary version of a service,
judges each version on real traffic, moves the weights stage by stage, and puts
the traffic back by itself when a version is proven worse.`,
		Example: `  weir demo                                     # watch a canary go bad and be put back
  weir serve -c node.yaml                       # run a node
  weir check node.yaml shop.yaml                # find mistakes before they matter
  weir apply -f shop.yaml                       # create or change a service
  weir rollout start -f canary.yaml --wait      # release, and wait for the outcome
  weir rollout why shop                         # what happened, with the numbers`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		PersistentPreRunE: func(*cobra.Command, []string) error {
			c.running = true
			return c.checkGlobals()
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.HiddenDefaultCmd = false
	flags := root.PersistentFlags()
	flags.StringVar(&c.control, "control", envOr("WEIR_CONTROL", defaultControl), "address of the control API; also WEIR_CONTROL")
	flags.StringVar(&c.token, "token", "", "token of the control API; better in WEIR_TOKEN, where other users of the machine do not see it")
	flags.StringVar(&c.files.ca, "ca", envOr("WEIR_CA", ""), "PEM file of the authorities that the control API's certificate is checked with; also WEIR_CA (default the system's)")
	flags.StringVar(&c.files.cert, "cert", envOr("WEIR_CERT", ""), "PEM file of a client certificate to show in place of a token; also WEIR_CERT")
	flags.StringVar(&c.files.key, "key", envOr("WEIR_KEY", ""), "PEM file of its private key; also WEIR_KEY")
	flags.StringVarP(&c.output, "output", "o", "table", "table, json or yaml; json is stable for scripts")
	root.AddCommand(c.subcommands()...)
	c.complete(root)
	return root
}

func (c *cli) subcommands() []*cobra.Command {
	return []*cobra.Command{
		c.newServeCommand(),
		c.newDemoCommand(),
		c.newCheckCommand(),
		c.newExplainCommand(),
		c.newApplyCommand(),
		c.newGetCommand(),
		c.newDeleteCommand(),
		c.newWeightsCommand(),
		c.newTopCommand(),
		c.newFreezeCommand(),
		c.newFlagCommand(),
		c.newReleaseCommand(),
		c.newRolloutCommand(),
		c.newMigrateCommand(),
		c.newNotifyCommand(),
		c.newReplayCommand(),
		c.newTokenCommand(),
		c.newAuditCommand(),
		c.newStateCommand(),
		c.newKeysCommand(),
		c.newLogCommand(),
		c.newDebugCommand(),
		c.newHealthzCommand(),
		c.newManCommand(),
		c.newVersionCommand(),
	}
}

func (c *cli) checkGlobals() error {
	switch c.output {
	case "table", "json", "yaml":
	default:
		return usagef("there is no output %q; write -o table, json or yaml", c.output)
	}
	if c.token == "" {
		c.token = os.Getenv("WEIR_TOKEN")
	}
	if !strings.Contains(c.control, "://") {
		c.control = "http://" + c.control
	}
	return nil
}

func envOr(name, otherwise string) string {
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// group is a command that only holds others.
func group(use, short string, children ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use:   use,
		Short: short,
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(children...)
	examples := make([]string, len(children))
	for i, child := range children {
		examples[i] = firstLine(child.Example)
	}
	cmd.Example = strings.Join(examples, "\n")
	return cmd
}
