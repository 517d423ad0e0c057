package rollout

import (
	"strconv"
	"strings"
	"time"

	"github.com/weirproxy/weir/configs"
)

func weightsOf(args []string) map[string]configs.Weight {
	weights := make(map[string]configs.Weight)
	for _, arg := range args {
		version, weight, _ := strings.Cut(arg, "=")
		weights[version] = weightOf(weight)
	}
	return weights
}

func weightOf(text string) configs.Weight {
	f, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil {
		panic(err)
	}
	return configs.Weight(f*100 + .5)
}

// planOf reads `green 5%/5s 25%/5s/early -/0s bake=10s hold=1m then=proceed holdback=1%`.
func planOf(args []string) configs.Rollout {
	plan := configs.Rollout{Service: "shop", To: args[0], Strategy: configs.StrategyCanary}
	for _, arg := range args[1:] {
		if name, value, ok := strings.Cut(arg, "="); ok {
			d, _ := time.ParseDuration(value)
			switch name {
			case "bake":
				plan.Bake = configs.Duration(d)
			case "hold":
				plan.MaxHold = configs.Duration(d)
			case "then":
				plan.OnInconclusive = value
			case "holdback":
				plan.Holdback = weightOf(value)
			case "strategy":
				plan.Strategy = value
			case "preview":
				plan.Preview = &configs.Preview{Host: value}
			case "smoke":
				plan.Smoke = []configs.Smoke{{Get: value}}
			case "batch":
				plan.Batch, _ = strconv.Atoi(value)
			case "between":
				plan.PauseBetween = configs.Duration(d)
			case "unavailable":
				n, _ := strconv.Atoi(value)
				plan.MaxUnavailable = &n
			default:
				gateOption(&plan, name, value)
			}
			continue
		}
		arg, early := strings.CutSuffix(arg, "/early")
		arg, pause := strings.CutSuffix(arg, "/pause")
		arg, match := strings.CutSuffix(arg, "/match")
		arg, mirror := strings.CutSuffix(arg, "/mirror")
		weight, span, _ := strings.Cut(arg, "/")
		d, _ := time.ParseDuration(span)
		s := configs.Stage{Duration: configs.Duration(d), Early: early, Pause: pause}
		if match {
			s.Match = []configs.Match{{Header: "X-Beta", Values: []string{"1"}}}
		}
		if mirror {
			s.Mirror = 1_000
		}
		if weight != "-" {
			s.Weight = new(weightOf(weight))
		}
		plan.Stages = append(plan.Stages, s)
	}
	return plan
}
