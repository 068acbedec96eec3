package audit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"lotse/internal/auth/access"
	"lotse/internal/sealed"
)

const (
	periodPrefix = "audit-" // of the ids of periods' keys in the keyring
	periodForm   = "2006-01"

	// holdFor is how long a key is used before the keyring is asked again. Where that
	// does not answer, it is used on: its period is not over.
	holdFor = time.Hour
	// prepareTime bounds how long a transaction waits for the keyring before it begins,
	// and prepareAgain how soon it is asked again after it failed; keepFor, when there is
	// a key to go on with.
	prepareTime  = 5 * time.Second
	prepareAgain = time.Second
	keepFor      = time.Minute
)

// Period is the id of the key that seals what is personal in the events of a time: of
// its month, in UTC.
func Period(t time.Time) string { return periodPrefix + t.UTC().Format(periodForm) }

// PeriodEnd is when a period has ended; false for ids that name none.
func PeriodEnd(id string) (time.Time, bool) {
	month, ok := strings.CutPrefix(id, periodPrefix)
	begin, err := time.Parse(periodForm, month)
	return begin.AddDate(0, 1, 0), ok && err == nil
}

// purpose binds what is sealed to its event.
func purpose(event string) string { return "event " + event }

// Sealer seals what is personal in audit events under the keys of their periods. It
// implements store.EventSealer.
type Sealer struct {
	vault *sealed.Vault
	now   func() time.Time

	mu   sync.Mutex
	held map[string]*heldPeriod // by tenant
}

// heldPeriod is the key of a tenant's present period.
type heldPeriod struct {
	fetching sync.Mutex

	mu     sync.Mutex // of what follows
	period string
	key    *sealed.Held
	next   time.Time // when the keyring is asked again
	err    error     // why there is no key
}

// NewSealer seals with the keys of a vault.
func NewSealer(vault *sealed.Vault) *Sealer {
	return &Sealer{vault: vault, now: time.Now, held: map[string]*heldPeriod{}}
}

func (s *Sealer) of(tenant string) *heldPeriod {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.held[tenant]
	if h == nil {
		h = &heldPeriod{}
		s.held[tenant] = h
	}
	return h
}

// Prepare fetches the key of the period of a time, unless it is at hand.
func (s *Sealer) Prepare(ctx context.Context, tenant string, at time.Time) {
	h, period := s.of(tenant), Period(at)
	if h.fresh(period, s.now()) {
		return
	}
	h.fetching.Lock()
	defer h.fetching.Unlock()
	if h.fresh(period, s.now()) { // another one fetched it meanwhile
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), prepareTime)
	defer cancel()
	key, err := s.hold(ctx, tenant, period)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.period, h.key, h.next, h.err = period, key, s.now().Add(holdFor), nil
		return
	}
	h.next = s.now().Add(keepFor)
	if h.period != period || h.key == nil || errors.Is(err, sealed.ErrErased) {
		h.period, h.key, h.err = period, nil, err
		h.next = s.now().Add(prepareAgain)
	}
}

func (h *heldPeriod) fresh(period string, now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	left := h.next.Sub(now)
	return h.period == period && left > 0 && left <= holdFor
}

func (s *Sealer) hold(ctx context.Context, tenant, period string) (*sealed.Held, error) {
	t, err := s.vault.Tenant(ctx, tenant)
	if err != nil {
		return nil, err
	}
	return t.Hold(ctx, period)
}

// Whence says of the context's actor the session, and where from.
func (s *Sealer) Whence(ctx context.Context) (session string, from map[string]any) {
	actor, ok := access.From(ctx)
	if !ok {
		return "", nil
	}
	from = map[string]any{}
	if actor.Remote.IsValid() {
		from["address"] = actor.Remote.String()
	}
	if actor.Agent != "" {
		from["agent"] = actor.Agent
	}
	return actor.Session, from
}

// Seal seals under the key that Prepare fetched.
func (s *Sealer) Seal(tenant, event string, plain []byte) (period string, out []byte, err error) {
	h := s.of(tenant)
	h.mu.Lock()
	period, key, err := h.period, h.key, h.err
	h.mu.Unlock()
	switch {
	case err != nil:
		return "", nil, fmt.Errorf("the key of the period %s: %w", period, err)
	case key == nil:
		return "", nil, errors.New("the key of the period was not fetched")
	}
	out, err = key.Seal(purpose(event), plain)
	return period, out, err
}

// Open opens what was sealed in an event. [sealed.ErrErased] when its period was
// erased.
func Open(ctx context.Context, t *sealed.Tenant, event, period string, column []byte) (map[string]any, error) {
	if column == nil {
		return nil, nil
	}
	plain, err := t.Open(ctx, period, purpose(event), column)
	if err != nil {
		return nil, err
	}
	var personal map[string]any
	if err := json.Unmarshal(plain, &personal); err != nil {
		return nil, fmt.Errorf("open an event: %w", sealed.ErrDamaged)
	}
	return personal, nil
}
