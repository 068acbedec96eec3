package backup

import (
	"context"
	"errors"
	"time"

	"lotse/internal/sealed"
	"lotse/internal/sealed/keyring"
	"lotse/internal/store"
)

// fate is what becomes of an import in a restore.
type fate string

const (
	live       fate = "live"
	erased     fate = "erased"     // after the backup was made: erased again
	expired    fate = "expired"    // its time has come since
	unreadable fate = "unreadable" // the keyring has no key for it
)

// Names of what the installation remembers of its clock.
const (
	clockTick   = "clock.tick"
	clockPaused = "clock.paused"
	// clockGap is how old a backup may be before the clock is asked about, and
	// clockJump how far in the future.
	clockGap  = 96 * time.Hour
	clockJump = 5 * time.Minute
)

// plan says what becomes of everything in a backup.
type plan struct {
	now     time.Time       // by the clock of the database that it goes into
	imports map[string]fate // of tenant/import that were not purged
	ended   map[string]bool // tenants whose key was erased after the backup
	dead    map[string]bool // tenants whose contract had ended before
	tenants []string        // all others
	paused  string          // why erasing was paused; empty: it was not
	order   []owner         // of the imports, as they come
	missing map[string]bool // segments that were lost before the backup
	erased  map[string]bool // imports that were erased while it was made
	rows    int64
}

type owner struct{ tenant, id string }

func (o owner) String() string { return o.tenant + "/" + o.id }

func (p *plan) count(f fate) int {
	n := 0
	for _, one := range p.imports {
		if one == f {
			n++
		}
	}
	return n
}

// makePlan reads all rows of the backup, and asks the keyring what it knows of them.
func (x *restorer) makePlan(ctx context.Context) error {
	p := &plan{now: x.now, imports: map[string]fate{}, ended: map[string]bool{}, dead: map[string]bool{}, missing: set(x.m.Missing), erased: set(x.m.Erased)}
	ring := keyring.New(x.keys, x.in.Master)
	counts := map[string]int64{}
	wanted := func(table string) bool { return table == "tenants" || table == "installation" || table == "imports" }
	err := x.seal.eachRow(ctx, x.files, x.m, wanted, func(r store.Row) error {
		counts[r.Table]++
		p.rows++
		f := fields{r}
		switch r.Table {
		case "tenants":
			return x.planTenant(ctx, ring, p, f)
		case "installation":
			if f.text("name") == clockPaused {
				p.paused = f.text("value")
			}
		case "imports":
			if o := (owner{f.text("tenant_id"), f.text("id")}); f.value("purged_at") == nil && !p.dead[o.tenant] {
				what, err := p.judge(ctx, ring, o, f)
				if err != nil {
					return err
				}
				p.imports[o.String()] = what
				p.order = append(p.order, o)
			}
		}
		return nil
	})
	if err != nil {
		return damage("tables", err)
	}
	for table, n := range x.m.Rows {
		if counts[table] != n {
			return damage("tables", errSeal)
		}
	}
	x.plan = p
	return nil
}

func set(names []string) map[string]bool {
	all := make(map[string]bool, len(names))
	for _, n := range names {
		all[n] = true
	}
	return all
}

// planTenant makes sure that the keyring is the one of a tenant.
func (x *restorer) planTenant(ctx context.Context, ring *keyring.Ring, p *plan, f fields) error {
	id := f.text("id")
	if f.value("destroyed_at") != nil {
		p.dead[id] = true
		return nil
	}
	p.tenants = append(p.tenants, id)
	key, err := ring.Tenant(ctx, id)
	switch {
	case errors.Is(err, keyring.ErrErased):
		p.ended[id] = true
		return nil
	case errors.Is(err, keyring.ErrNotFound):
		return refuse(NoKeyring, "%s", id)
	case errors.Is(err, keyring.ErrMaster):
		return refuse(OtherMaster, "%s", id)
	case errors.Is(err, keyring.ErrDamaged):
		return refuse(OtherKeyring, "%s", id)
	case err != nil:
		return err
	}
	v, err := sealed.New(x.in.Blobs, ring, sealed.Options{}).Tenant(ctx, id)
	if err != nil {
		return err
	}
	proof, err := v.MAC(ctx, proofPurpose, x.m.Installation)
	if err != nil {
		return err
	}
	if want, ok := x.m.Tenants[id]; ok && want != proof {
		return refuse(OtherKeyring, "%s", id)
	}
	if x.copy == nil {
		return nil
	}
	other, err := keyring.New(merged{copy: x.copy, only: true}, x.in.Master).Tenant(ctx, id)
	if err == nil && other != key || err != nil && !errors.Is(err, keyring.ErrNotFound) {
		return refuse(OtherKeyring, "%s", id)
	}
	return nil
}

// judge says what becomes of one import.
func (p *plan) judge(ctx context.Context, ring *keyring.Ring, o owner, f fields) (fate, error) {
	if p.ended[o.tenant] || p.erased[o.String()] {
		return erased, nil
	}
	_, err := ring.Import(ctx, o.tenant, o.id)
	switch {
	case errors.Is(err, keyring.ErrErased):
		return erased, nil
	case time.UnixMicro(f.number("purge_at")).After(p.now) && errors.Is(err, keyring.ErrNotFound):
		return unreadable, nil
	case errors.Is(err, keyring.ErrDamaged):
		return "", refuse(OtherKeyring, "%s", o.tenant)
	case err != nil && !errors.Is(err, keyring.ErrNotFound):
		return "", err
	case !time.UnixMicro(f.number("purge_at")).After(p.now):
		return expired, nil
	}
	return live, nil
}
