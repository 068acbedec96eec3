package app

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"lotse/internal/importer"
	"lotse/internal/sealed"
	"lotse/internal/sealed/blob/s3"
	"lotse/internal/sealed/bucket"
	keys3 "lotse/internal/sealed/keyring/s3"
	"lotse/internal/store"
	"lotse/test/peer"
)

// nodes makes nodes over one PostgreSQL and S3.
func nodes(t *testing.T) (node func() *world) {
	t.Helper()
	database := peer.Postgres(t)
	server := peer.VersityGW(t)
	segments, keys := server.Bucket(t), server.Bucket(t)
	dir := t.TempDir() // the master key, which every node has
	return func() *world {
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
}

// TestTwoNodes has two gateways over one PostgreSQL and S3: what one takes, the
// other sees, decides and erases.
func TestTwoNodes(t *testing.T) {
	node := nodes(t)
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

// TestNestedOnTwoNodes derives what packed archives hold on both nodes at once: it is
// there once, and a third node finds it.
func TestNestedOnTwoNodes(t *testing.T) {
	node := nodes(t)
	one, two := node(), node()
	one.close()
	two.close()
	id := one.bring("exam.zip", nestedExam(t))
	var both sync.WaitGroup
	lists := make([][]string, 2)
	for n, w := range []*world{one, two} {
		both.Go(func() {
			list, err := w.opened(id)
			if err != nil {
				t.Error(err)
			}
			lists[n] = list
		})
	}
	both.Wait()
	derived := one.derivedParts(id, "nested ")
	if len(lists[0]) != 7 || !slices.Equal(lists[0], lists[1]) || len(derived) != 3 || one.strays(id) != 0 {
		t.Errorf("one sees %q, the other %q; %d parts, %d strays", lists[0], lists[1], len(derived), one.strays(id))
	}
	third := node()
	third.until(id, importer.Review)
	if now := third.derivedParts(id, "nested "); len(now) != 3 || now[0].Number != derived[0].Number || now[0].Created != derived[0].Created {
		t.Errorf("derived again: %+v, before %+v", now, derived)
	}
	must(t, third.collect(t.Context())) // finds the bucket's clock right
	if list, err := third.opened(id); err != nil || !slices.Equal(list, lists[0]) {
		t.Errorf("the third sees %q: %v", list, err)
	}
}
