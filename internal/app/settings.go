package app

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"lotse/internal/importer"
	"lotse/internal/store"
)

// NewSettings are settings as an administrator sets them. What is absent is as
// configured.
type NewSettings struct {
	Retention     *int64 `json:"retention_seconds,omitempty" minimum:"3600" maximum:"604800" doc:"How long anything of an import is kept, from its first byte; no longer than configured."`
	Grace         *int64 `json:"grace_seconds,omitempty" minimum:"0" maximum:"604800" doc:"How long an import is kept that its destinations confirmed; no longer than configured."`
	GraceRejected *int64 `json:"grace_rejected_seconds,omitempty" minimum:"0" maximum:"604800" doc:"How long an import is kept that was rejected or cancelled; no longer than configured."`
	// LegalBasis is that of imports for which nobody says one.
	LegalBasis importer.LegalBasis `json:"legal_basis,omitempty" enum:"treatment,consent,vital-interests,public-health,legal-claims" doc:"On what ground imports are processed for which nobody says one."`
	Quiet      *int64              `json:"quiet_seconds,omitempty" minimum:"1" maximum:"3600" doc:"How long nothing may come before a received import is closed."`
}

// Settings are what is in force.
type Settings struct {
	Version int64       `json:"version" doc:"Grows with every change; also the ETag."`
	Set     NewSettings `json:"set" doc:"What an administrator set."`
	InForce Keeping     `json:"in_force"`
}

// Keeping is how long things are kept, in seconds.
type Keeping struct {
	Retention     int64 `json:"retention_seconds"`
	Grace         int64 `json:"grace_seconds"`
	GraceRejected int64 `json:"grace_rejected_seconds"`
	Quiet         int64 `json:"quiet_seconds"`
	// LegalBasis is that of imports for which nobody says one.
	LegalBasis importer.LegalBasis `json:"legal_basis"`
}

// limits are how long things of a tenant are kept.
type limits struct{ retention, grace, graceRejected, quiet time.Duration }

// settingKeeping holds NewSettings and their version.
const settingKeeping = "keeping"

// keptSettings is how they are kept.
type keptSettings struct {
	Version int64       `json:"version"`
	Set     NewSettings `json:"set"`
}

func readSettings(tx *store.Tx) (keptSettings, error) {
	var k keptSettings
	value, err := tx.Setting(settingKeeping)
	if errors.Is(err, store.ErrNotFound) {
		return k, nil
	}
	if err == nil && json.Unmarshal([]byte(value), &k) != nil {
		err = errors.New("read the settings: not what was written")
	}
	return k, err
}

// limits are those in force. A configuration that became stricter since counts.
func (g *Gateway) limits(n NewSettings) limits {
	shorter := func(seconds *int64, configured time.Duration) time.Duration {
		if seconds == nil {
			return configured
		}
		return min(time.Duration(*seconds)*time.Second, configured)
	}
	l := limits{retention: shorter(n.Retention, g.opts.Retention), grace: shorter(n.Grace, g.opts.Grace),
		graceRejected: shorter(n.GraceRejected, g.opts.GraceRejected), quiet: g.opts.Quiet}
	if n.Quiet != nil {
		l.quiet = time.Duration(*n.Quiet) * time.Second
	}
	return l
}

// legalBasis is that of imports for which nobody says one.
func (g *Gateway) legalBasis(n NewSettings) importer.LegalBasis {
	return cmp.Or(n.LegalBasis, g.opts.LegalBasis)
}

// keeping are the limits of the tenant of a transaction.
func (g *Gateway) keeping(tx *store.Tx) (limits, error) {
	k, err := readSettings(tx)
	return g.limits(k.Set), err
}

func (g *Gateway) settingsView(k keptSettings) *Settings {
	l := g.limits(k.Set)
	seconds := func(d time.Duration) int64 { return int64(d / time.Second) }
	return &Settings{Version: k.Version, Set: k.Set, InForce: Keeping{Retention: seconds(l.retention), Grace: seconds(l.grace),
		GraceRejected: seconds(l.graceRejected), Quiet: seconds(l.quiet), LegalBasis: g.legalBasis(k.Set)}}
}

// Settings returns what is in force.
func (g *Gateway) Settings(ctx context.Context, who Who) (*Settings, error) {
	var k keptSettings
	err := g.reach(who).Read(ctx, func(tx *store.Tx) (err error) {
		k, err = readSettings(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return g.settingsView(k), nil
}

// ChangeSettings replaces the settings; version is the one that was seen, or -1.
// *InvalidError for what is longer than configured. They count for what begins from
// then on.
func (g *Gateway) ChangeSettings(ctx context.Context, who Who, version int64, n NewSettings) (*Settings, error) {
	if err := g.checkSettings(n); err != nil {
		return nil, err
	}
	var k keptSettings
	err := g.reach(who).Write(ctx, func(tx *store.Tx) (err error) {
		if k, err = readSettings(tx); err != nil {
			return err
		}
		if version >= 0 && version != k.Version {
			return ErrChanged
		}
		before := k.Set
		k.Version, k.Set = k.Version+1, n
		text, err := json.Marshal(k)
		if err != nil {
			return fmt.Errorf("write the settings: %w", err)
		}
		if err := tx.SetSetting(settingKeeping, string(text)); err != nil {
			return err
		}
		return tx.Audit(store.Event{Actor: who.Actor, Event: "settings.changed", Detail: map[string]any{"before": before, "after": n}})
	})
	if err != nil {
		return nil, err
	}
	return g.settingsView(k), nil
}

func (g *Gateway) checkSettings(n NewSettings) error {
	for _, one := range []struct {
		field      string
		seconds    *int64
		configured time.Duration
	}{
		{"retention_seconds", n.Retention, g.opts.Retention}, {"grace_seconds", n.Grace, g.opts.Grace},
		{"grace_rejected_seconds", n.GraceRejected, g.opts.GraceRejected},
	} {
		switch {
		case one.seconds == nil:
		case *one.seconds < 0:
			return &InvalidError{one.field, "negative"}
		case time.Duration(*one.seconds)*time.Second > one.configured:
			return &InvalidError{one.field, "longer-than-configured"}
		}
	}
	if n.LegalBasis != "" && !n.LegalBasis.Known() {
		return &InvalidError{"legal_basis", "unknown"}
	}
	if n.Quiet != nil && *n.Quiet < 1 {
		return &InvalidError{"quiet_seconds", "too-short"}
	}
	return nil
}
