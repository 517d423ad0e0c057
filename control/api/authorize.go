package api

import (
	"context"
	"math"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"go.uber.org/zap"

	"github.com/weirproxy/weir/control"
)

const (
	// metaRole is the key of an operation's Role.
	metaRole = "role"

	// ActorHeader names the person behind a request. It is believed only where
	// no tokens are in use; otherwise the token's name is the actor.
	ActorHeader = "X-Weir-Actor"

	// maxActor bounds what ActorHeader may put into the history.
	maxActor = 64
)

type identityKey struct{}

// actorOf is who stands behind a request.
func actorOf(ctx context.Context) string {
	who, _ := ctx.Value(identityKey{}).(identity)
	return who.name
}

// authorize refuses a request of somebody who may not do what the operation does.
func (a *API) authorize(ctx huma.Context, next func(huma.Context)) {
	need, _ := ctx.Operation().Metadata[metaRole].(Role)
	if need == Nobody {
		next(ctx)
		return
	}
	r, w := humago.Unwrap(ctx)
	who, role := identity{name: localActor(ctx.Header(ActorHeader)), role: Admin}, "local"
	if a.Tokens != nil {
		var p *Problem
		if who, p = a.identify(r, w.Header()); p == nil && who.role < need {
			p = problem(http.StatusForbidden, "use a token with the role "+need.String(),
				"%s has the role %s, and this needs %s", who.name, who.role, need)
		}
		if p != nil {
			p.write(w)
			return
		}
		role = who.role.String()
	}
	next(huma.WithContext(ctx, control.WithRole(context.WithValue(ctx.Context(), identityKey{}, who), role)))
}

// identify finds out who sent a request: by its token or, without one, by the
// session of its browser or the certificate of its connection.
func (a *API) identify(r *http.Request, header http.Header) (identity, *Problem) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") && secret != "" {
		who, stale := a.Tokens.find(strings.TrimSpace(secret))
		a.warn(stale)
		if who.role == Nobody {
			return who, a.unknownToken(clientOf(r), header)
		}
		return who, nil
	}
	if who, p := a.resume(r); p != nil || who.role != Nobody {
		return who, p
	}
	if r.TLS != nil && len(r.TLS.VerifiedChains) > 0 {
		return a.certified(r, header)
	}
	header.Set("WWW-Authenticate", `Bearer realm="weir"`)
	return identity{}, problem(http.StatusUnauthorized, "give one with --token or WEIR_TOKEN, or send `Authorization: Bearer …`", "this needs a token")
}

// certified finds out whom the certificate of a connection names.
func (a *API) certified(r *http.Request, header http.Header) (identity, *Problem) {
	leaf, client := r.TLS.PeerCertificates[0], clientOf(r)
	who, stale := a.Tokens.findCertificate(leaf)
	a.warn(stale)
	if who.role != Nobody {
		return who, nil
	}
	if p := a.tooOften(client, header); p != nil {
		return who, p
	}
	subject := leaf.Subject.String()
	a.Log.Warn("unknown client certificate", zap.Stringer("client", client), zap.String("subject", subject))
	header.Set("WWW-Authenticate", `Bearer realm="weir"`)
	return who, problem(http.StatusUnauthorized, "add one of its names to the tokens file, or send a token",
		"the certificate of %q is in no entry of the tokens file", subject)
}

// resume finds out whose session a request belongs to. Nobody: it has none, or
// one that is over.
func (a *API) resume(r *http.Request) (identity, *Problem) {
	id := a.sessionID(r)
	if id == "" {
		return identity{}, nil
	}
	proof, open := a.sessions.find(id, time.Now())
	if !open {
		return identity{}, nil
	}
	if !fromOwnPage(r) {
		return identity{}, problem(http.StatusForbidden, "use a page of this address, or send a token",
			"a session is taken from the pages of this address alone")
	}
	who, stale := a.Tokens.holder(proof)
	a.warn(stale)
	return who, nil
}

// warn logs that the tokens file as it is now is not in use, if it is not.
func (a *API) warn(stale error) {
	if stale != nil {
		a.Log.Warn("tokens file is not in use", zap.Error(stale))
	}
}

// allowed reports whether an answer that takes long may go on: a token that was
// removed meanwhile, or a session that is over, ends it.
func (a *API) allowed(r *http.Request) bool {
	if a.Tokens == nil {
		return true
	}
	who, p := a.identify(r, make(http.Header))
	return p == nil && who.role >= Viewer
}

// unknownToken counts a token that nobody has, and says so.
func (a *API) unknownToken(client netip.Addr, header http.Header) *Problem {
	if p := a.tooOften(client, header); p != nil {
		return p
	}
	a.Log.Warn("unknown token", zap.Stringer("client", client))
	header.Set("WWW-Authenticate", `Bearer realm="weir", error="invalid_token"`)
	return problem(http.StatusUnauthorized, "check --token or WEIR_TOKEN", "the token is unknown")
}

// tooOften counts a failure of a client. Nil: it failed not yet too often.
func (a *API) tooOften(client netip.Addr, header http.Header) *Problem {
	wait := a.attempts.failed(client, time.Now())
	if wait == 0 {
		return nil
	}
	header.Del("WWW-Authenticate")
	header.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	return problem(http.StatusTooManyRequests, "check --token or WEIR_TOKEN; a good one is taken at once",
		"too many requests from here came with an unknown token")
}

// localActor is the actor of a request without a token: whom the client names,
// made safe for a terminal.
func localActor(named string) string {
	named = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, named)
	if len(named) > maxActor {
		named = named[:maxActor]
	}
	if named == "" {
		return "local"
	}
	return named
}
