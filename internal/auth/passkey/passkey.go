// Package passkey lets people sign in without a password: WebAuthn Level 3 with
// discoverable credentials and user verification, so that one gesture is two factors.
//
// It proves who somebody is and keeps nothing. The caller keeps a [Ceremony] between
// its two halves, sealed and used once, and the [Key] that a registration gives, which
// every proof replaces: its counter is how a copied key is noticed.
package passkey

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"
)

// CeremonyTime is how long a person may take for a gesture.
const CeremonyTime = 5 * time.Minute

// Errors of a ceremony.
var (
	// ErrInvalid: the browser's answer does not belong to the ceremony, is late, or
	// proves nothing.
	ErrInvalid = errors.New("the passkey proves nothing")
	// ErrCopied: the key was used elsewhere since: there are two of it.
	ErrCopied = errors.New("the passkey may have been copied")
)

// Ceremony is what has to be remembered between the two halves of a registration or
// proof. It is secret; JSON.
type Ceremony []byte

// Key is a passkey as it has to be kept.
type Key struct {
	ID     []byte `json:"id"` // found by it
	Record []byte `json:"record"`
}

// Person is who registers or proves a key.
type Person struct {
	Handle      []byte // at most 64 bytes, the same always, nothing personal
	Login, Name string // what the browser shows
	Keys        []Key
}

// Site is the place that keys are for. It is safe for concurrent use.
type Site struct{ library *webauthn.WebAuthn }

// New returns the site at an origin, scheme://host[:port]. Keys are bound to its host:
// under another name they are not found, and under an IP address there are none.
func New(origin, name string) (*Site, error) {
	u, err := url.Parse(origin)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("passkeys: %q is no origin", origin)
	}
	limit := webauthn.TimeoutConfig{Enforce: true, Timeout: CeremonyTime, TimeoutUVD: CeremonyTime}
	library, err := webauthn.New(&webauthn.Config{
		RPID: u.Hostname(), RPDisplayName: name, RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation, // which make of key it is, is nobody's affair
		Timeouts:              webauthn.TimeoutsConfig{Login: limit, Registration: limit},
	})
	if err != nil {
		return nil, fmt.Errorf("passkeys: %w", err)
	}
	return &Site{library}, nil
}

// Register begins a registration; the options are for navigator.credentials.create.
func (s *Site) Register(p Person) (options json.RawMessage, c Ceremony, err error) {
	who, err := newMember(p)
	if err != nil {
		return nil, nil, err
	}
	creation, session, err := s.library.BeginRegistration(who,
		webauthn.WithResidentKeyRequirement(protocol.ResidentKeyRequirementRequired),
		webauthn.WithAuthenticatorSelection(protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		}),
		webauthn.WithExclusions(webauthn.Credentials(who.keys).CredentialDescriptors()))
	if err != nil {
		return nil, nil, fmt.Errorf("begin to register a passkey: %w", err)
	}
	return both(creation.Response, session)
}

// Registered takes the browser's answer and returns the new key: [ErrInvalid].
func (s *Site) Registered(p Person, c Ceremony, answer []byte) (Key, error) {
	who, err := newMember(p)
	if err != nil {
		return Key{}, err
	}
	session, err := c.session()
	if err != nil {
		return Key{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return Key{}, fmt.Errorf("%w: the answer cannot be read", ErrInvalid)
	}
	made, err := s.library.CreateCredential(who, session, parsed)
	if err != nil {
		return Key{}, fmt.Errorf("%w: the registration does not verify", ErrInvalid)
	}
	return newKey(made)
}

// Challenge begins a proof by whichever person has a key; the options are for
// navigator.credentials.get.
func (s *Site) Challenge() (options json.RawMessage, c Ceremony, err error) {
	assertion, session, err := s.library.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, nil, fmt.Errorf("begin to prove a passkey: %w", err)
	}
	return both(assertion.Response, session)
}

// Prove takes the browser's answer to a challenge. find returns the person with a
// handle; its error comes back as it is. The key that is returned replaces the one
// that was kept, also with [ErrCopied].
func (s *Site) Prove(c Ceremony, answer []byte, find func(handle []byte) (Person, error)) (Person, Key, error) {
	session, err := c.session()
	if err != nil {
		return Person{}, Key{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return Person{}, Key{}, fmt.Errorf("%w: the answer cannot be read", ErrInvalid)
	}
	var who member
	var lost error
	_, used, err := s.library.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		p, err := find(handle)
		if err == nil {
			who, err = newMember(p)
		}
		lost = err
		return who, err
	}, session, parsed)
	if lost != nil {
		return Person{}, Key{}, lost
	}
	if err != nil {
		return Person{}, Key{}, fmt.Errorf("%w: the proof does not verify", ErrInvalid)
	}
	key, err := newKey(used)
	if err == nil && used.Authenticator.CloneWarning {
		err = ErrCopied
	}
	return who.Person, key, err
}

func (c Ceremony) session() (webauthn.SessionData, error) {
	var session webauthn.SessionData
	if err := json.Unmarshal(c, &session); err != nil {
		return session, fmt.Errorf("%w: there is no such ceremony", ErrInvalid)
	}
	return session, nil
}

// both are the two halves of a beginning: for the browser, and for us.
func both(options any, session *webauthn.SessionData) (json.RawMessage, Ceremony, error) {
	out, err := json.Marshal(options)
	if err != nil {
		return nil, nil, fmt.Errorf("write the options of a passkey: %w", err)
	}
	c, err := json.Marshal(session)
	if err != nil {
		return nil, nil, fmt.Errorf("write a ceremony: %w", err)
	}
	return out, c, nil
}

func newKey(c *webauthn.Credential) (Key, error) {
	record, err := json.Marshal(c)
	if err != nil {
		return Key{}, fmt.Errorf("write a passkey: %w", err)
	}
	return Key{ID: c.ID, Record: record}, nil
}

// member is a person as the library wants one.
type member struct {
	Person
	keys []webauthn.Credential
}

func newMember(p Person) (member, error) {
	m := member{Person: p, keys: make([]webauthn.Credential, len(p.Keys))}
	for i, k := range p.Keys {
		if err := json.Unmarshal(k.Record, &m.keys[i]); err != nil {
			return m, errors.New("read a passkey: not what was kept")
		}
	}
	return m, nil
}

// WebAuthnID implements webauthn.User.
func (m member) WebAuthnID() []byte { return m.Handle }

// WebAuthnName implements webauthn.User.
func (m member) WebAuthnName() string { return m.Login }

// WebAuthnDisplayName implements webauthn.User.
func (m member) WebAuthnDisplayName() string { return m.Name }

// WebAuthnCredentials implements webauthn.User.
func (m member) WebAuthnCredentials() []webauthn.Credential { return m.keys }
