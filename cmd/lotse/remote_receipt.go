package main

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"slices"

	"lotse/internal/importer"
	"lotse/internal/importer/receipt"
	"lotse/internal/phrase"
	"lotse/internal/remote"
	"lotse/internal/scratch"
	"lotse/internal/terminal"
)

// proven shows and keeps the receipt of a delivery; err is what ended it.
func (c *importCmd) proven(s *session, client *remote.Client, out *remote.Outcome, file *receiptFile, err error) error {
	signed, failed := fetchReceipt(s.ctx, client, out, c.TempDir)
	if failed != nil {
		return errors.Join(failed, err)
	}
	defer signed.Close()
	keys, failed := client.Keys(s.ctx)
	if failed != nil {
		return errors.Join(failed, err)
	}
	proof, failed := receipt.Verify(whole(signed), func(id string) (ed25519.PublicKey, bool) {
		key, ok := keys[id]
		return key, ok
	})
	if failed != nil {
		return failed // nothing of it is shown or kept
	}
	spool, failed := scratch.New(c.TempDir)
	if failed != nil {
		return failed
	}
	defer spool.Close()
	rec, failed := receipt.Restore(whole(signed), spool, func(it *receipt.Item) {
		if group := groupOf(*it); it.Reason != "" && it.Sentence == "" {
			it.Sentence = s.phrases.Say(group, nil)
		}
	})
	if failed != nil {
		return failed
	}
	failed = errors.Join(file.write(func(w io.Writer) error {
		_, err := io.Copy(w, whole(signed))
		return err
	}), c.show(s, rec))
	if !c.JSON {
		_, _ = fmt.Fprintf(s.out, "\n%s\n", s.phrases.Say("remote.verified", map[string]any{"Key": proof.KeyID}))
	}
	printSkipped(s.err, s.phrases, out.Skipped)
	if err == nil && rec.Totals.Failed+rec.Totals.Missed > 0 {
		err = &importer.Problem{Code: importer.ProblemSomeFailed}
	}
	if err == nil {
		err = missed(out.Skipped)
	}
	return errors.Join(err, failed)
}

func whole(f *scratch.File) io.Reader { return io.NewSectionReader(f, 0, f.Size()) }

// fetchReceipt gets the signed receipt into a scratch file.
func fetchReceipt(ctx context.Context, client *remote.Client, out *remote.Outcome, dir string) (*scratch.File, error) {
	var signed *scratch.File
	err := client.Receipt(ctx, out.ID, out.Delivery.ID, func() (io.Writer, error) {
		if signed != nil { // the connection broke
			_ = signed.Close()
		}
		var err error
		signed, err = scratch.New(dir)
		return signed, err
	})
	if err != nil && signed != nil {
		_ = signed.Close()
	}
	return signed, err
}

// printSkipped lists what was not uploaded, by reason.
func printSkipped(w io.Writer, p *phrase.Phrases, list []remote.Skipped) {
	var reasons []importer.ReasonCode
	paths := map[importer.ReasonCode][]string{}
	for _, f := range list {
		if !slices.Contains(reasons, f.Reason) {
			reasons = append(reasons, f.Reason)
		}
		paths[f.Reason] = append(paths[f.Reason], f.Path)
	}
	for _, r := range reasons {
		_, _ = fmt.Fprintf(w, "\n%s: %s (%d)\n", p.Say("remote.not-uploaded", nil), p.Say("reason."+string(r), nil), len(paths[r]))
		for i, path := range paths[r] {
			if i == maxShown {
				_, _ = fmt.Fprintf(w, "  %s\n", p.Say("receipt.more", map[string]any{"Count": len(paths[r]) - i}))
				break
			}
			_, _ = fmt.Fprintf(w, "  %s\n", terminal.Clean(path))
		}
	}
}

// missed is the problem of files that could not be read, and may have been images.
func missed(list []remote.Skipped) error {
	if slices.ContainsFunc(list, func(f remote.Skipped) bool { return f.Reason.Loss() }) {
		return &importer.Problem{Code: importer.ProblemSomeFailed}
	}
	return nil
}
