package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
)

// export writes the counts of a rollout to a file, or to the standard output.
func (c *cli) export(ctx context.Context, client *client, id, file string) error {
	counts, err := client.counts(ctx, id)
	if err != nil {
		return err
	}
	defer counts.Close()
	if file == "-" {
		return copied(c.out, counts)
	}
	f, err := os.Create(file)
	if err != nil {
		return fmt.Errorf("cannot write %q: %w", file, reason(err))
	}
	if err := errors.Join(copied(f, counts), f.Close()); err != nil {
		// Half of the counts would be judged as if they were all.
		return errors.Join(err, os.Remove(file))
	}
	fmt.Fprintf(c.out, "The counts of %s are in %s.\n  judge them by other rules: weir replay -f ROLLOUT %s\n", id, file, file)
	return nil
}

func copied(out io.Writer, in io.Reader) error {
	if _, err := io.Copy(out, in); err != nil {
		return fmt.Errorf("cannot export the counts: %w", err)
	}
	return nil
}

// counts are those of a rollout as CSV.
func (c *client) counts(ctx context.Context, id string) (io.ReadCloser, error) {
	req, err := c.request(ctx, call{method: http.MethodGet, path: rolloutPath(id) + "/counts"})
	if err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if mediaType, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); resp.StatusCode == http.StatusOK && mediaType == "text/csv" {
		return resp.Body, nil
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if _, err := c.read(resp, body); err != nil {
		return nil, err
	}
	return nil, &unreachableError{c.base, c.from, errors.New("it answered with no counts")}
}
