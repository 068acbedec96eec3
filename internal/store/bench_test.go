package store_test

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"lotse/internal/store"
	"lotse/internal/store/storetest"
)

func eachEngine(b *testing.B, f func(b *testing.B, p storetest.Place)) {
	b.Run("sqlite", func(b *testing.B) { f(b, storetest.SQLite(b)) })
	b.Run("postgresql", func(b *testing.B) { f(b, storetest.PostgreSQL(b)) })
}

// BenchmarkWrite is a small write transaction, by one and by eight writers.
func BenchmarkWrite(b *testing.B) {
	eachEngine(b, func(b *testing.B, p storetest.Place) {
		tenant := storetest.Tenant(b, p.Migrated(b))
		write := func() error {
			return tenant.Write(b.Context(), func(tx *store.Tx) error { return tx.AddSite(store.NewID(), store.NewID()) })
		}
		b.Run("one", func(b *testing.B) {
			for b.Loop() {
				if err := write(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
		})
		b.Run("eight", func(b *testing.B) {
			b.SetParallelism(4)
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if err := write(); err != nil {
						b.Error(err)
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
		})
	})
}

// BenchmarkRead is a small read transaction.
func BenchmarkRead(b *testing.B) {
	eachEngine(b, func(b *testing.B, p storetest.Place) {
		tenant := storetest.Tenant(b, p.Migrated(b))
		for b.Loop() {
			if err := tenant.Read(b.Context(), func(tx *store.Tx) error { _, err := tx.Sites(); return err }); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "tx/s")
	})
}

// BenchmarkJob is the life of a job without its work: enqueue (100 at a time),
// claim, complete.
func BenchmarkJob(b *testing.B) {
	eachEngine(b, func(b *testing.B, p storetest.Place) {
		db := p.Migrated(b)
		tenant := storetest.Tenant(b, db)
		for _, limit := range []int{1, 8} {
			b.Run(fmt.Sprintf("claim-%d", limit), func(b *testing.B) {
				enqueueJobs(b, tenant, b.N)
				var claims atomic.Int64
				b.ResetTimer()
				for left := b.N; left > 0; {
					jobs, _, err := db.System().Claim(b.Context(), "n", time.Minute, []store.Want{{Kind: "k", Limit: limit}})
					if err != nil || len(jobs) == 0 {
						b.Fatalf("%d jobs, %v", len(jobs), err)
					}
					claims.Add(1)
					left -= len(jobs)
					for _, job := range jobs {
						if err := tenant.Write(b.Context(), func(tx *store.Tx) error { return tx.CompleteJob(job) }); err != nil {
							b.Fatal(err)
						}
					}
				}
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "jobs/s")
			})
		}
	})
}

func enqueueJobs(b *testing.B, tenant *store.Tenant, n int) {
	b.Helper()
	for n > 0 {
		batch := min(n, 100)
		n -= batch
		err := tenant.Write(b.Context(), func(tx *store.Tx) error {
			for range batch {
				if _, _, err := tx.Enqueue(store.Job{Kind: "k"}); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}
