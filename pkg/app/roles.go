package app

// The roles of a worker.
const (
	RoleGateway           = "gateway"
	RoleClient            = "client"
	RolePersister         = "persister"
	RoleSync              = "sync"
	RoleFederationInbound = "federation-inbound"
)

// Roles are all roles.
var Roles = []string{RoleGateway, RoleClient, RolePersister, RoleSync, RoleFederationInbound}

// needs says what a role works with besides the lease manager, which every worker has.
var needs = map[string]struct {
	follower  bool // hears P
	announcer bool // stands for election as announcer
	signing   bool // needs the server's signing key
}{
	RoleGateway:           {follower: true},
	RoleClient:            {announcer: true, signing: true},
	RolePersister:         {announcer: true, signing: true},
	RoleSync:              {follower: true},
	RoleFederationInbound: {signing: true},
}
