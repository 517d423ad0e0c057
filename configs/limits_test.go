package configs

import (
	"strings"
	"testing"
	"time"
)

func TestLimits_AreBoundedAndSayWhatToWrite(t *testing.T) {
	f := func(limits string, want ...string) {
		t.Helper()
		d, err := DecodeOne("node.yaml", KindNode, []byte("kind: Node\nname: a\nlisten: [{address: 127.0.0.1:1}]\nlimits: "+limits+"\n"))
		text := ""
		if err != nil {
			text = err.Error()
		} else if problems := d.Node.Validate(); len(problems) > 0 {
			text = problems.Error()
		}
		if len(want) == 0 && text != "" {
			t.Errorf("%s: %s", limits, text)
		}
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: got %q, want %q", limits, text, w)
			}
		}
	}
	f("{}")
	f("{head_bytes: 32768, fields: 50, body_bytes: -1, connections: 10, per_client: -1, head_timeout: 1s, body_timeout: 1m, keep_alive: 1h, min_rate: -1}")
	f("{head_bytes: 2000000}", "limits.head_bytes", "1048576")
	f("{head_bytes: 10}", "limits.head_bytes", "at least 1024")
	f("{fields: 101}", "limits.fields", "up to 100")
	f("{body_bytes: -2, per_client: -2, min_rate: -2}", "limits.body_bytes", "limits.per_client", "limits.min_rate")
	f("{connections: -1}", "limits.connections")
	f("{http2: {frames: -2, calm: 48h}}", "limits.http2.frames", "limits.http2.calm")
	f("{head_timeout: 48h}", "limits.head_timeout")
	f("{heads: 1}", "heads")
}

func TestLimits_KeepWhatIsWritten(t *testing.T) {
	d, err := DecodeOne("node.yaml", KindNode, []byte("kind: Node\nlisten: [{address: 127.0.0.1:1}]\nlimits: {keep_alive: 10s, per_client: 7}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if l := d.Node.Limits; l.KeepAlive.Std() != 10*time.Second || l.PerClient != 7 {
		t.Errorf("got %+v", l)
	}
}
