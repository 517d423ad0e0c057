package main

import (
	"fmt"
	"time"

	"github.com/weirproxy/weir/bench/lab"
	"github.com/weirproxy/weir/configs"
	"github.com/weirproxy/weir/control/compile"
	"github.com/weirproxy/weir/control/rollout"
	"github.com/weirproxy/weir/proxy/stats"
	"github.com/weirproxy/weir/proxy/upstream"
)

// measureCompile compiles tables in this process, as the Controller does.
func measureCompile(o options, result *lab.Result) (missed int, err error) {
	in := compile.Input{
		Services: map[string]compile.Source{}, States: map[string]compile.State{},
		Endpoints: upstream.NewRegistry(upstream.Options{}), Recorders: stats.NewRegistry(),
	}
	defer in.Endpoints.Close()
	doc := func(i int) configs.Service {
		return configs.Service{
			Name: service(i), Stable: "blue", Routes: []configs.Route{{Host: host(i), Path: "/"}, {Host: host(i), Path: "/api/"}},
			Versions: map[string]configs.Version{"blue": {Endpoints: []string{"127.0.0.1:9001"}}, "green": {Endpoints: []string{"127.0.0.1:9002"}}},
		}
	}
	for i := range o.services {
		in.Revision++
		in.Services[service(i)] = compile.Source{Document: doc(i), ModRevision: in.Revision}
		in.States[service(i)] = compile.State{Service: rollout.NewService(doc(i), time.Now()), ModRevision: in.Revision}
	}
	build := func() (took time.Duration, err error) {
		began := time.Now()
		_, out := compile.Build(in)
		took = time.Since(began)
		if len(out.Refused) > 0 {
			return 0, fmt.Errorf("refused: %v", out.Refused)
		}
		in.Last = out.Built
		return took, nil
	}
	row := func(what string, n int, bar time.Duration, prepare func(i int) error) error {
		var took []time.Duration
		for i := range n {
			if err := prepare(i); err != nil {
				return err
			}
			one, err := build()
			if err != nil {
				return err
			}
			took = append(took, one)
		}
		median := lab.Quantile(took, .5)
		text, n := beside(bar.String(), median <= bar)
		missed += n
		result.Printf("%-52s median %8s   p99 %8s%s\n", what, show(median), show(lab.Quantile(took, .99)), text)
		return nil
	}
	result.Printf("%d services with two routes and two versions each\n", o.services)
	if err := row("all of them", 20, buildBar, func(int) error { in.Last = nil; return nil }); err != nil {
		return missed, err
	}
	err = row("after a change of one's weights", 500, changeBar, func(i int) error {
		in.Revision++
		name, share := service(i%o.services), configs.Weight(1+i%5000)
		weights := map[string]configs.Weight{"blue": configs.Whole - share, "green": share}
		p, err := rollout.NewManual("m1", weights, in.Services[name].Document, in.States[name].Service, time.Now(), "bench")
		in.States[name] = compile.State{Service: p.Service, ModRevision: in.Revision}
		return err
	})
	if err != nil {
		return missed, err
	}
	err = row("after a change of one's routes", 500, changeBar, func(i int) error {
		in.Revision++
		d := doc(i % o.services)
		d.Routes[1].Path = fmt.Sprintf("/v%d/", i)
		in.Services[d.Name] = compile.Source{Document: d, ModRevision: in.Revision}
		return nil
	})
	result.Printf("\n")
	return missed, err
}

func show(d time.Duration) string { return d.Round(10 * time.Microsecond).String() }
