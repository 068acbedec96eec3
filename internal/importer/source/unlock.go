package source

import (
	"maps"
	"slices"
	"strings"

	"lotse/dlx"
	"lotse/internal/importer"
	"lotse/internal/importer/source/archive"
)

// archiveAnswer is the id of the question for an archive's password.
const archiveAnswer = "archive"

// maxOpen is how many archives are asked about at once.
const maxOpen = 20

// unlock opens an archive's encrypted files with a password that is known, or that
// a person knows; name is the archive's for people. Without the right one they are refused.
func (b *builder) unlock(a *archive.Archive, at place, name string) error {
	if !a.Locked() {
		return nil
	}
	if b.passwords == nil {
		b.passwords = b.req.passwords()
	}
	if slices.ContainsFunc(b.passwords, a.Unlock) {
		return nil
	}
	if b.req.Later {
		b.askLater(at.id, name)
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

// passwords are those that came with the request, each once.
func (r *Request) passwords() []string {
	all := []string{r.Password, r.Answers[archiveAnswer]}
	for _, id := range slices.Sorted(maps.Keys(r.Answers)) {
		if strings.HasPrefix(id, archiveAnswer+".") && !slices.Contains(all, r.Answers[id]) {
			all = append(all, r.Answers[id])
		}
	}
	return slices.DeleteFunc(all, func(p string) bool { return p == "" })
}

// askLater notes the question for an archive that stays locked, unless the answer is
// that nobody has its password.
func (b *builder) askLater(id, name string) {
	answer, given := b.req.Answers[id]
	if given && answer == "" || len(b.open) == maxOpen {
		return
	}
	b.mistaken = b.mistaken || given
	q := importer.Question{ID: id, Type: "ARCHIVE", Format: string(dlx.FormatString)}
	if name != "" {
		q.Text = map[string]string{"": printable(name)}
	}
	b.open = append(b.open, q)
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
// password. Where something can, the rest is left out with its reason. With questions
// for later every archive counts, and nobody insists.
func (b *builder) keyhole() error {
	switch {
	case len(b.open) > 0 && b.mistaken:
		return &importer.Problem{Code: importer.ProblemAnswer, Questions: b.open}
	case len(b.open) > 0:
		return &importer.Problem{Code: importer.ProblemQuestion, Questions: b.open}
	case !b.locked || b.req.Later:
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
