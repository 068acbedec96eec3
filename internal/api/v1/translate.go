package v1

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
	"lotse/internal/auth/oidc"
	"lotse/internal/importer"
	"lotse/internal/importer/adjust"
	"lotse/internal/sealed"
	"lotse/internal/sealed/blob"
	"lotse/internal/store"
)

// Translate says what an error of a use case means to a client; nil when it is a
// mistake of ours.
func Translate(err error) *problem.Problem {
	for _, translate := range []func(error) *problem.Problem{invalid, refused, outside, broken} {
		if p := translate(err); p != nil {
			return p
		}
	}
	return nil
}

// invalid are errors of what a client sent.
func invalid(err error) *problem.Problem {
	var field *app.InvalidError
	var value *adjust.InvalidError
	var reason *app.ReasonNeededError
	var stopped *importer.Problem
	var account *auth.InvalidError
	switch {
	case errors.As(err, &account):
		return problem.New(problem.Invalid, "").With(problem.Field{Location: "body." + account.Field, Message: account.Code})
	case errors.Is(err, auth.ErrRolesApart):
		return problem.New(problem.RolesApart, "")
	case errors.As(err, &field):
		return problem.New(problem.Invalid, "").With(problem.Field{Location: "body." + field.Field, Message: field.Code})
	case errors.As(err, &value):
		message := string(value.Rule)
		if value.Rule == adjust.RuleLength {
			message += " " + strconv.Itoa(value.Limit)
		}
		return problem.New(problem.Invalid, "").With(problem.Field{Location: "body." + place(value.Keyword), Message: message})
	case errors.As(err, &reason):
		p := problem.New(problem.ReasonNeeded, "")
		for _, f := range reason.Findings {
			p = p.With(problem.Field{Location: "body.reason", Message: string(f.Code)})
		}
		return p
	case errors.Is(err, app.ErrFolder):
		return problem.New(problem.FolderRefused, "")
	case errors.Is(err, app.ErrPlaintext):
		return problem.New(problem.Plaintext, "")
	case errors.As(err, &stopped):
		return importProblem(stopped)
	}
	return nil
}

// place is where a request says the value of an attribute.
func place(keyword string) string {
	switch keyword {
	case "PatientID":
		return "patient.id"
	case "IssuerOfPatientID":
		return "patient.issuer"
	case "PatientName":
		return "patient.name"
	case "PatientBirthDate":
		return "patient.birth_date"
	case "PatientSex":
		return "patient.sex"
	case "AccessionNumber":
		return "accession_number"
	}
	return "set." + keyword
}

// importProblem is a reason why a decision cannot be carried out.
func importProblem(p *importer.Problem) *problem.Problem {
	switch p.Code {
	case importer.ProblemSeveral:
		return problem.New(problem.SeveralPatients, "")
	case importer.ProblemPatient:
		return problem.New(problem.NoSuchPatient, "")
	}
	return problem.New(problem.Invalid, "").With(problem.Field{Location: "body", Message: string(p.Code)})
}

// refused are errors of the state that things are in.
func refused(err error) *problem.Problem {
	var impossible *importer.ImpossibleError
	var throttled *auth.ThrottledError
	switch {
	case errors.As(err, &impossible):
		return problem.New(problem.NotPossible, fmt.Sprintf("It is %s. Its next says what can be done now.", impossible.State))
	case errors.As(err, &throttled):
		return problem.New(problem.TooMany, "").After(throttled.After)
	case errors.Is(err, app.ErrChanged), errors.Is(err, store.ErrStale):
		return problem.New(problem.PreconditionFailed, "")
	case errors.Is(err, sealed.ErrErased), errors.Is(err, app.ErrGone):
		return problem.New(problem.Gone, "It has been erased; its receipts and its audit trail are what is left.")
	case errors.Is(err, auth.ErrUsed):
		return problem.New(problem.Gone, "The link has been used, or another one has replaced it. As long as there is no administrator, Lotse prints a new one when it starts.")
	case errors.Is(err, app.ErrSiteUsed):
		return problem.New(problem.SiteInUse, "")
	case errors.Is(err, auth.ErrLast):
		return problem.New(problem.LastAdministrator, "")
	case errors.Is(err, auth.ErrLogin):
		return problem.New(problem.LoginFailed, "")
	case errors.Is(err, access.ErrForbidden):
		return problem.New(problem.Forbidden, "")
	case errors.Is(err, access.ErrStale):
		return problem.New(problem.Reauthenticate, "")
	case errors.Is(err, auth.ErrStep):
		return problem.New(problem.LoginStep, "")
	case errors.Is(err, auth.ErrOwn):
		return problem.New(problem.OwnAccount, "")
	case errors.Is(err, auth.ErrState):
		return problem.New(problem.NotPossible, "Get it: its state says what can be done now.")
	case errors.Is(err, store.ErrNotFound), errors.Is(err, sealed.ErrNoKey), errors.Is(err, store.ErrNoTenant):
		return problem.New(problem.NotFound, "")
	case errors.Is(err, store.ErrConflict):
		return problem.New(problem.NameTaken, "")
	}
	return nil
}

// outside are errors of ways to log in that somebody else has a part in.
func outside(err error) *problem.Problem {
	switch {
	case errors.Is(err, auth.ErrNoPasskeys):
		return problem.New(problem.NoPasskeys, "")
	case errors.Is(err, auth.ErrNoRights), errors.Is(err, auth.ErrNoRole):
		return problem.New(problem.NoRights, "")
	case errors.Is(err, oidc.ErrInvalid), errors.Is(err, oidc.ErrRefused), errors.Is(err, oidc.ErrLate):
		return problem.New(problem.SignInFailed, "")
	case errors.Is(err, oidc.ErrUnreachable):
		return problem.New(problem.ProviderAway, "").After(time.Minute).Because(err)
	}
	return nil
}

// broken are failures of what Lotse stands on.
func broken(err error) *problem.Problem {
	var temporary interface{ Temporary() bool }
	switch {
	case errors.Is(err, store.ErrFull), errors.Is(err, blob.ErrFull):
		return problem.New(problem.Full, "").Because(err)
	case errors.As(err, &temporary) && temporary.Temporary(), errors.Is(err, store.ErrClosed):
		return problem.New(problem.Unavailable, "").Because(err)
	}
	return nil
}
