package api

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// Bounds of the sessions of browsers.
const (
	sessionLife    = 12 * time.Hour
	maxSessions    = 1024
	maxOfOneHolder = 64 // so that nobody pushes out everybody else
)

// session is a browser that has shown a token.
type session struct {
	proof [sha256.Size]byte // hash of that token
	until time.Time
}

// sessions are the browsers that are logged in at this process: a restart, and
// another node, ask for the token again. The cookie holds a random id and
// nothing of the token, and here only a hash of the id is kept. What a session
// may do is looked up with each request by its token's hash, so that it ends
// when the token is removed or replaced. Safe for concurrent use.
type sessions struct {
	mu sync.Mutex
	of map[[sha256.Size]byte]session // by hash of the id
}

func newSessions() *sessions { return &sessions{of: make(map[[sha256.Size]byte]session)} }

// open begins a session and returns its id.
func (s *sessions) open(proof [sha256.Size]byte, now time.Time) string {
	id := rand.Text() + rand.Text() // 260 random bits
	s.mu.Lock()
	defer s.mu.Unlock()
	s.makeRoom(proof, now)
	s.of[sha256.Sum256([]byte(id))] = session{proof, now.Add(sessionLife)}
	return id
}

// makeRoom forgets what has ended, and the oldest session of a holder, or of all,
// that has too many.
func (s *sessions) makeRoom(proof [sha256.Size]byte, now time.Time) {
	type oldest struct {
		key   [sha256.Size]byte
		until time.Time
	}
	var all, own oldest
	held := 0
	for key, one := range s.of {
		if !now.Before(one.until) {
			delete(s.of, key)
			continue
		}
		if all.until.IsZero() || one.until.Before(all.until) {
			all = oldest{key, one.until}
		}
		if one.proof != proof {
			continue
		}
		if held++; own.until.IsZero() || one.until.Before(own.until) {
			own = oldest{key, one.until}
		}
	}
	switch {
	case held >= maxOfOneHolder:
		delete(s.of, own.key)
	case len(s.of) >= maxSessions:
		delete(s.of, all.key)
	}
}

// find returns the hash of the token that an open session was begun with.
func (s *sessions) find(id string, now time.Time) (proof [sha256.Size]byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	one, ok := s.of[sha256.Sum256([]byte(id))]
	return one.proof, ok && now.Before(one.until)
}

// end forgets a session.
func (s *sessions) end(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.of, sha256.Sum256([]byte(id)))
}

// sessionCookie is the cookie that carries an id. Cookies do not tell ports
// apart, and several nodes on one machine shall not log each other's people
// out, so the port is part of its name.
//
// It is Secure where this address serves TLS and where browsers reach it by TLS that
// something before it ends: a browser that is led to the plain address then keeps it
// to itself, whoever listens on the way. The node's own setting says so and no header:
// what a request claims must not decide under which name a session is looked for.
func (a *API) sessionCookie(r *http.Request, id string) *http.Cookie {
	c := &http.Cookie{
		Name: "weir", Value: id, Path: "/", MaxAge: int(sessionLife / time.Second),
		HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil || a.HTTPS,
	}
	if c.Secure {
		c.Name = "__Host-weir" // browsers take that only from this host, by TLS
	}
	if port := localPort(r); port > 0 {
		c.Name += "-" + strconv.Itoa(port)
	}
	if id == "" {
		c.MaxAge = -1
	}
	return c
}

// sessionID is the id that a request carries, empty without one.
func (a *API) sessionID(r *http.Request) string {
	c, err := r.Cookie(a.sessionCookie(r, "").Name)
	if err != nil {
		return ""
	}
	return c.Value
}

// fromOwnPage reports whether a request was sent by a page of this address, or
// by a person who typed its URL. A cookie goes along with whatever a browser
// sends here: SameSite keeps other sites out, and this also their neighbours on
// other ports, which are the same site.
func fromOwnPage(r *http.Request) bool {
	reads := r.Method == http.MethodGet || r.Method == http.MethodHead
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin":
		return true
	case "none":
		return reads
	case "":
		// Browsers say no more by plain HTTP, but they name the origin of a change.
		origin := r.Header.Get("Origin")
		if origin == "" {
			return reads
		}
		u, err := url.Parse(origin)
		return err == nil && u.Host == r.Host
	}
	return false
}
