package store

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// TestBatchAdd: a batch gathered from several steps leaves what they leave one after the other.
func TestBatchAdd(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var before, one, many model
		var batch Batch
		for _, o := range drawOps(t, 20) {
			if o.batch == nil {
				continue
			}
			if rapid.IntRange(0, 3).Draw(t, "write") == 0 {
				before, batch = many, Batch{}
			}
			many = many.afterAppend(*o.batch)
			batch.Add(*o.batch)
			one = before.afterAppend(batch)
			// Steps without a write of their own are written with the others.
			one.commit, many.commit = one.hs.commit, one.hs.commit
			if diff := cmp.Diff(many, one, cmp.AllowUnexported(model{}, hardState{})); diff != "" {
				t.Fatalf("%v (-one by one +at once):\n%s", o, diff)
			}
			if _, err := checkBatch(before.hs, before.last, batch.plain(before.hs), batch.Start,
				batch.Entries); err != nil {
				t.Fatalf("%v: the batch is not lawful: %v", o, err)
			}
		}
	})
}

func (b Batch) plain(hs hardState) hardState {
	if b.HardState != nil {
		return plainHardState(b.HardState)
	}
	return hs
}
