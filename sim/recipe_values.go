package sim

import (
	"fmt"

	"github.com/vivariumdb/vivarium/linearizability"
	"github.com/vivariumdb/vivarium/wire"
)

// counter adds one to a number, by compare and set.
func (h *recipe) counter() {
	const path = "/counter"
	ledger := &h.c.w.ledger
	h.do(h.create(path, "0", 0))
	for {
		if h.c.r.chance(300) {
			h.do(ask(wire.OpSync, &wire.PathRequest{Path: path}))
		}
		got := h.do(h.read(wire.OpGetData, path, false))
		switch {
		case got.absent():
			h.do(h.create(path, "0", 0))
		case got.ok():
			n, version := number(got.res.Data), got.res.Stat.Version
			ledger.counted(h.c.w, n, version)
			ledger.counts.makes()
			a := h.do(h.set(path, fmt.Sprint(n+1), version))
			ledger.counts.made(h.c.w, n+1, &a)
		}
		h.think()
	}
}

// Of a bank, the accounts and what is in them all.
const (
	bankAccounts = 5
	bankEach     = 100
)

func bankAccount(i int) string { return fmt.Sprintf("/bank/a%d", i) }

// bank moves money between accounts, and looks whether it is all there.
func (h *recipe) bank() {
	h.foundBank()
	var all wire.MultiRequest
	for i := range bankAccounts {
		all.Ops = append(all.Ops, wire.MultiOp{Op: wire.OpGetData,
			Read: wire.PathWatchRequest{Path: bankAccount(i)}})
	}
	for {
		q := ask(wire.OpMultiRead, &all)
		list := []asked{q}
		if h.c.r.chance(300) {
			list = []asked{ask(wire.OpSync, &wire.PathRequest{Path: "/bank"}), q}
		}
		got := h.all(list...)
		last := &got[len(got)-1]
		switch {
		case !last.ok():
		case last.res.Parts[0].Stat == nil:
			h.c.w.ledger.noAccounts(h.c.w, last.res)
			h.foundBank()
		default:
			h.c.w.ledger.balance(h.c.w, last.res)
			h.transfer(last)
		}
		h.think()
	}
}

// foundBank opens all accounts at once.
func (h *recipe) foundBank() {
	open := func(path, data string) wire.MultiOp {
		return wire.MultiOp{Op: wire.OpCreate, Create: wire.CreateTTLRequest{Path: path,
			Data: []byte(data), ACL: wire.OpenACL()}}
	}
	m := wire.MultiRequest{Ops: []wire.MultiOp{open("/bank", "")}}
	for i := range bankAccounts {
		m.Ops = append(m.Ops, open(bankAccount(i), fmt.Sprint(bankEach)))
	}
	h.do(ask(wire.OpMulti, &m))
}

// transfer moves money from one account to another if both are as they were, several times in one
// pipeline now and then: of these only the first can succeed.
func (h *recipe) transfer(got *answer) {
	r := h.c.r
	var list []asked
	for range 1 + r.IntN(3)/2 {
		from, to := r.IntN(bankAccounts), r.IntN(bankAccounts)
		has := number(got.res.Parts[from].Data)
		if from == to || has <= 0 {
			continue
		}
		amount := r.between(1, has)
		put := func(i int, money int64) wire.MultiOp {
			return wire.MultiOp{Op: wire.OpSetData, SetData: wire.SetDataRequest{
				Path: bankAccount(i), Data: fmt.Append(nil, money),
				Version: got.res.Parts[i].Stat.Version}}
		}
		m := wire.MultiRequest{Ops: []wire.MultiOp{put(from, has-amount),
			put(to, number(got.res.Parts[to].Data)+amount)}}
		if r.chance(200) { // withdrawn, but never paid in
			m.Ops = append(m.Ops[:1], wire.MultiOp{Op: wire.OpCheck,
				Check: wire.CheckRequest{Path: "/bank/nobody", Version: -1}})
		}
		list = append(list, ask(wire.OpMulti, &m))
	}
	if len(list) == 0 {
		return
	}
	for _, a := range h.all(list...) {
		if a.ok() && len(a.res.Parts) == 2 && a.res.Parts[1].Op == linearizability.OpSetData {
			h.c.w.count.add(countTransfers)
		}
	}
}

// queue puts items and takes them. Each is taken once.
func (h *recipe) queue() {
	const dir = "/queue"
	ledger := &h.c.w.ledger
	h.do(h.create(dir, "", 0))
	for {
		a, names := h.children(dir, false)
		if a.absent() {
			h.do(h.create(dir, "", 0))
			continue
		}
		if !a.ok() || len(names) == 0 || len(names) < 40 && h.c.r.chance(550) {
			item := fmt.Sprintf("%d#%d", h.c.id, h.c.tag)
			ledger.items.puts(item)
			put := h.do(h.create(dir+"/i-", item, wire.FlagPersistentSequential))
			ledger.items.put(item, &put)
		} else {
			h.consume(dir, names)
		}
		h.think()
	}
}

// consume takes one of the first items: reads it and deletes it. Who deletes it has it.
func (h *recipe) consume(dir string, names []string) {
	path := dir + "/" + names[h.c.r.IntN(min(3, len(names)))]
	got := h.do(h.read(wire.OpGetData, path, false))
	if !got.ok() {
		return
	}
	items := &h.c.w.ledger.items
	items.takes(path)
	gone := h.do(h.remove(path))
	items.took(h.c.w, path, string(got.res.Data), &gone)
}
