package configs

// Kind is what a document describes.
type Kind string

// Kinds of documents.
const (
	KindNode      Kind = "Node"
	KindService   Kind = "Service"
	KindRollout   Kind = "Rollout"
	KindNotifier  Kind = "Notifier"
	KindFreeze    Kind = "Freeze"
	KindFlag      Kind = "Flag"
	KindRelease   Kind = "Release"
	KindMigration Kind = "Migration"
)

// Value is what a document holds: a pointer to its Node, Service, Rollout and so on.
type Value interface {
	// Validate returns all problems that can be seen without other documents. Paths
	// are canonical and without places: Document.Locate adds them.
	Validate() Problems
}

// kindRow is how documents of one kind are made and read.
type kindRow struct {
	kind Kind
	make func(d *Document) Value // what d is to hold from now on, empty
	held func(d *Document) Value // nil: d is of another kind
	name func(d *Document) string
}

// kinds are all of them, in the order in which they are named to people. A new
// kind is one row here, and its field in Document.
func kinds() []kindRow {
	return []kindRow{
		a(KindService, func(d *Document) **Service { return &d.Service }, func(v *Service) string { return v.Name }),
		a(KindRollout, func(d *Document) **Rollout { return &d.Rollout }, func(v *Rollout) string { return v.Service }),
		a(KindNode, func(d *Document) **Node { return &d.Node }, func(v *Node) string { return v.Name }),
		a(KindNotifier, func(d *Document) **Notifier { return &d.Notifier }, func(v *Notifier) string { return v.Name }),
		a(KindFreeze, func(d *Document) **Freeze { return &d.Freeze }, func(v *Freeze) string { return v.Name }),
		a(KindFlag, func(d *Document) **Flag { return &d.Flag }, func(v *Flag) string { return v.Name }),
		a(KindRelease, func(d *Document) **Release { return &d.Release }, (*Release).Name),
		a(KindMigration, func(d *Document) **Migration { return &d.Migration }, func(v *Migration) string { return v.Name }),
	}
}

// a is the kind whose values are in one field of Document.
func a[T any, P interface {
	*T
	Value
}](kind Kind, field func(*Document) *P, name func(P) string) kindRow {
	return kindRow{
		kind: kind,
		make: func(d *Document) Value {
			*field(d) = new(T)
			return *field(d)
		},
		held: func(d *Document) Value {
			if v := *field(d); v != nil {
				return v
			}
			return nil
		},
		name: func(d *Document) string { return name(*field(d)) },
	}
}

// row is that of the kind of d.
func (d *Document) row() (kindRow, bool) {
	for _, k := range kinds() {
		if k.held(d) != nil {
			return k, true
		}
	}
	return kindRow{}, false
}

// Kind says which pointer is set.
func (d *Document) Kind() Kind {
	k, _ := d.row()
	return k.kind
}

// Value is the pointer that is set; nil: none is.
func (d *Document) Value() Value {
	if k, ok := d.row(); ok {
		return k.held(d)
	}
	return nil
}

// Name is the document's own name. A Rollout has none: it gives its service's. A
// Release is named by application and version: shop/v1.5.0.
func (d *Document) Name() string {
	if k, ok := d.row(); ok {
		return k.name(d)
	}
	return ""
}

// kindFor is the kind whose documents hold a T.
func kindFor[T any]() Kind {
	for _, k := range kinds() {
		if _, ok := k.make(&Document{}).(any).(*T); ok {
			return k.kind
		}
	}
	return ""
}
