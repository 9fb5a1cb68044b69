package trace

import (
	"encoding/json"
	"fmt"
	"os"
)

// Derive writes the small files of a recording that is made from another one into
// directory dir, which exists and has none of them: the description, the table of
// mapped files, whose ids count from 1, and the fingerprints.
func Derive(dir string, m Meta, files []File, sums []Fingerprint) error {
	if err := derive(dir, m, files, sums); err != nil {
		return fmt.Errorf("derive recording: %w", err)
	}
	return nil
}

func derive(dir string, m Meta, files []File, sums []Fingerprint) error {
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	if err := writeMeta(root, &m); err != nil {
		return err
	}
	var records [][]byte
	for i := range files {
		if files[i].ID != uint32(i+1) {
			return fmt.Errorf("file %d in the place of file %d", files[i].ID, i+1)
		}
		b, err := json.Marshal(&files[i])
		if err != nil {
			return err
		}
		records = append(records, b)
	}
	if err := writeStream(root, filesName, filesMagic, records); err != nil {
		return err
	}
	records = nil
	for i := range sums {
		records = append(records, sums[i].append(nil))
	}
	return writeStream(root, sumsName, sumsMagic, records)
}

// writeStream writes a whole side stream.
func writeStream(root *os.Root, name, magic string, records [][]byte) error {
	w, err := createStream(root, name, magic)
	if err != nil {
		return err
	}
	for _, b := range records {
		if err := w.add(b); err != nil {
			w.f.Close()
			return err
		}
	}
	return w.close()
}
