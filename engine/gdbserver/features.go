package gdbserver

import (
	"fmt"
	"strings"
)

// This file prints the target description that gdb reads with
// qXfer:features:read. Each feature is an annex of its own, included from
// target.xml: gdb takes either form, some other clients only this one.

// featureTypes are the definitions that a feature's registers refer to. Only
// types that gdb has known for ten years are used.
var featureTypes = map[string]string{
	"org.gnu.gdb.i386.core": flagsXML("i386_eflags",
		"CF", "", "PF", "-", "AF", "-", "ZF", "SF", "TF", "IF", "DF", "OF", "-", "-", "NT", "-", "RF", "VM", "AC", "VIF", "VIP", "ID"),
	"org.gnu.gdb.i386.sse": vec128XML + flagsXML("i386_mxcsr",
		"IE", "DE", "ZE", "OE", "UE", "PE", "DAZ", "IM", "DM", "ZM", "OM", "UM", "PM", "-", "-", "FZ"),
	"org.gnu.gdb.i386.avx512": vec128XML + `<vector id="v2ui128" type="uint128" count="2"/>`,
}

// flagsXML defines a 4-byte flags type from the names of its bits, lowest
// first; "-" is a bit without a name.
func flagsXML(id string, bits ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<flags id="%s" size="4">`, id)
	for i, n := range bits {
		if n != "-" {
			fmt.Fprintf(&b, `<field name="%s" start="%d" end="%d"/>`, n, i, i)
		}
	}
	return b.String() + `</flags>`
}

const vec128XML = `<vector id="v4f" type="ieee_single" count="4"/>` +
	`<vector id="v2d" type="ieee_double" count="2"/>` +
	`<vector id="v16i8" type="int8" count="16"/>` +
	`<vector id="v8i16" type="int16" count="8"/>` +
	`<vector id="v4i32" type="int32" count="4"/>` +
	`<vector id="v2i64" type="int64" count="2"/>` +
	`<union id="vec128">` +
	`<field name="v4_float" type="v4f"/><field name="v2_double" type="v2d"/>` +
	`<field name="v16_int8" type="v16i8"/><field name="v8_int16" type="v8i16"/>` +
	`<field name="v4_int32" type="v4i32"/><field name="v2_int64" type="v2i64"/>` +
	`<field name="uint128" type="uint128"/></union>`

// annexes returns the files of the target description by name.
func (s *registerSet) annexes() map[string]string {
	files := make(map[string]string)
	var top strings.Builder
	top.WriteString(`<?xml version="1.0"?><!DOCTYPE target SYSTEM "gdb-target.dtd"><target>` +
		`<architecture>i386:x86-64</architecture><osabi>GNU/Linux</osabi>`)
	for _, f := range s.features {
		fmt.Fprintf(&top, `<xi:include href="%s"/>`, f.annex)
		files[f.annex] = f.xml()
	}
	files["target.xml"] = top.String() + `</target>`
	return files
}

func (f *feature) xml() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<?xml version="1.0"?><!DOCTYPE feature SYSTEM "gdb-target.dtd"><feature name="%s">%s`, f.name, featureTypes[f.name])
	for _, r := range f.regs {
		fmt.Fprintf(&b, `<reg name="%s" bitsize="%d" type="%s"`, r.name, 8*r.size, r.typ)
		if r.group != "" {
			fmt.Fprintf(&b, ` group="%s"`, r.group)
		}
		b.WriteString(`/>`)
	}
	b.WriteString(`</feature>`)
	return b.String()
}
