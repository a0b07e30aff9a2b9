package certificate

import (
	"crypto/x509"
	"slices"
	"time"
)

// state is what the Secret holds.
type state struct {
	serving, next *pair // nil: there is none that is good
	trusted       []*x509.Certificate
}

// turn decides what becomes of the state now; reason is empty if nothing does. announced says whether the API server is
// told to trust a certificate, and create makes one.
func (s state) turn(names []string, now time.Time, announced func(*x509.Certificate) bool, create func() (*pair, error)) (_ state, reason string, err error) {
	if s.next != nil && !s.next.serves(names, now) {
		s.next = nil
	}
	s.trusted = slices.DeleteFunc(slices.Clone(s.trusted), func(c *x509.Certificate) bool { return !now.Before(c.NotAfter) })
	switch {
	case s.serving == nil || !s.serving.serves(names, now):
		reason = "there is no certificate that is good"
		s.serving, s.next = s.next, nil
		if s.serving == nil {
			s.serving, err = create()
		}
	case s.next == nil && now.Sub(made(s.serving.parsed)) >= Renew:
		reason = "two thirds of the certificate's life are over"
		s.next, err = create()
	case s.next != nil && now.Sub(made(s.next.parsed)) >= Announce && announced(s.next.parsed):
		reason = "the next certificate has been announced"
		s.serving, s.next = s.next, nil
	}
	if err != nil {
		return s, "", err
	}
	for _, p := range []*pair{s.serving, s.next} {
		if p != nil && !slices.ContainsFunc(s.trusted, p.parsed.Equal) {
			s.trusted = append(s.trusted, p.parsed)
		}
	}
	return s, reason, nil
}
