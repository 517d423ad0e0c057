package compile

// actions are all worlds that one step of one party leads to.
func (c *checker) actions(w world) []world {
	var all []world
	for n := range w.nodes {
		if w.nodes[n].up {
			all = append(all, c.watch(w, n)...)
			all = append(all, c.lead(w, n)...)
		}
	}
	for i := range w.pending {
		all = append(all, c.commit(w, i)...)
	}
	all = append(all, c.ask(w)...)
	return append(all, c.cut(w)...)
}

// watch delivers the next revision to a node.
func (c *checker) watch(w world, n int) []world {
	if w.nodes[n].view == w.log.last() {
		return nil
	}
	w.nodes[n].view++
	c.published(w, n)
	return []world{w}
}

// lead lets a node prepare what its view calls for. One with a cut of its own
// waits until it stands in etcd.
func (c *checker) lead(w world, n int) []world {
	me := w.nodes[n]
	s := w.log.at(me.view)
	if w.pending[n].open || me.cut && !s.cut {
		return nil
	}
	event := byTick
	if s.cut {
		event = byCut
	}
	next := c.step(s.pair, event)
	if next == s.pair {
		return nil
	}
	w.pending[n] = txn{open: true, base: me.view, after: next}
	return []world{w}
}

// ask lets the person ask the first node for the verb.
func (c *checker) ask(w world) []world {
	view := w.nodes[0].view
	pair := w.log.at(view).pair
	next := c.step(pair, byPerson)
	if w.wishes == 0 || w.pending[2].open || next == pair {
		return nil
	}
	w.wishes--
	w.pending[2] = txn{open: true, base: view, after: next}
	return []world{w}
}

// commit decides a transaction as etcd does.
func (c *checker) commit(w world, i int) []world {
	tx := w.pending[i]
	if !tx.open {
		return nil
	}
	w.pending[i] = txn{}
	now, base := w.log.at(w.log.last()), w.log.at(tx.base)
	before, current, after := c.pairs[base.pair], c.pairs[now.pair], c.pairs[tx.after]
	guarded := after.Raises(before) && before.Service.Rollout != ""
	if now.mod != base.mod && c.flaw != noCompareOfMods || guarded && now.cut && c.flaw != noCompareOfCuts {
		return []world{w}
	}
	more := after.Service.Weights["green"] > current.Service.Weights["green"] || after.Service.Stable == "green"
	if now.cut && more {
		c.fail(w, "a transaction gave the candidate %d in spite of a cut (%s)", after.Service.Weights["green"], after.Rollout.Phase)
	}
	w.log = w.log.with(snapshot{pair: tx.after, mod: w.log.last() + 1, cut: now.cut})
	return []world{w}
}

// cut is what the second node does about the bad candidate, step by step.
func (c *checker) cut(w world) []world {
	var all []world
	do := func(change func(*world, *node)) {
		next := w
		change(&next, &next.nodes[1])
		all = append(all, next)
	}
	b := w.nodes[1]
	if !b.up {
		do(func(w *world, b *node) {
			b.up, b.view, b.cut, b.put = true, b.copy, b.journal && c.flaw != journalForgotten, false
			c.published(*w, 1)
		})
		return all
	}
	s, last := w.log.at(b.view), w.log.at(w.log.last())
	if w.cuts > 0 && c.weight(s, b.cut) > 0 && c.pairs[s.pair].InForce() {
		do(func(w *world, b *node) { w.cuts--; b.cut = true; c.published(*w, 1) })
	}
	if b.cut && !b.journal {
		do(func(w *world, b *node) { b.journal = true; w.ever = true })
	}
	if b.journal && !b.put && !last.cut {
		do(func(w *world, b *node) {
			b.put = true
			w.log = w.log.with(snapshot{pair: last.pair, mod: last.mod, cut: true})
		})
	}
	if b.copy < b.view {
		do(func(_ *world, b *node) { b.copy = b.view })
	}
	over := !c.pairs[s.pair].Service.Counts(c.cutOf(c.pairs[s.pair]))
	if b.journal && over && (b.copy == b.view || c.flaw == forgetsEarly) {
		do(func(_ *world, b *node) { b.journal, b.cut = false, false })
	}
	if w.crashes > 0 {
		do(func(w *world, b *node) { w.crashes--; b.up, b.cut = false, false })
	}
	return all
}
