package inspect

import (
	"fmt"
	"io"
	"text/tabwriter"

	"yore/engine"
)

// Images prints a line for each image of a recording. An image inside a slice has
// a + behind its event.
func Images(w io.Writer, list []engine.ImageInfo) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	fmt.Fprintln(tw, "IMAGE\tEVENT\tSECONDS\tMEMORY\tNEEDED")
	for _, x := range list {
		if x.Err != nil {
			fmt.Fprintf(tw, "%d\tunreadable: %s\n", x.ID, Printable(x.Err.Error()))
			continue
		}
		inside, needed := "", "-"
		if x.Inside {
			inside = "+"
		}
		if x.Needed {
			needed = "yes"
		}
		fmt.Fprintf(tw, "%d\t%d%s\t%.3f\t%s\t%s\n", x.ID, x.Event, inside, x.Time.Seconds(), Size(x.Bytes), needed)
	}
	return tw.Flush()
}
