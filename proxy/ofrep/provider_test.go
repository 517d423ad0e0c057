package ofrep

import (
	"context"
	"net/http/httptest"
	"testing"

	provider "github.com/open-feature/go-sdk-contrib/providers/ofrep"
	"github.com/open-feature/go-sdk/openfeature"

	"net/http"
	"time"
)

// TestHandler_ServesOpenFeaturesOwnClient asks through the official SDK and its
// OFREP provider, as they are.
func TestHandler_ServesOpenFeaturesOwnClient(t *testing.T) {
	server := httptest.NewServer(NewHandler(Options{Tables: table(t), Authorize: func(key string, _ *http.Request) (string, bool, time.Duration) {
		return "staging", key == "secret", 0
	}}))
	defer server.Close()
	if err := openfeature.SetProviderAndWait(provider.NewProvider(server.URL, provider.WithBearerToken("secret"))); err != nil {
		t.Fatal(err)
	}
	defer openfeature.Shutdown()
	client, ctx := openfeature.NewClient("test"), context.Background()
	pro := openfeature.NewEvaluationContext("user-1", map[string]any{"plan": "pro", "account": map[string]any{"tier": map[string]any{"level": 3}}})

	got, err := client.BooleanValueDetails(ctx, "bool", false, pro)
	if err != nil || !got.Value || got.Variant != "v1" || got.Reason != openfeature.TargetingMatchReason {
		t.Errorf("bool: %+v, %v", got, err)
	}
	if v, err := client.BooleanValue(ctx, "dev", false, pro); err != nil || !v {
		t.Errorf("dev: %v, %v", v, err)
	}
	if v, err := client.FloatValue(ctx, "deep", 0, pro); err != nil || v != 2.5 {
		t.Errorf("deep: %v, %v", v, err)
	}
	if v, err := client.StringValue(ctx, "killed", "?", pro); err != nil || v != "off" {
		t.Errorf("killed: %v, %v", v, err)
	}
	object, err := client.ObjectValue(ctx, "object", nil, pro)
	if m, ok := object.(map[string]any); err != nil || !ok || m["bg"] != "#000" {
		t.Errorf("object: %v, %v", object, err)
	}
	split, err := client.BooleanValueDetails(ctx, "half", false, pro)
	if err != nil || split.Reason != openfeature.SplitReason {
		t.Errorf("half: %+v, %v", split, err)
	}

	// What cannot be told leaves applications with their own default.
	missing, err := client.BooleanValueDetails(ctx, "other", true, pro)
	if err == nil || !missing.Value || missing.ErrorCode != openfeature.FlagNotFoundCode {
		t.Errorf("other: %+v, %v", missing, err)
	}
	keyless, err := client.BooleanValueDetails(ctx, "half", true, openfeature.NewTargetlessEvaluationContext(nil))
	if err == nil || !keyless.Value || keyless.ErrorCode != openfeature.TargetingKeyMissingCode {
		t.Errorf("half without a key: %+v, %v", keyless, err)
	}
	wrong, err := client.StringValueDetails(ctx, "bool", "mine", pro)
	if err == nil || wrong.Value != "mine" || wrong.ErrorCode != openfeature.TypeMismatchCode {
		t.Errorf("bool as a text: %+v, %v", wrong, err)
	}
}
