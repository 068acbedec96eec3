package store_test

import (
	"testing"

	"lotse/internal/store/storetest"
)

func TestRows(t *testing.T) { storetest.Each(t, storetest.Rows) }
