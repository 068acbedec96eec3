package v1

import (
	"context"
	"net/http"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
)

// users are the routes of the accounts of persons.
func (r *routes) users(s *api.Server) {
	op := func(id, method, path string, permission access.Permission, summary, description string, problems ...problem.Code) api.Operation {
		return api.Operation{ID: id, Method: method, Path: path, Tag: tagAccess, Permission: permission, Summary: summary, Description: description, Problems: problems}
	}
	create := op("create-user", http.MethodPost, "/users", auth.UsersManage, "Make an account",
		"The first password is shown this once; it is good for seven days and has to be changed at the first login. So this creation takes no idempotency key.",
		problem.Invalid, problem.NameTaken, problem.RolesApart)
	create.Status, create.SecondPerson = http.StatusCreated, true
	api.Register(s, create, r.createUser)
	api.Register(s, op("list-users", http.MethodGet, "/users", auth.UsersRead, "List accounts", "Deleted ones too: they have nothing but their id."), r.listUsers)
	api.Register(s, op("get-user", http.MethodGet, "/users/{user}", auth.UsersRead, "Get an account", "", problem.NotFound), r.getUser)
	api.Register(s, bySecond(op("change-user", http.MethodPut, "/users/{user}", auth.UsersManage, "Change an account",
		"If-Match is needed. Its sessions end when roles or sites change.", problem.NotFound, problem.Invalid, problem.NameTaken, problem.RolesApart, problem.LastAdministrator,
		problem.PreconditionFailed, problem.PreconditionRequired)), r.changeUser)
	api.Register(s, bySecond(op("delete-user", http.MethodDelete, "/users/{user}", auth.UsersManage, "Delete an account",
		"What is personal in it is erased; its id stays for the audit trail.", problem.NotFound, problem.LastAdministrator, problem.OwnAccount)), r.deleteUser)
	action := func(name, summary, description string) api.Operation {
		return op(name+"-user", http.MethodPost, "/users/{user}/"+name, auth.UsersManage, summary, description,
			problem.NotFound, problem.NotPossible, problem.LastAdministrator, problem.OwnAccount)
	}
	api.Register(s, action("block", "Keep a person out", "All sessions end at once."), r.userAction(r.Accounts.BlockUser))
	api.Register(s, bySecond(action("unblock", "Let a person in again", "")), r.userAction(r.Accounts.UnblockUser))
	api.Register(s, bySecond(action("recover", "Help a person who cannot get in any more",
		"All sessions and second factors end. The new first password is shown this once and has to be changed at the next login.")), r.recoverUser)
	reset := action("reset-factors", "End a person's second factors", "All sessions end; the password stays.")
	api.Register(s, bySecond(reset), r.userAction(r.Accounts.ResetFactors))
	api.Register(s, op("list-blocks", http.MethodGet, "/blocks", auth.UsersRead, "List who is kept from trying to log in",
		"An account is blocked together with the network that the tries came from, and goes on to be usable from elsewhere. What stays needs a person to look at it."), r.listBlocks)
	api.Register(s, bySecond(op("lift-block", http.MethodDelete, "/blocks/{block}", auth.UsersManage, "Lift a block", "", problem.NotFound)), r.liftBlock)
	elevate := op("elevate", http.MethodPost, "/me/elevation", auth.Elevate, "Get access to the imports of all sites for a time, with a reason",
		"For an emergency. The reason is kept for the auditor, who is told by mail where that is configured.", problem.NotPossible)
	elevate.Status = http.StatusCreated
	api.Register(s, elevate, r.elevate)
	api.Register(s, op("end-elevation", http.MethodDelete, "/me/elevation", auth.Elevate, "Give the access to all sites back", ""), r.endElevation)
	api.Register(s, op("list-elevations", http.MethodGet, "/elevations", auth.AuditRead, "List who took access to all sites, and why", "The newest 1,000."), r.listElevations)
	api.Register(s, op("get-terms", http.MethodGet, "/terms", auth.Self, "Get the terms of use", ""), r.getTerms)
	api.Register(s, bySecond(op("change-terms", http.MethodPut, "/terms", auth.SettingsManage, "Change the terms of use",
		"Everybody has to accept them at the next login. An empty text ends them.")), r.changeTerms)
}

type createUserIn struct{ Body auth.NewUser }

// createdUser is an account with its first password.
type createdUser struct {
	*auth.User
	Password string `json:"initial" doc:"The first password. It is shown this once."`
}

type createUserOut struct {
	Location string `header:"Location"`
	Body     createdUser
}

func (r *routes) createUser(ctx context.Context, in *createUserIn) (*createUserOut, error) {
	u, plain, err := r.Accounts.CreateUser(ctx, actor(ctx), in.Body)
	if err != nil {
		return nil, err
	}
	return &createUserOut{api.Base + "/users/" + u.ID, createdUser{u, plain}}, nil
}

// userList is all accounts.
type userList struct {
	Users []auth.User `json:"users" nullable:"false"`
}

type usersOut struct{ Body userList }

func (r *routes) listUsers(ctx context.Context, _ *struct{}) (*usersOut, error) {
	all, err := r.Accounts.Users(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	return &usersOut{userList{all}}, nil
}

// UserPath names the account of a request.
type UserPath struct {
	User string `path:"user" doc:"Id of the account."`
}

func (r *routes) getUser(ctx context.Context, in *UserPath) (*keptOut[*auth.User], error) {
	return shown(r.Accounts.User(ctx, actor(ctx), in.User))
}

type changeUserIn struct {
	UserPath
	api.IfMatch
	Body auth.NewUser
}

func (r *routes) changeUser(ctx context.Context, in *changeUserIn) (*keptOut[*auth.User], error) {
	present, err := r.Accounts.User(ctx, actor(ctx), in.User)
	version, err := seen(in.IfMatch, present, err)
	if err != nil {
		return nil, err
	}
	if err := r.Accounts.ChangeUser(ctx, actor(ctx), in.User, version, in.Body); err != nil {
		return nil, err
	}
	return r.getUser(ctx, &in.UserPath)
}

func (r *routes) deleteUser(ctx context.Context, in *UserPath) (*struct{}, error) {
	return nil, r.Accounts.DeleteUser(ctx, actor(ctx), in.User)
}

// userAction is the handler of something that needs to know nothing else.
func (r *routes) userAction(act func(context.Context, access.Actor, string) error) func(context.Context, *UserPath) (*keptOut[*auth.User], error) {
	return func(ctx context.Context, in *UserPath) (*keptOut[*auth.User], error) {
		if err := act(ctx, actor(ctx), in.User); err != nil {
			return nil, err
		}
		return r.getUser(ctx, in)
	}
}

// recovered is a new first password.
type recovered struct {
	Password string `json:"initial" doc:"The new first password. It is shown this once."`
}

type recoverOut struct{ Body recovered }

func (r *routes) recoverUser(ctx context.Context, in *UserPath) (*recoverOut, error) {
	plain, err := r.Accounts.RecoverUser(ctx, actor(ctx), in.User)
	if err != nil {
		return nil, err
	}
	return &recoverOut{recovered{plain}}, nil
}

// blockList is all that is blocked.
type blockList struct {
	Blocks []auth.Block `json:"blocks" nullable:"false"`
}

type blocksOut struct{ Body blockList }

func (r *routes) listBlocks(ctx context.Context, _ *struct{}) (*blocksOut, error) {
	all, err := r.Accounts.Blocks(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	return &blocksOut{blockList{all}}, nil
}

type blockPath struct {
	Block string `path:"block" doc:"Id of the block."`
}

func (r *routes) liftBlock(ctx context.Context, in *blockPath) (*struct{}, error) {
	return nil, r.Accounts.Lift(ctx, actor(ctx), in.Block)
}

type termsOut struct{ Body auth.Terms }

func (r *routes) getTerms(ctx context.Context, _ *struct{}) (*termsOut, error) {
	t, err := r.Accounts.Terms(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	return &termsOut{t}, nil
}

type changeTermsIn struct {
	Body struct {
		Text string `json:"text" maxLength:"100000" doc:"Plain text; empty: none."`
	}
}

func (r *routes) changeTerms(ctx context.Context, in *changeTermsIn) (*termsOut, error) {
	t, err := r.Accounts.ChangeTerms(ctx, actor(ctx), in.Body.Text)
	if err != nil {
		return nil, err
	}
	return &termsOut{t}, nil
}

type elevateIn struct {
	Body struct {
		Reason string `json:"reason" minLength:"10" maxLength:"1000" doc:"Why, in words that the auditor understands."`
	}
}

type elevateOut struct{ Body *auth.Elevation }

func (r *routes) elevate(ctx context.Context, in *elevateIn) (*elevateOut, error) {
	e, err := r.Accounts.Elevate(ctx, actor(ctx), in.Body.Reason)
	if err != nil {
		return nil, err
	}
	return &elevateOut{e}, nil
}

func (r *routes) endElevation(ctx context.Context, _ *struct{}) (*struct{}, error) {
	return nil, r.Accounts.EndElevation(ctx, actor(ctx))
}

// elevationList is who took access to all sites.
type elevationList struct {
	Elevations []auth.Elevation `json:"elevations" nullable:"false"`
}

type elevationsOut struct{ Body elevationList }

func (r *routes) listElevations(ctx context.Context, _ *struct{}) (*elevationsOut, error) {
	all, err := r.Accounts.Elevations(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	return &elevationsOut{elevationList{all}}, nil
}
