package snapshot_test

import (
	"bytes"
	"fmt"

	"github.com/vivariumdb/vivarium/core"
	"github.com/vivariumdb/vivarium/server/snapshot"
)

// A State goes into a file and comes back the same, or not at all.
func Example() {
	var file bytes.Buffer
	if err := snapshot.Write(&file, core.NewState()); err != nil {
		fmt.Println(err)
	}
	whole := bytes.Clone(file.Bytes())
	state, err := snapshot.Read(&file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(state.NodeCount()-1, "znodes")

	whole[len(whole)-1] ^= 1
	_, err = snapshot.Read(bytes.NewReader(whole))
	fmt.Println(err != nil)
	// Output:
	// 4 znodes
	// true
}
