package control

import "context"

type roleKey struct{}

// WithRole says with which role the person behind a command acts. The audit
// trail shows it.
func WithRole(ctx context.Context, role string) context.Context {
	return context.WithValue(ctx, roleKey{}, role)
}

func roleOf(ctx context.Context) string {
	role, _ := ctx.Value(roleKey{}).(string)
	return role
}
