package engine

import (
	"debug/elf"
	"encoding/binary"
	"encoding/hex"
	"io"

	"yore/engine/internal/record"
)

// buildIDs returns the build-ids of the executables and libraries that the
// program mapped, by path.
func (k *recording) buildIDs() map[string]string {
	if k.rec == nil {
		return nil
	}
	return buildIDs(k.rec.Files().List())
}

func buildIDs(files []*record.File) map[string]string {
	out := map[string]string{}
	for _, f := range files {
		if !f.Code {
			continue
		}
		r, err := f.Open()
		if err != nil {
			continue
		}
		if id := buildID(r); id != "" {
			out[f.Path] = id
		}
		r.Close()
	}
	return out
}

// buildID reads an ELF file's build-id in hex, "" when it has none.
func buildID(r io.ReaderAt) string {
	f, err := elf.NewFile(r)
	if err != nil {
		return ""
	}
	const typeBuildID, maxNotes = 3, 1 << 16
	for _, p := range f.Progs {
		if p.Type != elf.PT_NOTE || p.Filesz > maxNotes {
			continue
		}
		b := make([]byte, p.Filesz)
		if _, err := io.ReadFull(p.Open(), b); err != nil {
			continue
		}
		for len(b) >= 12 {
			le := binary.LittleEndian
			name, desc, typ := int(le.Uint32(b)), int(le.Uint32(b[4:])), le.Uint32(b[8:])
			at := 12 + (name+3)&^3
			if name < 0 || desc < 0 || at < 12 || at > len(b) || desc > len(b)-at {
				break
			}
			if typ == typeBuildID && string(b[12:12+min(name, 4)]) == "GNU\x00" {
				return hex.EncodeToString(b[at : at+desc])
			}
			end := at + (desc+3)&^3
			if end > len(b) {
				break
			}
			b = b[end:]
		}
	}
	return ""
}
