package peer

import "github.com/chromedp/cdproto/webauthn"

// Authenticator is a virtual one of a browser, which keeps passkeys.
type Authenticator struct {
	b  *Browser
	id webauthn.AuthenticatorID
}

// Authenticator gives the browser a platform authenticator that verifies its user.
func (b *Browser) Authenticator() *Authenticator {
	b.t.Helper()
	command(b, webauthn.Enable, webauthn.EnableParams{})
	made := command(b, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true,
		HasUserVerification: true, IsUserVerified: true, AutomaticPresenceSimulation: true,
	}})
	return &Authenticator{b, made.AuthenticatorID}
}

// Verify says whether the person can unlock the authenticator.
func (a *Authenticator) Verify(verified bool) {
	a.b.t.Helper()
	command(a.b, webauthn.SetUserVerified, webauthn.SetUserVerifiedParams{AuthenticatorID: a.id, IsUserVerified: verified})
}

// Forget removes all passkeys, as another authenticator has none of them.
func (a *Authenticator) Forget() {
	a.b.t.Helper()
	command(a.b, webauthn.ClearCredentials, webauthn.ClearCredentialsParams{AuthenticatorID: a.id})
}

// Keys are the passkeys that the authenticator has.
func (a *Authenticator) Keys() []*webauthn.Credential {
	a.b.t.Helper()
	return command(a.b, webauthn.GetCredentials, webauthn.GetCredentialsParams{AuthenticatorID: a.id}).Credentials
}
