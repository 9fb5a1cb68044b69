// Package report writes what is to be said of a recording in a bug report: as
// Markdown for a tracker, and as one HTML page that needs nothing else, with the
// timeline drawn in SVG.
//
// The package is pure: it is handed a Report and prints it. All texts of a Report may
// come from anybody and are escaped; the page loads nothing and runs nothing.
package report
