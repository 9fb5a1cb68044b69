package image

import (
	"encoding/binary"
	"testing"
)

// distinct fills p with pages that are all different, and from those of other
// seeds.
func distinct(p []byte, seed uint64) {
	for i := 0; i < len(p); i += 64 {
		binary.LittleEndian.PutUint64(p[i:], seed+uint64(i)*0x9E3779B97F4A7C15)
	}
}

func benchStore(b *testing.B) *Store {
	s, err := OpenStore(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

const benchBytes = 16 << 20

var benchState = &State{Regions: []Region{{Addr: 1 << 30, Len: benchBytes, Prot: 3, Flags: 2}}}

func addAll(b *testing.B, s *Store, p []byte) ID {
	w := s.NewWriter()
	for at := 0; at < len(p); at += 1 << 20 {
		if err := w.Add(1<<30+uint64(at), p[at:at+1<<20]); err != nil {
			b.Fatal(err)
		}
	}
	id, err := w.Close(benchState)
	if err != nil {
		b.Fatal(err)
	}
	return id
}

func BenchmarkAddNew(b *testing.B) {
	s := benchStore(b)
	p := make([]byte, benchBytes)
	b.SetBytes(benchBytes)
	for i := 0; b.Loop(); i++ {
		distinct(p, uint64(i)<<40)
		addAll(b, s, p)
	}
}

func BenchmarkAddKnown(b *testing.B) {
	s := benchStore(b)
	p := make([]byte, benchBytes)
	distinct(p, 1)
	b.SetBytes(benchBytes)
	for b.Loop() {
		addAll(b, s, p)
	}
}

func BenchmarkAddZero(b *testing.B) {
	s := benchStore(b)
	p := make([]byte, benchBytes)
	b.SetBytes(benchBytes)
	for b.Loop() {
		addAll(b, s, p)
	}
}

func BenchmarkOpen(b *testing.B) {
	s := benchStore(b)
	p := make([]byte, benchBytes)
	distinct(p, 1)
	id := addAll(b, s, p)
	for b.Loop() {
		im, err := Open(s.dir, id)
		if err != nil {
			b.Fatal(err)
		}
		im.Close()
	}
}

func BenchmarkVerify(b *testing.B) {
	s := benchStore(b)
	p := make([]byte, benchBytes)
	distinct(p, 1)
	im, err := Open(s.dir, addAll(b, s, p))
	if err != nil {
		b.Fatal(err)
	}
	defer im.Close()
	b.SetBytes(benchBytes)
	for b.Loop() {
		if err := im.Verify(); err != nil {
			b.Fatal(err)
		}
	}
}
