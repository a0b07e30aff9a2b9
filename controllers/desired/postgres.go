package desired

import (
	"net"
	"net/url"
	"strconv"

	corev1ac "k8s.io/client-go/applyconfigurations/core/v1"

	"github.com/myelin-hs/myelin/api/v1alpha1"
)

// Postgres says how pods reach the database.
type Postgres struct {
	// Secret holds the URI. If it is nil, URI is one without user and password, which are in User and Password.
	Secret         *Key
	URI            string
	User, Password Key
	// CA holds the certificates that the database's is checked with; nil: the system's. caField of the spec names it.
	CA      *Key
	caField string
}

func postgresOf(p v1alpha1.Postgres) Postgres {
	var d Postgres
	d.CA, d.caField = authority("spec.postgres", p.CASecretRef, p.CAConfigMapRef)
	switch parts := p.Parts; {
	case p.SecretRef != nil:
		d.Secret = &Key{Secret: p.SecretRef.Name, Key: p.SecretRef.Key}
	case parts != nil:
		u := url.URL{
			Scheme: "postgres", Host: net.JoinHostPort(parts.Host, strconv.Itoa(int(parts.Port))), Path: "/" + parts.Database,
			RawQuery: url.Values{"sslmode": {string(parts.SSLMode)}}.Encode(),
		}
		c := parts.CredentialsSecretRef
		d.URI, d.User, d.Password = u.String(), Key{Secret: c.Name, Key: c.UsernameKey}, Key{Secret: c.Name, Key: c.PasswordKey}
	}
	return d
}

func (p Postgres) references() []Reference {
	var all []Reference
	if p.Secret != nil {
		all = append(all, Reference{"spec.postgres.secretRef", *p.Secret, Verified})
	} else {
		const field = "spec.postgres.parts.credentialsSecretRef"
		all = append(all, Reference{field, p.User, Verified}, Reference{field, p.Password, Verified})
	}
	if p.CA != nil {
		all = append(all, Reference{p.caField, *p.CA, Verified})
	}
	return all
}

func (p Postgres) files() []secretFile {
	var files []secretFile
	if p.Secret != nil {
		files = append(files, secretFile{"MYELIN_POSTGRES_URI_FILE", "postgres-uri", *p.Secret})
	} else {
		files = append(files,
			secretFile{"MYELIN_POSTGRES_USER_FILE", "postgres-user", p.User},
			secretFile{"MYELIN_POSTGRES_PASSWORD_FILE", "postgres-password", p.Password})
	}
	if p.CA != nil {
		files = append(files, secretFile{"PGSSLROOTCERT", "postgres-ca", *p.CA})
	}
	return files
}

// env is what the files do not say.
func (p Postgres) env() []*corev1ac.EnvVarApplyConfiguration {
	if p.Secret != nil {
		return nil
	}
	return []*corev1ac.EnvVarApplyConfiguration{value("MYELIN_POSTGRES_URI", p.URI)}
}
