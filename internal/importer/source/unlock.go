package source

import (
	"slices"

	"lotse/dlx"
	"lotse/internal/importer"
	"lotse/internal/importer/source/archive"
)

// archiveAnswer is the id of the question for an archive's password.
const archiveAnswer = "archive"

// unlock opens an archive's encrypted files with a password that is known, or that
// a person knows; name is the archive's for people. Without the right one they are refused.
func (b *builder) unlock(a *archive.Archive, name string) error {
	if !a.Locked() {
		return nil
	}
	if b.passwords == nil {
		given := []string{b.req.Password, b.req.Answers[archiveAnswer]}
		b.passwords = slices.DeleteFunc(given, func(p string) bool { return p == "" })
	}
	if slices.ContainsFunc(b.passwords, a.Unlock) {
		return nil
	}
	asked, err := b.askPassword(a, name)
	if err != nil || !a.Locked() {
		return err
	}
	reason := importer.ReasonEncrypted
	if asked || len(b.passwords) > 0 {
		reason = importer.ReasonPassword
		b.wrong = true
	}
	b.locked = true
	a.RefuseLocked(reason)
	return nil
}

// askPassword asks a person until the archive opens or the person gives up, and
// reports whether a password was tried.
func (b *builder) askPassword(a *archive.Archive, name string) (tried bool, err error) {
	if b.hooks.Password == nil {
		return false, nil
	}
	for range maxAttempts {
		if tried && b.hooks.Retry != nil && !b.hooks.Retry(b.ctx, passwordProblem(importer.ProblemAnswer)) {
			break
		}
		password, err := b.hooks.Password(b.ctx, name)
		if err != nil {
			return tried, err
		}
		if err := b.ctx.Err(); err != nil {
			return tried, err
		}
		if password == "" {
			break
		}
		tried = true
		if a.Unlock(password) {
			b.passwords = append(b.passwords, password)
			break
		}
	}
	return tried, nil
}

// keyhole is the problem of a package of which nothing can be read for want of a
// password. Where something can, the rest is left out with its reason.
func (b *builder) keyhole() error {
	if !b.locked {
		return nil
	}
	for i := range b.opened.Len() {
		if f := b.opened.File(i); f.Refused == "" && f.Size != 0 {
			return nil
		}
	}
	if b.wrong {
		return passwordProblem(importer.ProblemAnswer)
	}
	return passwordProblem(importer.ProblemQuestion)
}

func passwordProblem(code importer.ProblemCode) *importer.Problem {
	q := importer.Question{ID: archiveAnswer, Type: "ARCHIVE", Format: string(dlx.FormatString)}
	return &importer.Problem{Code: code, Questions: []importer.Question{q}}
}
