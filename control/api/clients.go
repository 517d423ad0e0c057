package api

import (
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"
)

// Clients knows the applications that may ask for flags: the entries of a tokens
// file with the role client. Safe for concurrent use.
type Clients struct {
	tokens   *Tokens
	attempts *attempts
	log      *zap.Logger

	// known are keys that were good a moment ago: an application sends the same
	// one thousands of times a second. It holds no more than there are clients.
	known sync.Map // of string to admitted
}

type admitted struct {
	environment string
	until       time.Time
}

// believed is how long a key is good without a look at the file.
const believed = time.Second

// NewClients returns the Clients of a tokens file.
func NewClients(tokens *Tokens, log *zap.Logger) *Clients {
	return &Clients{tokens: tokens, attempts: newAttempts(), log: log}
}

// Authorize returns the environment of the application that has a key, empty if
// its entry names none. Other roles are refused: what a page sends is known to all
// its visitors, and must be good for nothing else. A wait says that the client
// sent too many keys that nobody has.
func (c *Clients) Authorize(key string, r *http.Request) (environment string, ok bool, wait time.Duration) {
	now := time.Now()
	if v, ok := c.known.Load(key); ok && now.Before(v.(admitted).until) {
		return v.(admitted).environment, true, 0
	}
	var who identity
	if key != "" {
		var stale error
		if who, stale = c.tokens.find(key); stale != nil {
			c.log.Error("tokens file not in use", zap.Error(stale))
		}
	}
	if who.role == Client {
		c.known.Store(key, admitted{who.environment, now.Add(believed)})
		return who.environment, true, 0
	}
	c.known.Delete(key)
	return "", false, c.attempts.failed(clientOf(r), now)
}
