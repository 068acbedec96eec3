package app

import (
	"errors"
	"testing"

	"lotse/internal/importer"
	"lotse/internal/sealed"
	"lotse/internal/sealed/blob/s3"
	"lotse/internal/sealed/bucket"
	keys3 "lotse/internal/sealed/keyring/s3"
	"lotse/internal/store"
	"lotse/test/peer"
)

// TestTwoNodes has two gateways over one PostgreSQL and S3: what one takes, the
// other sees, decides and erases.
func TestTwoNodes(t *testing.T) {
	database := peer.Postgres(t)
	server := peer.VersityGW(t)
	segments, keys := server.Bucket(t), server.Bucket(t)
	dir := t.TempDir() // the master key, which every node has
	node := func() *world {
		at := func(name string) bucket.Config {
			return bucket.Config{Endpoint: server.Endpoint(), Region: server.Region, Bucket: name, AccessKey: server.AccessKey, SecretKey: server.SecretKey, PathStyle: true}
		}
		blobs, err := s3.Open(at(segments), s3.Options{})
		must(t, err)
		must(t, blobs.Check(t.Context()))
		ring, err := keys3.Open(t.Context(), at(keys), nil)
		must(t, err)
		return openWorld(t, dir, store.Config{Engine: store.PostgreSQL, DSN: database.DSN}, blobs, ring, nil)
	}
	one, two := node(), node()
	ctx := t.Context()
	s := reviewed(t, one)
	destination, path := two.folder()
	decision := NewDecision{Patient: importer.LocalPatient{ID: text("4711"), Name: text("New^Name")}, Destinations: []string{destination}}
	must(t, two.Decide(ctx, two.who, s.ID, s.Version, decision))
	s = one.until(s.ID, importer.Arrived)
	if n := files(t, path); int64(n) != s.Delivery[0].Delivered || n == 0 {
		t.Errorf("%d files for %s", n, show(s))
	}
	checkReceipt(t, two, s.ID, s.Delivery[0].ID, false)
	must(t, two.Delete(ctx, two.who, s.ID, 0))
	one.until(s.ID, importer.Purged)
	fresh := node()
	v, err := fresh.vault.Tenant(ctx, "main")
	must(t, err)
	if _, err := v.Open(ctx, s.ID, sealedDecision, nil); !errors.Is(err, sealed.ErrErased) {
		t.Errorf("the key is still there: %v", err)
	}
	checkReceipt(t, fresh, s.ID, s.Delivery[0].ID, true)
	checkTrail(t, one, s.ID)
}
