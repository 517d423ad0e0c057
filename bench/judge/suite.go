package main

import "time"

// completeSuite are the scenes of relative limits, whole rollouts, early passes
// and the slow path.
func completeSuite() []scene {
	return []scene{
		{"whole rollouts", func() []row {
			return []row{
				wholeRollouts(1000, "candidate as good as stable", fine, .005),
				wholeRollouts(700, "every limit just reached", onEveryLimit, .01),
			}
		}},
		{"faults in rollouts", func() []row {
			var rows []row
			rows = append(rows, found(300, 0, .05, 140, 75*time.Second)...)
			rows = append(rows, found(300, 0, 1, 20, 10*time.Second)...)
			return append(rows, found(200, 2, .05, 0, 10*time.Second)...)
		}},
		{"early", func() []row {
			return []row{earlyPass(300, .0002), earlyPass(300, .001), earlyRollouts(100)}
		}},
		{"relative", func() []row {
			return []row{
				strict(400, 18, 2, 1377), strict(400, 19.8, .2, 1158), strict(400, 10, 10, 3155),
				relative(300, .005, 3433), relative(300, .01, 712), relative(300, .05, 64),
			}
		}},
		{"diurnal", func() []row { return []row{diurnal(500)} }},
		{"quiet", func() []row {
			return []row{quiet(200, 0, 0, 0), quiet(200, 1, 0, 6), quiet(200, .2, 0, 30), quiet(200, 1, 10*time.Minute, 0), quiet(200, .2, 10*time.Minute, 0)}
		}},
		{"latency", func() []row {
			return append([]row{slower(300, 1.5, 200), slower(300, 1.2, 5000)}, equallySlowRows(100)...)
		}},
		{"fleet", func() []row { return fleet(3000, 10) }},
		{"strata", func() []row { return strataRows(300) }},
		{"storms", func() []row {
			return []row{
				storms(300, 50, 50*time.Second, true), storms(300, 400, 500*time.Second, true),
				storms(50, 50, 50*time.Second, false), storms(50, 400, 500*time.Second, false),
			}
		}},
		{"slow path", func() []row { return []row{slowPath(1000, 2./3), slowPath(1000, 20), firstWindow(300, 20)} }},
	}
}
