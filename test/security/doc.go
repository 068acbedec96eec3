// Package security holds docs/security.md against the repository.
package security
