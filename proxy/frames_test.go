package proxy

import (
	"bytes"
	"testing"

	"golang.org/x/net/http2"
	"pgregory.net/rapid"
)

// The twin is a framer of somebody else's, which gets the bytes in one piece.
func TestFrames_AreFoundWhereverTheBytesAreCut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var wire bytes.Buffer
		fr := http2.NewFramer(&wire, nil)
		type seen struct {
			kind   byte
			stream uint32
			length int
		}
		var want, got []seen
		for range rapid.IntRange(0, 20).Draw(t, "frames") {
			f := seen{
				kind:   byte(rapid.IntRange(0, 12).Draw(t, "kind")),
				stream: rapid.Uint32Range(0, 1<<31-1).Draw(t, "stream"),
				length: rapid.IntRange(0, 40).Draw(t, "length"),
			}
			_ = fr.WriteRawFrame(http2.FrameType(f.kind), 0, f.stream, make([]byte, f.length))
			want = append(want, f)
		}
		var scan frameScan
		for b := wire.Bytes(); len(b) > 0; {
			n := rapid.IntRange(1, len(b)).Draw(t, "piece")
			for piece := b[:n]; ; {
				f, rest, ok := scan.next(piece)
				if !ok {
					break
				}
				got = append(got, seen{f.kind, f.stream, f.length})
				piece = rest
			}
			b = b[n:]
		}
		if len(got) != len(want) {
			t.Fatalf("found %d frames of %d", len(got), len(want))
		}
		for i := range want {
			if got[i] != want[i] {
				t.Fatalf("frame %d: found %+v, want %+v", i, got[i], want[i])
			}
		}
		if !scan.between() {
			t.Fatal("all frames are over, and it waits for more")
		}
	})
}

func TestFrames_OfEverydayCostNothingInTheLongRun(t *testing.T) {
	f := func(name string, frames ...clientFrame) {
		t.Helper()
		total := int64(0)
		for _, f := range frames {
			total += f.price(true)
		}
		if total > 0 {
			t.Errorf("%s: costs %d", name, total)
		}
	}

	head := clientFrame{kind: frameHeaders}
	f("a request", head)
	f("an upload", head, clientFrame{kind: frameData, length: 16384}, clientFrame{kind: frameData, flags: flagEndStream})
	f("a call of small messages", head, clientFrame{kind: frameData, length: 12}, clientFrame{kind: frameData, length: 12})
	f("what weir asked for", clientFrame{kind: frameSettings, flags: flagAck})
	f("one hedged call in four is given up", head, head, head, head, clientFrame{kind: frameReset})
}
