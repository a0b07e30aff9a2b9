package plugin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/myelin-hs/myelin/api/v1alpha1"
	"github.com/myelin-hs/myelin/pkg/admin"
)

// parseShard understands a number, or the name of an EventPersisterShard: that of its homeserver, which is returned, and
// two digits, as in demo-07; also as kubectl get -o name prints it, eventpersistershard.myelin.dev/demo-07.
func parseShard(text string) (homeserver string, id int, err error) {
	number := text
	if kind, name, slash := strings.Cut(text, "/"); slash {
		if !slices.Contains(shardKinds, strings.TrimSuffix(kind, "."+v1alpha1.GroupVersion.Group)) || !strings.Contains(name, "-") {
			return "", 0, usageError(fmt.Errorf("%q is not a shard: give its number, or a name such as demo-07", text))
		}
		number = name
	}
	text = number
	if dash := strings.LastIndexByte(text, '-'); dash > 0 {
		homeserver, number = text[:dash], text[dash+1:]
	}
	if id, err = strconv.Atoi(number); err != nil || id < 0 {
		return "", 0, usageError(fmt.Errorf("%q is not a shard: give its number, or a name such as demo-07", text))
	}
	return homeserver, id, nil
}

// shardKinds are what kubectl calls a shard.
var shardKinds = []string{"eps", "eventpersistershard", "eventpersistershards"}

func findShard(id int, status admin.Status) (admin.Shard, error) {
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
