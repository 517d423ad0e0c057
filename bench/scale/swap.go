package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/weirproxy/weir/bench/lab"
)

// changed is how many services have their weights changed in turn. The traffic
// is to another one.
const changed = 20

// measureSwaps sends the same traffic in rounds without and with changes of
// weights of other services, in the order A B B A, so that a drift of the
// machine meets both alike.
func measureSwaps(o options, result *lab.Result) (missed int, err error) {
	w, err := open(o)
	if err != nil {
		return 0, err
	}
	defer w.close()
	load := lab.Load{Address: w.node.Clients, Host: host(o.services - 1), Users: 1000}
	if _, err := w.round(o, load, false); err != nil { // connections are open, memory is warm
		return 0, err
	}
	var ratios, without, with []float64
	for range o.blocks {
		sum := 0.0
		for _, changing := range []bool{false, true, true, false} {
			p99, err := w.round(o, load, changing)
			if err != nil {
				return 0, err
			}
			if changing {
				sum += math.Log(p99.Seconds()) / 2
				with = append(with, p99.Seconds())
			} else {
				sum -= math.Log(p99.Seconds()) / 2
				without = append(without, p99.Seconds())
			}
		}
		ratios = append(ratios, sum)
	}
	low, middle, high := bootstrap(ratios, rand.New(rand.NewPCG(1, 2)))
	result.Printf("%d requests a second to one of %d services, weights of others changed %d times a second or not, %d blocks A B B A of %s\n",
		o.rps, o.services, o.changes, o.blocks, o.round)
	result.Printf("median p99 without changes %s, with changes %s\n", seconds(without), seconds(with))
	text, missed := beside(fmt.Sprint(swapBar), high <= swapBar)
	result.Printf("p99 with over p99 without: %.3f, 95%% interval %.3f to %.3f%s\n\n", middle, low, high, text)
	return missed, nil
}

// round is the p99 of one round. A request that fails ends the measurement.
func (w *world) round(o options, load lab.Load, changing bool) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(context.Background(), o.round)
	defer cancel()
	traffic := load.Open(o.rps)
	done := make(chan error, 1)
	go func() {
		if !changing {
			done <- nil
			return
		}
		done <- w.change(ctx, o)
	}()
	<-ctx.Done()
	err := <-done
	shots := traffic.Stop()
	if n := shots.Failed(); n > 0 {
		err = errors.Join(err, fmt.Errorf("requests failed: %s", shots))
	}
	var took []time.Duration
	for _, s := range shots {
		took = append(took, s.Ended.Sub(s.Began))
	}
	return lab.Quantile(took, .99), err
}

// change changes weights until ctx ends.
func (w *world) change(ctx context.Context, o options) error {
	ticker := time.NewTicker(time.Second / time.Duration(o.changes))
	defer ticker.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
		green := 10 + i%40
		err := w.node.API.Weigh(service(i%changed), map[string]string{"blue": fmt.Sprintf("%d%%", 100-green), "green": fmt.Sprintf("%d%%", green)})
		if err != nil {
			return err
		}
	}
}

// bootstrap is the mean of logarithms of ratios as a ratio, and its 95 %
// interval by resampling of blocks.
func bootstrap(logs []float64, random *rand.Rand) (low, middle, high float64) {
	const times = 10_000
	means := make([]float64, times)
	for i := range means {
		for range logs {
			means[i] += logs[random.IntN(len(logs))] / float64(len(logs))
		}
	}
	slices.Sort(means)
	sum := 0.0
	for _, l := range logs {
		sum += l / float64(len(logs))
	}
	return math.Exp(means[times*25/1000]), math.Exp(sum), math.Exp(means[times*975/1000])
}

func seconds(values []float64) time.Duration {
	slices.Sort(values)
	return time.Duration(values[len(values)/2] * float64(time.Second)).Round(10 * time.Microsecond)
}
