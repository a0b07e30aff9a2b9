package schema

// A Set is a build with migrations of its own.
type Set = set

var (
	Load         = load
	MigrateWith  = (*set).migrate
	ContractWith = (*set).contractAll
	Migrations   = migrations
)
