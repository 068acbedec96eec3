package dimse

import (
	"context"
	"io"
	"testing"

	"lotse/test/peer"
)

// BenchmarkStore1000 sends 1,000 objects of 530 KB over one association per
// iteration.
func BenchmarkStore1000(b *testing.B) {
	b.Run("storescp", func(b *testing.B) {
		scp := peer.StoreSCP(b, "--ignore", "--fork")
		storeMany(b, scp.Addr(), scp.AET)
	})
	b.Run("storescp-pdu128K", func(b *testing.B) {
		scp := peer.StoreSCP(b, "--ignore", "--fork", "-pdu", "131072")
		storeMany(b, scp.Addr(), scp.AET)
	})
	b.Run("own-WriteTo", func(b *testing.B) {
		s := startSink(b, func(s *sink) { s.Store = swallow })
		storeMany(b, s.addr, "ANY")
	})
	b.Run("own-Read", func(b *testing.B) {
		s := startSink(b, func(s *sink) { s.Store = readAway })
		storeMany(b, s.addr, "ANY")
	})
}

// swallow takes the receive buffer as it is.
func swallow(_ context.Context, in StoreIndication) Status {
	if _, err := in.Data.(io.WriterTo).WriteTo(io.Discard); err != nil {
		return ProcessingFailure
	}
	return Success
}

// readAway copies through a buffer of its own.
func readAway(_ context.Context, in StoreIndication) Status {
	buf := make([]byte, 32<<10)
	for {
		switch _, err := in.Data.Read(buf); err {
		case nil:
		case io.EOF:
			return Success
		default:
			return ProcessingFailure
		}
	}
}

func storeMany(b *testing.B, addr, called string) {
	o := newObject(1, 530_000, ExplicitVRLittleEndian)
	a := dial(b, addr, called, Config{}, o)
	const count = 1000
	b.SetBytes(int64(count * len(o.data)))
	b.ReportAllocs()
	for b.Loop() {
		for range count {
			store(b, a, o)
		}
	}
}
