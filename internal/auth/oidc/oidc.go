// Package oidc lets people sign in by their organisation's identity provider: OpenID
// Connect Core 1.0, authorization code flow, with PKCE (RFC 7636), state, nonce and,
// where the provider sends it, the issuer of the answer (RFC 9207).
//
// It proves who somebody is and keeps nothing: the caller keeps the [Attempt] between
// the two halves of a signing in, sealed, and bound to the browser that began it. Who
// that is here, and what they may do, is the caller's affair; an [Identity] is named by
// issuer and subject, never by an e-mail address, which a provider may give to another.
package oidc

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"
)

const (
	// AttemptTime is how long somebody may take at the provider.
	AttemptTime = 10 * time.Minute

	// discoveryTime is how long what a provider says of itself counts.
	discoveryTime = time.Hour

	// awayTime is how long a provider that did not answer is not asked again.
	awayTime = 10 * time.Second

	// askTime bounds each question to a provider.
	askTime = 20 * time.Second
)

// Config says how to reach a provider, as it was registered there.
type Config struct {
	Issuer       string   // https://…; plain http only on this computer
	ClientID     string   //
	ClientSecret string   // empty for a public client: PKCE protects the code either way
	RedirectURL  string   // where the provider sends people back to
	Scopes       []string // beyond openid, profile and email
	RolesClaim   string   // the claim with groups or roles; empty: none
}

// Errors of a signing in. Everything else is a failure of our own.
var (
	// ErrUnreachable: the provider cannot be asked; later it may.
	ErrUnreachable = errors.New("the identity provider cannot be reached")
	// ErrRefused: the provider, or the person there, said no.
	ErrRefused = errors.New("the identity provider refused the signing in")
	// ErrInvalid: the answer does not belong to the attempt or proves nothing.
	ErrInvalid = errors.New("the identity provider's answer is not valid")
	// ErrLate: the person took too long.
	ErrLate = errors.New("the signing in took too long")
)

// Check says what of a configuration cannot work, naming the field.
func (c Config) Check() error {
	u, err := url.Parse(c.Issuer)
	switch {
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return errors.New("issuer: not an address of a provider")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return errors.New("issuer: has to begin with https")
	case c.ClientID == "":
		return errors.New("client_id: is missing")
	case c.RedirectURL == "":
		return errors.New("redirect_url: is missing")
	}
	return nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Attempt is a signing in that has begun. It is secret.
type Attempt struct {
	State    string    `json:"state"`
	Nonce    string    `json:"nonce"`
	Verifier string    `json:"verifier"` // PKCE
	Begun    time.Time `json:"begun"`
	Anew     bool      `json:"anew,omitempty"` // the person has to sign in there once more
}

// Answer is what the provider sends back through the browser.
type Answer struct {
	State, Code, Issuer, Error string
}

// Identity is a person as the provider knows them.
type Identity struct {
	Issuer, Subject string
	Login           string   // preferred_username
	Name, Email     string   // for people to read, proving nothing
	Groups          []string // of the roles claim
	SecondFactor    bool     // the provider says (amr, RFC 8176) that it asked for more than one
	At              time.Time
}

// Provider is an identity provider. It is safe for concurrent use.
type Provider struct {
	config Config
	client *http.Client
	now    func() time.Time

	mu    sync.Mutex
	known *oidc.Provider
	until time.Time
	away  error     // why it did not answer
	pause time.Time // it is not asked before
}

// New returns a provider; nothing is asked of it yet. A nil client is a plain one, a
// nil clock that of the computer.
func New(c Config, client *http.Client, now func() time.Time) (*Provider, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	if client == nil {
		client = &http.Client{}
	}
	bounded := *client
	bounded.Timeout = askTime
	bounded.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse } // codes and secrets go where they were meant to
	if now == nil {
		now = time.Now
	}
	return &Provider{config: c, client: &bounded, now: now}, nil
}

// Begin starts a signing in: people go to the address that is returned. anew wants them
// to prove who they are there once more, though they may have done so before.
func (p *Provider) Begin(ctx context.Context, anew bool) (Attempt, string, error) {
	known, err := p.discover(ctx)
	if err != nil {
		return Attempt{}, "", err
	}
	a := Attempt{State: rand.Text(), Nonce: rand.Text(), Verifier: oauth2.GenerateVerifier(), Begun: p.now(), Anew: anew}
	options := []oauth2.AuthCodeOption{oauth2.S256ChallengeOption(a.Verifier), oidc.Nonce(a.Nonce)}
	if anew { // with max_age the provider has to say when it was (§3.1.2.1)
		options = append(options, oauth2.SetAuthURLParam("prompt", "login"), oauth2.SetAuthURLParam("max_age", fmt.Sprint(int(AttemptTime.Seconds()))))
	}
	return a, p.oauth(known).AuthCodeURL(a.State, options...), nil
}

// Finish takes the provider's answer to an attempt and returns who it is.
func (p *Provider) Finish(ctx context.Context, a Attempt, answer Answer) (Identity, error) {
	switch age := p.now().Sub(a.Begun); {
	case a.State == "" || subtle.ConstantTimeCompare([]byte(a.State), []byte(answer.State)) != 1:
		return Identity{}, fmt.Errorf("%w: it answers another attempt", ErrInvalid)
	case answer.Issuer != "" && answer.Issuer != p.config.Issuer:
		return Identity{}, fmt.Errorf("%w: another provider answers", ErrInvalid)
	case age > AttemptTime || age < -time.Minute:
		return Identity{}, ErrLate
	case answer.Error != "":
		return Identity{}, ErrRefused // the provider's words stay with it
	case answer.Code == "":
		return Identity{}, fmt.Errorf("%w: there is no code", ErrInvalid)
	}
	known, err := p.discover(ctx)
	if err != nil {
		return Identity{}, err
	}
	if answer.Issuer == "" && namesItself(known) {
		return Identity{}, fmt.Errorf("%w: it does not say which provider answers", ErrInvalid)
	}
	token, err := p.oauth(known).Exchange(p.context(ctx), answer.Code, oauth2.VerifierOption(a.Verifier))
	if err != nil {
		return Identity{}, exchangeError(ctx, err)
	}
	return p.identity(ctx, known, token, a)
}

// identity verifies the ID token and reads it.
func (p *Provider) identity(ctx context.Context, known *oidc.Provider, token *oauth2.Token, a Attempt) (Identity, error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return Identity{}, fmt.Errorf("%w: there is no ID token", ErrInvalid)
	}
	proof, err := known.Verifier(&oidc.Config{ClientID: p.config.ClientID, Now: p.now}).Verify(p.context(ctx), raw)
	if err != nil {
		return Identity{}, fmt.Errorf("%w: the ID token does not verify", ErrInvalid)
	}
	if proof.Subject == "" || subtle.ConstantTimeCompare([]byte(proof.Nonce), []byte(a.Nonce)) != 1 {
		return Identity{}, fmt.Errorf("%w: the ID token is of another attempt", ErrInvalid)
	}
	c, err := p.claims(ctx, known, token, proof)
	if err != nil {
		return Identity{}, err
	}
	at := time.Unix(c.AuthTime, 0)
	if a.Anew && at.Before(a.Begun.Add(-time.Minute)) {
		return Identity{}, fmt.Errorf("%w: the person did not sign in anew", ErrInvalid)
	}
	return Identity{Issuer: proof.Issuer, Subject: proof.Subject, Login: c.Login, Name: c.Name, Email: c.Email, Groups: c.groups,
		SecondFactor: slices.ContainsFunc(c.AMR, severalFactors), At: at}, nil
}

// severalFactors tells whether a method of authentication (RFC 8176 §2) stands for
// more than a password.
func severalFactors(method string) bool {
	return slices.Contains([]string{"mfa", "otp", "hwk", "sc"}, method)
}

// oauth is the provider for the library of OAuth 2.0.
func (p *Provider) oauth(known *oidc.Provider) *oauth2.Config {
	scopes := append([]string{oidc.ScopeOpenID, "profile", "email"}, p.config.Scopes...)
	return &oauth2.Config{ClientID: p.config.ClientID, ClientSecret: p.config.ClientSecret, Endpoint: known.Endpoint(),
		RedirectURL: p.config.RedirectURL, Scopes: scopes}
}

// context makes the libraries use our client.
func (p *Provider) context(ctx context.Context) context.Context {
	return oidc.ClientContext(ctx, p.client)
}

// namesItself tells whether a provider says that all its answers name their issuer: one
// that does not is another provider's (RFC 9207 §2.4).
func namesItself(known *oidc.Provider) bool {
	var said struct {
		Names bool `json:"authorization_response_iss_parameter_supported"`
	}
	return known.Claims(&said) == nil && said.Names
}

// encrypted tells whether codes and secrets would be sent to the provider encrypted, or
// not leave this computer: its description may name any address.
func (p *Provider) encrypted(known *oidc.Provider) bool {
	at := known.Endpoint()
	for _, address := range []string{at.AuthURL, at.TokenURL, known.UserInfoEndpoint()} {
		u, err := url.Parse(address)
		if address != "" && (err != nil || u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname()) || !strings.HasPrefix(p.config.Issuer, "http:"))) {
			return false
		}
	}
	return true
}

// discover asks the provider for its addresses (OpenID Connect Discovery 1.0 §4), at
// most once an hour.
func (p *Provider) discover(ctx context.Context) (*oidc.Provider, error) {
	p.mu.Lock()
	known, until, away, pause := p.known, p.until, p.away, p.pause
	p.mu.Unlock()
	if left := until.Sub(p.now()); known != nil && left > 0 && left <= discoveryTime {
		return known, nil
	}
	if left := pause.Sub(p.now()); away == nil || left <= 0 || left > awayTime {
		var fresh *oidc.Provider
		if fresh, away = p.ask(ctx); away == nil {
			return fresh, nil
		}
	}
	if known != nil {
		return known, nil // what was true an hour ago serves until it answers
	}
	return nil, away
}

// ask asks the provider for its addresses, and remembers what it answers, or for a
// moment that it does not: anybody may begin to sign in, again and again.
func (p *Provider) ask(ctx context.Context) (*oidc.Provider, error) {
	// Its keys are fetched with this context whenever they are needed.
	fresh, err := oidc.NewProvider(p.context(context.WithoutCancel(ctx)), p.config.Issuer)
	switch {
	case err != nil:
		err = fmt.Errorf("%w: its description cannot be read%s", ErrUnreachable, why(err))
	case !p.encrypted(fresh):
		err = fmt.Errorf("%w: it has addresses that do not begin with https", ErrUnreachable)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil {
		p.away, p.pause = err, p.now().Add(awayTime)
		return nil, err
	}
	p.known, p.until, p.away = fresh, p.now().Add(discoveryTime), nil
	return fresh, nil
}

// exchangeError tells a refusal from a provider that cannot be reached.
func exchangeError(ctx context.Context, err error) error {
	var answered *oauth2.RetrieveError
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case errors.As(err, &answered) && answered.Response != nil && answered.Response.StatusCode < 500:
		return fmt.Errorf("%w: it does not take the code", ErrInvalid)
	}
	return fmt.Errorf("%w: the code cannot be exchanged%s", ErrUnreachable, why(err))
}

// why says for the log what stands in the way, as far as it is known. The texts of other
// errors may have what a provider wrote.
func why(err error) string {
	var name *net.DNSError
	var certificate *tls.CertificateVerificationError
	var refused interface {
		error
		Blocked() bool // of a client that guards the way out
	}
	var late interface{ Timeout() bool }
	switch {
	case errors.As(err, &name):
		return ": its name is not known"
	case errors.As(err, &certificate):
		return ": its certificate does not verify; name the authority that signed it"
	case errors.As(err, &refused) && refused.Blocked():
		return ": " + refused.Error()
	case errors.As(err, &late) && late.Timeout():
		return ": it does not answer in time"
	}
	return ""
}
