package problem

import (
	"net/http"
	"slices"
)

// Code says what happened, for programs. Codes never change their meaning.
type Code string

// The codes of the shell. Use cases add theirs here and in Catalogue.
const (
	Malformed            Code = "malformed"
	Unauthenticated      Code = "unauthenticated"
	Forbidden            Code = "forbidden"
	CrossOrigin          Code = "cross-origin"
	NotFound             Code = "not-found"
	MethodNotAllowed     Code = "method-not-allowed"
	NotAcceptable        Code = "not-acceptable"
	Timeout              Code = "timeout"
	Conflict             Code = "conflict"
	IdempotencyBusy      Code = "idempotency-busy"
	IdempotencyMismatch  Code = "idempotency-mismatch"
	IdempotencyKey       Code = "idempotency-key"
	Gone                 Code = "gone"
	PreconditionFailed   Code = "precondition-failed"
	PreconditionRequired Code = "precondition-required"
	TooLarge             Code = "too-large"
	UnsupportedMediaType Code = "unsupported-media-type"
	Invalid              Code = "invalid"
	BadCursor            Code = "bad-cursor"
	Locked               Code = "locked"
	TooMany              Code = "too-many"
	Internal             Code = "internal"
	Unavailable          Code = "unavailable"
	Full                 Code = "full"

	NotPossible       Code = "not-possible"
	NameTaken         Code = "name-taken"
	LastAdministrator Code = "last-administrator"
	SiteInUse         Code = "site-in-use"
	ReasonNeeded      Code = "reason-needed"
	SeveralPatients   Code = "several-patients"
	NoSuchPatient     Code = "no-such-patient"
	Plaintext         Code = "plaintext"
	FolderRefused     Code = "folder-not-permitted"

	LoginFailed     Code = "login-failed"
	LoginUnfinished Code = "login-unfinished"
	LoginStep       Code = "login-step"
	Reauthenticate  Code = "reauthenticate"
	NeedsHTTPS      Code = "needs-https"
	RolesApart      Code = "roles-apart"
	OwnAccount      Code = "own-account"
	NoPasskeys      Code = "no-passkeys"
	SignInFailed    Code = "sign-in-failed"
	NoRights        Code = "no-rights"
	ProviderAway    Code = "provider-away"
)

// Entry describes a code.
type Entry struct {
	Code   Code
	Status int
	Title  string // what happened
	Detail string // what to do
}

// Catalogue lists all codes with their meaning, in the order of their status.
func Catalogue() []Entry {
	all := append(general(), uploads()...)
	slices.SortStableFunc(all, func(a, b Entry) int { return a.Status - b.Status })
	return all
}

// general are the codes of all but uploads.
func general() []Entry {
	return []Entry{
		{Malformed, http.StatusBadRequest, "The request cannot be read", "Send what the documentation of this operation describes."},
		{BadCursor, http.StatusBadRequest, "The cursor is not one of this list", "Begin again without a cursor."},
		{IdempotencyKey, http.StatusBadRequest, "The idempotency key is not usable", "Use 1 to 128 visible ASCII characters, a new random key for each creation."},
		{Unauthenticated, http.StatusUnauthorized, "Nobody is known by this token or session", "Send a valid token in the header Authorization: Bearer, or log in."},
		{LoginFailed, http.StatusUnauthorized, "This is not right", "Check the login name and what proves who you are. An administrator can help to get in again."},
		{Forbidden, http.StatusForbidden, "This is not permitted", "Ask an administrator for the permission."},
		{CrossOrigin, http.StatusForbidden, "The request comes from another site's page", "Open Lotse by its own address; public_url must be that address. Requests with a session need the header X-Lotse-Page."},
		{LoginUnfinished, http.StatusForbidden, "The login is not complete", "GET /login says what comes next."},
		{Reauthenticate, http.StatusForbidden, "Who you are has to be proved again for this", "POST /login/again, and send the same again. A token can do this only in the first hour after it was made."},
		{NeedsHTTPS, http.StatusForbidden, "Nobody can log in over a connection that is not encrypted", "Open Lotse by https, or on the computer that it runs on."},
		{SignInFailed, http.StatusForbidden, "The signing in at the identity provider was not completed", "Begin again, and go back within ten minutes, in the same browser."},
		{NoRights, http.StatusForbidden, "Who you are is known, but none of your groups may do anything here", "Ask an administrator to let one of your groups in."},
		{NotFound, http.StatusNotFound, "There is no such thing", "Check the address; what was purged cannot be had any more."},
		{MethodNotAllowed, http.StatusMethodNotAllowed, "This cannot be done with it", "Use one of the methods in the header Allow."},
		{NotAcceptable, http.StatusNotAcceptable, "The answer cannot be had in this form", "Accept application/json."},
		{Timeout, http.StatusRequestTimeout, "The request did not arrive in time", "Send it again, faster."},
		{Conflict, http.StatusConflict, "This does not fit the present state", "Get the present state and decide again."},
		{NotPossible, http.StatusConflict, "This is not possible in the state it is in", "Get it: its next says what can be done now."},
		{NameTaken, http.StatusConflict, "There is one with this name already", "Choose another name."},
		{LastAdministrator, http.StatusConflict, "This is the last administrator", "Make another one first, or nobody can manage this installation any more."},
		{LoginStep, http.StatusConflict, "This is not what the login needs next", "GET /login says what comes next."},
		{NoPasskeys, http.StatusConflict, "There are no passkeys here", "They need a public_url with a name, not an address of numbers. Use another way to log in."},
		{OwnAccount, http.StatusConflict, "Nobody does this to their own account", "Ask another administrator."},
		{SiteInUse, http.StatusConflict, "The site is in use", "Take its callers out of use or give them another site, and wait until its imports are erased, or erase them."},
		{IdempotencyBusy, http.StatusConflict, "The first request with this idempotency key is still running", "Wait a little and send the same again."},
		{Gone, http.StatusGone, "It is not there any more", "Begin again."},
		{PreconditionFailed, http.StatusPreconditionFailed, "It was changed in the meantime", "Get it, look at the change, and send yours with the new ETag."},
		{TooLarge, http.StatusRequestEntityTooLarge, "The request is too large", "Send less at once."},
		{UnsupportedMediaType, http.StatusUnsupportedMediaType, "The request has the wrong form", "Send application/json, or what the documentation of this operation says."},
		{Invalid, http.StatusUnprocessableEntity, "Something in the request is not right", "Mend what is listed in errors."},
		{ReasonNeeded, http.StatusUnprocessableEntity, "The exam contradicts the patient", "Make sure that it is the right patient, and say in reason why the contradictions in errors are accepted."},
		{SeveralPatients, http.StatusUnprocessableEntity, "The exam is of several patients", "Name one in only_patient, or confirm with same_patient that they are one person."},
		{NoSuchPatient, http.StatusUnprocessableEntity, "No patient of the exam is called so", "Take only_patient from patients of the import: an id or a name."},
		{FolderRefused, http.StatusUnprocessableEntity, "The folder is not one that may be used", "Choose one below folders.roots of the configuration, or have it added there."},
		{Plaintext, http.StatusUnprocessableEntity, "The destination has no TLS", "Turn TLS on there and write ?tls=on, or say in plaintext_reason why it cannot be."},
		{RolesApart, http.StatusUnprocessableEntity, "These roles are not for one person", "Who administers sees no patient and no audit trail: make two accounts for two persons."},
		{IdempotencyMismatch, http.StatusUnprocessableEntity, "This idempotency key was used for another request", "Use a new key for each creation."},
		{Locked, http.StatusLocked, "Somebody else is writing to it", "Wait a little and try again."},
		{PreconditionRequired, http.StatusPreconditionRequired, "An edit has to say what it edits", "Send the ETag of what you saw in the header If-Match."},
		{TooMany, http.StatusTooManyRequests, "Too much at once", "Wait as long as Retry-After says."},
		{Internal, http.StatusInternalServerError, "Lotse made a mistake", "Try again; if it stays, give the request id to your administrator."},
		{ProviderAway, http.StatusServiceUnavailable, "The identity provider does not answer", "Try again after a while, or log in another way."},
		{Unavailable, http.StatusServiceUnavailable, "Lotse cannot do this at the moment", "Try again after a while; /readyz says what is missing."},
		{Full, http.StatusInsufficientStorage, "There is no room left", "Tell your administrator; nothing that was confirmed is lost."},
	}
}

// find returns the description of a code, that of Internal for an unknown one.
func find(code Code) Entry {
	var internal Entry
	for _, e := range Catalogue() {
		if e.Code == code {
			return e
		}
		if e.Code == Internal {
			internal = e
		}
	}
	return internal
}

// ForStatus is the general code of an HTTP status.
func ForStatus(status int) Code {
	for _, code := range []Code{Malformed, Unauthenticated, Forbidden, NotFound, MethodNotAllowed, NotAcceptable, Timeout, Conflict, Gone,
		PreconditionFailed, TooLarge, UnsupportedMediaType, UploadChecksumDiffers, Invalid, Locked, PreconditionRequired, TooMany, Unavailable, Full} {
		if find(code).Status == status {
			return code
		}
	}
	if status >= 400 && status < 500 {
		return Malformed
	}
	return Internal
}
