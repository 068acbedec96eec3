package main

import (
	"context"
	"time"

	"lotse/internal/app"
	"lotse/internal/config"
	"lotse/internal/store"
)

// clockCmd is about the clock, which decides when imports are erased.
type clockCmd struct {
	Confirm clockConfirmCmd `cmd:"" help:"Say that the clock is right now: erasing, which was paused because the clock had jumped, goes on."`
}

type clockConfirmCmd struct {
	configFlags
}

// Run confirms the clock. The audit trail of every tenant tells of it.
func (c clockConfirmCmd) Run(s *session) error {
	return withDatabase(s, c.sources(), func(ctx context.Context, db *store.DB) error {
		cfg, _, err := config.Load(c.sources())
		if err != nil {
			return err
		}
		gateway := app.NewGateway(db, nil, nil, newLog(s.err, cfg.Log), app.GatewayOptions{})
		why, err := gateway.ClockPaused(ctx)
		if err != nil {
			return err
		}
		all, err := db.System().LivingTenants(ctx)
		if err != nil {
			return err
		}
		for _, tenant := range all {
			if err := gateway.ConfirmClock(ctx, app.Who{Tenant: tenant, Actor: operator}); err != nil {
				return err
			}
		}
		key := "admin.clock.confirmed"
		if why == "" {
			key = "admin.clock.was-right"
		}
		s.say(key, map[string]any{"Now": s.stamp(time.Now())})
		return nil
	})
}
