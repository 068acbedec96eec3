package v1

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/boombuler/barcode/qr"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
)

// account are the routes of what a person does with their own account.
func (r *routes) account(s *api.Server) {
	own := func(id, method, path, summary, description string, problems ...problem.Code) api.Operation {
		return api.Operation{ID: id, Method: method, Path: path, Tag: tagLogin, Permission: auth.Person, Body: 4 << 10, Summary: summary, Description: description, Problems: problems}
	}
	api.Register(s, own("change-password", http.MethodPut, "/me/password", "Change your password",
		"All your other sessions end.", problem.LoginFailed, problem.TooMany, problem.Invalid), r.changePassword)
	api.Register(s, own("list-factors", http.MethodGet, "/me/factors", "List your second factors", ""), r.listFactors)
	begin := own("begin-factor", http.MethodPost, "/me/factors", "Begin a second factor",
		"A secret for an authenticator (TOTP, RFC 6238), shown this once. In a session it needs that you proved just now who you are; at the step `enrol-factor` of a login it is what comes next.",
		problem.Reauthenticate)
	begin.Permission, begin.Status = access.Any, http.StatusCreated
	api.Register(s, begin, r.beginFactor)
	confirm := own("confirm-factor", http.MethodPost, "/me/factors/{factor}/confirm", "Confirm a second factor with its first code",
		"It is good for nothing before. All your other sessions end.", problem.LoginFailed, problem.TooMany, problem.Reauthenticate)
	confirm.Permission = access.Any
	api.Register(s, confirm, r.confirmFactor)
	api.Register(s, own("end-factor", http.MethodDelete, "/me/factors/{factor}", "End a second factor",
		"All your other sessions end. The last one stays where your role needs one.", problem.NotFound, problem.NotPossible, problem.Reauthenticate), r.endFactor)
	api.Register(s, own("list-sessions", http.MethodGet, "/sessions", "List your sessions", ""), r.listSessions)
	api.Register(s, own("end-sessions", http.MethodDelete, "/sessions", "End all your sessions but this one", ""), r.endSessions)
	api.Register(s, own("end-session", http.MethodDelete, "/sessions/{session}", "End one of your sessions", "", problem.NotFound), r.endSession)
}

type changePasswordIn struct {
	Body struct {
		Present  string `json:"present" minLength:"1" maxLength:"1024"`
		Password string `json:"password" minLength:"1" maxLength:"1024" doc:"At least 12 characters, of whatever kind; not what is tried first."`
	}
}

func (r *routes) changePassword(ctx context.Context, in *changePasswordIn) (*loginOut, error) {
	e, err := r.Accounts.ChangePassword(ctx, actor(ctx), in.Body.Present, in.Body.Password)
	return r.entered(ctx, e, err)
}

// sessionList is all sessions of a person.
type sessionList struct {
	Sessions []auth.SessionView `json:"sessions" nullable:"false"`
	Idle     int64              `json:"idle_seconds" doc:"A session ends when it is not used for so long."`
}

type sessionsOut struct{ Body sessionList }

func (r *routes) listSessions(ctx context.Context, _ *struct{}) (*sessionsOut, error) {
	all, err := r.Accounts.Sessions(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	return &sessionsOut{sessionList{all, int64(r.Accounts.Idle() / time.Second)}}, nil
}

func (r *routes) endSessions(ctx context.Context, _ *struct{}) (*struct{}, error) {
	return nil, r.Accounts.EndOthers(ctx, actor(ctx))
}

type sessionPath struct {
	Session string `path:"session" doc:"Id of the session."`
}

func (r *routes) endSession(ctx context.Context, in *sessionPath) (*struct{}, error) {
	return nil, r.Accounts.EndSession(ctx, actor(ctx), in.Session)
}

// factorList is all second factors of a person.
type factorList struct {
	Factors []auth.Factor `json:"factors" nullable:"false"`
}

type factorsOut struct{ Body factorList }

func (r *routes) listFactors(ctx context.Context, _ *struct{}) (*factorsOut, error) {
	all, err := r.Accounts.Factors(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	return &factorsOut{factorList{all}}, nil
}

type beginFactorIn struct {
	Body struct {
		Kind string `json:"kind" enum:"totp"`
	}
}

// enrolment is a second factor that begins, with its picture.
type enrolment struct {
	*auth.Enrolment
	QR []string `json:"qr" nullable:"false" doc:"The QR code of uri: its modules row by row, 1 is dark."`
}

type enrolmentOut struct{ Body enrolment }

// modules are those of a QR code, row by row.
func modules(text string) ([]string, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return nil, fmt.Errorf("make a QR code: %w", err)
	}
	size := code.Bounds()
	rows := make([]string, 0, size.Dy())
	for y := size.Min.Y; y < size.Max.Y; y++ {
		var row strings.Builder
		for x := size.Min.X; x < size.Max.X; x++ {
			if r, _, _, _ := code.At(x, y).RGBA(); r == 0 {
				row.WriteByte('1')
			} else {
				row.WriteByte('0')
			}
		}
		rows = append(rows, row.String())
	}
	return rows, nil
}

func (r *routes) beginFactor(ctx context.Context, _ *beginFactorIn) (*enrolmentOut, error) {
	e, err := r.Accounts.BeginTOTP(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	rows, err := modules(e.URI)
	if err != nil {
		return nil, err
	}
	return &enrolmentOut{enrolment{e, rows}}, nil
}

// FactorPath names the second factor of a request.
type FactorPath struct {
	Factor string `path:"factor" doc:"Id of the second factor."`
}

type confirmFactorIn struct {
	FactorPath
	Body struct {
		Code string `json:"code" minLength:"6" maxLength:"6" pattern:"^[0-9]+$" doc:"That the authenticator shows."`
	}
}

func (r *routes) confirmFactor(ctx context.Context, in *confirmFactorIn) (*loginOut, error) {
	e, err := r.Accounts.ConfirmTOTP(ctx, actor(ctx), in.Factor, in.Body.Code)
	return r.entered(ctx, e, err)
}

func (r *routes) endFactor(ctx context.Context, in *FactorPath) (*struct{}, error) {
	return nil, r.Accounts.EndFactor(ctx, actor(ctx), in.Factor)
}
