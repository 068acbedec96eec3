package config

import (
	"slices"
	"time"
)

// Security says how persons get in and how long they stay.
type Security struct {
	Idle         time.Duration `koanf:"idle"`          // a session ends when nothing was asked for so long
	Longest      time.Duration `koanf:"longest"`       // a session ends after so long in any case
	Reprove      time.Duration `koanf:"reprove"`       // how long who proved who they are may manage
	AllSites     time.Duration `koanf:"all_sites"`     // how long somebody keeps access to all sites that they took
	SecondFactor []string      `koanf:"second_factor"` // roles that need one
	SecondPerson bool          `koanf:"second_person"` // what is managed needs a second administrator
	// Identity providers: who signed their certificates, besides the system's authorities,
	// and whether they are asked without outbound.proxy.
	ProviderCAFile string `koanf:"provider_ca_file"`
	ProviderDirect bool   `koanf:"provider_direct"`
	// What follows from ways of using an account that its owner would hardly use it in:
	// off, record or block.
	NewNetwork string `koanf:"new_network"` // a login from where the person never came from
	Moved      string `koanf:"moved"`       // a session goes on from another network
	TwoPlaces  string `koanf:"two_places"`  // a session is used from two networks in turn
	TwoLogins  string `koanf:"two_logins"`  // a login while another session is used from another network
	TooFast    string `koanf:"too_fast"`    // more requests than a person makes
}

func defaultSecurity() Security {
	return Security{Idle: 30 * time.Minute, Longest: 12 * time.Hour, Reprove: 10 * time.Minute, AllSites: 30 * time.Minute,
		NewNetwork: "record", Moved: "record", TwoPlaces: "block", TwoLogins: "record", TooFast: "record"}
}

func (c *Config) checkSecurity(k *checker) {
	s := c.Security
	k.within("security.idle", s.Idle, time.Minute, 24*time.Hour)
	k.within("security.longest", s.Longest, time.Minute, 7*24*time.Hour)
	k.within("security.reprove", s.Reprove, time.Minute, time.Hour)
	k.within("security.all_sites", s.AllSites, time.Minute, 24*time.Hour)
	roles := []string{"clerk", "physician", "administrator", "auditor"}
	for _, role := range s.SecondFactor {
		if !slices.Contains(roles, role) {
			k.fault("security.second_factor", "%q is no role of a person; there are %v", role, roles)
		}
	}
	for key, action := range map[string]string{"new_network": s.NewNetwork, "moved": s.Moved, "two_places": s.TwoPlaces, "two_logins": s.TwoLogins, "too_fast": s.TooFast} {
		k.oneOf("security."+key, action, "off", "record", "block")
	}
}
