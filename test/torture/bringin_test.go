package torture

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"lotse/internal/app"
	"lotse/internal/importer"
	"lotse/internal/personal"
	"lotse/internal/receive"
	"lotse/internal/tus"
	"lotse/test/torture/gateway"
)

// bringIn hands the exam over, as far as that has not been acknowledged.
func (j *journey) bringIn(ctx context.Context, p *process, list []*app.Snapshot) error {
	switch {
	case j.way == byDICOM:
		return j.store(ctx, p, list)
	case j.way == byUpload && len(list) == 0:
		_, err := p.gateway.Create(ctx, who(), app.NewImport{Kind: app.KindUpload, Files: 1})
		return err
	case j.way == byUpload && list[0].State == importer.Fetching:
		return j.upload(ctx, p, list[0].ID)
	case j.way == byUpload || len(list) > 0:
		return nil
	case j.link == "":
		j.link = j.portal.add(j.exam)
	}
	_, err := p.gateway.Create(ctx, who(), app.NewImport{Kind: app.KindLink, Link: personal.New(j.link), Known: app.Answers{BirthDate: personal.New(gateway.BirthDate)}})
	return err
}

// upload sends the ZIP in three pieces, from where the last process had it.
func (j *journey) upload(ctx context.Context, p *process, id string) error {
	content := j.exam.ZIP
	uploads := p.gateway.Uploads(who())
	up, err := uploads.Create(ctx, tus.Upload{Length: int64(len(content)), Metadata: map[string]string{"import": id, "path": "a.zip", "key": "1"}})
	if err != nil {
		return err
	}
	info, err := uploads.Info(ctx, up)
	if err != nil {
		return err
	}
	if info.Offset < j.offset {
		return &stuckError{fmt.Sprintf("%d bytes were acknowledged, %d are there", j.offset, info.Offset)}
	}
	lease, err := uploads.Lease(ctx, up)
	if err != nil {
		return err
	}
	defer lease.Release()
	for at := lease.Offset(); at < int64(len(content)); j.offset = at {
		if _, err := lease.Write(content[at:min(at+int64(len(content)/3)+1, int64(len(content)))]); err != nil {
			return err
		}
		if at, err = lease.Commit(ctx); err != nil {
			return err
		}
	}
	return nil
}

// store sends the objects, and lets time pass when all are taken.
func (j *journey) store(ctx context.Context, p *process, list []*app.Snapshot) error {
	if j.taken == nil {
		j.taken = map[string]bool{}
	}
	if p.intake == nil {
		p.intake = p.gateway.Intake(tenant)
	}
	for _, o := range j.exam.Objects {
		if j.taken[o.UID] {
			continue
		}
		meta := receive.Meta{CallingAE: gateway.Modality, SOPClass: o.Class, SOPInstance: o.UID, Study: o.Study, TransferSyntax: o.Syntax,
			Header: len(o.File) - len(o.Data)}
		if err := p.intake.Receive(ctx, meta, bytes.NewReader(o.File)); err != nil {
			return err
		}
		j.taken[o.UID] = true
	}
	for _, im := range list {
		if im.State == importer.Fetching && time.Since(j.jumped) > 50*time.Millisecond {
			j.jumped = time.Now()
			j.clock.jump(time.Second) // beyond the quiet time, and to the next look at it
		}
	}
	return nil
}
