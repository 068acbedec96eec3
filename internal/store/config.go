package store

import "time"

// Engine is the kind of database.
type Engine string

// Engines there are.
const (
	SQLite     Engine = "sqlite"     // one node, one file
	PostgreSQL Engine = "postgresql" // several nodes
)

// Config says which database to open.
type Config struct {
	Engine Engine
	// Path of the database file, for SQLite; its folder must exist. The file is
	// created with mode 0600.
	Path string
	// DSN is PostgreSQL's connection string, a URL or key=value pairs. It may hold
	// a password and is never part of an error.
	DSN string
	// Connections bounds the pool on PostgreSQL (default 16) and the readers on
	// SQLite (default 4, beside the one writer).
	Connections int

	// Clock replaces the machine's clock on SQLite, for tests. On PostgreSQL the
	// database's own clock counts, whatever the node's says.
	Clock func() time.Time
	// Shift is added to the time of either engine, for tests of clocks that jump.
	Shift func() time.Duration
	// Faults, in tests, decides before each step whether it fails; see [Point].
	Faults func(Point) error
}
