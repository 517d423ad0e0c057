package configs

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Stored are the documents that live in etcd.
type Stored interface {
	Service | Rollout | Notifier | Freeze
}

// Encode gives the canonical JSON of a document, its kind first: what is put
// into etcd. Decode and DecodeStored read it back to an equal value.
func Encode[T Stored](document T) ([]byte, error) {
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false) // limits are written with < and >
	if err := encoder.Encode(document); err != nil {
		return nil, fmt.Errorf("cannot encode document: %w", err)
	}
	body := bytes.TrimPrefix(bytes.TrimSpace(out.Bytes()), []byte("{"))
	head := fmt.Appendf(nil, `{"kind":%q`, kindOf(document))
	if body[0] != '}' {
		head = append(head, ',')
	}
	return append(head, body...), nil
}

// DecodeStored reads a value that some weir wrote to etcd. It is tolerant where
// Decode is strict: fields that a newer version wrote are ignored, and nothing
// is validated.
func DecodeStored[T Stored](data []byte) (T, error) {
	var document, none T
	var head struct {
		Kind Kind `json:"kind"`
	}
	if len(data) > maxInput {
		return none, fmt.Errorf("cannot decode stored document: it is %d bytes long, more than %d", len(data), maxInput)
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return none, fmt.Errorf("cannot decode stored document: %w", err)
	}
	if want := kindOf(document); head.Kind != "" && head.Kind != want {
		return none, fmt.Errorf("cannot decode stored document: its kind is %q, not %q", head.Kind, want)
	}
	if err := json.Unmarshal(data, &document); err != nil {
		return none, fmt.Errorf("cannot decode stored document: %w", err)
	}
	return document, nil
}

func kindOf(document any) Kind {
	switch document.(type) {
	case Service:
		return KindService
	case Rollout:
		return KindRollout
	case Notifier:
		return KindNotifier
	default:
		return KindFreeze
	}
}
