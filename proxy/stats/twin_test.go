package stats

import "time"

// twin is a Recorder with one armed Trial, written the dumb way: maps, and all
// latencies kept. It is for one goroutine.
type twin struct {
	limits []time.Duration
	keyed  bool
	levels []Levels // rising

	ticks    map[uint32]*Outcomes
	marks    map[mark]uint32
	codes    map[int]uint64
	reasons  map[Reason]uint64
	lanes    map[Lane]uint64
	inFlight uint64
	latency  []time.Duration
}

type mark struct {
	kind   int
	bucket int32
}

// Kinds of marks besides those of limits.
const (
	errorKind  = -1
	clientKind = -2
	levelKind  = 100
)

// twinRequest is the twin's token.
type twinRequest struct {
	lane   Lane
	at     int64
	bucket int32

	headed, bad bool
}

func newTwin(limits []time.Duration, keyed bool) *twin {
	return &twin{
		limits: limits, keyed: keyed,
		ticks: map[uint32]*Outcomes{}, marks: map[mark]uint32{},
		codes: map[int]uint64{}, reasons: map[Reason]uint64{}, lanes: map[Lane]uint64{},
	}
}

func (w *twin) tick(r *twinRequest) *Outcomes {
	n := uint32(r.at / int64(TickLength))
	if w.ticks[n] == nil {
		w.ticks[n] = new(Outcomes)
	}
	return w.ticks[n]
}

// unique reports whether a bad outcome is the first of its bucket in 600 s.
func (w *twin) unique(r *twinRequest, kind int) bool {
	if !w.keyed && kind != clientKind || r.bucket < 0 {
		return true
	}
	m := mark{kind, r.bucket}
	tick := uint32(r.at / int64(TickLength))
	if last, ok := w.marks[m]; ok && int64(tick)-int64(last) < 6000 {
		return false
	}
	w.marks[m] = tick
	return true
}

func (w *twin) begin(lane Lane, at int64, bucket int32) *twinRequest {
	r := &twinRequest{lane: lane, at: at, bucket: bucket}
	w.lanes[lane]++
	w.inFlight++
	if lane == Split {
		w.tick(r).Started++
	}
	return r
}

func (w *twin) head(r *twinRequest, latency time.Duration, status int, bad bool) {
	w.speed(r, latency, bad)
	if !bad && status/100 == 4 && r.lane == Split {
		w.tick(r).ClientErrors++
		if w.unique(r, clientKind) {
			w.tick(r).ClientErrorsUnique++
		}
	}
	r.headed, r.bad = true, bad
	if bad && r.lane == Split {
		w.tick(r).Ended++
		w.wrong(r)
	}
}

func (w *twin) end(r *twinRequest, at int64, o Outcome) {
	reason := o.Reason
	if o.ClientLeft {
		reason = ClientLeft
	}
	if r.bad && (reason == None || reason == ClientLeft) {
		reason = Status
	}
	if !r.headed {
		w.speed(r, time.Duration(at-r.at), true)
	}
	if r.lane == Split && !r.bad {
		w.tick(r).Ended++
		if reason != None && reason != ClientLeft {
			w.wrong(r)
		}
	}
	w.inFlight--
	if r.lane == Mirror || r.lane == Probe {
		return
	}
	w.codes[o.Status]++
	if reason != None {
		w.reasons[reason]++
	}
}

func (w *twin) wrong(r *twinRequest) {
	o := w.tick(r)
	o.Errors++
	if r.bucket >= 0 {
		o.ErrorsHalf[r.bucket%2]++
	}
	if w.unique(r, errorKind) {
		o.ErrorsUnique++
	}
}

func (w *twin) speed(r *twinRequest, latency time.Duration, void bool) {
	if r.lane != Mirror && r.lane != Probe {
		w.latency = append(w.latency, latency)
	}
	if r.lane != Split {
		return
	}
	o := w.tick(r)
	o.Headed++
	for k, limit := range w.limits {
		if latency > limit {
			o.Over[k]++
			if w.unique(r, k) {
				o.OverUnique[k]++
			}
		} else if void {
			o.Excluded[k]++
		}
	}
	var levels Levels
	for _, l := range w.levels {
		if uint32(r.at/int64(TickLength)) >= l.From {
			levels = l
		}
	}
	for k, level := range levels.At {
		switch {
		case level == 0:
		case latency > level:
			o.OverLevel[k]++
			if w.unique(r, levelKind+k) {
				o.OverLevelUnique[k]++
			}
		case void:
			o.ExcludedLevel[k]++
		}
	}
}
