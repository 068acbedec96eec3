package store

import "github.com/google/uuid"

// NewID makes an id: a UUIDv7 as text, which sorts by the time it was made.
func NewID() string {
	id, err := uuid.NewV7()
	if err != nil {
		// crypto/rand does not fail (it ends the process); the interface is older.
		return uuid.NewString()
	}
	return id.String()
}
