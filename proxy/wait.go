package proxy

import (
	"errors"
	"time"
)

// lookEvery is how often, about, an exchange that waits for its endpoint looks
// whether its client is still there.
const lookEvery = int64(500 * time.Millisecond)

// errLeft ends a wait whose client went away.
var errLeft = errors.New("the client went away")

// deadline is when the endpoint's silence ends the attempt; 0: never. Before
// the head the service's timeout counts, from the first attempt on and only once
// the request is sent; after it, the idle timeout from silentSince on.
func (x *exchange) deadline(silentSince int64) int64 {
	from, limit := x.firstAt, x.service.Timeout
	switch {
	case x.headAt != 0:
		from, limit = silentSince, x.service.IdleTimeout
	case !x.read:
		from = x.sentAt.Load()
	}
	end := from + int64(limit)
	if limit <= 0 || from == 0 {
		end = 0
	}
	if x.giveUpAt != 0 && x.headAt == 0 && (end == 0 || x.giveUpAt < end) {
		return x.giveUpAt
	}
	return end
}

// wait blocks until more than n bytes of the answer are buffered. x.now is the
// time when it begins, and then when it ends.
func (x *exchange) wait(n int) error {
	for since := x.now; ; {
		deadline, err := x.arm(x.now, since)
		if err != nil {
			return err
		}
		_, err = x.up.Reader.Peek(n + 1)
		x.now = x.h.Now()
		x.recordOpen()
		if err == nil || !isTimeout(err) || deadline != 0 && x.now >= deadline {
			return err
		}
		if x.conn.gone() {
			x.left = true
			return errLeft
		}
	}
}

// write sends all to the endpoint, within the service's timeout. It moves x.now
// as wait does.
func (x *exchange) write(all []byte) error {
	for p := all; ; {
		deadline, err := x.arm(x.now, x.now)
		if err != nil {
			return err
		}
		n, err := x.up.Write(p)
		x.now = x.h.Now()
		x.unsent = err != nil && n == 0 && len(p) == len(all)
		if err == nil || !isTimeout(err) || deadline != 0 && x.now >= deadline {
			return err
		}
		if x.conn.gone() {
			x.left = true
			return errLeft
		}
		p = p[n:]
	}
}

// arm bounds the next wait for the endpoint by the deadline, which it returns,
// and by the next look at the client.
func (x *exchange) arm(now, since int64) (deadline int64, err error) {
	if u := x.upload; u != nil {
		// The upload moves the deadline too, when it has sent the last byte.
		u.mu.Lock()
		defer u.mu.Unlock()
		deadline = x.deadline(since)
		return deadline, x.up.SetReadDeadline(x.h.at(look(now, deadline)))
	}
	deadline = x.deadline(since)
	at := look(now, deadline)
	// Fast path: the connection's last deadline will do. Moving it at each
	// request costs more than the precision of a look is worth.
	if armed := x.up.Armed; armed > now+lookEvery/2 && armed <= at {
		return deadline, nil
	}
	x.up.Armed = at
	return deadline, x.up.SetDeadline(x.h.at(at))
}

func look(now, deadline int64) int64 {
	if at := now + lookEvery; deadline == 0 || at < deadline {
		return at
	}
	return deadline
}

// at is the wall time of a time since the base.
func (h *Handler) at(t int64) time.Time { return h.base.Add(time.Duration(t)) }
