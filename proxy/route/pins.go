package route

// Pin is what a cookie says of the version that its client met. The zero Pin
// says nothing.
type Pin struct {
	Version int64 // a number that means what Pins of the same epoch say
	Epoch   int64 // of the rollout that it was given in; never 0
	Issued  int64 // when it was given, in unix seconds; 0: now
}

// Pins say which pins hold. Immutable once in a Table.
type Pins struct {
	// Epoch is that of the pins which hold: what puts traffic back begins another,
	// and every pin of the one before is void at once. Never 0.
	Epoch int64

	// Versions are by the number in a pin. Nil: that version has left.
	Versions []*Version

	// Since is when the present stage began, in unix seconds: clients that were
	// pinned before were drawn by other weights, and are no evidence of it.
	Since int64

	// Until is when the pins to other versions than stable end, in unix seconds,
	// because those are kept no longer. 0: not while the epoch lasts.
	Until int64
}

// Held returns the version that a pin keeps its client on; nil: none, the split
// decides. now is the wall time in unix seconds.
func (p *Pins) Held(pin Pin, stable *Version, now int64) *Version {
	if pin.Epoch != p.Epoch || pin.Version < 0 || pin.Version >= int64(len(p.Versions)) {
		return nil
	}
	v := p.Versions[pin.Version]
	if p.Until != 0 && now > p.Until && v != stable {
		return nil
	}
	return v
}

// Pin returns the pin to a version; zero if there can be none.
func (p *Pins) Pin(v *Version) Pin {
	for i, pinned := range p.Versions {
		if pinned == v {
			return Pin{Version: int64(i), Epoch: p.Epoch}
		}
	}
	return Pin{}
}

// Choose returns the version of a client's bucket and pin. Fresh says that the
// client was not pinned: it is by the pin that is returned, from now on. Old says
// that it was before the present stage began. Now is in unix seconds.
func (s *Service) Choose(bucket int, pin Pin, now int64) (v *Version, given Pin, fresh, old bool) {
	v = s.Versions[s.Split.Pick(bucket)]
	if s.Pins == nil {
		return v, Pin{}, false, false
	}
	if held := s.Pins.Held(pin, s.Versions[s.Stable], now); held != nil {
		return held, pin, false, pin.Issued < s.Pins.Since
	}
	return v, s.Pins.Pin(v), true, false
}
