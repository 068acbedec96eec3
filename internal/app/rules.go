package app

import (
	"context"
	"net"
	"net/netip"

	"lotse/internal/receive"
	"lotse/internal/store"
)

// Rules are those for senders that are configured, those for the callers of all
// tenants, and one for each destination that is asked for commitment: it may report.
func (g *Gateway) Rules(senders receive.RuleList) receive.Rules { return &rules{g, senders} }

type rules struct {
	g       *Gateway
	senders receive.RuleList
}

// For gives the rules for a pair of AE titles.
func (r *rules) For(ctx context.Context, callingAE, calledAE string) ([]receive.Rule, error) {
	list, err := r.senders.For(ctx, callingAE, calledAE)
	if err != nil {
		return nil, err
	}
	rows, err := r.g.db.System().Senders(ctx, callingAE, calledAE)
	if err != nil {
		return nil, err
	}
	for i := range rows {
		rule, right, err := admission(&rows[i], calledAE, r.g.opts.ReceiveAE)
		if err != nil {
			return nil, err
		}
		if right {
			list = append(list, rule)
		}
	}
	tenants, err := r.g.db.System().LivingTenants(ctx)
	if err != nil {
		return nil, err
	}
	for _, tenant := range tenants {
		more, err := r.reporters(ctx, tenant, callingAE)
		if err != nil {
			return nil, err
		}
		list = append(list, more...)
	}
	return list, nil
}

func (r *rules) reporters(ctx context.Context, tenant, callingAE string) ([]receive.Rule, error) {
	var destinations []store.Destination
	err := r.g.reach(Who{Tenant: tenant}).Read(ctx, func(tx *store.Tx) (err error) {
		destinations, err = tx.Destinations()
		return err
	})
	if err != nil {
		return nil, err
	}
	var out []receive.Rule
	for _, d := range destinations {
		verify, err := verifyOf(d.Config)
		if err != nil {
			return nil, err
		}
		a, err := addressOf(d.Config)
		if err != nil || verify != proofCommit || a.Called != callingAE {
			continue
		}
		networks, err := networksOf(ctx, a.HostPort)
		if err != nil {
			continue // a destination that cannot be found cannot be asked either
		}
		out = append(out, receive.Rule{Name: "destination " + d.ID, Tenant: tenant, CallingAE: callingAE, CalledAE: a.Calling, Networks: networks, Reports: true})
	}
	return out, nil
}

// networksOf are the addresses of a host.
func networksOf(ctx context.Context, hostPort string) ([]netip.Prefix, error) {
	host, _, err := net.SplitHostPort(hostPort)
	if err != nil {
		return nil, err
	}
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	out := make([]netip.Prefix, len(list))
	for i, one := range list {
		one = one.Unmap()
		out[i] = netip.PrefixFrom(one, one.BitLen())
	}
	return out, nil
}
