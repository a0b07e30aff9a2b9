package desired

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// ShardName is the name of a shard's EventPersisterShard, as in demo-07.
func ShardName(homeserver string, shard int32) string {
	return fmt.Sprintf("%s-%02d", homeserver, shard)
}

// Shard is the EventPersisterShard of one shard.
func Shard(h Homeserver, shard int32, o Owner) *v1alpha1.EventPersisterShard {
	yes := true
	return &v1alpha1.EventPersisterShard{
		TypeMeta: metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "EventPersisterShard"},
		ObjectMeta: metav1.ObjectMeta{
			Name: ShardName(h.Name, shard), Namespace: h.Namespace, Labels: managed(h.Name),
			OwnerReferences: []metav1.OwnerReference{{
				APIVersion: v1alpha1.GroupVersion.String(), Kind: o.Kind, Name: o.Name, UID: uid(o.UID),
				Controller: &yes, BlockOwnerDeletion: &yes,
			}},
		},
		Spec: v1alpha1.EventPersisterShardSpec{
			HomeserverRef: v1alpha1.LocalReference{Name: h.Name},
			Shard:         shard,
		},
	}
}
