package dlx

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// Scopes of version 2 (DIN/TS 19455, /admin_auth).
const (
	ScopeImport = "dlx.import"
	ScopeTokens = "dlx.tokens"
)

// Imports is what an ImportHandler drives. Its methods may be called concurrently.
//
// Errors that a caller is told of: Refused (401: wrong credentials or token, or an
// access that ended), NotFound (404), BadLink and BadAnswer (400), *NotReadyError (503) and
// *ThrottledError (429). Anything else is an internal error, of whose text nothing is sent.
type Imports interface {
	// Login decides on credentials. It should take as long either way.
	Login(ctx context.Context, c Credentials) (Access, error)
	// Authorize finds whose access token it is.
	Authorize(ctx context.Context, token Secret) (Authority, error)
	// Start takes a link over: when it returns without an error, the import is
	// durable. It waits up to wait for the import's end and returns its status then.
	Start(ctx context.Context, who Authority, req ImportRequest, wait time.Duration) (ImportStatus, error)
	// Status tells of an import; NotFound also when it is not who's.
	Status(ctx context.Context, who Authority, id string) (ImportStatus, error)
}

// Credentials are the body of /admin_auth.
type Credentials struct {
	Username, Password Secret
	// Scopes that are asked for, as the newest draft spells them; empty: whatever may be had.
	Scopes []string
}

// Access is what Login grants.
type Access struct {
	Token   Secret        // fit for a header: RFC 6750 §2.1
	Expires time.Duration // from now; 0: not said
	Scopes  []string
}

// Authority is who holds an access token, and what it allows.
type Authority struct {
	Subject string
	Scopes  []string
}

// ImportRequest is the body of /import: a link as on paper, its token, and the answers
// to its questions.
type ImportRequest struct {
	Link  Secret
	Token Secret // empty where only the link was sent
	// Answers in the order they came.
	Answers []Answer
}

// Answer answers one question of a link.
type Answer struct {
	QuestionID string
	Answer     Secret
}

// Format prints no content, for any verb.
func (r ImportRequest) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "dlx.ImportRequest"+redacted)
}

// ImportState is where an import stands (DIN/TS 19455, /import).
type ImportState string

// States of an import.
const (
	ImportStarted   ImportState = "started"
	ImportCompleted ImportState = "completed"
	ImportFailed    ImportState = "error"
	ImportPartial   ImportState = "partial" // ended, and something is missing
)

// Ended reports whether the state changes no more by itself.
func (s ImportState) Ended() bool { return s != ImportStarted }

// ImportStatus is what is told of an import.
type ImportStatus struct {
	// ID names the import in its status URL; no secret. Empty at a client.
	ID    string
	State ImportState
	// URL is where to ask again, absolute; a Handler makes it from ID.
	URL string
	// Items imported so far.
	Items int64
	// Message for people; no personal data.
	Message string
}

// ThrottledError asks a caller who tries too often to come back after a time (429).
type ThrottledError struct{ After time.Duration }

func (e *ThrottledError) Error() string { return "dlx: too many attempts" }

// currentScopes spells scopes as the newest draft does; older ones were dlx.creator,
// dlx.importer, and dlx.admin for both.
func currentScopes(scopes []string) []string {
	var all []string
	for _, s := range scopes {
		switch s = strings.TrimSpace(s); s {
		case "dlx.importer":
			all = append(all, ScopeImport)
		case "dlx.creator":
			all = append(all, ScopeTokens)
		case "dlx.admin":
			all = append(all, ScopeImport, ScopeTokens)
		case "":
		default:
			all = append(all, s)
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// mayImport reports whether scopes, of any draft, allow /import.
func mayImport(scopes []string) bool { return slices.Contains(currentScopes(scopes), ScopeImport) }
