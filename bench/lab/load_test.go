package lab

import (
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const hello = "HTTP/1.1 200 OK\r\nX-Version: blue\r\nContent-Length: 0\r\n\r\n"

// serve answers every request that script gets on a connection of its own;
// what script returns is sent, and the connection closed unless keep is set.
func serve(t *testing.T, script func(request int) (answer string, keep bool)) (address string, stop func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	var mu sync.Mutex
	requests := 0
	running.Go(func() {
		for {
			nc, err := l.Accept()
			if err != nil {
				return
			}
			running.Go(func() {
				defer nc.Close()
				buffer := make([]byte, 4096)
				for {
					n, err := nc.Read(buffer)
					if err != nil || !strings.HasSuffix(string(buffer[:n]), "\r\n\r\n") {
						return
					}
					mu.Lock()
					requests++
					answer, keep := script(requests)
					mu.Unlock()
					if _, err := nc.Write([]byte(answer)); err != nil || !keep {
						return
					}
				}
			})
		}
	})
	return l.Addr().String(), sync.OnceFunc(func() { _ = l.Close(); running.Wait() })
}

func TestLoad_TellsALossFromARefusal(t *testing.T) {
	f := func(answer string, want Fate, status int) {
		t.Helper()
		address, stop := serve(t, func(int) (string, bool) { return answer, false })
		defer stop()
		traffic := Load{Address: address}.filled().still()
		shot := traffic.shoot(traffic.load.request())
		if shot.Fate != want || shot.Status != status {
			t.Errorf("%q: %s with status %d", answer, shot.Fate, shot.Status)
		}
		traffic.Stop()
	}

	f(hello, Answered, 200)
	f("HTTP/1.1 502 Bad Gateway\r\nX-Weir-Reason: connect\r\nContent-Length: 0\r\n\r\n", Answered, 502)
	f("", Lost, 0)
	f("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", Lost, 0)

	address, stop := serve(t, func(int) (string, bool) { return hello, true })
	stop()
	traffic := Load{Address: address}.filled().still()
	if shot := traffic.shoot(traffic.load.request()); shot.Fate != Refused {
		t.Errorf("nobody listens: %s", shot.Fate)
	}
}

// still is traffic that sends nothing by itself.
func (l Load) still() *Traffic { return &Traffic{load: l, cancel: func() {}} }

func TestLoad_OpenSendsOnTimeWhateverIsSlow(t *testing.T) {
	address, stop := serve(t, func(int) (string, bool) { return hello, true })
	defer stop()
	hang, err := net.Listen("tcp", "127.0.0.1:0") // accepts by its queue, answers nothing
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	traffic := Load{Address: address, Users: 10}.Open(200)
	stuck := Load{Address: hang.Addr().String()}.Open(200)
	time.Sleep(500 * time.Millisecond)
	if err := hang.Close(); err != nil { // resets what waits
		t.Fatal(err)
	}
	shots, lost := traffic.Stop(), stuck.Stop()
	most := int(200*time.Since(began).Seconds()) + 1
	for name, s := range map[string]Shots{"answered": shots, "stuck": lost} {
		if len(s) < 50 || len(s) > most {
			t.Errorf("%s: 200 a second are %d in half a second", name, len(s))
		}
	}
	if shots.Failed() != 0 || shots.To("blue") != len(shots) {
		t.Errorf("%s", shots)
	}
	if lost.Lost() < len(lost)/2 {
		t.Errorf("requests without an answer are no loss: %s", lost)
	}
}

func TestLoad_ClosedClientsReconnectUntilTheyAreRefused(t *testing.T) {
	const closing = "HTTP/1.1 200 OK\r\nX-Version: blue\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
	address, stop := serve(t, func(n int) (string, bool) {
		if n%3 == 0 {
			return closing, false
		}
		return hello, true
	})
	traffic := Load{Address: address}.Closed(4, time.Millisecond)
	for traffic.Sent() < 100 {
		time.Sleep(time.Millisecond)
	}
	ended := make(chan Shots, 1)
	go func() { ended <- traffic.Wait() }()
	stop()
	shots := <-ended
	refused := shots.Count(func(s Shot) bool { return s.Fate == Refused })
	if refused != 4 || shots.To("blue") < 100 {
		t.Errorf("%d clients were refused: %s", refused, shots)
	}
}
