package api

import (
	"context"
	"math"
	"net/http"
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
// certificate that its connection was opened with.
func (a *API) identify(r *http.Request, header http.Header) (identity, *Problem) {
	scheme, secret, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	bearer := strings.EqualFold(scheme, "Bearer") && secret != ""
	certificate := !bearer && r.TLS != nil && len(r.TLS.VerifiedChains) > 0
	var who identity
	var stale error
	if bearer {
		who, stale = a.Tokens.find(strings.TrimSpace(secret))
	} else if certificate {
		who, stale = a.Tokens.findCertificate(r.TLS.PeerCertificates[0])
	}
	if stale != nil {
		a.Log.Warn("tokens file is not in use", zap.Error(stale))
	}
	if who.role != Nobody {
		return who, nil
	}
	header.Set("WWW-Authenticate", `Bearer realm="weir"`)
	if !bearer && !certificate {
		return who, problem(http.StatusUnauthorized, "give one with --token or WEIR_TOKEN, or send `Authorization: Bearer …`", "this needs a token")
	}
	client := clientOf(r)
	if wait := a.attempts.failed(client, time.Now()); wait > 0 {
		header.Del("WWW-Authenticate")
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
		return who, problem(http.StatusTooManyRequests, "check --token or WEIR_TOKEN; a good one is taken at once",
			"too many requests from here came with an unknown token")
	}
	if certificate {
		subject := r.TLS.PeerCertificates[0].Subject.String()
		a.Log.Warn("unknown client certificate", zap.Stringer("client", client), zap.String("subject", subject))
		return who, problem(http.StatusUnauthorized, "add one of its names to the tokens file, or send a token",
			"the certificate of %q is in no entry of the tokens file", subject)
	}
	a.Log.Warn("unknown token", zap.Stringer("client", client))
	header.Set("WWW-Authenticate", `Bearer realm="weir", error="invalid_token"`)
	return who, problem(http.StatusUnauthorized, "check --token or WEIR_TOKEN", "the token is unknown")
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
