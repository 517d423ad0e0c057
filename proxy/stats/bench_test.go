package stats

import (
	"sync/atomic"
	"testing"
	"time"
)

var benchLimits = []time.Duration{200 * time.Millisecond, 500 * time.Millisecond}

// benchRecorder is a Recorder in the middle of a rollout of a keyed service.
func benchRecorder(armed bool) *Recorder {
	r := NewRecorder(8)
	if armed {
		r.Arm(NewTrial(benchLimits, true, NewMarks()))
	}
	return r
}

// request is one good request, 100 us after the one before.
func request(r *Recorder, shard uint32, i int64) {
	at := i * 100_000
	token := r.Begin(shard, Split, at, int32(i%Buckets))
	r.Head(&token, at+20*ms, 20*time.Millisecond, 200, false)
	r.End(&token, at+21*ms, Outcome{Status: 200})
}

func BenchmarkRecorder(b *testing.B) {
	f := func(name string, armed bool) {
		b.Run(name+"/BeginEnd", func(b *testing.B) {
			r := benchRecorder(armed)
			b.ReportAllocs()
			for i := range int64(b.N) {
				token := r.Begin(0, Split, i*100_000, int32(i%Buckets))
				r.End(&token, i*100_000+20*ms, Outcome{Status: 200})
			}
		})
		b.Run(name+"/BeginHeadEnd", func(b *testing.B) {
			r := benchRecorder(armed)
			b.ReportAllocs()
			for i := range int64(b.N) {
				request(r, 0, i)
			}
		})
		b.Run(name+"/Parallel", func(b *testing.B) {
			r := benchRecorder(armed)
			var shards atomic.Uint32
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				shard := shards.Add(1)
				for i := int64(0); pb.Next(); i++ {
					request(r, shard, i)
				}
			})
		})
	}
	f("idle", false)
	f("armed", true)
}

func BenchmarkRecorder_Totals(b *testing.B) {
	r := benchRecorder(true)
	for shard := range uint32(8) {
		request(r, shard, 1)
	}
	var totals Totals
	for range b.N {
		r.Totals(&totals)
	}
}
