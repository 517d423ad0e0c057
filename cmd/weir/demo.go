package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap/zapcore"

	"github.com/weirproxy/weir/configs"
)

// demoOptions are the flags of `weir demo`.
type demoOptions struct {
	fault  string
	seed   uint64
	rps    int
	users  int
	once   bool
	listen string
}

func (c *cli) newDemoCommand() *cobra.Command {
	o := demoOptions{}
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Watch a canary go bad and be put back, on this machine, in half a minute",
		Long: `Watch a canary go bad and be put back, on this machine, in half a minute.

The demo runs a whole node with its etcd in a temporary folder, two versions of
a small service, and steady traffic of many users with their cookies. A canary
goes through 5 %, 25 % and 100 %; somewhere on the way the new version breaks,
and weir puts every request back on stable. The timeline at the end is measured
where the requests arrive: at the new version.

The control API listens on --control, so every other command works meanwhile:
weir rollout why shop, weir get services, weir rollout watch shop.`,
		Example: `  weir demo
  weir demo --fault latency=300ms
  weir demo --fault none --once        # a healthy release; exits 0 when it is done
  weir demo --fault down --seed 7`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			err := c.demo(cmd.Context(), o)
			switch {
			case !errors.Is(err, errStopped):
				return err
			case o.once:
				return errSilent // the story was not told
			}
			return nil
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.fault, "fault", "errors=50%", "what happens to the new version: none, errors=SHARE, latency=DURATION or down")
	f.Uint64Var(&o.seed, "seed", 0, "makes users and the moment of the fault the same again; 0 draws one")
	f.IntVar(&o.rps, "rps", 1000, "requests per second")
	f.IntVar(&o.users, "users", 20_000, "users, each with a cookie of its own")
	f.BoolVar(&o.once, "once", false, "end after the story: exit 0 if it went as told, 1 if not")
	f.StringVar(&o.listen, "listen", "127.0.0.1:8080", "where the proxy listens")
	return cmd
}

// errStopped says that a person ended the demo before its story did.
var errStopped = errors.New("stopped")

// demo runs the world and tells its story.
func (c *cli) demo(ctx context.Context, o demoOptions) (err error) {
	fault, err := o.check()
	if err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "weir-demo-")
	if err != nil {
		return fmt.Errorf("cannot make a folder for the demo: %w", err)
	}
	defer func() { err = also(err, os.RemoveAll(folder)) }()
	blue, err := newOrigin("blue", o.seed)
	if err != nil {
		return err
	}
	defer blue.close()
	green, err := newOrigin("green", o.seed+1)
	if err != nil {
		return err
	}
	defer green.close()

	control, err := url.Parse(c.control)
	if err != nil || control.Scheme != "http" || control.Host == "" {
		return usagef("--control %q is no address that the demo can listen on; write 127.0.0.1:9797", c.control)
	}
	config := demoNode(o.listen, control.Host, folder)
	n, err := newHeir(ctx, config, logsTo(os.Stderr, zapcore.ErrorLevel, "console"), nil)
	switch {
	case errors.Is(err, context.Canceled):
		return errStopped
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%w; choose others with --listen and --control", err)
	case err != nil:
		return err
	}
	nodeCtx, stopNode := context.WithCancel(context.WithoutCancel(ctx))
	ctx, stopStory := context.WithCancel(ctx)
	defer stopStory()
	ended := make(chan error, 1)
	go func() {
		ended <- n.run(nodeCtx)
		stopStory() // a node that fails ends the story
	}()
	defer func() {
		stopNode()
		err = also(err, <-ended)
	}()
	s := &story{
		options: o, fault: fault, node: n, blue: blue, green: green,
		screen: newScreen(c.out), random: rand.New(rand.NewPCG(o.seed, 0)),
	}
	if err := s.tell(ctx); !errors.Is(err, context.Canceled) {
		return err
	}
	s.screen.line("stopped")
	return errStopped
}

// check reads the flags and draws the seed where none is given.
func (o *demoOptions) check() (fault, error) {
	if o.rps < 50 || o.rps > 20_000 || o.users < 100 || o.users > 1_000_000 {
		return fault{}, usagef("--rps takes 50 to 20000 and --users 100 to 1000000")
	}
	if o.seed == 0 {
		o.seed = rand.Uint64N(1_000_000) + 1
	}
	return parseFault(o.fault)
}

// also adds what went wrong on the way out. A failure that was printed already
// hides no other.
func also(err, more error) error {
	if more == nil {
		return err
	}
	if errors.Is(err, errSilent) || errors.Is(err, errStopped) {
		return more
	}
	return errors.Join(err, more)
}

// demoNode is the node of the demo: what an operator writes, in Go.
func demoNode(listen, control, folder string) *configs.Node {
	n := &configs.Node{
		Name:           "demo",
		Listen:         []configs.Listen{{Address: listen}},
		Control:        configs.Control{Address: control},
		State:          configs.State{Embedded: &configs.Embedded{Dir: folder}},
		TrustedProxies: []string{"127.0.0.1/32"}, // the traffic says whose request it is
		Drain:          configs.Drain{Window: configs.Duration(time.Millisecond), Grace: configs.Duration(2 * time.Second)},
	}
	n.SetDefaults()
	return n
}

// demoService is the service of the demo.
func demoService(blue, green string) configs.Service {
	return configs.Service{
		Name:   "shop",
		Routes: []configs.Route{{Path: "/"}},
		Versions: map[string]configs.Version{
			"blue":  {Endpoints: []string{blue}, Revision: "v1.4.2"},
			"green": {Endpoints: []string{green}, Revision: "v1.5.0"},
		},
		Stable: "blue",
		Sticky: &configs.Sticky{By: "cookie"},
		Health: &configs.Health{Path: "/healthz", Interval: configs.Duration(500 * time.Millisecond)},
	}
}

// demoPlan is the rollout of the demo: a canary in seconds.
func demoPlan() (configs.Rollout, error) {
	const plan = `kind: Rollout
service: shop
to: green
strategy: canary
stages:
  - {weight: 5%, duration: 5s}
  - {weight: 25%, duration: 5s}
  - {weight: 100%, duration: 5s}
rollback:
  triggers:
    - {condition: error_rate > 1%, duration: 10s}
    - {condition: latency_p99 > 200ms, duration: 10s}
    - {condition: health_check == failing, count: 3}
`
	d, err := configs.DecodeOne("demo", configs.KindRollout, []byte(plan))
	if err != nil {
		return configs.Rollout{}, err
	}
	return *d.Rollout, nil
}
