// Package auth decides who may do what. [Tokens] is the one place that every route
// of the API asks; what each role may do is one table.
package auth

import (
	"slices"

	"lotse/internal/auth/access"
)

// Permissions that routes ask for.
const (
	ImportsRead        access.Permission = "imports.read"
	ImportsCreate      access.Permission = "imports.create"
	ImportsAnswer      access.Permission = "imports.answer"
	ImportsDecide      access.Permission = "imports.decide"
	ImportsEnd         access.Permission = "imports.end" // cancel, reject, delete
	ReceiptsRead       access.Permission = "receipts.read"
	AuditRead          access.Permission = "audit.read"
	UsageRead          access.Permission = "usage.read"
	DestinationsRead   access.Permission = "destinations.read"
	DestinationsManage access.Permission = "destinations.manage"
	SettingsRead       access.Permission = "settings.read"
	SettingsManage     access.Permission = "settings.manage"
	TokensManage       access.Permission = "tokens.manage"
	Self               access.Permission = "self" // about oneself
)

// Role is a bundle of permissions.
type Role string

// Roles.
const (
	Administrator Role = "administrator"
	Integrator    Role = "integrator" // another system
)

// Roles lists all roles.
func Roles() []Role { return []Role{Administrator, Integrator} }

// May reports whether a role has a permission. What is not in the table, it has not.
func (r Role) May(p access.Permission) bool {
	if p == Self {
		return slices.Contains(Roles(), r)
	}
	return slices.Contains(table()[r], p)
}

// Permissions lists what a role may do.
func (r Role) Permissions() []access.Permission {
	if !slices.Contains(Roles(), r) {
		return nil
	}
	return append([]access.Permission{Self}, table()[r]...)
}

func table() map[Role][]access.Permission {
	return map[Role][]access.Permission{
		Administrator: {ImportsRead, ImportsCreate, ImportsAnswer, ImportsDecide, ImportsEnd, ReceiptsRead, AuditRead, UsageRead,
			DestinationsRead, DestinationsManage, SettingsRead, SettingsManage, TokensManage},
		Integrator: {ImportsRead, ImportsCreate, ImportsAnswer, ImportsDecide, ImportsEnd, ReceiptsRead, DestinationsRead},
	}
}
