package plugin

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/myelin-hs/myelin/pkg/admin"
)

// findShard understands a number or the name of an EventPersisterShard, as in demo-07.
func findShard(text string, status admin.Status) (admin.Shard, error) {
	number := text[strings.LastIndexByte(text, '-')+1:]
	id, err := strconv.Atoi(number)
	if err != nil {
		return admin.Shard{}, usageError(fmt.Errorf("%q is not a shard: give its number, or a name such as demo-07", text))
	}
	for _, s := range status.Shards {
		if s.ID == id {
			return s, nil
		}
	}
	return admin.Shard{}, refusedError(fmt.Errorf("there is no shard %d", id))
}

// findWorker understands a worker's number or its pod's name. Dead workers are not found.
func findWorker(text string, status admin.Status) (admin.Worker, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	for i := len(status.Workers) - 1; i >= 0; i-- {
		w := status.Workers[i]
		if w.State != admin.StateDead && (w.Pod == text || err == nil && w.ID == id) {
			return w, nil
		}
	}
	return admin.Worker{}, refusedError(fmt.Errorf("there is no worker %q: give a pod's name or a worker's number from kubectl myelin status", text))
}
