package app

import (
	"bytes"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"lotse/internal/importer"
	"lotse/internal/receive"
	"lotse/internal/sealed/blob/disk"
	"lotse/internal/sealed/keyring/file"
	"lotse/internal/store"
	"lotse/internal/store/storetest"
	"lotse/internal/synth"
	"lotse/test/peer"
)

// nodeOn is a node of an installation of two tenants, main and second, over a database
// and a folder that others may share.
func nodeOn(t *testing.T, p storetest.Place, dir string, clock *shift) *world {
	t.Helper()
	config := p.Config
	config.Shift = clock.get
	blobs, err := disk.Open(filepath.Join(dir, "blobs"))
	must(t, err)
	keys, err := file.Open(filepath.Join(dir, "keyring"), nil)
	must(t, err)
	w := openWorld(t, dir, config, blobs, keys, func(o *GatewayOptions) {
		o.ReceiveAE, o.Quiet = "LOTSE", 10*time.Minute // a busy machine must not close what is still sent to
	})
	if all, err := w.db.System().Tenants(t.Context()); err != nil || len(all) == 1 {
		must(t, err)
		must(t, w.vault.CreateTenant(t.Context(), "second"))
		must(t, w.db.System().CreateTenant(t.Context(), "second", "Second"))
	}
	return w
}

var second = Who{Tenant: "second", Actor: "test"}

// caller adds a caller on this host.
func (w *world) caller(who Who, n NewCaller) *CallerView {
	w.t.Helper()
	if n.Networks == nil {
		n.Networks = []string{"127.0.0.0/8"}
	}
	v, err := w.AddCaller(w.t.Context(), who, n)
	must(w.t, err)
	return v
}

// dicomFiles writes objects of one study into a folder of its own.
func dicomFiles(t *testing.T, study, objects int) string {
	t.Helper()
	dir := t.TempDir()
	for n := range objects {
		raw, err := synth.Slice(synth.SliceOptions{Seed: uint64(study), Number: n + 1})
		must(t, err)
		must(t, os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.dcm", n)), raw, 0o600))
	}
	return dir
}

// bySite are the imports that objects came into, by site: how many each has.
func (w *world) bySite(who Who) map[string]int64 {
	w.t.Helper()
	page, err := w.List(w.t.Context(), who, store.ImportFilter{Kind: KindDICOM})
	must(w.t, err)
	out := map[string]int64{}
	for _, s := range page.Imports {
		out[s.Site] += s.Received.Parts
	}
	return out
}

const notRecognized = "Calling AE Title Not Recognized"

// TestTwoTenantsReceive: on one node, whose an object is says the one rule that lets its
// sender in; where rules of two tenants do, nobody's it is.
func TestTwoTenantsReceive(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		clock := &shift{}
		w := nodeOn(t, p, t.TempDir(), clock)
		north := w.site(NewSite{Name: "North", AETitle: "NORTH"})
		south := w.site(NewSite{Name: "South"})
		w.caller(w.who, NewCaller{Name: "CT", CallingAE: "CT1"})
		w.caller(second, NewCaller{Name: "CT", CallingAE: "CT1", CalledAE: "SECOND"})
		w.caller(w.who, NewCaller{Name: "MR", CallingAE: "MR1", Site: south.ID})
		far := w.caller(w.who, NewCaller{Name: "far", CallingAE: "FAR", Networks: []string{"192.0.2.0/24", "2001:db8::/32"}})
		doubted := w.caller(w.who, NewCaller{Name: "US", CallingAE: "US1", CalledAE: "LOTSE"})
		w.caller(second, NewCaller{Name: "US", CallingAE: "US1", Networks: []string{"127.0.0.1"}})
		port := fmt.Sprint(w.receiver(receive.Rule{Name: "caller XA1", CallingAE: "XA1", CalledAE: "LOTSE", Objects: true,
			Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}))
		dir := dicomFiles(t, 1, 2)
		send := func(calling, called string) (string, error) {
			return peer.Try(t, "storescu", "-aet", calling, "-aec", called, "+sd", "127.0.0.1", port, dir)
		}
		for _, c := range []struct{ calling, called string }{{"CT1", "LOTSE"}, {"CT1", "SECOND"}, {"CT1", "NORTH"}, {"MR1", "LOTSE"}, {"XA1", "LOTSE"}} {
			if out, err := send(c.calling, c.called); err != nil {
				t.Errorf("%s to %s: %v\n%s", c.calling, c.called, err, out)
			}
		}
		peer.Run(t, "dcmsend", "-aet", "CT1", "-aec", "SECOND", "+sd", "127.0.0.1", port, dir)
		for _, c := range []struct{ calling, called string }{{"CT1", "OTHER"}, {"FAR", "LOTSE"}, {"MR1", "NORTH"}, {"XA1", "NORTH"}, {"US1", "LOTSE"}, {"NOBODY", "LOTSE"}} {
			if out, err := send(c.calling, c.called); err == nil || !strings.Contains(out, notRecognized) {
				t.Errorf("%s to %s is let in: %s", c.calling, c.called, out)
			}
		}
		want, others := map[string]int64{"": 4, north.ID: 2, south.ID: 2}, map[string]int64{"": 4}
		check := func() {
			t.Helper()
			if got := w.bySite(w.who); fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("main has %v, not %v", got, want)
			}
			if got := w.bySite(second); fmt.Sprint(got) != fmt.Sprint(others) {
				t.Errorf("the second has %v, not %v", got, others)
			}
		}
		check()
		must(t, w.RemoveCaller(t.Context(), w.who, doubted.ID, doubted.Version)) // now it fits one
		far.NewCaller.Networks = []string{"127.0.0.1"}
		_, err := w.ChangeCaller(t.Context(), w.who, far.ID, far.Version, far.NewCaller)
		must(t, err)
		for _, calling := range []string{"US1", "FAR"} {
			if out, err := send(calling, "LOTSE"); err != nil {
				t.Errorf("%s: %v\n%s", calling, err, out)
			}
		}
		want[""], others[""] = 6, 6
		check()
		clock.add(11 * time.Minute)
		must(t, w.closeReceived(t.Context()))
		page, err := w.List(t.Context(), w.who, store.ImportFilter{Site: north.ID})
		if err != nil || len(page.Imports) != 1 {
			t.Fatalf("of the site: %s, %v", show(page), err)
		}
		w.until(page.Imports[0].ID, importer.Review)
	})
}

// TestQuota: what is over the quota of a caller is answered with A700 and leaves
// nothing behind, whichever node is asked; an hour later it goes on.
func TestQuota(t *testing.T) {
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		clock, dir := &shift{}, t.TempDir()
		one, two := nodeOn(t, p, dir, clock), nodeOn(t, p, dir, clock)
		ports := []string{fmt.Sprint(one.receiver()), fmt.Sprint(two.receiver())}
		objects, size := 5, 0
		folder := dicomFiles(t, 1, objects)
		raw, err := os.ReadFile(filepath.Join(folder, "0.dcm"))
		must(t, err)
		size = len(raw)
		counted := one.caller(one.who, NewCaller{Name: "by objects", CallingAE: "COUNTED", HourlyObjects: 7})
		one.caller(one.who, NewCaller{Name: "by bytes", CallingAE: "WEIGHED", HourlyBytes: int64(size)*3 + int64(size)/2})
		one.caller(second, NewCaller{Name: "free", CallingAE: "FREE", MaxAssociations: 1})
		send := func(calling, port string) int {
			t.Helper()
			out, _ := peer.Try(t, "storescu", "-d", "-nh", "-aet", calling, "-aec", "LOTSE", "+sd", "127.0.0.1", port, folder)
			refused := strings.Count(out, "DIMSE Status                  : 0xa700")
			if refused > 0 && !strings.Contains(out, errQuota.Text) {
				t.Errorf("%s does not hear why:\n%s", calling, out)
			}
			return refused
		}
		before := one.bySite(one.who)[""]
		expect := func(calling, port string, refused int) {
			t.Helper()
			if got := send(calling, port); got != refused {
				t.Errorf("%d objects of %s are refused, not %d", got, calling, refused)
			}
			before += int64(objects - refused)
			if got := one.bySite(one.who)[""]; got != before {
				t.Errorf("%d are there after %s, not %d", got, calling, before)
			}
		}
		expect("COUNTED", ports[0], 0)
		expect("COUNTED", ports[1], 3)
		expect("COUNTED", ports[0], 5)
		expect("WEIGHED", ports[1], 2)
		expect("WEIGHED", ports[0], 5)
		if got := send("FREE", ports[0]); got != 0 {
			t.Errorf("%d objects without a quota are refused", got)
		}
		if n := files(t, filepath.Join(dir, "blobs")); int64(n) != before+int64(objects) {
			t.Errorf("%d segments for %d objects", n, before+int64(objects))
		}
		v, err := one.ChangeCaller(t.Context(), one.who, counted.ID, counted.Version, NewCaller{Name: "by objects", CallingAE: "COUNTED", Networks: counted.Networks, HourlyObjects: 9})
		must(t, err)
		expect("COUNTED", ports[1], 3) // the quota counts at once
		clock.add(usageWindow + 2*usageSlot)
		expect("COUNTED", ports[0], 0)
		expect("WEIGHED", ports[1], 2)
		used := func() (u store.Sent) {
			must(t, one.db.Tenant("main").Read(t.Context(), func(tx *store.Tx) (err error) {
				u, err = tx.Used(v.ID, time.Time{}.AddDate(1970, 0, 0))
				return err
			}))
			return u
		}
		shown, err := two.Caller(t.Context(), two.who, v.ID)
		must(t, err)
		if u := used(); *shown.Sent != (Sent{u.Objects, u.Bytes}) || u.Objects != int64(objects) || u.Bytes < int64(objects*(size-1000)) || u.Bytes > int64(objects*(size+1000)) {
			t.Errorf("%+v is counted for %d objects of %d bytes", u, objects, size)
		}
	})
}

// TestQuotaOfLargeObjects: bytes are charged while they come, so that objects at once,
// on several nodes, take no more together than the quota; what is refused counts for
// nothing.
func TestQuotaOfLargeObjects(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, p storetest.Place) {
		dir, clock := t.TempDir(), &shift{}
		nodes := []*world{nodeOn(t, p, dir, clock), nodeOn(t, p, dir, clock)}
		const quota, size = 60 << 20, 17 << 20
		caller := nodes[0].caller(second, NewCaller{Name: "CT", CallingAE: "CT1", HourlyBytes: quota})
		object := bytes.Repeat([]byte("0123456789abcdef"), size/16)
		receive := func(in *Intake, study string, bytesOf []byte) error {
			return in.Receive(t.Context(), receive.Meta{Rule: caller.ID, Tenant: "second", Counted: true, CallingAE: "CT1", Study: study}, bytes.NewReader(bytesOf))
		}
		used := func() (u store.Sent) {
			must(t, nodes[0].db.Tenant("second").Read(t.Context(), func(tx *store.Tx) (err error) {
				u, err = tx.Used(caller.ID, time.Unix(0, 0))
				return err
			}))
			return u
		}
		intakes := []*Intake{nodes[0].Intake("main"), nodes[1].Intake("main")}
		if err := receive(intakes[0], "1", bytes.Repeat(object, 4)); !errors.Is(err, errQuota) {
			t.Errorf("one that is larger than the quota: %v", err)
		}
		if u, n := used(), files(t, filepath.Join(dir, "blobs")); u != (store.Sent{}) || n != 0 {
			t.Errorf("a refused one leaves %+v and %d segments", u, n)
		}
		var all sync.WaitGroup
		var kept atomic.Int64
		for i := range 6 {
			all.Go(func() {
				switch err := receive(intakes[i%2], fmt.Sprint(i), object); {
				case err == nil:
					kept.Add(1)
				case !errors.Is(err, errQuota):
					t.Error(err)
				}
			})
		}
		all.Wait()
		if u := used(); kept.Load() < 1 || kept.Load() > quota/size || u != (store.Sent{Objects: kept.Load(), Bytes: kept.Load() * size}) {
			t.Errorf("%d were taken, counted as %+v", kept.Load(), u)
		}
		for kept.Load() < quota/size { // one at a time, what fits is taken
			must(t, receive(intakes[0], "again", object))
			kept.Add(1)
		}
		if err := receive(intakes[1], "last", object); !errors.Is(err, errQuota) {
			t.Errorf("one too many: %v", err)
		}
	})
}

// TestCallerChecks: what cannot be admitted is refused when it is set.
func TestCallerChecks(t *testing.T) {
	t.Parallel()
	w := newWorld(t, t.TempDir(), nil, nil)
	ctx := t.Context()
	north, south := w.site(NewSite{Name: "North", AETitle: "NORTH"}), w.site(NewSite{Name: "South", AETitle: "SOUTH"})
	here := []string{"10.0.0.7", "10.1.0.0/16"}
	first := w.caller(w.who, NewCaller{Name: "CT", CallingAE: "CT1", Site: north.ID, Networks: here})
	if fmt.Sprint(first.Networks) != "[10.0.0.7/32 10.1.0.0/16]" {
		t.Errorf("networks: %v", first.Networks)
	}
	for _, c := range []struct {
		n           NewCaller
		field, code string
	}{
		{NewCaller{Networks: here, CallingAE: "X"}, "name", "missing"},
		{NewCaller{Name: "x", Networks: here, CallingAE: " X"}, "calling_ae_title", "not-an-ae-title"},
		{NewCaller{Name: "x", Networks: here, CallingAE: "X", CalledAE: "Ä"}, "called_ae_title", "not-an-ae-title"},
		{NewCaller{Name: "x", CallingAE: "X"}, "networks", "missing"},
		{NewCaller{Name: "x", CallingAE: "X", Networks: []string{"10.0.0.0/33"}}, "networks", "not-a-network"},
		{NewCaller{Name: "x", CallingAE: "X", Networks: []string{"ct1.example.org"}}, "networks", "not-a-network"},
		{NewCaller{Name: "x", CallingAE: "X", Networks: []string{"fe80::1%eth0"}}, "networks", "not-a-network"},
		{NewCaller{Name: "x", CallingAE: "X", Networks: here, Site: "nowhere"}, "site", "unknown"},
		{NewCaller{Name: "x", CallingAE: "X", Networks: here, HourlyBytes: -1}, "bytes_per_hour", "negative"},
		{NewCaller{Name: "x", CallingAE: "CT1", Networks: []string{"10.0.0.0/8"}}, "calling_ae_title", "ambiguous"},
		{NewCaller{Name: "x", CallingAE: "CT1", Subject: "ct1", CalledAE: "NORTH"}, "calling_ae_title", "ambiguous"},
	} {
		_, err := w.AddCaller(ctx, w.who, c.n)
		invalidField(t, err, c.field, c.code)
	}
	if _, err := w.AddCaller(ctx, w.who, NewCaller{Name: "CT", CallingAE: "X", Networks: here}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a name twice: %v", err)
	}
	for name, n := range map[string]NewCaller{
		"another title":   {CallingAE: "CT1", Networks: here, Site: south.ID},
		"another network": {CallingAE: "CT1", Networks: []string{"10.2.0.0/16"}},
		"another sender":  {CallingAE: "CT2", Networks: here},
	} {
		n.Name = name
		w.caller(w.who, n)
	}
	if _, err := w.ChangeCaller(ctx, w.who, first.ID, first.Version, NewCaller{Name: "CT", CallingAE: "CT2", Networks: here}); err == nil {
		t.Error("a change made it ambiguous")
	}
	list, err := w.Callers(ctx, w.who)
	if err != nil || len(list) != 4 || list[0].Name != "CT" {
		t.Errorf("list: %s, %v", show(list), err)
	}
}

// TestAdmission: which title a caller has to call, and which site is meant by it.
func TestAdmission(t *testing.T) {
	t.Parallel()
	caller := func(called, site string) store.Caller {
		return store.Caller{ID: "1", CallingAE: "CT1", CalledAE: called, Site: site, Config: []byte(`{"networks":["10.0.0.0/8"],"subject":"ct1","hourly_objects":5,"max_object":7,"max_associations":2}`)}
	}
	for _, c := range []struct {
		row         store.Sender
		called, own string
		right       bool
		site        string
	}{
		{store.Sender{Caller: caller("", "")}, "LOTSE", "LOTSE", true, ""},
		{store.Sender{Caller: caller("", "")}, "X", "LOTSE", false, ""},
		{store.Sender{Caller: caller("", "")}, "X", "", true, ""},
		{store.Sender{Caller: caller("", ""), CalledSite: "north"}, "NORTH", "LOTSE", true, "north"},
		{store.Sender{Caller: caller("", ""), CalledSite: "north"}, "LOTSE", "LOTSE", true, "north"},
		{store.Sender{Caller: caller("X", "")}, "X", "LOTSE", true, ""},
		{store.Sender{Caller: caller("X", "")}, "LOTSE", "LOTSE", false, ""},
		{store.Sender{Caller: caller("NORTH", ""), CalledSite: "north"}, "NORTH", "LOTSE", true, "north"},
		{store.Sender{Caller: caller("X", "south"), SiteAE: "SOUTH"}, "X", "LOTSE", true, "south"},
		{store.Sender{Caller: caller("NORTH", "south"), CalledSite: "north"}, "NORTH", "LOTSE", true, "south"},
		{store.Sender{Caller: caller("", "south"), SiteAE: "SOUTH", CalledSite: "south"}, "SOUTH", "LOTSE", true, "south"},
		{store.Sender{Caller: caller("", "south"), SiteAE: "SOUTH"}, "LOTSE", "LOTSE", false, ""},
		{store.Sender{Caller: caller("", "south"), CalledSite: "north"}, "NORTH", "LOTSE", false, ""},
		{store.Sender{Caller: caller("", "south")}, "LOTSE", "LOTSE", true, "south"},
	} {
		c.row.Tenant = "second"
		rule, right, err := admission(&c.row, c.called, c.own)
		if err != nil || right != c.right {
			t.Errorf("%+v called as %s: %v, %v", c.row, c.called, right, err)
		}
		want := receive.Rule{Name: "1", Tenant: "second", Site: c.site, CallingAE: "CT1", CalledAE: c.called, Subject: "ct1", Objects: true, Counted: true,
			Networks: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, ObjectBytes: 7, Associations: 2}
		if right && !reflect.DeepEqual(rule, want) {
			t.Errorf("%+v called as %s: %+v", c.row, c.called, rule)
		}
	}
	if _, _, err := admission(&store.Sender{Caller: store.Caller{Config: []byte("x")}}, "LOTSE", ""); err == nil {
		t.Error("a row that cannot be read lets somebody in")
	}
}
