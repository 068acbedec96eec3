package v1

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"lotse/internal/api"
	"lotse/internal/api/problem"
	"lotse/internal/auth"
	"lotse/internal/auth/access"
)

// SecondPerson keeps changes until a second administrator approves them.
func SecondPerson(a *auth.Accounts) api.SecondPerson { return second{a} }

type second struct{ accounts *auth.Accounts }

// Needed implements api.SecondPerson.
func (s second) Needed(ctx context.Context, by access.Actor) (bool, error) {
	return s.accounts.SecondPersonNeeded(ctx, by)
}

// Keep implements api.SecondPerson.
func (s second) Keep(ctx context.Context, by access.Actor, p api.Pending) (string, time.Time, error) {
	change, err := json.Marshal(p)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("keep a change: %w", err)
	}
	return s.accounts.KeepChange(ctx, by, p.Route, change)
}

// bySecond is an operation that waits for a second administrator where that is wanted.
// What keeps somebody out at once waits for nobody.
func bySecond(op api.Operation) api.Operation {
	op.SecondPerson = true
	return op
}

// approvals are the routes of changes that wait for a second administrator.
func (r *routes) approvals(s *api.Server) {
	r.carryOut = s.CarryOut
	op := func(id, method, path string, permission access.Permission, summary, description string, problems ...problem.Code) api.Operation {
		return api.Operation{ID: id, Method: method, Path: "/approvals" + path, Tag: tagApprovals, Permission: permission, Summary: summary, Description: description, Problems: problems}
	}
	api.Register(s, op("list-approvals", http.MethodGet, "", auth.ApprovalsRead, "List changes that wait for a second administrator",
		"And the newest that were settled, 200 in all. There are some where `security.second_person` is set and there are two administrators."), r.listApprovals)
	api.Register(s, op("get-approval", http.MethodGet, "/{approval}", auth.ApprovalsRead, "Get a change with what it would do", "Its request is erased once it is settled.", problem.NotFound), r.getApproval)
	api.Register(s, op("approve", http.MethodPost, "/{approval}/approve", auth.ApprovalsDecide, "Approve a change, which is carried out",
		"With the request of the one who asked, who must still have the permission. Nobody approves their own.", problem.NotFound, problem.NotPossible, problem.OwnAccount), r.approve)
	api.Register(s, op("refuse", http.MethodPost, "/{approval}/refuse", auth.ApprovalsDecide, "Refuse a change, or take one's own back", "", problem.NotFound, problem.NotPossible), r.refuse)
	api.Register(s, op("take-answer", http.MethodPost, "/{approval}/answer", auth.ApprovalsRead, "Take what a change was answered with",
		"For the one who asked, once: there may be a secret in it. It is erased a day after the change was asked for.", problem.NotFound), r.takeAnswer)
}

// ApprovalPath names the approval of a request.
type ApprovalPath struct {
	Approval string `path:"approval" doc:"Id of the approval."`
}

// approvalList is changes that wait or waited.
type approvalList struct {
	Approvals []auth.Approval `json:"approvals" nullable:"false"`
}

type approvalsOut struct{ Body approvalList }

func (r *routes) listApprovals(ctx context.Context, _ *struct{}) (*approvalsOut, error) {
	all, err := r.Accounts.Approvals(ctx, actor(ctx))
	if err != nil {
		return nil, err
	}
	return &approvalsOut{approvalList{all}}, nil
}

// change is a change with what it would do.
type change struct {
	*auth.Approval
	Target  string `json:"target,omitempty" doc:"Path and query of the request."`
	Request any    `json:"request,omitempty" doc:"Its body, without secrets."`
}

type changeOut struct{ Body change }

func (r *routes) getApproval(ctx context.Context, in *ApprovalPath) (*changeOut, error) {
	a, p, err := r.pending(ctx, in.Approval)
	if err != nil {
		return nil, err
	}
	out := &changeOut{change{Approval: a, Target: p.Target}}
	if len(p.Body) > 0 && json.Unmarshal(p.Body, &out.Body.Request) != nil {
		out.Body.Request = "(not JSON)"
	}
	if all, ok := out.Body.Request.(map[string]any); ok {
		for _, name := range withheld() {
			if all[name] != nil {
				all[name] = "***"
			}
		}
	}
	return out, nil
}

// withheld are the members of requests that who approves them need not know.
func withheld() []string { return []string{"client_secret"} }

// pending is a change and its request, which is empty once it is settled.
func (r *routes) pending(ctx context.Context, id string) (*auth.Approval, api.Pending, error) {
	var p api.Pending
	a, raw, err := r.Accounts.Change(ctx, actor(ctx), id)
	if err != nil || raw == nil {
		return a, p, err
	}
	if err := json.Unmarshal(raw, &p); err != nil {
		return a, p, fmt.Errorf("read a change: %w", err)
	}
	return a, p, nil
}

type approvalOut struct{ Body *auth.Approval }

func (r *routes) approve(ctx context.Context, in *ApprovalPath) (*approvalOut, error) {
	by := actor(ctx)
	_, p, err := r.pending(ctx, in.Approval)
	if err != nil {
		return nil, err
	}
	asker, err := r.Accounts.Approve(ctx, by, in.Approval, p.Permission)
	if err != nil {
		return nil, err
	}
	ctx = context.WithoutCancel(ctx) // it is settled, and nobody can approve it again
	asker.Remote, asker.Agent = by.Remote, by.Agent
	status, body, err := r.carryOut(ctx, p, asker)
	if err != nil {
		return nil, err
	}
	if err := r.Accounts.CarriedOut(ctx, by, in.Approval, status, body); err != nil {
		return nil, err
	}
	return r.approval(ctx, in)
}

func (r *routes) approval(ctx context.Context, in *ApprovalPath) (*approvalOut, error) {
	a, _, err := r.Accounts.Change(ctx, actor(ctx), in.Approval)
	if err != nil {
		return nil, err
	}
	return &approvalOut{a}, nil
}

func (r *routes) refuse(ctx context.Context, in *ApprovalPath) (*approvalOut, error) {
	if err := r.Accounts.Refuse(ctx, actor(ctx), in.Approval); err != nil {
		return nil, err
	}
	return r.approval(ctx, in)
}

type answerTakenOut struct {
	Body struct {
		Answer any `json:"answer" doc:"The body of the answer."`
	}
}

func (r *routes) takeAnswer(ctx context.Context, in *ApprovalPath) (*answerTakenOut, error) {
	raw, err := r.Accounts.TakeAnswer(ctx, actor(ctx), in.Approval)
	if err != nil {
		return nil, err
	}
	out := &answerTakenOut{}
	if len(raw) > 0 && json.Unmarshal(raw, &out.Body.Answer) != nil {
		out.Body.Answer = string(raw)
	}
	return out, nil
}
