package v1

import (
	"context"
	"net/http"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/app"
	"lotse/internal/auth"
)

// settings are the routes of what an administrator sets.
func (r *routes) settings(s *api.Server) {
	api.Register(s, api.Operation{ID: "get-settings", Method: http.MethodGet, Path: "/settings", Tag: tagSettings, Permission: auth.SettingsRead,
		Summary: "Get how long things are kept"}, r.getSettings)
	api.Register(s, api.Operation{ID: "change-settings", SecondPerson: true, Method: http.MethodPut, Path: "/settings", Tag: tagSettings, Permission: auth.SettingsManage,
		Problems: []problem.Code{problem.Invalid, problem.PreconditionFailed}, Summary: "Change how long things are kept",
		Description: "Retention and graces can be shorter than configured, never longer. What is absent is as configured. It counts for what begins from then on."}, r.changeSettings)
}

// clock are the routes of a clock that jumped.
func (r *routes) clock(s *api.Server) {
	api.Register(s, api.Operation{ID: "get-clock", Method: http.MethodGet, Path: "/clock", Tag: tagSettings, Permission: auth.SettingsRead,
		Summary: "Get whether erasing is paused because the clock jumped"}, r.getClock)
	api.Register(s, api.Operation{ID: "confirm-clock", SecondPerson: true, Method: http.MethodPost, Path: "/clock/confirm", Tag: tagSettings, Permission: auth.SettingsManage,
		Summary: "Confirm that the clock is right", Description: "Look at the clock of the database first: erasing goes on, and cannot be taken back."}, r.confirmClock)
}

type settingsIn struct {
	api.IfMatch
	Body app.NewSettings
}

type settingsOut struct {
	ETag string `header:"ETag" doc:"The version of the settings."`
	Body *app.Settings
}

func (r *routes) getSettings(ctx context.Context, _ *struct{}) (*settingsOut, error) {
	v, err := r.Gateway.Settings(ctx, who(ctx))
	if err != nil {
		return nil, err
	}
	return &settingsOut{api.Tag(v.Version), v}, nil
}

func (r *routes) changeSettings(ctx context.Context, in *settingsIn) (*settingsOut, error) {
	version := int64(-1)
	if in.IfMatch.IfMatch != "" {
		present, err := r.Gateway.Settings(ctx, who(ctx))
		if err != nil {
			return nil, err
		}
		if err := in.Check(api.Tag(present.Version)); err != nil {
			return nil, err
		}
		version = present.Version
	}
	v, err := r.Gateway.ChangeSettings(ctx, who(ctx), version, in.Body)
	if err != nil {
		return nil, err
	}
	return &settingsOut{api.Tag(v.Version), v}, nil
}

// clockState is whether the clock can be trusted.
type clockState struct {
	Paused string `json:"paused,omitempty" enum:"forward,backward,gap" doc:"How the clock jumped; erasing is paused until an administrator confirms the time. Absent: it is not."`
}

type clockOut struct{ Body clockState }

func (r *routes) getClock(ctx context.Context, _ *struct{}) (*clockOut, error) {
	why, err := r.Gateway.ClockPaused(ctx)
	if err != nil {
		return nil, err
	}
	return &clockOut{clockState{why}}, nil
}

func (r *routes) confirmClock(ctx context.Context, in *struct{}) (*clockOut, error) {
	if err := r.Gateway.ConfirmClock(ctx, who(ctx)); err != nil {
		return nil, err
	}
	return r.getClock(ctx, in)
}
