// Package store is the database of a node: one contract over SQLite (one node)
// and PostgreSQL (several). SQL exists nowhere else.
//
// Rows of a tenant are reached through [DB.Tenant] only, and only inside a
// transaction; what concerns all tenants (claiming jobs, listing tenants, periodic
// work) goes through [DB.System]:
//
//	db, err := store.Open(ctx, store.Config{Engine: store.SQLite, Path: "lotse.db"})
//	_, err = db.Migrate(ctx)
//	err = db.Tenant(id).Write(ctx, func(tx *store.Tx) error {
//		…                       // change rows
//		_, _, err := tx.Enqueue(store.Job{Kind: "fetch", Subject: importID})
//		return err              // state and job commit together, or neither does
//	})
//
// # Transactions
//
// A function given to Write may run several times: when the engine reports that it
// collided with another transaction (busy, serialisation failure, deadlock) it is
// rolled back and run again. So it must not send anything anywhere, and it sets the
// variables it fills from scratch. It must not open another transaction: SQLite has
// one writer, which waits for itself then.
//
// SQLite transactions are immediate: one after the other. PostgreSQL runs them
// under REPEATABLE READ: who changes a row that another transaction changed
// meanwhile starts over. A decision that rests on rows it only reads needs
// them locked ([Tx] has forUpdate for the files of this package).
//
// After a statement has failed the transaction is lost on both engines, even when
// the function swallows the error: insert with ON CONFLICT DO NOTHING where a
// conflict is an answer.
//
// A context that ends before the commit is sent rolls back. The commit itself is
// waited for, so that a cancelled request seldom leaves its outcome open; where it
// is open nevertheless (the connection broke) the error is [ErrUnknown].
//
// # Walls between tenants
//
// The first wall is this package: every statement on a tenant's table has the
// tenant as $1, filled in by [Tx]. The second is PostgreSQL's row-level security:
// every such table is under lotse_wall (see the first migration), which compares
// with a setting that each transaction sets for itself. A role that bypasses it is
// refused by [Open].
//
// # Conventions of the rows
//
// Ids are text (UUIDv7), times are integer microseconds since 1970 UTC by the
// database's clock ([Tx.Now]), booleans are the integers 0 and 1, JSON is text, and
// what is personal is sealed bytes. The primary key of a tenant's table begins with
// tenant_id. Migrations expand, then contract, so that nodes of two versions may
// run side by side.
package store
