package control

import (
	"encoding/binary"
	"errors"
	"slices"

	"github.com/weirproxy/weir/analysis"
)

// maxTally bounds what a node says in one report, and what is read of one.
const maxTally = 64 << 10

const tallyForm = 2

// errTally says that a report cannot be read.
var errTally = errors.New("the tally is damaged or of a newer form")

// tally is the value of tallies/<node>: what a node has counted for the rules
// of each rollout in force since its process began. Every number only rises, so
// that a report which is lost, repeated or late changes nothing for good.
type tally struct {
	boot     string
	rollouts []rolloutTally
}

// rolloutTally is a rollout in one generation of its evidence.
type rolloutTally struct {
	id         string
	generation int
	since      uint32 // the tick from which this process counts; with the boot it names one life
	sides      []sideTally
}

// sideTally is one candidate beside stable.
type sideTally struct {
	version string
	streams []streamTally
}

// streamTally are the counts of one horizon and limit.
type streamTally struct {
	horizon           analysis.Horizon
	limit             int
	stable, candidate analysis.Counts
	halves            [2]uint64 // stable's errors in even and odd buckets
}

// add counts a sample.
func (s *sideTally) add(sample analysis.Sample) {
	at := s.stream(sample.Horizon, sample.Limit)
	at.stable.Add(sample.Stable)
	at.candidate.Add(sample.Candidate)
	for i, n := range sample.Halves {
		at.halves[i] += n
	}
}

func (s *sideTally) stream(h analysis.Horizon, limit int) *streamTally {
	i := slices.IndexFunc(s.streams, func(t streamTally) bool { return t.horizon == h && t.limit == limit })
	if i < 0 {
		s.streams = append(s.streams, streamTally{horizon: h, limit: limit})
		i = len(s.streams) - 1
	}
	return &s.streams[i]
}

// encode writes t as it is stored: a form, then lengths and numbers as varints.
func (t tally) encode() []byte {
	b := append([]byte{tallyForm}, byte(len(t.boot)))
	b = append(b, t.boot...)
	text := func(s string) {
		b = binary.AppendUvarint(b, uint64(len(s)))
		b = append(b, s...)
	}
	b = binary.AppendUvarint(b, uint64(len(t.rollouts)))
	for _, r := range t.rollouts {
		text(r.id)
		b = binary.AppendUvarint(b, uint64(r.generation))
		b = binary.AppendUvarint(b, uint64(r.since))
		b = binary.AppendUvarint(b, uint64(len(r.sides)))
		for _, s := range r.sides {
			text(s.version)
			b = binary.AppendUvarint(b, uint64(len(s.streams)))
			for _, st := range s.streams {
				b = append(b, byte(st.horizon), byte(st.limit))
				for _, c := range []analysis.Counts{st.stable, st.candidate} {
					b = binary.AppendUvarint(b, c.N)
					b = binary.AppendUvarint(b, c.X)
					b = binary.AppendUvarint(b, c.Raw)
				}
				for _, n := range st.halves {
					b = binary.AppendUvarint(b, n)
				}
			}
		}
	}
	return b
}

// decodeTally reads what encode wrote. The bytes are foreign.
func decodeTally(b []byte) (tally, error) {
	if len(b) < 2 || len(b) > maxTally || b[0] != tallyForm {
		return tally{}, errTally
	}
	r := &tallyReader{b: b[2:]}
	t := tally{boot: r.bytes(int(b[1]))}
	for range r.count(8) {
		ro := rolloutTally{id: r.text(), generation: int(r.number(1 << 31)), since: uint32(r.number(1<<32 - 1))}
		for range r.count(4) {
			s := sideTally{version: r.text()}
			for range r.count(8) {
				st := streamTally{horizon: analysis.Horizon(r.byte()), limit: int(r.byte())}
				for _, c := range []*analysis.Counts{&st.stable, &st.candidate} {
					c.N, c.X, c.Raw = r.number(1<<60), r.number(1<<60), r.number(1<<60)
				}
				st.halves = [2]uint64{r.number(1 << 60), r.number(1 << 60)}
				s.streams = append(s.streams, st)
			}
			ro.sides = append(ro.sides, s)
		}
		t.rollouts = append(t.rollouts, ro)
	}
	if r.failed || len(r.b) > 0 {
		return tally{}, errTally
	}
	return t, nil
}

// tallyReader reads bounded values; after the first that is none it gives zeros.
type tallyReader struct {
	b      []byte
	failed bool
}

func (r *tallyReader) number(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 || v > limit || r.failed {
		r.failed = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

// count reads how many items follow, each of at least size bytes.
func (r *tallyReader) count(size int) int {
	n := r.number(maxTally)
	if n > uint64(len(r.b)/size)+1 {
		r.failed = true
		return 0
	}
	return int(n)
}

func (r *tallyReader) byte() byte {
	s := r.bytes(1)
	if s == "" {
		return 0
	}
	return s[0]
}

func (r *tallyReader) text() string { return r.bytes(int(r.number(256))) }

func (r *tallyReader) bytes(n int) string {
	if r.failed || n > len(r.b) {
		r.failed = true
		return ""
	}
	s := string(r.b[:n])
	r.b = r.b[n:]
	return s
}
