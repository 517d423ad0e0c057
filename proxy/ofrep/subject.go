package ofrep

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/weirproxy/weir/proxy/route"
)

// subject is whom an application asks for: the context of its request.
type subject struct {
	key        []byte
	attributes map[string]json.RawMessage
}

// parse reads {"context": {"targetingKey": …, …}}. A body without a context is
// one about nobody. A problem comes with the protocol's code.
func parse(body []byte) (s *subject, code, problem string) {
	var request struct {
		Context map[string]json.RawMessage `json:"context"`
	}
	if len(body) > 0 {
		var wrong *json.UnmarshalTypeError
		if err := json.Unmarshal(body, &request); errors.As(err, &wrong) && wrong.Field == "context" {
			return nil, "INVALID_CONTEXT", "the context is no mapping but a " + wrong.Value
		} else if err != nil {
			return nil, "PARSE_ERROR", `the body is not {"context": {…}}: ` + err.Error()
		}
	}
	s = &subject{attributes: request.Context}
	if raw, ok := request.Context[route.TargetingKey]; ok && string(raw) != "null" {
		var key string
		if err := json.Unmarshal(raw, &key); err != nil {
			return nil, "INVALID_CONTEXT", "targetingKey must be a text"
		}
		s.key = []byte(key)
	}
	return s, "", ""
}

// Value returns an attribute as text: texts as they are, numbers and truth values
// as JSON writes them. Of mappings `plan.tier` is looked up. Nobody knows the
// header, cookie or query of an application's user.
func (s *subject) Value(by route.By, name string) []byte {
	if by != route.Attribute {
		return nil
	}
	raw, ok := s.attributes[name]
	for within := s.attributes; !ok; {
		first, rest, dotted := strings.Cut(name, ".")
		inner := map[string]json.RawMessage{}
		if !dotted || json.Unmarshal(within[first], &inner) != nil {
			return nil
		}
		within, name = inner, rest
		raw, ok = within[name]
	}
	switch {
	case len(raw) == 0, raw[0] == '{', raw[0] == '[', string(raw) == "null":
		return nil
	case raw[0] == '"':
		var text string
		if json.Unmarshal(raw, &text) != nil {
			return nil
		}
		return []byte(text)
	}
	return raw
}

// FlagKey is the targeting key, whatever requests are told apart by.
func (s *subject) FlagKey(route.By, string) []byte { return s.key }
