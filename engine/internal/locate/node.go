package locate

import (
	"context"

	"yore/engine/internal/replay"
)

// A node is a frozen process on the way to a point. Nodes form chains from
// younger to older, the oldest being the caller's base; what precedes a node is
// found from the next older one.
type node struct {
	r     *replay.Runner
	g     *rig // the rig that r is still armed with
	older *node
	// at is the node's point since older; when not known it is searched for.
	at    Coord
	known bool
	uses  int
	owned bool
}

func (n *node) retain() *node {
	n.uses++
	return n
}

func (n *node) release() {
	for n != nil {
		n.uses--
		if n.uses > 0 {
			return
		}
		if n.owned {
			n.r.Kill()
		}
		n = n.older
	}
}

// next returns a node of its own, younger than n, for the frozen runner r at
// coordinate at since n.
func (n *node) next(r *replay.Runner, at Coord) *node {
	return &node{r: r, older: n.retain(), at: at, known: true, uses: 1, owned: true}
}

// after returns a node for a fork that a trail left behind n.
func (n *node) after(g *rig) *node {
	return &node{r: g.r, g: g, older: n.retain(), uses: 1, owned: true}
}

// bare takes the node's rig off its process.
func (n *node) bare() error {
	if n.g == nil {
		return nil
	}
	g := n.g
	n.g = nil
	if err := g.strip(); err != nil {
		return err
	}
	return g.mend()
}

// place returns the node's point as a coordinate since the next older node.
func (n *node) place(ctx context.Context, l *Locator) (Coord, error) {
	if n.known {
		return n.at, nil
	}
	at, err := l.Find(ctx, n.older.r, n.r.Copy)
	if err == nil {
		n.at, n.known = at, true
	}
	return at, err
}
