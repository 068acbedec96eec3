// Package auth decides who may do what. [Guard] is the one place that every route of
// the API asks; what each role may do is one table, here.
//
// Persons have accounts ([Accounts]): they log in, in the steps of one table
// (login.go), and hold sessions. Other systems have tokens ([Tokens]). An account may
// have several ways to prove who it is; each is a credential of a kind, and each way
// of logging in ends in [Accounts.Enter].
package auth

import (
	"errors"
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
	TokensRead         access.Permission = "tokens.read"
	TokensManage       access.Permission = "tokens.manage"
	UsersRead          access.Permission = "users.read"
	UsersManage        access.Permission = "users.manage"
	ApprovalsRead      access.Permission = "approvals.read"
	ApprovalsDecide    access.Permission = "approvals.decide"
	Elevate            access.Permission = "sites.elevate" // all sites for a time, with a reason
	Self               access.Permission = "self"          // about oneself
	Person             access.Permission = "person"        // about oneself, for those who have an account
)

// Role is a bundle of permissions.
type Role string

// Roles.
const (
	Clerk         Role = "clerk"         // imports exams
	Physician     Role = "physician"     // sees exams
	Administrator Role = "administrator" // manages the installation, sees no patient
	Auditor       Role = "auditor"       // sees who did what
	Integrator    Role = "integrator"    // another system
)

// Roles lists all roles.
func Roles() []Role { return []Role{Clerk, Physician, Administrator, Auditor, Integrator} }

// roleEntry is what a role is.
type roleEntry struct {
	person, token bool // who may have it
	may           []access.Permission
	apart         []Role // that nobody has beside it
}

// table is what everybody may do. What is not in it, nobody may.
func table() map[Role]roleEntry {
	return map[Role]roleEntry{
		Clerk: {person: true, may: []access.Permission{ImportsRead, ImportsCreate, ImportsAnswer, ImportsDecide, ImportsEnd, ReceiptsRead,
			DestinationsRead, Elevate}},
		Physician: {person: true, may: []access.Permission{ImportsRead, ReceiptsRead, Elevate}},
		Administrator: {person: true, token: true, apart: []Role{Clerk, Physician, Auditor}, may: []access.Permission{DestinationsRead, DestinationsManage,
			SettingsRead, SettingsManage, TokensRead, TokensManage, UsersRead, UsersManage, ApprovalsRead, ApprovalsDecide}},
		Auditor: {person: true, token: true, apart: []Role{Administrator}, may: []access.Permission{AuditRead, UsageRead}},
		Integrator: {token: true, may: []access.Permission{ImportsRead, ImportsCreate, ImportsAnswer, ImportsDecide, ImportsEnd, ReceiptsRead,
			DestinationsRead}},
	}
}

// fresh are the permissions for which somebody has to have proved just now who they
// are: what they change can be used to get at everything else.
func fresh(p access.Permission) bool {
	return slices.Contains([]access.Permission{DestinationsManage, SettingsManage, TokensManage, UsersManage, ApprovalsDecide}, p)
}

// personal are the permissions that no token has, whatever its role: what is a
// person's own, and what needs a person who is not the one that asked.
func personal(p access.Permission) bool {
	return slices.Contains([]access.Permission{Person, ApprovalsDecide, Elevate}, p)
}

// May reports whether a role has a permission. What is not in the table, it has not.
func (r Role) May(p access.Permission) bool {
	entry, known := table()[r]
	switch p {
	case Self, access.Any:
		return known
	case Person:
		return entry.person
	}
	return slices.Contains(entry.may, p)
}

// Permissions lists what a role may do.
func (r Role) Permissions() []access.Permission {
	entry, known := table()[r]
	if !known {
		return nil
	}
	return append([]access.Permission{Self}, entry.may...)
}

// May reports whether any of several roles has a permission.
func May(roles []Role, p access.Permission) bool {
	return slices.ContainsFunc(roles, func(r Role) bool { return r.May(p) })
}

// Permissions lists what several roles may do together, of a person or of a token.
func Permissions(roles []Role, person bool) []access.Permission {
	var all []access.Permission
	for _, role := range roles {
		for _, p := range role.Permissions() {
			if !slices.Contains(all, p) && (person || !personal(p)) {
				all = append(all, p)
			}
		}
	}
	return all
}

// What is wrong with roles.
var (
	ErrNoRole     = errors.New("there is no such role for an account")
	ErrRolesApart = errors.New("these roles are not for one person")
)

// checkRoles says what is wrong with the roles of a person: at least one, none that is
// for machines, and none together that would let somebody look after themselves.
func checkRoles(roles []Role) error {
	if len(roles) == 0 {
		return ErrNoRole
	}
	for _, role := range roles {
		entry, known := table()[role]
		if !known || !entry.person {
			return ErrNoRole
		}
		for _, other := range entry.apart {
			if slices.Contains(roles, other) {
				return ErrRolesApart
			}
		}
	}
	return nil
}
