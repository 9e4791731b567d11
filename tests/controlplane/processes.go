// Nothing in, no process left below this one. It never signals a process that is not a descendant.

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// endDescendants ends what runs below this process and returns when it is gone. Spared processes are not asked first: the servers have
// nothing to lose, and what the command left behind may still need them to end in order.
func endDescendants(spared map[int]bool, patience time.Duration) {
	signalAll := func(signal syscall.Signal, spared map[int]bool) (left int) {
		for _, process := range descendants() {
			if !spared[process] {
				_ = syscall.Kill(process, signal)
				left++
			}
		}
		return left
	}
	waitWhile := func(left func() int, patience time.Duration) {
		for deadline := time.Now().Add(patience); left() > 0 && time.Now().Before(deadline); {
			time.Sleep(10 * time.Millisecond)
		}
	}
	if signalAll(syscall.SIGTERM, spared) > 0 {
		// Signal 0 only counts.
		waitWhile(func() int { return signalAll(0, spared) }, patience)
	}
	waitWhile(func() int { return signalAll(syscall.SIGKILL, nil) }, patience)
}

// descendants lists the living processes below this one. It needs the attribute PR_SET_CHILD_SUBREAPER to see orphans.
func descendants() []int {
	files, _ := filepath.Glob("/proc/[0-9]*/stat")
	children := map[int][]int{}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		// The second field is a name in parentheses that may contain anything; state and parent follow it.
		fields := strings.Fields(string(content[bytes.LastIndexByte(content, ')')+1:]))
		process, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if len(fields) < 2 || fields[0] == "Z" {
			continue
		}
		parent, _ := strconv.Atoi(fields[1])
		children[parent] = append(children[parent], process)
	}
	found := children[os.Getpid()]
	for next := 0; next < len(found); next++ {
		found = append(found, children[found[next]]...)
	}
	return found
}
