package store_test

import (
	"testing"

	"lotse/internal/store/storetest"
)

func TestSQLite(t *testing.T) {
	storetest.Run(t, func(t testing.TB) storetest.Place { return storetest.SQLite(t) })
}

func TestPostgreSQL(t *testing.T) {
	storetest.Run(t, func(t testing.TB) storetest.Place { return storetest.PostgreSQL(t) })
}
