package source

import (
	"context"
	"errors"
	"io"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"golang.org/x/net/publicsuffix"

	"lotse/dlx"
	"lotse/internal/hostname"
	"lotse/internal/importer"
	"lotse/internal/importer/source/picture"
)

// maxLinks is how many links of one picture are tried.
const maxLinks = 4

// isLink reports whether text is a link that may be followed: http and https only,
// whatever else a QR code holds.
func isLink(text string) bool {
	u, err := url.Parse(strings.TrimSpace(text))
	return err == nil && (u.Scheme == "https" || u.Scheme == "http") && u.Host != ""
}

// links returns the links that QR codes in a picture hold.
func links(ctx context.Context, image *io.SectionReader, pixels int) ([]string, error) {
	found, err := picture.Find(ctx, image, pixels, isLink)
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, &importer.Problem{Code: importer.ProblemNoQR, Err: err}
	}
	return found[:min(len(found), maxLinks)], nil
}

// visit is the way through one portal.
type visit struct {
	*fetcher
	client  *dlx.Client
	portal  *dlx.Portal
	session *dlx.Session
}

// link fetches what is behind a link.
func (f *fetcher) link(link string) error {
	v := &visit{fetcher: f, client: f.client(f.req.AllowHosts)}
	var err error
	if v.portal, err = v.client.Probe(f.ctx, link); err != nil {
		return portalProblem(err)
	}
	f.memory.Link = link
	f.origin = importer.Origin{Kind: importer.FromPortal, Label: printable(v.portal.Host)}
	if err := v.confirmHost(); err != nil {
		return err
	}
	if err := v.useToken(); err != nil {
		return err
	}
	if v.resume() {
		err := v.take()
		if !errors.Is(err, dlx.Expired) {
			return v.asking(err)
		}
		v.memory.JWT = "" // the session may be what has expired
	}
	if err := v.authenticate(); err != nil {
		return v.asking(err)
	}
	return v.asking(v.take())
}

// take fetches with an open session.
func (v *visit) take() error {
	if err := v.remember(); err != nil {
		return err
	}
	if v.memory.Listed == nil {
		items, err := v.session.List(v.ctx)
		if err != nil {
			return portalProblem(err)
		}
		if len(items) == 0 {
			return &importer.Problem{Code: importer.ProblemNothing, Host: v.portal.Host, Err: errors.New("source: the link gives nothing")}
		}
		for _, item := range items {
			v.memory.Listed = append(v.memory.Listed, newListed(item))
		}
	}
	if v.memory.Chosen == nil {
		chosen, err := v.choose(v.memory.Listed)
		v.memory.Chosen = chosen
		if err := errors.Join(err, v.remember()); err != nil {
			return err
		}
	}
	err := v.fetch()
	return errors.Join(err, v.remember())
}

// asking adds the questions to a refusal that is answered later: a portal does not say
// which answer was wrong.
func (v *visit) asking(err error) error {
	var p *importer.Problem
	if v.req.Later && errors.As(err, &p) && p.Code == importer.ProblemRefused {
		p.Questions = v.questions(v.portal.Questions)
	}
	return err
}

func (f *fetcher) client(allow []string) *dlx.Client {
	return dlx.New(dlx.Config{
		Transport: f.transport, InsecureHTTP: f.req.InsecureHTTP, AllowHosts: allow, SameSite: sameSite,
		Languages: f.req.Languages, UserAgent: f.req.UserAgent, Patience: f.req.Patience, Waiting: f.waiting,
	})
}

// sameSite reports whether two origins belong to one registrable domain.
func sameSite(x, y *url.URL) bool {
	domain := func(u *url.URL) string {
		if _, err := netip.ParseAddr(u.Hostname()); err == nil {
			return ""
		}
		d, err := publicsuffix.EffectiveTLDPlusOne(u.Hostname())
		if err != nil {
			return ""
		}
		return d
	}
	d := domain(x)
	return d != "" && d == domain(y)
}

// confirmHost has a person confirm that answers go to another site than the link's.
func (v *visit) confirmHost() error {
	host := v.portal.ForeignHost
	if host == "" {
		return v.knowHost()
	}
	if v.hooks.ConfirmHost != nil {
		yes, err := v.hooks.ConfirmHost(v.ctx, host)
		if err != nil {
			return err
		}
		if yes {
			v.client = v.fetcher.client(append(slices.Clone(v.req.AllowHosts), host))
			return nil
		}
	}
	return &importer.Problem{Code: importer.ProblemForeignHost, Host: host}
}

// knowHost makes sure that somebody confirmed the host of the link itself before it gets answers.
func (v *visit) knowHost() error {
	if !v.req.Careful || len(v.portal.Questions) == 0 && !v.portal.NeedsToken() {
		return nil
	}
	host, err := hostname.Canonical(v.portal.Host)
	if err != nil {
		return &importer.Problem{Code: importer.ProblemBadLink, Host: v.portal.Host, Err: err}
	}
	for _, entry := range v.req.AllowHosts {
		if known, err := hostname.Canonical(entry); err == nil && hostname.Covers(known, host) {
			return nil
		}
	}
	return &importer.Problem{Code: importer.ProblemUnknownHost, Host: host}
}

// useToken takes the token from a person where the link does not show it.
func (v *visit) useToken() error {
	if !v.portal.NeedsToken() {
		return nil
	}
	const id = "token"
	questions := []importer.Question{{ID: id, Type: "TOKEN", Format: string(dlx.FormatString)}}
	token := v.req.Answers[id]
	if token == "" && v.hooks.Ask != nil {
		given, err := v.hooks.Ask(v.ctx, v.portal.Host, questions)
		if err != nil {
			return err
		}
		token = given[id]
	}
	if err := v.portal.UseToken(token); err != nil {
		return &importer.Problem{Code: importer.ProblemTokenUnknown, Host: v.portal.Host, Questions: questions, Err: err}
	}
	return nil
}

// maxAttempts is how often answers are sent, or asked for.
const maxAttempts = 3

// resume goes on with the session of an earlier run, if there is one: answers may be
// good for one time only.
func (v *visit) resume() bool {
	if v.memory.JWT == "" || v.memory.Base != v.portal.APIBase.String() {
		return false
	}
	answers, err := v.prepared()
	if err != nil {
		return false
	}
	v.session, err = v.client.Resume(v.portal, answers, dlx.NewSecret(v.memory.JWT))
	return err == nil
}

// authenticate answers the portal's questions. When a person gave wrong answers and
// wants to try again, all questions are asked: a portal does not say which was wrong.
func (v *visit) authenticate() error {
	answers, err := v.prepared()
	if err != nil {
		return err
	}
	for attempt := 1; ; attempt++ {
		err := v.answer(answers)
		var p *importer.Problem
		if err == nil || !errors.As(err, &p) || p.Code != importer.ProblemRefused && p.Code != importer.ProblemAnswer {
			return err
		}
		if attempt == maxAttempts || v.hooks.Ask == nil || v.hooks.Retry == nil || !v.hooks.Retry(v.ctx, p) {
			return err
		}
		clear(answers)
	}
}

// prepared are the answers that came with the request.
func (v *visit) prepared() (map[string]string, error) {
	answers := dlx.Prefill(v.portal.Questions, dlx.Known{
		BirthDate: v.req.BirthDate, StudyDate: v.req.StudyDate, Password: v.req.Password,
	})
	for _, q := range v.portal.Questions {
		if given, ok := v.req.Answers[q.ID]; ok {
			answer, err := q.Normalize(given)
			if err != nil {
				return nil, v.badAnswer(q, err)
			}
			answers[q.ID] = answer
		}
	}
	return answers, nil
}

// answer asks for what is missing and authenticates.
func (v *visit) answer(answers map[string]string) error {
	var missing []dlx.Question
	for _, q := range v.portal.Questions {
		if _, ok := answers[q.ID]; !ok {
			missing = append(missing, q)
		}
	}
	if len(missing) > 0 {
		if err := v.ask(missing, answers); err != nil {
			return err
		}
	}
	session, err := v.client.Authenticate(v.ctx, v.portal, answers)
	if err != nil {
		return portalProblem(err)
	}
	v.session = session
	return nil
}

func (v *visit) ask(missing []dlx.Question, answers map[string]string) error {
	questions := v.questions(missing)
	if v.hooks.Ask == nil {
		return &importer.Problem{Code: importer.ProblemQuestion, Host: v.portal.Host, Questions: questions}
	}
	given, err := v.hooks.Ask(v.ctx, v.portal.Host, questions)
	if err != nil {
		return err
	}
	for _, q := range missing {
		answer, err := q.Normalize(given[q.ID])
		if err != nil {
			return v.badAnswer(q, err)
		}
		answers[q.ID] = answer
	}
	return nil
}

func (v *visit) badAnswer(q dlx.Question, err error) error {
	return &importer.Problem{
		Code: importer.ProblemAnswer, Host: v.portal.Host, Questions: v.questions([]dlx.Question{q}), Err: err,
	}
}

func (v *visit) questions(all []dlx.Question) []importer.Question {
	out := make([]importer.Question, len(all))
	for i, q := range all {
		out[i] = importer.Question{
			ID: q.ID, Type: string(q.Type), Format: string(q.Format),
			Text: map[string]string{"": printable(q.In(v.req.Languages...))},
		}
		for _, t := range q.Texts {
			if language := strings.ToLower(strings.TrimSpace(t.Language)); language != "" {
				out[i].Text[printable(language)] = printable(t.Text)
			}
		}
	}
	return out
}

// portalProblem says what an error of package dlx means for a person.
func portalProblem(err error) error {
	var e *dlx.Error
	var sink *dlx.SinkError
	switch {
	case errors.As(err, &sink):
		return sink.Err
	case !errors.As(err, &e):
		return err
	}
	return &importer.Problem{Code: code(e), Host: e.Host, After: e.RetryAfter, Err: err}
}

func code(e *dlx.Error) importer.ProblemCode {
	switch e.Kind {
	case dlx.NotDLX:
		return importer.ProblemNotDLX
	case dlx.Refused:
		return importer.ProblemRefused
	case dlx.Expired:
		return importer.ProblemExpired
	case dlx.Unavailable:
		return importer.ProblemPortalDown
	case dlx.NotReady:
		return importer.ProblemPatience
	case dlx.Insecure:
		if e.Reason == dlx.BadCertificate {
			return importer.ProblemCertificate
		}
		return importer.ProblemInsecure
	case dlx.ForeignHost:
		return importer.ProblemForeignHost
	case dlx.BadAnswer:
		return importer.ProblemAnswer
	case dlx.TokenUnknown:
		return importer.ProblemTokenUnknown
	case dlx.BadLink:
		return importer.ProblemBadLink
	case dlx.Blocked:
		return importer.ProblemBlocked
	}
	return importer.ProblemPortal // Protocol, TooManyRedirects, NotFound
}

// choose decides which of the listed items are fetched, by position.
func (v *visit) choose(listed []importer.Listed) ([]int, error) {
	switch {
	case len(v.req.Chosen) > 0:
		return positionsOf(v.req.Chosen, len(listed))
	case len(v.req.Select) > 0:
		return v.selected(listed)
	case len(listed) == 1:
		return everything(1), nil
	case v.hooks.Choose != nil:
		chosen, err := v.hooks.Choose(v.ctx, listed)
		if err != nil {
			return nil, err
		}
		return positionsOf(chosen, len(listed))
	case v.req.Later:
		return nil, &importer.Problem{Code: importer.ProblemChoice, Host: v.portal.Host, Listed: listed}
	}
	return everything(len(listed)), nil
}

// selected finds what was selected. Where answers come later, a selection that fits
// nothing is a question again: the link may be good for one time only.
func (v *visit) selected(listed []importer.Listed) ([]int, error) {
	chosen, err := selection(v.req.Select, listed)
	var p *importer.Problem
	if v.req.Later && errors.As(err, &p) {
		p.Host, p.Listed = v.portal.Host, listed
	}
	return chosen, err
}

// positionsOf puts chosen positions in order.
func positionsOf(chosen []int, n int) ([]int, error) {
	chosen = slices.Clone(chosen)
	slices.Sort(chosen)
	chosen = slices.Compact(chosen)
	if len(chosen) == 0 || chosen[0] < 0 || chosen[len(chosen)-1] >= n {
		return nil, &importer.Problem{Code: importer.ProblemSelection, Err: errors.New("source: nothing was chosen")}
	}
	return chosen, nil
}

func everything(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func newListed(i dlx.Item) importer.Listed {
	return importer.Listed{
		ID: i.ID, MIMEType: i.MIMEType, Description: printable(i.Description), StudyUID: i.StudyUID, Date: string(i.Date),
		Modalities: i.Modalities, PatientName: printable(i.PatientName), BirthDate: string(i.BirthDate), Sex: i.Sex,
		PatientID: i.PatientID, Accession: i.AccessionNumber, Files: i.FileCount,
	}
}
