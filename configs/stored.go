package configs

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Stored are the documents that live in etcd.
type Stored interface {
	Service | Rollout | Notifier | Freeze | Flag | Release
}

// Encode gives the canonical JSON of a document, its kind first: what is put
// into etcd. Decode and its tolerant siblings read it back to an equal value.
func Encode[T Stored](document T) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // limits are written with < and >
	if err := encoder.Encode(document); err != nil {
		return nil, fmt.Errorf("cannot encode document: %w", err)
	}
	body := bytes.TrimPrefix(bytes.TrimSpace(out.Bytes()), []byte("{"))
	head := fmt.Appendf(nil, `{"kind":%q`, kindFor[T]())
	if body[0] != '}' {
		head = append(head, ',')
	}
	return append(head, body...), nil
}

// DecodeStoredService reads the value of services/<name>, which some weir wrote
// to etcd. It is tolerant where Decode is strict: fields that a newer version
// wrote are ignored, and nothing is validated.
func DecodeStoredService(data []byte) (*Service, error) { return decodeStored[Service](data) }

// DecodeStoredRollout reads the plan of a rollout as tolerantly.
func DecodeStoredRollout(data []byte) (*Rollout, error) { return decodeStored[Rollout](data) }

// DecodeStoredNotifier reads the value of notifiers/<name> as tolerantly.
func DecodeStoredNotifier(data []byte) (*Notifier, error) { return decodeStored[Notifier](data) }

// DecodeStoredFreeze reads the value of freezes/<name> as tolerantly.
func DecodeStoredFreeze(data []byte) (*Freeze, error) { return decodeStored[Freeze](data) }

// DecodeStoredFlag reads the value of flags/<name> as tolerantly.
func DecodeStoredFlag(data []byte) (*Flag, error) { return decodeStored[Flag](data) }

// DecodeStoredRelease reads the value of releases/<application>/<version> as tolerantly.
func DecodeStoredRelease(data []byte) (*Release, error) { return decodeStored[Release](data) }

func decodeStored[T Stored](data []byte) (*T, error) {
	var stored struct {
		Kind Kind `json:"kind"`
	}
	document := new(T)
	kind := kindFor[T]()
	if len(data) > maxInput {
		return nil, fmt.Errorf("cannot decode stored %s: it is %d bytes long, more than %d", kind, len(data), maxInput)
	}
	if err := json.Unmarshal(data, &stored); err != nil {
		return nil, fmt.Errorf("cannot decode stored %s: %w", kind, err)
	}
	if stored.Kind != "" && stored.Kind != kind {
		return nil, fmt.Errorf("cannot decode stored %s: its kind is %q", kind, stored.Kind)
	}
	if err := json.Unmarshal(data, document); err != nil {
		return nil, fmt.Errorf("cannot decode stored %s: %w", kind, err)
	}
	return document, nil
}
